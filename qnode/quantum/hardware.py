"""What a node is made of, in numbers: its memories, how long its operations take, and what goes wrong in them.

Everything is plain data that travels to the node and to the oracle alike. Times are nanoseconds. What is not given is
ideal: it never decays, takes no time, and never errs.
"""

from __future__ import annotations

from math import inf
from typing import Final, NamedTuple

NEVER: Final = inf
"""A T1 or T2 that is never noticed."""


class ErrorModel(NamedTuple):
    """What happens to the operands of an operation after it, beside the decay of their memories.

    Attributes:
        depolarise: Total probability of a Pauli that is not the identity, each of the 4**m - 1 alike.
        paulis: One probability for each non-identity Pauli string in the order of its digits I, X, Y, Z: three for one
            qubit (X, Y, Z), fifteen for two (IX, IY, IZ, XI, ..., ZZ). On other numbers of operands three of them act
            on every operand.
        kraus: Kraus operators as complex128 bytes, row by row, each of shape (2**m, 2**m). Those of one qubit act on
            every operand.
    """

    depolarise: float = 0.0
    paulis: tuple[float, ...] = ()
    kraus: tuple[bytes, ...] = ()

    @property
    def total(self) -> float:
        """Of all Paulis that are not the identity; what a Kraus operator does besides is left out."""
        return 1.0 - (1.0 - self.depolarise) * (1.0 - sum(self.paulis))

    def __bool__(self) -> bool:
        return bool(self.depolarise or any(self.paulis) or self.kraus)


NO_ERROR: Final = ErrorModel()


class Timing(NamedTuple):
    """An operation: how long it takes, and its error."""

    duration_ns: int = 0
    error: ErrorModel = NO_ERROR


class Slots(NamedTuple):
    """Memory slots of one kind. T2 <= 2 T1; a half that was stored for `cutoff_ns` is discarded (None: never)."""

    size: int = 0
    t1_ns: float = NEVER
    t2_ns: float = NEVER
    cutoff_ns: int | None = None


class Hardware(NamedTuple):
    """A node.

    Attributes:
        memory: Where qubits are kept; without `communication` slots, also where pairs arrive.
        communication: Where pairs arrive; count 0: there are none of their own.
        single, two, measure: Gates of one qubit, of two or more, and measurements (their error comes before).
        initialise: Of a new qubit and of a reset; its `error` is the probability of |1>, as `paulis` (p, 0, 0).
        move: From a slot of one kind into one of the other.
        p01, p10: Probability to read 0 though the truth is 1, and 1 though it is 0: reports only.
        gate_set: The names of the gates that there are; empty: all.
        parallel: How many operations the node can do at once; 0: any number.
    """

    memory: Slots = Slots(16)
    communication: Slots = Slots()
    single: Timing = Timing()
    two: Timing = Timing()
    measure: Timing = Timing()
    initialise: Timing = Timing()
    move: Timing = Timing()
    p01: float = 0.0
    p10: float = 0.0
    gate_set: tuple[str, ...] = ()
    parallel: int = 0

    @property
    def qubits(self) -> int:
        """How many it can hold."""
        return self.memory.size + self.communication.size


IDEAL: Final = Hardware()
