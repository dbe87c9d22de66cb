"""All that an oracle's core knows, as plain values that can be compared: what a refused operation must leave alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, Final

import msgspec
import numpy as np

from orchestrator.oracle.core import OracleCore
from orchestrator.oracle.network import NetworkDelays
from orchestrator.oracle.pulses import _Link
from orchestrator.oracle.timekeeper import Delivery
from qnode.core.coins import Coins
from qnode.photons.hardware import PhotonLink
from qnode.quantum.component import Component
from qnode.quantum.hardware import Hardware
from qnode.quantum.noisy import Decay, Laboratory
from qnode.quantum.pair_source import PairSource
from qnode.quantum.register import Register
from qnode.wire.items import Failed

Portrait = dict[str, Any]

FIXED: Final = (NetworkDelays, Coins, PhotonLink, Hardware, Decay, PairSource)
"""Never changed by anything."""

CACHES: Final = frozenset({"_expected", "_receivers"})
OF_A_REFUSAL: Final = (
    ".operations.counts.refused",
    ".operations.counts.operations",
    ".operations.unheard",
    ".operations.usage._operations",
    ".operations.usage._instant_ns",
)


def portrait(core: OracleCore, liar: str) -> Portrait:
    """Everything but what a refusal adds: its count, and the error on its way to the liar."""
    found = dict(_walk("", core, set()))
    return {path: value for path, value in found.items() if not path.startswith(OF_A_REFUSAL)} | {
        ".time.deliveries": sorted(map(repr, _deliveries(core, liar)))
    }


def changes(one: Portrait, other: Portrait) -> list[str]:
    """Where two portraits differ."""
    return [path for path in sorted(one.keys() | other.keys()) if one.get(path) != other.get(path)]


def _deliveries(core: OracleCore, liar: str) -> Iterator[tuple[Any, ...]]:
    for at_ns, _, node, item in core.time._deliveries:
        if node != liar or not isinstance(item, Failed):
            yield at_ns, node, item


def _walk(path: str, value: Any, seen: set[int]) -> Iterator[tuple[str, Any]]:
    match value:
        case None | bool() | int() | float() | str() | bytes():
            yield path, value
        case Enum() | Coins() | NetworkDelays():
            yield path, type(value).__name__
        case msgspec.Struct():
            yield path, msgspec.msgpack.encode(value)
        case np.ndarray():
            yield path, (value.dtype.str, value.shape, value.tobytes())
        case np.random.Generator():
            yield path, repr(value.bit_generator.state)
        case Component():
            yield path, (value.formalism, tuple(sorted(value.places)), value.dump())
        case Register():
            yield from _walk(f"{path}.states", value._home, seen)
        case Laboratory():
            yield from _walk(f"{path}.attempts", value.attempts, seen)
        case _ if isinstance(value, FIXED) or callable(value):
            return
        case Mapping():
            known = {key: one for key, one in value.items() if not isinstance(one, _Link) or one.trains}
            yield path, sorted(map(repr, known))  # a link that has carried no light yet is as good as none
            for key, one in known.items():
                yield from _walk(f"{path}[{key!r}]", one, seen)
        case set() | frozenset():
            yield path, sorted(map(repr, value))
        case Delivery():
            return
        case list() | tuple() | deque():
            yield path, len(value) if not path.endswith("_deliveries") else None
            for nth, one in enumerate(value):
                yield from _walk(f"{path}[{nth}]", one, seen)
        case _:
            if id(value) in seen:
                return
            seen.add(id(value))
            for name, one in _attributes(value):
                if name not in CACHES and name != "_sequence":
                    yield from _walk(f"{path}.{name}", one, seen)


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    yield from getattr(value, "__dict__", {}).items()
    for kind in type(value).__mro__:
        for name in getattr(kind, "__slots__", ()):
            if hasattr(value, name):
                yield name, getattr(value, name)
