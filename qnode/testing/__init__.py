"""Assertions for tests of protocols, for users too: each says how often it is wrong, and what it would catch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from qnode.testing.distributions import assert_no_signalling, assert_same_distribution, detectable_difference
from qnode.testing.sequential import Sequential, sequential_frequency
from qnode.testing.statistics import (
    accepted_interval,
    assert_frequency,
    assert_independent,
    detectable,
    detectable_dependence,
    relative_entropy,
)

if TYPE_CHECKING:
    from qnode.testing.physics import assert_channel, assert_fidelity_at_least, detectable_fidelity

__all__ = [
    "assert_frequency",
    "assert_same_distribution",
    "assert_independent",
    "assert_no_signalling",
    "assert_fidelity_at_least",
    "assert_channel",
    "Sequential",
    "sequential_frequency",
    "accepted_interval",
    "detectable",
    "detectable_dependence",
    "detectable_difference",
    "detectable_fidelity",
    "relative_entropy",
]


def __getattr__(name: str) -> object:
    # Only states and channels need NumPy: who counts does not wait for it.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module("qnode.testing.physics"), name)
    return found
