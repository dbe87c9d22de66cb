"""How the pairs of a link come about, in numbers: what an attempt can herald, how often, and when.

Plain data that travels to the oracle. `qnode.quantum.sources` computes it from physical parameters.
"""

from __future__ import annotations

from typing import NamedTuple

from qnode.quantum.bell import BELL_STATES, PHI_PLUS, BellState


class Herald(NamedTuple):
    """One way in which an attempt can succeed.

    Attributes:
        probability: Of this outcome, in one attempt.
        frame: The Bell state that the outcome announces; one end turns it to Phi+ when its half is delivered.
        rho: The state of (end a, end b) at birth, before any correction, as complex128 bytes of shape (4, 4), row by
            row.
    """

    probability: float
    frame: BellState
    rho: bytes

    @property
    def fidelity(self) -> float:
        """To the Bell state that it announces, at birth."""
        return self.fidelity_to(self.frame)

    def fidelity_to(self, bell: BellState) -> float:
        """To any Bell state, at birth."""
        entries = memoryview(self.rho).cast("d")[::2]  # real parts: whoever only tells of a link needs no NumPy
        one, other = (1, 2) if bell.x else (0, 3)
        coherence = -entries[4 * one + other] if bell.z else entries[4 * one + other]
        return (entries[5 * one] + entries[5 * other]) / 2 + coherence


class PairSource(NamedTuple):
    """A link's source of pairs between its ends a and b.

    Attributes:
        heralds: The ways to succeed; their probabilities sum to that of an attempt. Empty: Phi+ whenever it is asked
            for.
        attempt_ns: From the beginning of an attempt to that of the next.
        born_ns: When each half begins to age, counted from the beginning of the attempt that succeeds.
        delivered_ns: When each end may use its half, counted likewise.
        sequential: Whether one attempt is made after the other; otherwise as many at once as are asked for.
        attempt_dephasing: Probability of a Z on every other qubit that a node stores, in each attempt.
    """

    heralds: tuple[Herald, ...] = ()
    attempt_ns: int = 0
    born_ns: tuple[int, int] = (0, 0)
    delivered_ns: tuple[int, int] = (0, 0)
    sequential: bool = False
    attempt_dephasing: float = 0.0

    @property
    def success_probability(self) -> float:
        """Of one attempt."""
        return sum(herald.probability for herald in self.heralds) if self.heralds else 1.0

    @property
    def vector(self) -> tuple[float, float, float, float]:
        """Probabilities of `BELL_STATES` at birth, corrected by what was heralded, averaged over what can be."""
        if not self.heralds:
            return (1.0, 0.0, 0.0, 0.0)
        total = self.success_probability
        one, two, three, four = (
            sum(one.probability * one.fidelity_to(one.frame ^ bell) for one in self.heralds) / total
            for bell in BELL_STATES
        )
        return one, two, three, four

    @property
    def turned(self) -> float:
        """The share of pairs that are heralded as another Bell state than Phi+, and take a gate to become that."""
        if not self.heralds:
            return 0.0
        return sum(one.probability for one in self.heralds if one.frame != PHI_PLUS) / self.success_probability


def perfect(delay_ns: int) -> PairSource:
    """Phi+ whenever it is asked for: born and delivered when light has come over the link."""
    return PairSource(attempt_ns=delay_ns, born_ns=(delay_ns, delay_ns), delivered_ns=(delay_ns, delay_ns))
