"""What is remembered of what is over, for messages about it that come late; not for ever."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, TypeVar

REMEMBERED: Final = 4096
"""So many finished circuits, or requests of others, of each kind of what there is to know of them."""

K = TypeVar("K")
V = TypeVar("V")


def remember(memory: OrderedDict[K, V], key: K, value: V) -> None:
    """And forget what is oldest, if that is too much."""
    memory[key] = value
    if len(memory) > REMEMBERED:
        memory.popitem(last=False)
