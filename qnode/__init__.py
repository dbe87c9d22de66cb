"""qnode: a quantum internet that you can run. Programs import from here; everything else is machinery."""

from __future__ import annotations

from qnode.api.node import Node
from qnode.api.qubit import Qubit
from qnode.quantum.bell import BellState, Pauli

__version__ = "0.1.0"

__all__ = ["BellState", "Node", "Pauli", "Qubit", "__version__"]
