"""Batches that are measured at birth share their link with everybody else: closed forms against turns one by one."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.oracle.matching import Demand
from orchestrator.oracle.stints import Run, Stint, end_of_turn, ends_of, standing
from qnode.ids import NodeName
from qnode.quantum.noisy import Stretch
from qnode.wire.items import DirectOutcomes, Paired
from qnode.wire.messages import NEVER_NS
from qnode.wire.operations import Entangle, MeasureDirectly, Op, Withdraw
from qnode.wire.stack import STACK
from tests.oracle.cores import ALICE, BOB, Bench
from tests.physics.test_generation import chance, network

SHARES: Final = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 7)), min_size=1, max_size=5)


def turns_of(left: Sequence[int], turns: Sequence[int]) -> list[int]:
    """Who makes each attempt, one by one, and when a turn begins."""
    waiting, made = deque((nth, one) for nth, one in enumerate(left) if one), []
    while waiting:
        nth, one = waiting.popleft()
        made += [nth] * min(one, turns[nth])
        if one > turns[nth]:
            waiting.append((nth, one - turns[nth]))
    return made


@given(shares=SHARES)
def test_turns_end_as_if_they_were_gone_through(shares: list[tuple[int, int]]) -> None:
    left, turns = [one[0] for one in shares], [one[1] for one in shares]
    made = turns_of(left, turns)
    assert ends_of(left, turns) == [
        max((at + 1 for at, one in enumerate(made) if one == nth), default=0) for nth in range(len(left))
    ]
    for at in range(len(made) + 1):
        done, order = standing(left, turns, at)
        assert done == [made[:at].count(nth) for nth in range(len(left))]
        assert sorted(order) == [nth for nth in range(len(left)) if done[nth] < left[nth]]
        if order:
            assert order[0] == made[at]
        rest = [min(turns[nth] - done[nth] % turns[nth], left[nth] - done[nth]) for nth in order]
        assert made[at : at + sum(rest)] == [nth for nth, many in zip(order, rest, strict=True) for _ in range(many)]
        end, whose = end_of_turn(left, turns, at)
        assert whose == (made[at - 1] if at else None)
        assert end >= at
        assert len(set(made[max(0, at - 1) : end])) <= 1  # nobody else's begins before
        assert (
            end in (0, len(made))
            or made[end - 1] != made[end]
            or standing(left, turns, end)[0][made[end]] % turns[made[end]] == 0
        )


def run(n: int, last: float, request: int = 1) -> Run:
    first, second = (
        Demand(one, Entangle(request, "main", other, "", n, 0.0), "") for one, other in ((ALICE, BOB), (BOB, ALICE))
    )
    return Run(first, second, last, lambda last_ns: None)


def test_what_takes_for_ever_is_never_done() -> None:
    for last in (1e30, float("inf")):
        one = run(7, last)
        planned: list[int | None] = []
        one.planned = planned.append
        stint = Stint([one], 5, 1_000, whole=True)
        assert planned == [NEVER_NS]
        assert stint.end_ns == NEVER_NS
        assert stint.stop(10**9) == [one]
        assert one.left > 1e18


def test_attempts_that_are_not_made_disturb_nobody() -> None:
    """Those that had begun did, the one that is lost included."""
    for now_ns, in_turn, n in ((0, False, 1), (35, False, 4), (40, False, 5), (35, True, 6), (200, False, 12)):
        one = run(4, 11)
        stint = Stint([one], 0, 10, whole=True)
        stint.stretches = [Stretch(0, 0, 10, stint.attempts, 0.9)]
        stint.stop(now_ns, in_turn=in_turn)
        assert stint.stretches[0].n == n


# --- a link, attempt by attempt --------------------------------------------------------------------------------------

ATTEMPT_NS, BORN_NS, KNOWN_NS = 10, 20, 30


@dataclass(eq=False)
class Asked:
    """Pairs that are wanted, one after the other or as a batch."""

    at_ns: int
    batch: bool
    n: int
    priority: int
    known: list[int] = field(default_factory=list)


class Slowly:
    """A link whose every attempt succeeds: 10 ns for a pair of a batch, 30 until one that is kept is known."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.waiting: list[Asked] = []
        self.doing: Asked | None = None
        self.begun_ns = 0

    def end_ns(self) -> int:
        assert self.doing is not None
        return self.begun_ns + (ATTEMPT_NS if self.doing.batch else KNOWN_NS)

    def until(self, at_ns: int) -> None:
        """What is over by then is over."""
        while self.doing is not None and self.end_ns() <= at_ns:
            self.now_ns = self.end_ns()
            one, self.doing = self.doing, None
            one.n -= 1
            if not one.batch or not one.n:
                one.known.append(self.begun_ns + KNOWN_NS)
            if one.n:
                self.waiting.append(one)
            self.begin()
        self.now_ns = max(self.now_ns, at_ns)

    def begin(self) -> None:
        if self.doing is None and self.waiting:
            self.doing = max(self.waiting, key=lambda one: one.priority)  # the first of them
            self.waiting.remove(self.doing)
            self.begun_ns = self.now_ns

    def come(self, new: Asked) -> None:
        self.until(new.at_ns)
        doing = self.doing
        if doing is not None and doing.priority < new.priority and self.now_ns < self.begun_ns + BORN_NS:
            self.doing = None
            self.waiting.insert(0, doing)
        self.waiting.append(new)
        self.begin()


ASKED: Final = st.builds(
    Asked,
    at_ns=st.integers(0, 40).map(lambda at: 5 * at),
    batch=st.booleans(),
    n=st.integers(1, 8),
    priority=st.integers(0, 2),
)


def request(nth: int, one: Asked, peer: NodeName) -> Op:
    wanted = Entangle(nth + 1, "main", peer, str(nth), one.n, 0.0, one.priority)
    return MeasureDirectly(wanted, "z") if one.batch else wanted


class Shared:
    """The same with the oracle.

    Attributes:
        known: When pairs reach alice, by request; of a batch, all at once.
        broken: From when to when the link makes nothing.
    """

    def __init__(
        self, asked: Sequence[Asked], withdrawn: Mapping[int, int] | None = None, broken: tuple[int, int] | None = None
    ) -> None:
        self.known: list[list[int]] = [[] for _ in asked]
        self.bench = Bench(network(chance(1.0)))
        withdrawn, link = withdrawn or {}, (ALICE, BOB)
        operations = self.bench.core.operations
        if broken is not None:
            self.bench.core.time.appoint(broken[0], lambda: operations.cut_link(link))
            self.bench.core.time.appoint(broken[1], lambda: operations.mend_link(link))
        due = {one.at_ns for one in asked} | {*withdrawn.values()}
        while True:
            now_ns, ops = self.bench.core.time.now_ns, dict[NodeName, list[Op]]()
            for node, peer in (link, (BOB, ALICE)) if now_ns in due else ():
                ops[node] = [request(nth, one, peer) for nth, one in enumerate(asked) if one.at_ns == now_ns]
                ops[node] += [Withdraw(nth + 1) for nth, at_ns in withdrawn.items() if at_ns == now_ns]
            for item in self.bench.items(ALICE):
                if isinstance(item, Paired | DirectOutcomes):
                    self.known[item.request - 1].append(now_ns)
            due -= {now_ns}
            later = min(due, default=None)
            given = {node: some for node, some in ops.items() if some}
            self.bench.round(given, **({} if later is None else dict.fromkeys(link, later)))
            while self.bench.core.time.appointed_ns is not None and not self.bench.granted:
                self.bench.core.time.keep_appointment()
                self.bench.granted = self.bench.core.grants()
            if not self.bench.granted:
                return


def test_a_circuit_that_gives_up_what_was_not_begun_keeps_its_turn() -> None:
    """A batch is being made, and of two pairs that have their turn next one is given up: the other is made then."""
    bench = Bench(network(chance(1.0)))
    link = ((ALICE, BOB), (BOB, ALICE))
    bench.round({node: [request(0, Asked(0, True, 8, 0), peer)] for node, peer in link}, alice=5, bob=5)
    asked: dict[NodeName, list[Op]] = {
        node: [Entangle(nth, STACK, peer, "circuit", 1, 0.0) for nth in (2, 3)] for node, peer in link
    }
    asked[BOB].append(Withdraw(2))
    bench.round(asked)
    known = []
    while bench.granted:
        known += [
            (bench.core.time.now_ns, item.request)
            for item in bench.items(ALICE)
            if isinstance(item, Paired | DirectOutcomes)
        ]
        bench.round()
    assert known == [(10 + KNOWN_NS, 3), (10 + KNOWN_NS + 6 * ATTEMPT_NS + KNOWN_NS, 1)]


REQUESTS: Final = st.lists(ASKED, min_size=1, max_size=6).map(lambda asked: sorted(asked, key=lambda one: one.at_ns))


@given(asked=REQUESTS)
def test_a_link_is_shared_as_if_attempts_were_made_one_by_one(asked: list[Asked]) -> None:
    found = Shared(asked).known
    link = Slowly()
    for one in asked:
        link.come(one)
    link.until(10**6)
    assert found == [one.known for one in asked]


@given(
    asked=REQUESTS,
    patience=st.dictionaries(st.integers(0, 5), st.integers(0, 20).map(lambda at: 5 * at), max_size=3),
    breaks=st.none() | st.tuples(st.integers(0, 60), st.integers(1, 100)),
)
def test_whatever_is_given_up_or_breaks_the_others_are_served_one_after_the_other(
    asked: list[Asked], patience: dict[int, int], breaks: tuple[int, int] | None
) -> None:
    """Nobody gets anything twice, nothing is made at the same time as something else, and no time is lost for long."""
    withdrawn = {nth: asked[nth].at_ns + after for nth, after in patience.items() if nth < len(asked)}
    broken = None if breaks is None else (5 * breaks[0], 5 * sum(breaks))
    found = Shared(asked, withdrawn, broken).known
    work_ns, known = 0, []
    for nth, (one, at) in enumerate(zip(asked, found, strict=True)):
        most = 1 if one.batch else one.n
        assert len(at) <= most
        if nth not in withdrawn:
            assert len(at) == most
        work_ns += ATTEMPT_NS * one.n * len(at) if one.batch else KNOWN_NS * len(at)
        known += at
    if known:
        assert max(known) >= asked[0].at_ns + work_ns
        stood_ns = 0 if broken is None else broken[1] - broken[0]
        disturbed = len(asked) + len(withdrawn) + (broken is not None)
        all_ns = sum(ATTEMPT_NS * one.n if one.batch else KNOWN_NS * one.n for one in asked)
        assert max(known) <= asked[-1].at_ns + all_ns + stood_ns + KNOWN_NS * (1 + disturbed)


# --- the real clock, on which what is due soon is handed out, and stands --------------------------------------------

STEP_NS: Final = 10**7  # of wall time: an attempt, and from one look at what is due to the next


def handed_out(asked: Sequence[Asked]) -> list[list[int]]:
    """When pairs reach alice, by request, as she is told; attempts take a fifth of the time by which she is told."""
    bench = Bench(network(chance(1.0, STEP_NS), clock="real"))
    core, known = bench.core, list[list[int]]([] for _ in asked)
    for now_ns in range(0, 200 * STEP_NS, STEP_NS // 2):
        core.time.go_to(now_ns)
        for grant in core.scheduled_grants():
            for item in grant.items if grant.node == ALICE else ():
                assert isinstance(item, Paired | DirectOutcomes)
                known[item.request - 1].append(grant.now_ns)
        for nth, one in enumerate(asked):
            if one.at_ns * STEP_NS // 10 == now_ns:
                for node, peer in ((ALICE, BOB), (BOB, ALICE)):
                    core.report(bench.report(node, request(nth, one, peer)))
                    bench.execute()
    return known


@example(asked=[Asked(0, True, 8, 0), Asked(5, False, 8, 0), Asked(30, False, 2, 0)])
@example(asked=[Asked(0, True, 8, 0), Asked(5, False, 8, 0), Asked(30, False, 2, 1)])
@example(asked=[Asked(0, True, 2, 0), Asked(10, True, 8, 1), Asked(10, False, 8, 2)])
@given(asked=REQUESTS)
def test_on_the_real_clock_all_are_served_too_one_after_the_other(asked: list[Asked]) -> None:
    """Nothing is made at the same time as what was handed out, nor later than it has to."""
    found = handed_out(asked)
    assert [len(one) for one in found] == [1 if one.batch else one.n for one in asked]
    known, work_ns = sorted(at_ns for one in found for at_ns in one), STEP_NS * sum(one.n for one in asked)
    pairs = sorted(at_ns for one, at in zip(asked, found, strict=True) if not one.batch for at_ns in at)
    assert all(later - sooner >= STEP_NS for sooner, later in pairwise(pairs))
    first_ns, last_ns = (one.at_ns * STEP_NS // 10 for one in (asked[0], asked[-1]))
    assert known[-1] >= first_ns + work_ns - STEP_NS + KNOWN_NS
    assert known[-1] <= last_ns + work_ns + 5 * STEP_NS * len(asked)
