"""Messages about pairs and circuits that are over: ordinary, and without any effect."""

from __future__ import annotations

from random import Random
from typing import Final

import pytest

from qnode.ids import NodeName
from qnode.stack.effects import Tell
from qnode.wire.stack import (
    Announce,
    Busy,
    Close,
    Down,
    Expire,
    Found,
    Free,
    Granted,
    Joined,
    Refused,
    Seek,
    Settle,
    Setup,
    StackSpec,
    Talk,
    Track,
    Void,
    Wanted,
)
from tests.stack.harness import Member, World, chain, ring

ABOUT_PAIRS: Final = (Track, Expire, Joined, Settle)


class Remembering(World):
    """It keeps what was said of pairs."""

    said: list[tuple[NodeName, str, Talk]]

    def send(self, sender: Member, peer: str, talk: Talk) -> None:
        if isinstance(talk, ABOUT_PAIRS):
            self.said.append((sender.name, peer, talk))
        super().send(sender, peer, talk)


def finished(swap: str, seed: int, *, breaks: bool) -> Remembering:
    """n0 and n4 have kept, n1 and n3 have read some pairs; swaps fail, halves are given up, perhaps a link breaks."""
    spec = StackSpec(swap, cutoff_ns=600, swap_success=0.7)
    world = Remembering(
        ring(6) if breaks else chain(5), {f"n{i}": 8 for i in range(6)}, seed, spec, repeats=ABOUT_PAIRS
    )
    world.said = []
    for node, peer, kind in (("n0", "n4", "keep"), ("n1", "n3", "measure")):
        for one, other in ((node, peer), (peer, node)):
            world.ask_at(Random(seed).randrange(300), one, other, "", 6, 4, kind)
    if breaks:
        world.schedule(1500, lambda: world.break_link(frozenset(("n2", "n3"))))
        world.schedule(2500, lambda: world.mend_link(frozenset(("n2", "n3"))))
    world.run()
    return world


@pytest.mark.parametrize("swap", ["asap", "sequential", "nested"])
@pytest.mark.parametrize("breaks", [False, True])
def test_what_is_said_again_of_what_is_over_changes_nothing(swap: str, breaks: bool) -> None:
    said: set[type] = set()
    for seed in range(10):
        world = finished(swap, seed, breaks=breaks)
        world.check()
        before = [(str(request), request.ended, tuple(request.pairs)) for request in world.requests]
        assert [ended for _, ended, _ in before] == ["served"] * 4
        for sender, receiver, talk in world.said:
            member = world.members[receiver]
            assert member is not None
            for _ in range(2):
                member.layer.heard(sender, talk)
                if isinstance(talk, Settle) and not talk.answer:  # the other end may not have got all of them
                    (answer,) = member.layer.out
                    assert isinstance(answer, Tell)
                    assert isinstance(answer.talk, Settle)
                    assert answer.talk.answer
                else:
                    assert member.layer.out == []
                member.layer.out.clear()
            said.add(type(talk))
        world.check()
        assert [(str(request), request.ended, tuple(request.pairs)) for request in world.requests] == before
    expected = {Track, Expire} | ({Joined} if swap == "nested" else set()) | ({Settle} if breaks else set())
    assert said == expected


@pytest.mark.parametrize(
    "kind", [Wanted, Void, Refused, Setup, Granted, Busy, Free, Close, Down, Announce, Seek, Found]
)
def test_what_is_said_of_requests_circuits_and_ways_may_come_twice(kind: type) -> None:
    """Memory is short, requests are withdrawn and do not match, a link breaks: the others end, and no slot is kept."""
    repeated: set[type] = set()
    for seed in range(8):
        spec = StackSpec(flood=kind not in (Seek, Found))
        world = World(ring(5), {f"n{i}": 4 for i in range(5)}, seed, spec, repeats=(kind,))
        rng = Random(seed)
        for node, peer in (("n0", "n2"), ("n1", "n3"), ("n4", "n1"), ("n0", "n3")):
            for one, other in ((node, peer), (peer, node)):
                world.ask_at(rng.randrange(300), one, other, "", 3, 2)
                world.ask_at(rng.randrange(300), one, other, "unlike", 1 + (one > other), 1)
                world.ask_at(rng.randrange(4000), one, other, "", 2, 2)
        world.schedule(600, lambda world=world: withdraw_last(world))  # type: ignore[misc]
        world.schedule(900, lambda world=world: world.break_link(frozenset(("n1", "n2"))))  # type: ignore[misc]
        world.run()
        world.check()
        for request in world.requests:
            assert request.ended or request.peer == "n0", request  # what was withdrawn at n0 leaves one there
            assert request.ended != "refused" or request.reason in ("RequestMismatch", "RequestOver"), request
        repeated |= world.repeated
    assert repeated == {kind}


def withdraw_last(world: World) -> None:
    (*_, last) = (one for one in world.requests if one.node == "n0" and not one.tag)
    member = world.members["n0"]
    assert member is not None
    member.withdraw(last)


@pytest.mark.parametrize("seed", range(12))
def test_a_node_that_says_late_that_it_is_free_still_hands_on_the_last_tracks(seed: int) -> None:
    """Its `Free` comes when the requester has what it wanted, and the other end has not yet."""
    world = World(chain(4), {f"n{i}": 4 for i in range(4)}, seed)
    world.ask_at(0, "n0", "n3", "", 1, 1)
    world.ask_at(200, "n3", "n0", "", 1, 1)
    requester = world.members["n0"]
    assert requester is not None

    def say_when_it_has(after_ns: int) -> None:
        if requester.requests and requester.requests[1].ended:
            for node in ("n1", "n2"):
                requester.call(requester.layer.heard, NodeName(node), Free("n0>n3#0"))
        else:
            world.schedule(world.now_ns + after_ns, lambda: say_when_it_has(after_ns))

    say_when_it_has(1)
    world.run()
    assert [request.ended for request in world.requests] == ["served"] * 2
    world.check()
