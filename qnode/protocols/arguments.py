"""Arguments of protocols, looked at before anything is done with them: each error says what was given and is allowed.

A number that makes no sense would often make a run that looks as if it did: a basis that the code does not know is read
as another one, a program's angle is rounded, minus one round of distillation is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import Any, TypeVar

import numpy as np

from qnode import Node
from qnode.errors import InvalidOperation

T = TypeVar("T")


def number(what: str, given: Any, least: float, most: float = inf, *, whole: bool = False) -> None:
    """A number from the least to the most."""
    kind = (int, np.integer) if whole else (int, float, np.integer, np.floating)
    if not isinstance(given, kind) or isinstance(given, bool) or not least <= given <= most:
        wanted = f"a {'whole ' if whole else ''}number of {least:g}{f' to {most:g}' if most < inf else ' or more'}"
        raise InvalidOperation(detail=f"{what} must be {wanted}; got {given!r}")


def only_bits(what: str, given: Iterable[int]) -> None:
    """Nothing but 0 and 1."""
    wrong = [one for one in given if one not in (0, 1)]
    if wrong:
        raise InvalidOperation(detail=f"{what} must be 0 or 1 each; got {wrong[0]!r}")


def chosen(what: str, name: str, among: Mapping[str, T]) -> T:
    """What has this name."""
    if name not in among:
        raise InvalidOperation(detail=f"{what} must be one of {', '.join(map(repr, among))}; got {name!r}")
    return among[name]


def place_in(node: Node, nodes: Sequence[str], *, least: int = 1) -> int:
    """Which of the nodes, at least so many and each of them once, this one is."""
    if node.name not in nodes or len(set(nodes)) < max(len(nodes), least):
        wanted = f"{least} or more different nodes" if least > 1 else "different nodes"
        raise InvalidOperation(detail=f"these must be {wanted}, {node.name} among them; got {', '.join(nodes)}")
    return nodes.index(node.name)
