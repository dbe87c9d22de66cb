"""How pairs come about in the oracle: waiting, whose turn it is, when halves are born and known, and what they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import pytest

from orchestrator.oracle.events import Event
from orchestrator.oracle.spec import LinkSpec, OracleSpec
from qnode.ids import NodeName, PairId, QubitId, half_id
from qnode.quantum import sources
from qnode.quantum.bell import BELL_STATES, PHI_PLUS, PSI_PLUS, BellState
from qnode.quantum.fidelity import fidelity
from qnode.quantum.hardware import IDEAL, ErrorModel, Hardware, Slots, Timing
from qnode.quantum.pair_source import Herald, PairSource, perfect
from qnode.quantum.register import Register
from qnode.testing import assert_same_distribution
from qnode.wire.items import Failed, Paired
from qnode.wire.messages import Report
from qnode.wire.operations import Adopt, Op, Withdraw
from tests.oracle.cores import ALICE, BOB, CAROL, NAMES, Bench, entangle, spec
from tests.physics.circuits import random_rho
from tests.physics.noise import EXACT, Paper

FALSE_ALARM: Final = 1e-9
PSI: Final = np.ascontiguousarray(np.outer(PSI_PLUS.ket(), PSI_PLUS.ket()), np.complex128).tobytes()


def chance(p: float, every_ns: int = 10, *, sequential: bool = True, dephasing: float = 0.0) -> PairSource:
    """Phi+ with a probability in each attempt; known 30 ns after the attempt's beginning, and born 20 ns after it."""
    phi = np.ascontiguousarray(np.outer(PHI_PLUS.ket(), PHI_PLUS.ket()), np.complex128).tobytes()
    return PairSource((Herald(p, PHI_PLUS, phi),), every_ns, (20, 20), (30, 30), sequential, dephasing)


def network(*links: PairSource, hardware: Sequence[Hardware] = (IDEAL,) * 3, **changes: Any) -> OracleSpec:
    """alice - bob - carol, or only the first link of them."""
    ends = ((ALICE, BOB), (BOB, CAROL))
    return spec(
        links=tuple(LinkSpec(*pair, 50, source=nth) for nth, pair in enumerate(ends[: len(links)])),
        sources=links,
        hardware=tuple(hardware),
        hardware_of={name: nth for nth, name in enumerate(NAMES)},
        **changes,
    )


def generated(bench: Bench) -> list[Event]:
    return bench.of_kind("generate")


def delivered(bench: Bench) -> list[tuple[int, NodeName, Paired]]:
    """Go on until nothing is left to deliver; every half, when it came and to whom."""
    found = []
    while bench.granted:
        for node in bench.granted:
            found += [(bench.core.time.now_ns, node, one) for one in bench.items(node) if isinstance(one, Paired)]
        bench.round()
    return found


# --- waiting ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.9, 0.3, 0.05])
def test_how_many_attempts_it_takes_is_geometric(p: float) -> None:
    """5,000 waits in ten bins, false alarm 1e-9; a true p of 0.33 in place of 0.3 is caught."""
    bench = Bench(network(chance(p, sequential=False)))
    bench.round({ALICE: [entangle(1, BOB, 5000)], BOB: [entangle(1, ALICE, 5000)]})
    waits = [event.n for event in generated(bench)]
    assert len(waits) == 5000
    edges = [1, 2, 3, 4, 6, 8, 12, 20, 40, 80]
    bins = [sum(k >= edge for edge in edges) for k in waits]
    above = [(1 - p) ** (edge - 1) for edge in edges] + [0.0]
    probabilities = {nth + 1: above[nth] - above[nth + 1] for nth in range(len(edges))}
    assert_same_distribution(bins, probabilities=probabilities, false_alarm=FALSE_ALARM)


def test_two_links_are_both_ready_after_the_larger_of_two_waits() -> None:
    """P(max <= t) = (1 - q^t)^2, mean (3 - 2p)/(p(2 - p)) (PHYSICS, section 6); 4,000 pairs of waits, 1e-9."""
    p = 0.25
    bench = Bench(network(*[chance(p, sequential=False)] * 2))
    ops = {
        ALICE: [entangle(1, BOB, 4000)],
        BOB: [entangle(1, ALICE, 4000), entangle(2, CAROL, 4000)],
        CAROL: [entangle(1, BOB, 4000)],
    }
    bench.round(ops)
    both = [[event.n for event in generated(bench) if end in (event.node, event.peer)] for end in (ALICE, CAROL)]
    longest = [max(waits) for waits in zip(*both, strict=True)]
    top = 25
    cdf = [(1 - (1 - p) ** t) ** 2 for t in range(top)] + [1.0]
    probabilities = {t: cdf[t] - cdf[t - 1] for t in range(1, top + 1)}
    assert sum(t * (cdf[t] - cdf[t - 1]) for t in range(1, top)) < (3 - 2 * p) / (p * (2 - p))
    assert_same_distribution([min(k, top) for k in longest], probabilities=probabilities, false_alarm=FALSE_ALARM)
    mean, expected = np.mean(longest), (3 - 2 * p) / (p * (2 - p))
    assert abs(mean - expected) < 6.2 * 4.2 / 4000**0.5  # standard deviation below 4.2: 1e-9 by the central limit


@pytest.mark.parametrize("p", [1e-6, 1e-12, 1e-300, 5e-324])
def test_hopeless_attempts_cost_nothing(p: float) -> None:
    bench = Bench(network(chance(p, 1000, dephasing=0.1)))
    bench.round({ALICE: [entangle(1, BOB)], BOB: [entangle(1, ALICE)]})
    (event,) = generated(bench)
    found = delivered(bench)
    if p > 1e-12:
        assert [at for at, *_ in found] == [(event.n - 1) * 1000 + 30] * 2
        assert event.n > 1e3
    elif p < 1e-100:
        assert found == []  # later than network time ever comes to
    assert bench.core.counts.steps <= 3


def test_pairs_of_a_request_come_one_after_the_other() -> None:
    """An attempt takes 10 ns and is known after 30, when the next one begins."""
    bench = Bench(network(chance(0.2)))
    bench.round({ALICE: [entangle(1, BOB, 6)], BOB: [entangle(1, ALICE, 6)]})
    found = delivered(bench)
    waits = [event.n for event in generated(bench)]
    due, at = [], 0
    for k in waits:
        at += (k - 1) * 10 + 30
        due += [at, at]
    assert [one[0] for one in found] == due
    assert [one[2].pair for one in found] == [f"alice~bob#{n}" for n in range(6) for _ in range(2)]
    assert bench.core.counts.pairs == 6


def test_a_long_attempt_is_over_before_the_next_begins() -> None:
    """Known to both before the attempt ends: the link is free only then."""
    bench = Bench(network(chance(1.0, every_ns=100)))
    bench.round({ALICE: [entangle(1, BOB, 3)], BOB: [entangle(1, ALICE, 3)]})
    assert [one[0] for one in delivered(bench)] == [30, 30, 130, 130, 230, 230]


def test_requests_share_a_link_in_turns() -> None:
    bench = Bench(network(chance(0.5)))
    asks = {
        node: [entangle(1, peer, 3, "x"), entangle(2, peer, 2, "y"), entangle(3, peer, 1, "z")]
        for node, peer in ((ALICE, BOB), (BOB, ALICE))
    }
    bench.round(asks)
    delivered(bench)
    assert [event.request for event in generated(bench)] == [1, 2, 3, 1, 2, 1]


def test_links_do_not_wait_for_each_other() -> None:
    bench = Bench(network(chance(1.0), chance(1.0)))
    bench.round({ALICE: [entangle(1, BOB)], BOB: [entangle(1, ALICE), entangle(2, CAROL)], CAROL: [entangle(1, BOB)]})
    assert [one[0] for one in delivered(bench)] == [30] * 4


def test_a_source_that_serves_everybody_at_once_does() -> None:
    bench = Bench(network(chance(1.0, sequential=False)))
    bench.round({ALICE: [entangle(1, BOB, 4)], BOB: [entangle(1, ALICE, 4)]})
    assert [one[0] for one in delivered(bench)] == [30] * 8


# --- what is delivered -----------------------------------------------------------------------------------------------

ARMS: Final = sources.Arms((3e-7, 8e-7), preparation_s=1e-7, bins_s=5e-8)


def _worse(bell: BellState) -> bytes:
    """A Bell state in white noise, the more of it the later it comes in the list."""
    noise = 0.1 + 0.05 * BELL_STATES.index(bell)
    rho = (1 - noise) * np.outer(bell.ket(), bell.ket().conj()) + noise * np.eye(4) / 4
    return np.ascontiguousarray(rho, np.complex128).tobytes()


MODELS: Final[dict[str, PairSource]] = {
    "perfect": perfect(700),
    "werner": sources.abstract(sources.werner_state(0.87), duration_ns=600),
    "bell diagonal": sources.abstract(
        sources.bell_diagonal_state((0.6, 0.1, 0.25, 0.05)), duration_ns=600, success_probability=0.4, sequential=True
    ),
    "any matrix": sources.abstract(random_rho(5), duration_ns=600),
    "single click": sources.single_click(ARMS, (0.3, 0.2), (0.1, 0.25), dark=0.01, phase_noise=0.3),
    "double click": sources.double_click(ARMS, (0.4, 0.2), dark=0.01, alike=sources.overlap(0.9)),
    "midpoint source": sources.midpoint_source(ARMS, (0.4, 0.2), 0.1, dark=1e-3),
    "every frame": PairSource(
        tuple(Herald(0.1, bell, _worse(bell)) for bell in BELL_STATES), 500, (100, 300), (900, 700), True
    ),
}

HARDWARE: Final = (
    Hardware(
        memory=Slots(4, 9e3, 5e3),
        communication=Slots(2, 6e3, 8e3),
        single=Timing(150, ErrorModel(0.02)),
    ),
    Hardware(
        memory=Slots(4, 5e3, 4e3),
        single=Timing(400, ErrorModel(paulis=(0.01, 0.0, 0.04))),
    ),
    IDEAL,
)
ARRIVAL: Final = (HARDWARE[0].communication, HARDWARE[1].memory)
GATE_OF: Final = {(0, 0): None, (0, 1): "x", (1, 0): "z", (1, 1): "y"}


def on_paper(source: PairSource, herald: Herald | None, corrects: int, at_ns: int, started_ns: int) -> float:
    """Fidelity of a pair at a time, or at the end of its correction if that is later; ends 0 (alice, a) and 1 (bob)."""
    names = (QubitId("a"), QubitId("b"))
    papers = [Paper(HARDWARE[end]) for end in (0, 1)]
    dense = papers[0].dense
    dense.create_pair(*names)
    if herald is not None:
        dense.rho = np.frombuffer(herald.rho, np.complex128).reshape(4, 4)
    for end, paper in enumerate(papers):
        paper.dense = dense
        paper.put(names[end], ARRIVAL[end], started_ns + source.born_ns[end])
    gate = GATE_OF[herald.frame] if herald is not None else None
    if gate is not None:
        papers[corrects].apply(gate, (names[corrects],), (), started_ns + source.delivered_ns[corrects])
    for end, paper in enumerate(papers):
        paper.age(names[end], at_ns)
    return fidelity(dense.reduced_state(names), PHI_PLUS.ket())


@pytest.mark.parametrize("tick_ns", [1, 1000])
@pytest.mark.parametrize("first", [ALICE, BOB])
@pytest.mark.parametrize("model", MODELS)
def test_the_fidelity_in_the_header_is_that_of_the_state_at_delivery(model: str, first: NodeName, tick_ns: int) -> None:
    """Both are what the other end's correction, its duration and error, and both memories make of what is heralded."""
    source = MODELS[model]
    bench = Bench(network(source, hardware=HARDWARE, formalism="density_matrix", tick_ns=tick_ns))
    other = BOB if first == ALICE else ALICE
    n = 6 if len(source.heralds) > 1 else 2
    asks: Mapping[NodeName, list[Op]] = {first: [entangle(1, other, n)], other: []}
    bench.round(asks, **{other: 1000})
    bench.round({other: [entangle(1, first, n)]})
    ledger, seen, frames = bench.core.operations.ledger, 0, set()
    corrects = 1 if first == ALICE else 0
    starts: dict[str, int] = {}
    while bench.granted:
        now = bench.core.time.now_ns
        for node in bench.granted:
            for item in bench.items(node):
                assert isinstance(item, Paired)
                halves = [half_id(PairId(item.pair), end) for end in (ALICE, BOB)]
                found = fidelity(ledger.noisy.seen_at(now).reduced_state(halves), PHI_PLUS.ket())
                assert item.fidelity == pytest.approx(found, abs=EXACT)
                (event,) = [one for one in generated(bench) if one.pair == item.pair]
                if item.pair not in starts:
                    begun = max(event.t, starts.get("free", 0))
                    starts[item.pair] = begun + (max(event.n, 1) - 1) * source.attempt_ns
                    starts["free"] = starts[item.pair] + source.attempt_ns if source.sequential else 0
                candidates = [
                    on_paper(source, herald, corrects, now, starts[item.pair]) for herald in source.heralds or (None,)
                ]
                off = np.abs(np.array(candidates) - found)
                assert off.min() < EXACT
                frames.add(int(off.argmin()))
                seen += 1
        bench.round()
    assert seen == 2 * n
    assert len(frames) > 1 or model != "every frame"  # of other models all heralds are worth the same


def test_what_is_heralded_is_corrected_at_the_end_that_asked_later() -> None:
    """One gate, in its own time: that end has its half when the gate is over."""
    source = PairSource((Herald(1.0, PSI_PLUS, PSI),), 100, (0, 0), (100, 100), True)
    bench = Bench(network(source, hardware=[Hardware(single=Timing(7)), Hardware(single=Timing(60)), IDEAL]))
    bench.round({BOB: [entangle(1, ALICE)], ALICE: []}, alice=5)
    bench.round({ALICE: [entangle(1, BOB)]})
    assert [(at, node) for at, node, _ in delivered(bench)] == [(105, BOB), (112, ALICE)]


def test_the_header_knows_nothing_of_attempts_for_others() -> None:
    """Those of the run, on whatever is stored, are no data of this link: it expects an undisturbed pair."""
    source = PairSource((Herald(0.2, PHI_PLUS, _white(0.9)),), 10, (0, 0), (100, 100), True, 0.25)
    bench = Bench(network(source, formalism="density_matrix"))
    bench.round({ALICE: [entangle(1, BOB, 3)], BOB: [entangle(1, ALICE, 3)]})
    found = delivered(bench)
    assert [one[2].fidelity for one in found] == pytest.approx([0.9] * 6)
    assert max(event.n for event in generated(bench)) > 1


def _white(f: float) -> bytes:
    return np.ascontiguousarray(sources.werner_state(f)).tobytes()


@pytest.mark.parametrize("first", [ALICE, BOB])
def test_a_mixed_state_is_turned_with_its_link_and_not_with_its_requests(first: NodeName) -> None:
    rho = random_rho(9)
    other = BOB if first == ALICE else ALICE
    bench = Bench(network(sources.abstract(rho, duration_ns=10), formalism="density_matrix"))
    bench.round({first: [entangle(1, other)], other: []}, **{other: 1})
    bench.round({other: [entangle(1, first)]})
    halves = [QubitId(f"alice~bob#0@{end}") for end in (ALICE, BOB)]
    found = bench.core.operations.ledger.noisy.seen_at(0).reduced_state(halves)
    np.testing.assert_allclose(found, rho, rtol=0, atol=EXACT)


# --- giving up -------------------------------------------------------------------------------------------------------


def waiting_for(source: PairSource, n: int = 1, **timers_ns: int) -> Bench:
    """Alice and bob have asked, and alice will run again at some time."""
    bench = Bench(network(source))
    bench.round({ALICE: [entangle(1, BOB, n)], BOB: [entangle(1, ALICE, n)]}, **timers_ns)
    return bench


def test_who_gives_up_before_birth_stops_the_attempts_and_the_peer_waits_for_the_next_request() -> None:
    bench = waiting_for(chance(1e-6), alice=100)
    assert list(bench.granted) == [ALICE]
    bench.round({ALICE: [Withdraw(1)]}, alice=200)
    ledger = bench.core.operations.ledger
    assert (ledger.owner, bench.core.counts.pairs) == ({}, 0)
    bench.round({ALICE: [entangle(2, BOB)]})
    (_, again) = generated(bench)
    assert (again.node, again.request, again.t) == (BOB, 1, 200)  # bob's was the earlier request
    at = 200 + (again.n - 1) * 10 + 30
    assert [(one, node, item.request) for one, node, item in delivered(bench)] == [(at, ALICE, 2), (at, BOB, 1)]
    assert bench.core.counts.pairs == 1


def test_what_was_given_up_is_redrawn() -> None:
    """Waits are memoryless: a new request is a new draw, by its pair's name."""
    bench = waiting_for(chance(1e-6), alice=100)
    bench.round({ALICE: [Withdraw(1), entangle(2, BOB)]})
    first, again = generated(bench)
    assert first.n != again.n
    assert first.pair != again.pair
    assert again.t == 100


def test_who_gives_up_after_birth_has_a_pair_that_is_discarded_at_that_end_only() -> None:
    bench = waiting_for(chance(1.0), alice=25)
    bench.round({ALICE: [Withdraw(1)]})
    assert [(at, node) for at, node, _ in delivered(bench)] == [(30, BOB)]
    assert set(bench.core.operations.ledger.owner.values()) == {BOB}


@pytest.mark.parametrize("at_ns", [15, 20, 25])
def test_both_give_up_at_once(at_ns: int) -> None:
    """Before birth, at it and after it: nothing is left, and the link serves others."""
    bench = waiting_for(chance(1.0), alice=at_ns, bob=at_ns)
    bench.round({ALICE: [Withdraw(1)], BOB: [Withdraw(1)]}, alice=50, bob=50)
    assert bench.core.operations.ledger.owner == {}
    assert len(bench.core.operations.matching) == 0
    while bench.core.time.now_ns < 50:
        assert not bench.items(ALICE) + bench.items(BOB)
        bench.round(alice=50, bob=50)
    bench.round({ALICE: [entangle(2, BOB)], BOB: [entangle(2, ALICE)]})
    assert [at for at, *_ in delivered(bench)] == [80, 80]


def test_who_gives_up_half_way_keeps_what_came_and_the_peer_waits_for_the_rest() -> None:
    bench = waiting_for(chance(1.0), 3, alice=45)
    found = []
    while ALICE not in bench.granted or bench.core.time.now_ns < 45:
        found += [item.pair for node in bench.granted for item in bench.items(node) if isinstance(item, Paired)]
        bench.round(alice=45)
    assert found == ["alice~bob#0"] * 2
    bench.round({ALICE: [Withdraw(1), entangle(2, BOB, 2)]})
    halves = delivered(bench)
    assert [(node, item.request) for _, node, item in halves] == [(ALICE, 2), (BOB, 1)] * 2
    assert [at for at, *_ in halves] == [75, 75, 105, 105]


def test_other_requests_on_the_link_go_on_when_one_is_given_up() -> None:
    bench = Bench(network(chance(1e-9)))
    asks = {node: [entangle(1, peer, 1, "x"), entangle(2, peer, 1, "y")] for node, peer in ((ALICE, BOB), (BOB, ALICE))}
    bench.round(asks, alice=100)
    bench.round({ALICE: [Withdraw(1)]})
    assert [(event.t, event.request) for event in generated(bench)] == [(0, 1), (100, 2)]


def test_attempts_of_another_link_go_on_when_one_is_given_up() -> None:
    """Both began at the same time, and dephase what bob stores: only those given up end."""
    bench = Bench(network(chance(1e-9, dephasing=0.1), chance(1e-9, dephasing=0.02), formalism="density_matrix"))
    register = Register("density_matrix")
    stored = QubitId("bob.0")
    register.create(stored)
    register.apply("h", (stored,))
    ops: dict[NodeName, list[Op]] = {
        ALICE: [entangle(1, BOB)],
        BOB: [Adopt(*register.export(stored), ((0, 0),)), entangle(1, ALICE), entangle(2, CAROL)],
        CAROL: [entangle(1, BOB)],
    }
    bench.round(ops, alice=55, carol=1000)
    bench.round({ALICE: [Withdraw(1)]})
    rho = bench.core.operations.ledger.noisy.seen_at(997).reduced_state((stored,))
    assert rho[0, 1].real == pytest.approx(0.5 * 0.8**6 * 0.96**100, abs=EXACT)


# --- refusals --------------------------------------------------------------------------------------------------------


def test_a_fidelity_that_the_link_cannot_give_is_refused_at_both_ends() -> None:
    bench = Bench(network(sources.abstract(sources.werner_state(0.9), duration_ns=10)))
    wanted = msgspec.structs.replace(entangle(1, BOB), min_fidelity=0.95)
    bench.round({ALICE: [wanted], BOB: [entangle(4, ALICE)]})
    for node, peer, request in ((ALICE, BOB, 1), (BOB, ALICE, 4)):
        fields: dict[str, str | int] = {"node": node, "peer": peer, "wanted": "0.95", "reachable": "0.9000"}
        assert bench.items(node) == (Failed(None, request, "FidelityUnreachable", fields),)
    assert (bench.core.counts.pairs, len(bench.core.operations.matching)) == (0, 0)


@pytest.mark.parametrize("wanted", [0.0, 0.5, 0.9])
def test_a_fidelity_that_it_can_give_is_served(wanted: float) -> None:
    bench = Bench(network(sources.abstract(sources.werner_state(0.9), duration_ns=10)))
    bench.round({ALICE: [msgspec.structs.replace(entangle(1, BOB), min_fidelity=wanted)], BOB: [entangle(4, ALICE)]})
    assert [item.fidelity for *_, item in delivered(bench)] == [pytest.approx(0.9)] * 2


# --- the real clock --------------------------------------------------------------------------------------------------


def test_on_the_real_clock_all_pairs_of_a_request_are_handed_out_without_waiting_for_a_report() -> None:
    bench = Bench(network(chance(1.0), clock="real"))
    core = bench.core
    for node, peer in ((ALICE, BOB), (BOB, ALICE)):
        core.report(Report(node, 0, 1, None, None, 0, (entangle(1, peer, 4),)))
        core.execute()
    found = [(one.now_ns, one.node) for one in core.scheduled_grants()]
    assert found == [(30 * n, node) for n in range(1, 5) for node in (ALICE, BOB)]


# --- trajectories ----------------------------------------------------------------------------------------------------


def test_sampled_pairs_are_on_average_what_their_header_says() -> None:
    """2,000 pairs, each one sample of what is heralded and of the correction's error, seen as bob gets it.

    A mean of so many numbers in [0, 1] is off by 0.0732 or more with probability 1e-9 (Hoeffding).
    """
    n = 2000
    source = MODELS["every frame"]._replace(sequential=False)
    bench = Bench(network(source, hardware=HARDWARE))
    bench.round({ALICE: [entangle(1, BOB, n)], BOB: [entangle(1, ALICE, n)]})
    noisy, expected, samples = bench.core.operations.ledger.noisy, [], []
    while bench.granted:
        for item in bench.items(BOB):
            assert isinstance(item, Paired)
            halves = [half_id(PairId(item.pair), end) for end in (ALICE, BOB)]
            expected.append(item.fidelity)
            rho = noisy.seen_at(bench.core.time.now_ns).reduced_state(halves)
            samples.append(fidelity(rho, PHI_PLUS.ket()))
        bench.core.time.awaited.clear()  # nobody has anything to say
        bench.granted = bench.core.grants()
    assert len(samples) == n
    assert np.std(samples) > 0.2
    assert abs(np.mean(samples) - np.mean(expected)) < 0.0732
