"""A node whose stack lies: the others neither stumble nor believe it about others, and finish what they began."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qnode.errors import MalformedMessage, NoRoute, from_wire
from qnode.ids import NodeName
from qnode.stack.checking import check
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
    LinkFacts,
    LinkState,
    Missing,
    NodeFacts,
    Parity,
    Refused,
    Scheme,
    Seek,
    Settle,
    Setup,
    StackSpec,
    Talk,
    Track,
    Void,
    Wanted,
)
from tests.stack.harness import World, ring

FACTS: Final = NodeFacts(8, 1e9, 1e9)
ROUTE: Final = ("alice", "r1", "r2", "dave")
CIRCUIT: Final = "alice>dave#0"
ME: Final = NodeName("r1")
NUMBER: Final = 3  # of a request of ours, with bob
GOOD: Final[dict[str, tuple[str, Talk]]] = {
    "a setup": ("alice", Setup(CIRCUIT, ROUTE, 1, 1, 1, 1, 0, FACTS)),
    "a track": ("r2", Track(CIRCUIT, "r1~r2#0", -1, "r2~dave#0", 3, (1.0, 0.0, 0.0, 0.0), 0)),
    "a loss": ("alice", Expire(CIRCUIT, "alice~r1#0")),
    "a grant": ("r2", Granted(CIRCUIT, 1, FACTS)),
    "no memory": ("r2", Busy(CIRCUIT, "r2")),
    "an end": ("dave", Close(CIRCUIT)),
    "a search": ("alice", Seek("dave", 0, 1)),
    "an answer": ("dave", Found(0, 1, LinkState("dave", 0, 0, FACTS, ()))),
    "a break": ("r2", Down(CIRCUIT, "broken")),
}
LIES: Final[dict[str, tuple[str, Talk]]] = {
    "a setup of another": ("r2", Setup(CIRCUIT, ROUTE, 1, 1, 1, 1, 0, FACTS)),
    "a setup in another's name": ("alice", Setup("bob>dave#0", ROUTE, 1, 1, 1, 1, 0, FACTS)),
    "a route in a ring": ("alice", Setup(CIRCUIT, ("alice", "r1", "alice", "dave"), 1, 1, 1, 1, 0, FACTS)),
    "a route without us": ("alice", Setup(CIRCUIT, ("alice", "dave"), 1, 1, 1, 1, 0, FACTS)),
    "a route over no link": ("alice", Setup(CIRCUIT, ("alice", "r1", "dave"), 1, 1, 1, 1, 0, FACTS)),
    "a circuit without a window": ("alice", Setup(CIRCUIT, ROUTE, 1, 1, 1, 0, 0, FACTS)),
    "a track from afar": ("dave", Track(CIRCUIT, "r1~r2#0", -1, "r2~dave#0", 0, (1.0, 0.0, 0.0, 0.0), 0)),
    "a frame that is none": ("r2", Track(CIRCUIT, "r1~r2#0", -1, "r2~dave#0", 4, (1.0, 0.0, 0.0, 0.0), 0)),
    "a vector that is none": ("r2", Track(CIRCUIT, "r1~r2#0", -1, "r2~dave#0", 0, (float("nan"), 0.0, 0.0, 0.0), 0)),
    "a loss of others": ("mallory", Expire(CIRCUIT, "alice~r1#0")),
    "a join of others": ("mallory", Joined(CIRCUIT, "alice~r1#0", 3)),
    "a parity of others": ("mallory", Parity(CIRCUIT, 0, 1, 0)),
    "a grant of the previous node": ("alice", Granted(CIRCUIT, 1, FACTS)),
    "another's want of memory": ("dave", Busy(CIRCUIT, "r2")),
    "an end by a stranger": ("mallory", Close(CIRCUIT)),
    "a break by a stranger": ("mallory", Down(CIRCUIT, "broken")),
    "room at a stranger's": ("mallory", Free(CIRCUIT)),
    "a settlement with a repeater": ("dave", Settle(CIRCUIT, {})),
    "a request before all others": ("dave", Wanted(1, "main", "", 1, 0.5, 0, priority=1001)),
    "a request for nothing": ("dave", Wanted(1, "main", "", 0, 0.0, 0)),
    "a request for more than there is": ("dave", Wanted(1, "main", "", 1, 1.5, 0)),
    "an announcement from afar": ("dave", Announce(())),
    "a search from afar": ("dave", Seek("dave", 0, 1)),
    "an answer of another node": ("alice", Found(0, 1, LinkState("dave", 0, 0, FACTS, ()))),
    "an answer of a node that cannot be": ("dave", Found(0, 1, LinkState("dave", 0, 0, NodeFacts(-1, 1.0, 1.0), ()))),
    "the end of others' request": ("mallory", Void(7, NUMBER)),
    "a meeting with others' request": ("mallory", Wanted(7, "main", "", 1, 0.0, 0, met=NUMBER)),
    "a circuit for others' request": ("alice", Setup("alice>r1#0", ("alice", "r1"), 1, NUMBER, 1, 1, 0, FACTS)),
    "fewer schemes than links": ("alice", Setup(CIRCUIT, ROUTE, 1, 1, 1, 1, 0, FACTS, (Scheme(1),), (FACTS,))),
    "a scheme of endless steps": (
        "alice",
        Setup(CIRCUIT, ROUTE, 1, 1, 1, 1, 0, FACTS, (Scheme(10**9),) * 3, (FACTS,) * 4),
    ),
    "ends that distil nodes unknown": ("alice", Setup(CIRCUIT, ROUTE, 1, 1, 1, 1, 0, FACTS, ends=Scheme(1))),
    "a requester that keeps nothing": ("alice", Setup(CIRCUIT, ROUTE, 1, 1, 1, 1, 0, NodeFacts(8, 0.0, 1e9))),
    "a far end that keeps nothing": ("r2", Granted(CIRCUIT, 1, NodeFacts(8, 1e9, float("nan")))),
    "a grant of no window": ("r2", Granted(CIRCUIT, 0, FACTS)),
    **{
        f"a link {what}": ("alice", Announce((LinkState("alice", 0, 0, FACTS, (link,)),)))
        for what, link in {
            "that never succeeds": LinkFacts("r1", 1, 1, 0.0, 1),
            "of pairs of the future": LinkFacts("r1", 1, 1, 1.0, 1, aged_ns=(0, -1)),
            "to the past": LinkFacts("r1", -1, 1, 1.0, 1),
            "better than perfect": LinkFacts("r1", 1, 1, 1.0, 1, (2.0, 0.0, 0.0, 0.0)),
        }.items()
    },
}


def hear(sender: str, talk: Talk) -> None:
    check(talk, NodeName(sender), ME, {"alice", "r2"}, {CIRCUIT: ROUTE}.get, {NUMBER: NodeName("bob")}.get)


@pytest.mark.parametrize("what", GOOD)
def test_what_belongs_to_its_sender_passes(what: str) -> None:
    hear(*GOOD[what])


@pytest.mark.parametrize("what", LIES)
def test_what_does_not_is_refused_with_the_senders_name(what: str) -> None:
    sender, talk = LIES[what]
    with pytest.raises(MalformedMessage, match=f"the stack of {sender} sent"):
        hear(sender, talk)


def tell(world: World, at_ns: int, sender: str, receiver: str, talk: Talk) -> None:
    """A message of a stack that lies: as the shell does, whoever hears it goes on if it must not be."""

    def do() -> None:
        member = world.members[receiver]
        assert member is not None
        try:
            member.call(member.layer.heard, NodeName(sender), talk)
        except MalformedMessage:
            member.carry_out()

    world.schedule(at_ns, do)


BY_OTHERS: Final[dict[str, tuple[str, str, Talk]]] = {  # of the requests 1 and 2 of n1 and n3, which meet over n2
    "a stranger refuses": ("n5", "n1", Refused(1, "NoRoute", {})),
    "a stranger refuses the far end": ("n5", "n3", Refused(1, "NoRoute", {})),
    "a stranger refuses for its memory": ("n5", "n1", Refused(2, "WindowTaken", {})),
    "a repeater refuses the far end": ("n2", "n3", Refused(1, "NoRoute", {})),
    "who decides for itself ends it": ("n0", "n3", Void(1, 1)),
    "who does not decide ends it": ("n5", "n1", Void(1, 1)),
    "who decides for itself takes it": ("n0", "n3", Wanted(1, "main", "", 2, 0.0, 0, met=1)),
    "a neighbour takes it": ("n4", "n3", Setup("n4>n3#0", ("n4", "n3"), 1, 1, 2, 1, 0, FACTS)),
    "who asks for itself takes it": ("n0", "n1", Setup("n0>n1#0", ("n0", "n1"), 1, 1, 2, 1, 0, FACTS)),
    "a stranger grants": ("n5", "n1", Granted("n1>n3#0", 1, FACTS)),
    "too much is granted": ("n2", "n1", Granted("n1>n3#0", 99, FACTS)),
    "a stranger settles": ("n5", "n1", Settle("n1>n3#0", {}, answer=True)),
    "a stranger closes": ("n5", "n2", Close("n1>n3#0")),
    "a stranger breaks": ("n5", "n1", Down("n1>n3#0", "so it says")),
    "a stranger has no memory": ("n5", "n1", Busy("n1>n3#0", "n5")),
    "a stranger is free": ("n5", "n1", Free("n1>n3#0")),
    "a stranger tracks": ("n5", "n1", Track("n1>n3#0", "n1~n2#1", -1, "n2~n3#2", 1, (1.0, 0.0, 0.0, 0.0), 0)),
    "a stranger loses a half": ("n5", "n1", Expire("n1>n3#0", "n1~n2#1")),
}


@pytest.mark.parametrize("what", BY_OTHERS)
def test_nobody_refuses_ends_or_takes_what_others_asked_for(what: str) -> None:
    """At any time, with the numbers and the circuit that there are: requests that n1 and n3 make are served."""
    for at_ns in range(0, 1000, 90):
        world = World(ring(6), {f"n{i}": 16 for i in range(6)}, at_ns, StackSpec())
        for kind in ("keep", "measure"):
            for asked_ns, node, peer in ((0, "n1", "n3"), (250, "n3", "n1")):
                world.ask_at(asked_ns, node, peer, "", 2, 2, kind)
        tell(world, at_ns, *BY_OTHERS[what])
        world.run()
        assert [str(request) for request in world.requests if request.ended != "served"] == []
        world.check()


def test_an_error_whose_fields_cannot_be_is_an_error_all_the_same() -> None:
    assert type(from_wire("NoRoute", {"self": 1})) is NoRoute
    assert str(from_wire("WindowTaken", {"nonsense": "x"}))


def of(talk: Callable[..., Any], /, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(talk, **fields)


def mostly(real: list[Any], other: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.sampled_from(real) | other


# What there is, in most of them: who lies is n0, who decides what meets with everybody, or n5, who decides nothing.
ASKED: Final = {"n0": ("n1", "n3", "n2", "n4"), "n5": ("n0", "n2", "n1", "n3")}  # pairs of peers, not over the liar
names = st.sampled_from([f"n{i}" for i in range(6)])
circuits = mostly(
    [f"{one}>{other}#{k}" for one, other in (("n1", "n3"), ("n2", "n4"), ("n0", "n2")) for k in (0, 1)],
    st.builds("{}>{}#{}".format, names, names, st.integers(0, 2)),
)
pairs = st.builds("n{0[0]}~n{0[1]}#{1}".format, st.sampled_from([(0, 1), (1, 2), (2, 3), (3, 4)]), st.integers(1, 9))
whole = st.integers(-2, 5)
numbers = mostly([1, 2], whole)
attempts = st.integers(0, 3)
vectors = st.tuples(*[st.floats(allow_nan=True, allow_infinity=True)] * 4)
facts = st.just(FACTS)
talks = st.one_of(
    of(
        Wanted,
        number=numbers,
        program=st.just("main"),
        tag=st.just(""),
        n=mostly([2], whole),
        min_fidelity=mostly([0.0], st.floats()),
        at_ns=whole,
        kind=st.sampled_from(["keep", "measure", "nonsense"]),
        met=numbers,
        priority=st.sampled_from([0, 0, 0, 1, 2**63]),
    ),
    of(  # that has met what others wait for
        lambda met, kind: Wanted(7, "main", "", 2, 0.0, 0, kind, met),
        met=st.sampled_from([1, 2]),
        kind=st.sampled_from(["keep", "measure"]),
    ),
    of(Void, number=numbers, met=numbers),
    of(
        Refused,
        number=numbers,
        code=st.sampled_from(["NoRoute", "WindowTaken", "Nonsense"]),
        fields=st.sampled_from([{}, {"self": 1}, {"node": "n1"}]),
    ),
    of(  # of its own circuits, to one neighbour, or over it to the next
        lambda way, number, n, scheme: Setup(
            f"{way[0]}>{way[-1]}#0", way, 1, number, n, 1, 0, FACTS, (scheme,) * (len(way) - 1), (FACTS,) * len(way)
        ),
        way=st.sampled_from([("n0", "n1"), ("n0", "n1", "n2"), ("n5", "n4"), ("n5", "n0"), ("n5", "n0", "n1")]),
        number=numbers,
        n=st.sampled_from([1, 2]),
        scheme=st.sampled_from([Scheme(), Scheme(1), Scheme(10**9)]),
    ),
    of(
        Setup,
        circuit=circuits,
        route=st.lists(names, max_size=6).map(tuple),
        number=numbers,
        far_number=numbers,
        n=whole,
        window=st.integers(-1, 2),
        since_ns=whole,
        facts=facts,
        kind=st.sampled_from(["keep", "measure", "nonsense"]),
        priority=st.sampled_from([0, 1, -(2**63)]),
        attempt=attempts,
    ),
    of(Granted, circuit=circuits, window=whole, facts=facts),
    of(Busy, circuit=circuits, node=names, attempt=attempts),
    of(Free, circuit=circuits),
    of(Close, circuit=circuits),
    of(Down, circuit=circuits, reason=st.just("so it says")),
    of(
        Track,
        circuit=circuits,
        pair=pairs,
        number=whole,
        origin=pairs,
        frame=whole,
        vector=vectors,
        since_ns=whole,
    ),
    of(Expire, circuit=circuits, pair=pairs),
    of(Joined, circuit=circuits, pair=pairs, place=whole),
    of(Parity, circuit=circuits, control=whole, target=whole, bit=st.sampled_from([0, 1, None])),
    of(Missing, circuit=circuits, number=whole),
    of(
        Settle,
        circuit=circuits,
        answer=st.booleans(),
        pairs=st.dictionaries(whole, st.tuples(pairs, whole), max_size=3),
    ),
    of(Announce, states=st.just(())),
    of(Seek, source=names, life=whole, number=whole),
    of(Found, life=whole, number=whole, state=of(LinkState, node=names, life=whole, number=whole, facts=facts)),
)


@example(liar="n5", lies=[(87, "n0", Refused(1, "NoRoute", {}))], seed=1)
@settings(max_examples=100, deadline=None)
@given(
    liar=st.sampled_from(sorted(ASKED)),
    lies=st.lists(st.tuples(st.integers(0, 350) | st.integers(0, 900), names, talks), max_size=40),
    seed=st.integers(0, 2**32),
)
def test_the_others_finish_what_they_began(liar: str, lies: list[tuple[int, str, Talk]], seed: int) -> None:
    """One of a ring lies to everybody; requests of others that do not go over it are served."""
    world = World(ring(6), {f"n{i}": 400 for i in range(6)}, seed, StackSpec())  # enough for all that it asks for
    one, other, third, fourth = ASKED[liar]
    for node, peer in ((one, other), (other, one), (third, fourth), (fourth, third)):
        for kind in ("keep", "measure"):
            world.ask_at(Random(seed).randrange(300), node, peer, "", 2, 2, kind)
    for at_ns, receiver, talk in lies:
        if receiver != liar:
            tell(world, at_ns, liar, receiver, talk)
    world.run()
    assert [str(request) for request in world.requests if request.ended != "served"] == []
