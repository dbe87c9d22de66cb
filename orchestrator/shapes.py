"""Short ways to write much: name ranges (`r[000..997]`) and the links of chains, rings, stars, grids and so on. Pure.

A link is an edge: a pair of names, in the order in which the generator met them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations, pairwise, product
from typing import Final

Edge = tuple[str, str]

MOST_NAMES: Final = 100_000  # what one range may stand for; beyond it is a typing error, or a machine we do not have
_RANGE: Final = re.compile(r"\[([0-9]+)\.\.([0-9]+)\]")


class ShapeError(ValueError):
    """A range or a generator that makes no network; the sentence says why."""


def expand(pattern: str) -> tuple[str, ...]:
    """The names that a pattern stands for: `r[08..10]` is r08, r09, r10; a plain name is itself.

    Zeros in front are kept. Two ranges in one name (`g[0..2]_[0..3]`) make every combination, the last running fastest.
    """
    if "[" not in pattern:
        return (pattern,)
    literals, bounds = _RANGE.split(pattern)[::3], _RANGE.findall(pattern)
    ranges = [_numbers(pattern, first, last) for first, last in bounds]
    total = 1
    for numbers in ranges:
        total *= len(numbers)
    if total > MOST_NAMES:
        raise ShapeError(f"{pattern!r} stands for {total} names; at most {MOST_NAMES} are allowed")
    widths = map(_width, bounds)
    padded = [[str(n).zfill(width) for n in numbers] for numbers, width in zip(ranges, widths, strict=True)]
    return tuple(_interleave(literals, choice) for choice in product(*padded))


def turned_round(pattern: str) -> tuple[str, ...]:
    """What a pattern whose ranges count down was meant to stand for; nothing if that is no network either."""
    upwards = _RANGE.sub(lambda found: "[{}..{}]".format(*sorted(found.groups(), key=int)), pattern)
    try:
        return expand(upwards)
    except ShapeError:
        return ()


def expand_all(patterns: Sequence[str]) -> tuple[str, ...]:
    """The names of several patterns, one after another."""
    return tuple(name for pattern in patterns for name in expand(pattern))


def between(names: Sequence[str]) -> tuple[Edge, ...]:
    if len(names) != 2:
        raise ShapeError(f"`between` joins two nodes, not {len(names)}; a longer line of nodes is a `chain`")
    return ((names[0], names[1]),)


def chain(names: Sequence[str]) -> tuple[Edge, ...]:
    """A line, each node to the next."""
    _at_least("chain", names, 2)
    return tuple(pairwise(names))


def ring(names: Sequence[str]) -> tuple[Edge, ...]:
    """A line whose last node is joined to its first."""
    _at_least("ring", names, 3)
    return (*pairwise(names), (names[-1], names[0]))


def star(names: Sequence[str]) -> tuple[Edge, ...]:
    """The first node in the middle, joined to all the others."""
    _at_least("star", names, 2)
    return tuple((names[0], leaf) for leaf in names[1:])


def complete(names: Sequence[str]) -> tuple[Edge, ...]:
    """Everybody joined to everybody."""
    _at_least("complete", names, 2)
    return tuple(combinations(names, 2))


def grid(names: Sequence[str], columns: int) -> tuple[Edge, ...]:
    """Rows of so many columns, filled row by row; each node is joined to its right and its lower neighbour."""
    _at_least("grid", names, 2)
    if len(names) % columns:
        raise ShapeError(
            f"{len(names)} nodes do not fill a grid of {columns} columns: its last row would be incomplete"
        )
    right = [(names[i], names[i + 1]) for i in range(len(names) - 1) if (i + 1) % columns]
    down = [(names[i], names[i + columns]) for i in range(len(names) - columns)]
    return (*right, *down)


def tree(names: Sequence[str], branching: int) -> tuple[Edge, ...]:
    """The first node is the root, and every node has up to `branching` children, filled level by level."""
    _at_least("tree", names, 2)
    return tuple((names[(i - 1) // branching], names[i]) for i in range(1, len(names)))


def random_graph(names: Sequence[str], probability: float, seed: int) -> tuple[Edge, ...]:
    """Each pair of nodes joined with this probability, independently (Erdős-Rényi).

    A pair's coin belongs to the pair's names: adding a node leaves the links among the others as they were.
    """
    from qnode.core.coins import Coins, derive_key  # lazy: NumPy takes 0.1 s to import

    _at_least("random", names, 2)
    coins = Coins(derive_key(seed, "random links"))
    return tuple((a, b) for a, b in combinations(names, 2) if coins(f"{a}~{b}") < probability)


LISTED: Final[Mapping[str, Callable[[Sequence[str]], tuple[Edge, ...]]]] = {
    "between": between,
    "chain": chain,
    "ring": ring,
    "star": star,
    "complete": complete,
}


def _numbers(pattern: str, first: str, last: str) -> range:
    if int(last) < int(first):
        raise ShapeError(f"{pattern!r} counts down; write [{last}..{first}]")
    return range(int(first), int(last) + 1)


def _width(bounds: tuple[str, str]) -> int:
    padded = any(len(bound) > 1 and bound.startswith("0") for bound in bounds)
    return max(map(len, bounds)) if padded else 0


def _interleave(literals: Sequence[str], numbers: Sequence[str]) -> str:
    return "".join(part for pair in zip(literals, (*numbers, ""), strict=True) for part in pair)


def _at_least(shape: str, names: Sequence[str], least: int) -> None:
    if len(names) < least:
        raise ShapeError(f"a {shape} needs at least {least} nodes, not {len(names)}")
