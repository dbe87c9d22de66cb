"""Faults that a script asks for: they are part of the experiment, and a run with them is as reproducible as any."""

from __future__ import annotations

import msgspec

Way = tuple[str, str]
"""From a node to a node; "" stands for any."""


class Trigger(msgspec.Struct, array_like=True, frozen=True):
    """The nth event of a kind in the event log; what is empty is left open."""

    event: str
    node: str = ""
    peer: str = ""
    program: str = ""
    name: str = ""
    channel: str = ""
    nth: int = 1


class Fault(msgspec.Struct, array_like=True, tag=147, frozen=True):
    """What is done to the network.

    Attributes:
        action: "kill", "pause", "cut", "slow", "lose", "duplicate", "reorder", "break" or "heal".
        at_ns: When: network time, or how long after `on`.
        on: What must happen first.
        for_ns: How long it lasts; None: until it is healed.
        nodes: Whom it concerns (kill, pause, heal).
        ways: Which classical messages it concerns (cut, slow, lose, duplicate, reorder, heal).
        links: Which quantum links it concerns, by their ends (break, heal).
        fresh: Whether a node that is killed begins again.
        by_ns: By how much messages are slower; how much later a copy, or a message that others overtake, may come.
        probability: Of each message, to be lost, duplicated or overtaken.
    """

    action: str
    at_ns: int = 0
    on: Trigger | None = None
    for_ns: int | None = None
    nodes: tuple[str, ...] = ()
    ways: tuple[Way, ...] = ()
    links: tuple[Way, ...] = ()
    fresh: bool = False
    by_ns: int = 0
    probability: float = 1.0
