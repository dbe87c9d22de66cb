"""Small circuits as data, said once: protocols run them through a node, tests on a register or a dense matrix."""

from __future__ import annotations

from typing import Final, NamedTuple

from qnode.quantum.bell import BellState


class Step(NamedTuple):
    """One gate of a circuit: its name, and which of the circuit's qubits it acts on, in order."""

    gate: str
    qubits: tuple[int, ...]


BELL_PREPARATION: Final = (Step("h", (0,)), Step("cnot", (0, 1)))
"""From |00> to Phi+ (Nielsen & Chuang, section 1.3.6)."""

BELL_MEASUREMENT: Final = (Step("cnot", (0, 1)), Step("h", (0,)))
"""From the Bell basis to the computational one; then measure both and read `bell_outcome`."""


def bell_outcome(first: int, second: int) -> BellState:
    """The Bell state that was found, from the outcomes of qubits 0 and 1 after `BELL_MEASUREMENT`.

    Qubit 0 carries the phase, qubit 1 the parity (Nielsen & Chuang, section 1.3.7).
    """
    return BellState(z=first, x=second)
