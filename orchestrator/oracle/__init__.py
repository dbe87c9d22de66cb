"""The entanglement oracle: ledger, timekeeper, record, and the loop that serves them."""
