"""qnode: a quantum internet that you can run. Programs import from here; everything else is machinery."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qnode.api.node import Node
    from qnode.api.qubit import Qubit
    from qnode.quantum.bell import BellState, Pauli

__version__ = "0.1.0"

__all__ = ["BellState", "Node", "Pauli", "Qubit", "__version__"]

_HOMES = {
    "Node": "qnode.api.node",
    "Qubit": "qnode.api.qubit",
    "BellState": "qnode.quantum.bell",
    "Pauli": "qnode.quantum.bell",
}


def __getattr__(name: str) -> object:
    # Every module of ours imports this package, and a command that only reports a mistake needs neither NumPy nor Stim.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return found
