"""How much distillation a request needs: enough, no more than that, and as much as there can be."""

from __future__ import annotations

from itertools import product
from math import inf
from random import Random
from typing import Final

import pytest

from qnode.quantum import chains
from qnode.stack import planning
from qnode.stack.expectation import PERFECT, distilled, fidelity, step_errors
from qnode.stack.planning import DIRECT, SCHEMES, Plan, Unreachable, plan
from qnode.stack.supplies import improved, of_link
from qnode.wire.stack import LinkFacts, NodeFacts, Scheme, StackSpec, Vector

SPEC: Final = StackSpec()
IDEAL: Final = NodeFacts(8, inf, inf)


def werner(f: float) -> Vector:
    rest = (1 - f) / 3
    return f, rest, rest, rest


def link(f: float, p: float = 0.1) -> LinkFacts:
    return LinkFacts("next", 50_000, 100_000, p, 100_000, werner(f))


def planned(nodes: list[NodeFacts], links: list[LinkFacts], wanted: float, spec: StackSpec = SPEC) -> Plan:
    found = plan(nodes, links, wanted, spec)
    assert isinstance(found, Plan)
    return found


def refused(nodes: list[NodeFacts], links: list[LinkFacts], wanted: float, spec: StackSpec = SPEC) -> float:
    found = plan(nodes, links, wanted, spec)
    assert isinstance(found, Unreachable)
    return found.reachable


@pytest.mark.parametrize("n", [1, 2, 5, 20])
def test_nothing_is_distilled_where_that_is_not_needed(n: int) -> None:
    found = planned([IDEAL] * (n + 1), [link(0.98)] * n, chains.swapped_fidelity([0.98] * n))
    assert not found.distils
    assert found.fidelity == pytest.approx(chains.swapped_fidelity([0.98] * n), abs=1e-12)
    assert found.raw == pytest.approx(n)
    assert found.slots == (1, *(2,) * (n - 1), 1)


def test_two_neighbours_distil_as_much_as_it_takes() -> None:
    """Rounds of DEJMPS without decay and errors: each plan has the least number that is enough."""
    vectors = [werner(0.9)]
    for _ in range(4):
        vectors.append(distilled(vectors[-1], vectors[-1])[1])
    for rounds, vector in enumerate(vectors):
        found = planned([IDEAL] * 2, [link(0.9)], fidelity(vector))
        assert found.ends == DIRECT
        assert found.fidelity >= fidelity(vector) - 1e-9
        assert found.links == (Scheme(rounds),) or found.links[0].pumping
        assert found.slots == (found.links[0].slots,) * 2


def test_what_cannot_be_had_is_refused_with_what_can() -> None:
    nodes = [NodeFacts(8, inf, 1e9, 0.01, 0.01)] * 5
    links = [link(0.95)] * 4
    reachable = refused(nodes, links, 0.999)
    assert 0.9 < reachable < 0.999
    assert planned(nodes, links, reachable).fidelity == pytest.approx(reachable, abs=1e-9)
    assert refused(nodes, links, reachable + 1e-6) == pytest.approx(reachable, abs=1e-9)
    direct = planned(nodes, links, 0.0).fidelity
    assert refused(nodes, links, 0.9, StackSpec(distillation="none")) == pytest.approx(direct)
    assert direct < refused(nodes, links, 0.999, StackSpec(distillation="bbpssw")) < reachable


def test_pairs_that_are_not_entangled_enough_are_not_helped() -> None:
    """A Werner pair of 1/2 or less cannot be distilled (Bennett et al. 1996)."""
    for f in (0.5, 0.4):
        assert refused([IDEAL] * 2, [link(f)], 0.6) <= 0.5 + 1e-9
    assert planned([IDEAL] * 2, [link(0.55)], 0.6).fidelity >= 0.6


def test_memories_that_are_full_of_one_thing_have_no_room_for_another() -> None:
    links = [link(0.95)] * 4
    reached = [refused([NodeFacts(slots, inf, inf, 0.005, 0.005)] * 5, links, 1.0) for slots in (2, 3, 4, 6, 12)]
    assert sorted(set(reached)) == reached
    for slots in (2, 3, 4, 6):
        nodes = [NodeFacts(slots, inf, inf, 0.005, 0.005)] * 5
        for wanted in (0.85, 0.9, 0.95):
            found = plan(nodes, links, wanted, SPEC)
            if isinstance(found, Plan):
                assert max(found.slots) <= slots


def test_memories_that_forget_reach_less_and_a_cutoff_more() -> None:
    slow = [link(0.95, 0.001)] * 2
    reached = [refused([NodeFacts(8, inf, t2)] * 3, slow, 1.0) for t2 in (1e8, 1e9, 1e10)]
    assert sorted(reached) == reached
    nodes = [NodeFacts(8, inf, 1e8)] * 3
    assert refused(nodes, slow, 1.0, StackSpec(cutoff_ns=10_000_000)) > reached[0] + 0.1


@pytest.mark.parametrize("seed", range(12))
def test_no_other_plan_is_much_quicker_or_better(seed: int) -> None:
    """Everything that two links and their ends can do, links and nodes at random; 0.02 and 1.5 times are allowed."""
    draw = Random(seed)
    method = draw.choice(("dejmps", "bbpssw"))
    nodes = [NodeFacts(draw.choice((3, 4, 8, 12)), inf, 10 ** draw.uniform(8, 10), 0.005, 0.005) for _ in range(3)]
    links = [link(draw.uniform(0.85, 0.97), draw.choice((0.5, 0.1, 0.02))) for _ in range(2)]
    route = planning._Route(tuple(nodes), tuple(links), SPEC)
    every = []
    options = [
        [(each, improved(of_link(facts, ends), each, method, ends, facts.delay_ns)) for each in SCHEMES]
        for facts, ends in route.hops
    ]
    for (one, left), (other, right) in product(*options):
        whole = route.whole([left, right]) if route.has_room([one, other], DIRECT) else None
        for ends in SCHEMES:
            if whole is not None and route.has_room([one, other], ends):
                better = improved(whole, ends, method, (nodes[0], nodes[-1]), route.message_ns)
                every.append(route.planned([one, other], ends, better))
    spec = StackSpec(distillation=method)
    top = max(each.fidelity for each in every)
    assert top - 0.02 <= refused(nodes, links, 1.0, spec) <= top + 1e-9
    for wanted in (0.8, 0.9, 0.95):
        enough = [each.time_ns for each in every if each.fidelity >= wanted]
        if enough and top > wanted + 0.02:
            found = planned(nodes, links, wanted, spec)
            assert found.fidelity >= wanted - 1e-9
            assert min(enough) * (1 - 1e-9) <= found.time_ns <= 1.5 * min(enough)


def test_a_long_route_of_many_kinds_of_links_is_planned_too() -> None:
    draw = Random(3)
    nodes = [NodeFacts(8, inf, 1e11, 0.0005, 0.0005) for _ in range(21)]
    links = [link(draw.uniform(0.98, 0.995), draw.choice((0.5, 0.1))) for _ in range(20)]
    direct = planned(nodes, links, 0.0)
    found = planned(nodes, links, 0.9)
    assert direct.fidelity < 0.85 < 0.9 <= found.fidelity
    assert all(need <= 8 for need in found.slots)
    assert found.time_ns > direct.time_ns


def test_perfect_links_take_no_time() -> None:
    found = planned([IDEAL] * 3, [LinkFacts("next", 0, 0, 1.0, 0)] * 2, 1.0)
    assert found.vector == PERFECT
    assert found.time_ns == 0
    noisy = [LinkFacts("next", 0, 0, 1.0, 0, werner(0.9))] * 2
    assert planned([IDEAL] * 3, noisy, 0.9).distils
    assert step_errors(IDEAL, IDEAL) == (0.0, 0.0)
