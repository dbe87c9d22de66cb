"""How long chains take: the distribution of the number of attempts, and times from what an event log says was made.

Pure. A chain of links 0, 1, ... has its repeaters 1, 2, ... between them; all links are equally long.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from math import log

import numpy as np
import numpy.typing as npt

from qnode.stack.repeaters import nested_ends

FALSE_ALARM = 1e-9
Probabilities = npt.NDArray[np.float64]
"""Of 0, 1, 2, ..., as far as they matter."""


# --- distributions ----------------------------------------------------------------------------------------------------


def attempts_of_all(p: float, n: int, most: int = 2000) -> Probabilities:
    """Of the number of attempts until n links, all trying at once, have each succeeded."""
    until = (1 - (1 - p) ** np.arange(most)) ** n
    return np.diff(until, prepend=0.0)


def attempts_of_two(p: float, *, cutoff: int, swap_success: float = 1.0, most: int = 2000) -> Probabilities:
    """The same for two links, if a pair that has waited `cutoff` attempts is discarded, and where swaps may fail.

    Step by step: how probable it is that nothing is there, or that one pair has waited for 0, 1, ... attempts.
    """
    q, nothing, waiting = 1 - p, 1.0, np.zeros(cutoff)
    done = np.zeros(most)
    for step in range(1, most):
        both = nothing * p * p + waiting.sum() * p
        waiting, discarded, one = waiting * q, waiting[-1] * q, nothing * 2 * p * q
        waiting = np.concatenate(([one], waiting[:-1]))
        nothing = nothing * q * q + discarded + both * (1 - swap_success)
        done[step] = both * swap_success
    return done


def attempts_apart(p: float, *, cutoff: int = 2000) -> Probabilities:
    """Of the attempts that the earlier of two pairs has waited for the later, of those that are kept."""
    weights = 2 * p * p * (1 - p) ** np.arange(cutoff + 1)
    weights[0] /= 2
    found: Probabilities = weights / weights.sum()
    return found


def assert_mean(
    found: Sequence[float], values: npt.ArrayLike, probabilities: Probabilities, *, false_alarm: float = FALSE_ALARM
) -> None:
    """Independent draws from a known distribution have its mean: a correct program fails with `false_alarm` at most.

    By Cramer's bound, P(mean of n >= a) <= exp(-n (t a - ln E exp(t X))) for each t > 0, and so below; whichever t of a
    list is best for the mean that was found, for the bound is monotonic in that.
    """
    x, mean = np.asarray(values, dtype=float), float(np.mean(found))
    spread = float(np.sqrt(probabilities @ x**2 - (probabilities @ x) ** 2))
    keep = probabilities > 0
    weights, x = np.log(probabilities[keep]), x[keep]
    evidence = 0.0
    for t in np.concatenate((-np.geomspace(3, 0.01, 60), np.geomspace(0.01, 3, 60))) / spread:
        top = float(np.max(weights + t * x))
        evidence = max(evidence, t * mean - top - log(float(np.exp(weights + t * x - top).sum())))
    assert len(found) * evidence <= log(2 / false_alarm), (mean, float(probabilities[keep] @ x))


# --- times ------------------------------------------------------------------------------------------------------------


def delivered_ns(policy: str, came_ns: Sequence[int], delay_ns: int) -> tuple[int, int]:
    """When the left and the right end get their halves, if the links' pairs came then. Gates take no time.

    News start at both ends, as their half comes, and wait at each repeater until it has swapped.
    """
    swapped_ns = _swapped_ns(policy, came_ns, delay_ns)
    return (
        _told_ns(came_ns[-1], reversed(swapped_ns), delay_ns),
        _told_ns(came_ns[0], swapped_ns, delay_ns),
    )


def _told_ns(at_ns: int, swapped_ns: Iterable[int], delay_ns: int) -> int:
    for each_ns in swapped_ns:
        at_ns = max(at_ns + delay_ns, each_ns)
    return at_ns + delay_ns


def _swapped_ns(policy: str, came_ns: Sequence[int], delay_ns: int) -> list[int]:
    both_ns = [max(pair) for pair in pairwise(came_ns)]
    match policy:
        case "sequential":
            return list(_in_sequence(came_ns[0], both_ns, delay_ns))
        case "nested":
            last = len(came_ns)

            def reaches_ns(left: int, right: int, to: int) -> int:
                """When the node at place `to` knows that a pair reaches from left to right: it is one of the two."""
                if right - left == 1:
                    return came_ns[left]
                middle = (left + right) // 2
                return joined_ns(middle) + abs(to - middle) * delay_ns

            def joined_ns(place: int) -> int:
                left, right = nested_ends(place, last)
                return max(reaches_ns(left, place, place), reaches_ns(place, right, place))

            return [joined_ns(place) for place in range(1, last)]
    return both_ns


def _in_sequence(came_ns: int, both_ns: Iterable[int], delay_ns: int) -> Iterator[int]:
    at_ns = came_ns
    for each_ns in both_ns:
        at_ns = max(at_ns + delay_ns, each_ns)
        yield at_ns
