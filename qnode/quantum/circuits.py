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


_CONJUGATE: Final = {"s": "sdg", "sdg": "s", "t": "tdg", "tdg": "t", "sx": "sxdg", "sxdg": "sx"}
"""Gates whose entries are not all real (up to a phase) and their complex conjugates."""


def conjugated(circuit: tuple[Step, ...]) -> tuple[Step, ...]:
    """U* for U: with U at one end and U* at the other, Phi+ stays as it is (up to a global phase)."""
    return tuple(Step(_CONJUGATE.get(gate, gate), qubits) for gate, qubits in circuit)


TWIRL: Final = tuple(
    tuple(Step(gate, (0,)) for gate in (*pauli, *cycle))
    for pauli in ((), ("x",), ("y",), ("z",))
    for cycle in ((), ("sdg", "h"), ("h", "s"))
)
"""Twelve rotations: one by chance at one end, and its conjugate at the other, make a Werner pair of any pair.

The Paulis leave a mixture of Bell states, and X -> Y -> Z -> X and its inverse make those that are not Phi+ alike
(Bennett et al., PRA 54 3824 (1996), appendix A, there for Psi-).
"""

BILATERAL_CNOT: Final = (Step("cnot", (0, 1)),)
"""At both ends, from the half of the control pair to that of the target pair; then measure the latter in Z."""

DEJMPS: Final = (Step("sx", (0,)), Step("sx", (1,)), *BILATERAL_CNOT)
"""At one end, conjugated at the other; sx is Rx(pi/2) up to a phase (Deutsch et al., PRL 77 2818 (1996))."""


def distillation(method: str, end: int, twirls: tuple[int, int] = (0, 0)) -> tuple[Step, ...]:
    """What an end does to its halves of the control pair (0) and of the target pair (1), which it then measures in Z.

    On equal outcomes the control pair is kept.

    Args:
        method: "dejmps", or "bbpssw": both pairs are twirled before.
        end: 0 or 1; they conjugate each other.
        twirls: For "bbpssw", places in `TWIRL`; both ends know them.
    """
    circuit: tuple[Step, ...] = DEJMPS
    if method == "bbpssw":
        turns = tuple(Step(step.gate, (half,)) for half in (0, 1) for step in TWIRL[twirls[half]])
        circuit = turns + BILATERAL_CNOT
    return conjugated(circuit) if end else circuit
