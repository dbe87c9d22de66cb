"""Grants that are too long for one frame: cut on one side, joined on the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from qnode.wire.items import Item
from qnode.wire.messages import MAX_FRAME_BYTES, Grant, encode

CUT_BYTES: Final = MAX_FRAME_BYTES // 2  # far enough from the limit that nobody need count the bytes around the items


def frames_of(grant: Grant, frame: bytes, cut_bytes: int = CUT_BYTES) -> tuple[bytes, ...]:
    """The frames of a grant, for one ZeroMQ message: all but the last say that there is more.

    Args:
        frame: The whole grant, encoded.
        cut_bytes: What the items of a frame may have together; an item that is longer travels alone.
    """
    if len(frame) <= cut_bytes:
        return (frame,)
    *first, last = _cut(grant.items, cut_bytes)
    parts = [msgspec.structs.replace(grant, items=items, more=True) for items in first]
    return tuple(map(encode, [*parts, msgspec.structs.replace(grant, items=last)]))


def joined(parts: Sequence[Grant]) -> Grant:
    """The whole grant again."""
    items = tuple(item for part in parts for item in part.items)
    return msgspec.structs.replace(parts[-1], items=items)


def _cut(items: Sequence[Item], cut_bytes: int) -> Iterator[tuple[Item, ...]]:
    part: list[Item] = []
    length = 0
    for item in items:
        item_bytes = len(encode(item))
        if part and length + item_bytes > cut_bytes:
            yield tuple(part)
            part, length = [], 0
        part.append(item)
        length += item_bytes
    yield tuple(part)
