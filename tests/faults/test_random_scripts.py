"""Random programs under random scripts, in the core alone: what must be true is true after each round."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.oracle import invariants
from orchestrator.oracle.core import OracleCore
from orchestrator.oracle.events import Event
from orchestrator.oracle.losses import Loss
from orchestrator.oracle.network import build_core
from orchestrator.oracle.spec import LinkSpec, OracleSpec
from qnode.ids import NUMBERS_OF_A_LIFE, NodeName
from qnode.quantum.bell import PHI_PLUS
from qnode.quantum.pair_source import Herald, PairSource
from qnode.wire.faults import Fault, Trigger
from qnode.wire.items import Arrived, Back, Item, LinkDown, LinkUp, Lost, Paired
from qnode.wire.messages import Grant, Report, encode
from qnode.wire.operations import Apply, Discard, Entangle, Measure, MeasureDirectly, Op, Send, Transfer, Withdraw
from tests import tally
from tests.oracle.cores import NAMES, spec

LASTS_NS = 3_000
LINKS = (("alice", "bob"), ("bob", "carol"))
WAYS = [(one, other) for one in ("", *NAMES) for other in ("", *NAMES) if not one or one != other]

times = st.integers(0, LASTS_NS)
durations = st.none() | st.integers(1, 1_000)
triggers = st.none() | st.builds(
    Trigger, st.sampled_from(["deliver", "send", "receive", "generate", "node_lost", "fault"]), nth=st.integers(1, 3)
)
nodes = st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True).map(tuple)
ways = st.lists(st.sampled_from(WAYS), min_size=1, max_size=3).map(tuple)
links = st.lists(st.sampled_from(LINKS), min_size=1, max_size=2, unique=True).map(tuple)
by = st.integers(0, 300)
chances = st.floats(0, 1)
faults = st.one_of(
    st.builds(Fault, st.just("kill"), times, triggers, nodes=nodes, fresh=st.booleans()),
    st.builds(Fault, st.just("pause"), times, triggers, durations, nodes=nodes),
    st.builds(Fault, st.just("cut"), times, triggers, durations, ways=ways),
    st.builds(
        Fault,
        st.sampled_from(["slow", "lose", "duplicate", "reorder"]),
        times,
        triggers,
        durations,
        ways=ways,
        by_ns=by,
        probability=chances,
    ),
    st.builds(Fault, st.just("break"), times, triggers, durations, links=links),
    st.builds(Fault, st.just("heal"), times, triggers, nodes=nodes, ways=ways, links=links),
)
RHO = np.array([[1, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 1]], np.complex128) / 2
SOURCES = (
    PairSource((Herald(1.0, PHI_PLUS, RHO.tobytes()),), 20, (30, 30), (50, 60)),
    PairSource((Herald(0.3, PHI_PLUS, RHO.tobytes()),), 20, (30, 40), (70, 90), sequential=True),
)


DOINGS = ("pair", "pair", "send", "send", "measure", "transfer", "gate", "discard", "direct", "withdraw")


class Life:
    """What a node of the core does by chance: it goes by what it is granted alone."""

    def __init__(self, node: NodeName, incarnation: int, chance: Random) -> None:
        self.node = node
        self.incarnation = incarnation
        self.step = 0
        self.qubits: list[str] = []
        self.sent: Counter[str] = Counter()
        self.requests: list[int] = []
        self.heard: list[Item] = []
        self._numbered = 0
        self._chance = chance

    def report(self, grant: Grant) -> Report:
        """Its answer to a grant."""
        for item in grant.items:
            self.heard.append(item)
            if isinstance(item, Paired | Arrived):
                self.qubits.append(item.qubit)
        self.step += 1
        ops: list[Op] = [op for _ in range(self._chance.randrange(4)) if (op := self._op(grant.now_ns)) is not None]
        timer_ns = grant.now_ns + self._chance.randrange(1, 400)
        return Report(self.node, self.incarnation, self.step, timer_ns, None, 0, tuple(ops))

    def _op(self, now_ns: int) -> Op | None:
        peer = self._chance.choice([name for name in NAMES if name != self.node])
        what = self._chance.choice(
            ["pair", "pair", "send", "send", "measure", "transfer", "gate", "discard", "direct", "no"]
        )
        if what in ("pair", "direct"):
            self._numbered += 1
            self.requests.append(self._numbered)
            wanted = Entangle(self._numbered, "main", peer, "", self._chance.choice([1, 1, 2]), 0.0)
            return wanted if what == "pair" else MeasureDirectly(wanted, "z")
        if what == "send":
            number = self.incarnation * NUMBERS_OF_A_LIFE + self.sent[peer]
            self.sent[peer] += 1
            return Send("main", peer, "main", "", "", b"x", b"", 1, number)
        if what == "withdraw":
            return Withdraw(self._chance.choice(self.requests)) if self.requests else None
        if not self.qubits:
            return None
        if what == "gate":
            return Apply("h", (self._chance.choice(self.qubits),), (), now_ns)
        qubit = self.qubits.pop(self._chance.randrange(len(self.qubits)))
        if what == "transfer":
            return Transfer("main", qubit, peer, now_ns)
        if what == "discard":
            return Discard((qubit,), now_ns)
        self._numbered += 1
        return Measure(self._numbered, (qubit,), "z", False, now_ns, now_ns + self._chance.randrange(50))


class World:
    """A run of such nodes until a time; what happened, and what was granted."""

    def __init__(self, of: OracleSpec, seed: int, losing: Callable[[Random, OracleCore], Loss | None]) -> None:
        self.events: list[Event] = []
        self.granted = bytearray()
        self.wrong: list[str] = []
        self.core = build_core(of, self.events.append, None)
        self._chance = Random(seed)
        self._losing = losing
        self.lives = {node: Life(node, 0, self._chance) for node in NAMES}
        grants = self.core.first_grants()
        self._check()
        while self.core.outcome is None and grants:
            grants = self._round(grants)

    def _round(self, grants: dict[NodeName, Grant]) -> dict[NodeName, Grant]:
        for grant in grants.values():
            self.granted += encode(grant)
        loss = self._losing(self._chance, self.core)
        first = self._chance.random() < 0.5
        for node, grant in grants.items():
            if loss is not None and first and node == loss.node:
                continue  # it is gone before it could say anything
            if grant.step == 0 and self.lives[node].step:
                self.lives[node] = Life(node, self.core.lives.current[node], self._chance)
            report = self.lives[node].report(grant)
            assert self.core.check(report) is None
            self.core.report(report)
        if loss is not None:
            self.core.losing(loss)
        assert not self.core.time.awaited
        self.core.execute()
        self._check()
        following = self.core.grants()
        return following

    def _check(self) -> None:
        self.wrong += [f"at {self.core.time.now_ns} ns: {one}" for one in invariants.check(self.core)]


def never(chance: Random, core: OracleCore) -> Loss | None:
    return None


def now_and_then(chance: Random, core: OracleCore) -> Loss | None:
    """A process is gone at a random instant."""
    if chance.random() < 0.97:
        return None
    return Loss(chance.choice(NAMES), "gone", fresh=chance.random() < 0.7)


def described(script: list[Fault], seed: int, source: int, **more: Any) -> OracleSpec:
    links = tuple(LinkSpec(one, other, 50, source) for one, other in LINKS)
    return msgspec.structs.replace(
        spec(**more), seed=seed, links=links, sources=SOURCES, faults=tuple(script), until_ns=LASTS_NS
    )


def assert_conserved(world: World) -> None:
    """No message is there that nobody sent, none twice but by the script, and none before it could be."""
    sent = {event.message: event.t for event in world.events if event.event == "send"}
    copies = Counter(event.message for event in world.events if event.event == "duplicate")
    dropped = Counter(event.message for event in world.events if event.event == "drop")
    received = Counter(event.message for event in world.events if event.event == "receive")
    assert len(sent) == sum(event.event == "send" for event in world.events)
    for message, times in received.items():
        assert times <= 1 + copies[message] - dropped[message]
    for event in world.events:
        if event.event == "receive":
            hops = 2 if {event.node, event.peer} == {"alice", "carol"} else 1
            assert event.t >= sent[event.message] + 50 * hops


def assert_nobody_speaks_when_gone(world: World) -> None:
    gone: set[str] = set()
    for event in world.events:
        if event.event == "node_lost":
            assert event.node not in gone
            gone.add(event.node)
        elif event.event == "node_restarted":
            gone.discard(event.node)
        else:
            assert event.event in ("fault", "hold", "release") or event.node not in gone, event


def assert_told_in_time(world: World, detection_ns: int) -> None:
    """Who learns of a loss learns of it no sooner than a message could tell, and of the new life after it."""
    for life in world.lives.values():
        told: dict[str, bool] = {}
        for item in life.heard:
            if isinstance(item, Lost):
                assert not told.get(item.peer, False)
                told[item.peer] = True
            elif isinstance(item, Back):
                assert told[item.peer]
                told[item.peer] = False


def assert_links_told_in_turn(world: World) -> None:
    """A link that is broken is whole again before it breaks again."""
    for life in world.lives.values():
        broken: set[str] = set()
        for item in life.heard:
            if isinstance(item, LinkDown):
                assert item.peer not in broken
                broken.add(item.peer)
            elif isinstance(item, LinkUp):
                broken.remove(item.peer)


scripts = st.lists(faults, max_size=6)
seeds = st.integers(0, 10**6)


@settings(max_examples=150, deadline=None)
@given(scripts, seeds, st.sampled_from([-1, 0, 1]), st.sampled_from([0, 30, 400]), st.sampled_from([0, 10, 500]))
def test_invariants_hold_after_every_round_of_any_script(
    script: list[Fault], seed: int, source: int, detection_ns: int, restart_ns: int
) -> None:
    of = described(script, seed, source, detection_ns=detection_ns, restart_ns=restart_ns)
    world = World(of, seed, never)
    tally.count("faults of scripts", len(script))
    assert world.wrong == []
    assert_conserved(world)
    assert_nobody_speaks_when_gone(world)
    assert_told_in_time(world, detection_ns)
    assert_links_told_in_turn(world)
    again = World(of, seed, never)
    assert (again.events, again.granted) == (world.events, world.granted)


@settings(max_examples=100, deadline=None)
@given(scripts, seeds, st.sampled_from([-1, 1]), st.sampled_from([0, 400]), st.sampled_from([0, 500]))
def test_invariants_hold_when_processes_are_lost_besides(
    script: list[Fault], seed: int, source: int, detection_ns: int, restart_ns: int
) -> None:
    of = described(script, seed, source, detection_ns=detection_ns, restart_ns=restart_ns)
    world = World(of, seed, now_and_then)
    tally.count("faults of scripts", len(script))
    assert world.wrong == []
    assert_conserved(world)
    assert_nobody_speaks_when_gone(world)
    assert_told_in_time(world, detection_ns)
    assert_links_told_in_turn(world)
