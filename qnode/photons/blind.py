"""What detectors do after a click: they are blind for a while, and some clicks cause another one.

Both depend on which clicks there were before, so that a train can only be worked on in its order. Here it is done for
all clicks at once: possible clicks are laid out with what each would cause, and what cannot be is taken out until
nothing changes; each turn is right for at least one click more than the one before it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from qnode.photons.sampling import Places, Rng

Flags = npt.NDArray[np.bool_]


CHUNK: Final = 2**18  # gates that are worked on at a time: what could happen in them stays in the cache


class Recovery(NamedTuple):
    """What clicks have left behind: until when all is blind, and afterpulses to come, each with its detector's bit."""

    free_gate: int = 0
    pending_gates: Places = np.empty(0, np.int64)
    pending_masks: npt.NDArray[np.uint8] = np.empty(0, np.uint8)


def seen(gates: Places, blind: int, free: int = 0) -> Flags:
    """Which of some gates (ascending, all different) are not in the dead time of an earlier one that is seen.

    Args:
        blind: How many gates after a seen one are lost.
        free: Gates before this one are lost.
    """
    kept = np.zeros(len(gates), np.bool_)
    start = int(np.searchsorted(gates, free))
    rest = gates[start:]
    if not len(rest):
        return kept
    alone = np.empty(len(rest), np.bool_)  # far enough from the one before, seen or not: certainly seen
    alone[0] = True
    np.greater(np.diff(rest), blind, out=alone[1:])
    kept[start:] = alone
    if alone.all():
        return kept
    heads = np.flatnonzero(alone)
    jump = np.searchsorted(rest, rest + blind, side="right")  # from a seen one to the next that could be
    end = np.append(heads[1:], len(rest))[np.cumsum(alone) - 1]  # where the run of close ones ends
    np.copyto(jump, len(rest), where=jump >= end)
    jump = np.append(jump, len(rest))
    found = heads
    while True:  # from each known one by 1, 2, 4, ... jumps: twice as many are known after each turn
        further = jump[found]
        further = further[further < len(rest)]
        if not len(further):
            return kept
        kept[start + further] = True
        found = np.concatenate([found, further])
        jump = jump[jump]


def settle(
    gates: Places,
    masks: npt.NDArray[np.uint8],
    n: int,
    blind: int,
    afterpulse: float,
    mean_gates: float,
    before: Recovery,
    rng: Rng,
) -> tuple[Places, npt.NDArray[np.uint8], Recovery]:
    """The clicks that are told, and how the receiver is left.

    Args:
        gates, masks: Of light and dark, in which detectors; ascending.
        n: How many gates the train has.
        blind: Gates that both detectors are blind for after a click.
        afterpulse: Probability that a click causes one more in its detector.
        mean_gates: Mean of the exponential time after which it does; it comes in the next gate at the earliest.
    """
    if not afterpulse and not len(before.pending_gates):
        kept = seen(gates, blind, before.free_gate) if blind or before.free_gate else np.ones(len(gates), np.bool_)
        gates, masks = gates[kept], masks[kept]
        return gates, masks, Recovery(_free(gates, blind, before))
    told: list[tuple[Places, npt.NDArray[np.uint8]]] = []
    for start in range(0, n, CHUNK):
        end = min(start + CHUNK, n)
        part = slice(*np.searchsorted(gates, (start, end)))
        possible = _Possible(gates[part], masks[part], before, afterpulse, mean_gates, rng)
        gate, bit, kept = possible.resolve(blind, before.free_gate)
        later = gate >= end
        still = possible.caused(kept & ~later) & later
        seen_gates, seen_bits = gate[kept & ~later], bit[kept & ~later]
        first = np.flatnonzero(_changes(seen_gates)) if len(seen_gates) else np.empty(0, np.int64)
        together = np.bitwise_or.reduceat(seen_bits, first) if len(first) else seen_bits
        told.append((seen_gates[first], together))
        before = Recovery(_free(told[-1][0], blind, before), gate[still], bit[still])
    all_gates, all_masks = (np.concatenate(parts) for parts in zip(*told, strict=True))
    return all_gates, all_masks, before


def _free(gates: Places, blind: int, before: Recovery) -> int:
    return int(gates[-1]) + blind + 1 if len(gates) else before.free_gate


def _changes(ascending: Places) -> Flags:
    """Where a value is not that before it."""
    found = np.ones(len(ascending), np.bool_)
    np.not_equal(ascending[1:], ascending[:-1], out=found[1:])
    return found


class _Possible:
    """All clicks that there could be: each with its gate, its detector, and the one that would cause it (or none)."""

    def __init__(
        self,
        gates: Places,
        masks: npt.NDArray[np.uint8],
        before: Recovery,
        afterpulse: float,
        mean_gates: float,
        rng: Rng,
    ) -> None:
        zero, one = np.flatnonzero(masks & 1), np.flatnonzero(masks & 2)
        gate = np.concatenate([gates[zero], gates[one], before.pending_gates])
        bit = np.concatenate(
            [
                np.full(len(zero), 1, np.uint8),
                np.full(len(one), 2, np.uint8),
                before.pending_masks,
            ]
        )
        order = np.lexsort((bit, gate))
        gate, bit = gate[order], bit[order]
        generations = [(gate, bit, np.full(len(gate), -1))]
        first = 0
        while len(gate):  # who would cause another, and when
            causes = np.flatnonzero(rng.random(len(gate)) < afterpulse)
            after = np.ceil(rng.standard_exponential(len(causes)) * mean_gates).astype(np.int64)
            causing = causes + first
            first += len(gate)
            gate, bit = gate[causes] + np.maximum(after, 1), bit[causes]
            generations.append((gate, bit, causing))
        self._gate, self._bit, self._cause = (np.concatenate(parts) for parts in zip(*generations, strict=True))
        self._order = np.lexsort((self._bit, self._gate))

    def resolve(self, blind: int, free: int) -> tuple[Places, npt.NDArray[np.uint8], Flags]:
        """Gate and detector of all, in their order of time, and which of them happen."""
        order, cause = self._order, self._cause
        gate, bit = self._gate[order], self._bit[order]
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        causing = np.where(cause[order] < 0, -1, place[cause[order]])
        kept = np.ones(len(gate), np.bool_)
        while True:
            alive = np.flatnonzero((causing < 0) | kept[causing])
            alive = alive[_changes(2 * gate[alive] + bit[alive])]  # a detector clicks once in a gate
            first = _changes(gate[alive])
            there = seen(gate[alive[first]], blind, free)
            now = np.zeros(len(gate), np.bool_)
            now[alive[there[np.cumsum(first) - 1]]] = True
            if np.array_equal(now, kept):
                self._causing = causing
                return gate, bit, kept
            kept = now

    def caused(self, kept: Flags) -> Flags:
        """Which, in their order of time, nothing caused, or one of these did."""
        return (self._causing < 0) | kept[self._causing]
