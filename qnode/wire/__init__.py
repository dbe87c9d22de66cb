"""The messages between processes, and how they become bytes."""
