"""Messages that tell of ways through the network are lost: a request waits in vain, and the next one does not."""

from __future__ import annotations

from itertools import combinations
from typing import Final

import pytest

from qnode.ids import NodeName
from qnode.stack import recent
from qnode.stack.discovery import Discovery
from qnode.wire.stack import Announce, Close, Found, Seek, StackSpec, Talk
from tests.stack.flooding import FACTS, link
from tests.stack.harness import Edge, Member, World, chain, ring

GIVE_UP_NS: Final = 10_000


class Losing(World):
    """Those messages of routes are lost, as they are counted, until requests are given up; and of all others none."""

    lost: tuple[int, ...] = ()
    told = 0

    def send(self, sender: Member, peer: str, talk: Talk) -> None:
        if isinstance(talk, Announce | Seek | Found):
            self.told += 1
            if self.told - 1 in self.lost and self.now_ns < GIVE_UP_NS:
                return
        super().send(sender, peer, talk)


def asked_twice(edges: list[Edge], lost: tuple[int, ...], *, flood: bool) -> Losing:
    """n0 and n3 ask, give up where nothing comes, and ask again."""
    world = Losing(edges, {f"n{i}": 4 for i in range(len(edges) + 1)}, 7, StackSpec(flood=flood))
    world.lost = lost
    for at_ns in (0, 20_000):
        for node, peer in (("n0", "n3"), ("n3", "n0")):
            world.ask_at(at_ns, node, peer, "", 2, 2)

    def give_up() -> None:
        for request in world.requests:
            member = world.members[request.node]
            assert member is not None
            member.withdraw(request)

    world.schedule(GIVE_UP_NS, give_up)
    world.run()
    world.check()
    return world


@pytest.mark.parametrize("flood", [True, False])
@pytest.mark.parametrize("shape", [chain, ring])
def test_whatever_is_lost_of_ways_the_next_request_is_served(shape: type, flood: bool) -> None:
    edges = shape(4)
    count = asked_twice(edges, (), flood=flood).told
    in_vain = 0
    for lost in [*((nth,) for nth in range(count)), *combinations(range(count), 2)]:
        first, second = (
            [request.ended for request in world.requests[at : at + 2]]
            for world in [asked_twice(edges, lost, flood=flood)]
            for at in (0, 2)
        )
        in_vain += first != ["served", "served"]
        assert second == ["served", "served"], lost
    assert in_vain


class Closing(World):
    """One message that a circuit is over is lost, as they are counted."""

    lost = -1
    told = 0

    def send(self, sender: Member, peer: str, talk: Talk) -> None:
        if isinstance(talk, Close):
            self.told += 1
            if self.told - 1 == self.lost:
                return
        super().send(sender, peer, talk)


@pytest.mark.parametrize("who", ["n0", "n3"])
def test_a_circuit_that_one_end_has_closed_is_closed_by_the_other_too(who: str) -> None:
    """So that no repeater keeps slots for it, whichever node has not heard of it."""
    lost = told = 0
    while lost <= told:
        world = Closing(chain(4), {f"n{i}": 4 for i in range(4)}, 7)
        world.lost = lost
        for node, peer in (("n0", "n3"), ("n3", "n0")):
            world.ask_at(0, node, peer, "", 40, 1)

        def give_up(world: World = world) -> None:
            (request,) = [request for request in world.requests if request.node == who]
            member = world.members[who]
            assert member is not None
            member.withdraw(request)

        world.schedule(1500, give_up)
        world.run()
        for name in ("n1", "n2"):
            member = world.members[name]
            assert member is not None
            assert not member.layer.circuits, f"{name} keeps a circuit, as message {lost} of {world.told} is lost"
        lost, told = lost + 1, world.told
    assert told >= 3


def test_who_knows_everything_asks_nobody() -> None:
    world = asked_twice(chain(4), (), flood=True)
    told = world.told
    member = world.members["n0"]
    assert member is not None
    number = member.layer.ask("main", NodeName("n3"), "", 1, 0.0, 1)
    member.call(member.layer.withdraw, number)
    world.run()
    assert world.told == told


def test_of_those_who_seek_whoever_did_so_longest_ago_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "REMEMBERED", 5)
    ways = Discovery("n1", 0, FACTS, (link("n0"),))
    for nth in range(50):
        ways.heard("n0", Seek(f"far{nth}", 0, 1))
        ways.heard("n0", Seek("often", 0, nth))
    assert len(ways.take(0)) == 100  # all are answered
    assert list(ways._heard) == ["far46", "far47", "far48", "far49", "often"]
