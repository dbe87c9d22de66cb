"""What a program imports through `qnode`: Node and Qubit."""
