"""The state engine. Import its modules one by one: `qnode.quantum.bell` needs NumPy only, others Stim too."""
