"""How often pairs come and how good they are then: against closed forms, and against sums over all waits."""

from __future__ import annotations

from math import exp, inf
from typing import Final

import numpy as np
import pytest

from qnode.quantum import chains
from qnode.stack import expectation
from qnode.stack.supplies import Supply, improved, joined, of_link, waited
from qnode.wire.stack import LinkFacts, NodeFacts, Scheme, StackSpec, Vector

GRAIN: Final = 1000.0
WERNER: Final[Vector] = (0.91, 0.03, 0.03, 0.03)
PERFECT: Final = (1.0, 0.0, 0.0, 0.0)
IDEAL: Final = NodeFacts(8, inf, inf)
T2: Final = 40_000.0
DEPHASING: Final = NodeFacts(8, inf, T2)
LONG: Final = np.arange(1, 20_000)


def link(p: float, vector: Vector = WERNER) -> Supply:
    return of_link(LinkFacts("", 0, int(GRAIN), p, int(GRAIN), vector), (IDEAL, IDEAL))


def xx(vector: Vector) -> float:
    return vector[0] + vector[1] - vector[2] - vector[3]


def test_a_link_succeeds_after_a_geometric_time() -> None:
    facts = LinkFacts("bob", 5, 100, 0.25, 130, WERNER, (30, 30))
    supply = of_link(facts, (DEPHASING, DEPHASING))
    assert supply.mean_ns == 3 * 100 + 130
    assert supply.vector == expectation.link_pair(facts, DEPHASING, DEPHASING)
    assert not supply.at_once
    at_once = of_link(LinkFacts("bob", 5, 0, 1.0, 50), (IDEAL, IDEAL))
    assert (at_once.mean_ns, at_once.at_once) == (50, True)


@pytest.mark.parametrize("p", [1.0, 0.5, 0.1, 0.003])
def test_the_mean_over_a_wait_is_the_sum_over_all_waits(p: float) -> None:
    weights = p * (1 - p) ** (LONG - 1)
    expected = (weights * np.exp(-2 * LONG * GRAIN / T2)).sum()
    assert xx(waited(PERFECT, GRAIN / p, GRAIN, (DEPHASING, DEPHASING))) == pytest.approx(expected, abs=1e-12)
    half = waited(PERFECT, GRAIN / p, GRAIN, (DEPHASING, DEPHASING), 0.5)
    assert xx(half) == pytest.approx((1 + xx(waited(PERFECT, GRAIN / p, GRAIN, (DEPHASING, DEPHASING)))) / 2)


@pytest.mark.parametrize("p", [1.0, 0.7, 0.2, 0.01])
@pytest.mark.parametrize("cutoff", [None, 1, 5, 40])
def test_two_links_alike_have_the_closed_forms(p: float, cutoff: int | None) -> None:
    """Section 6 of PHYSICS.md: E[max], the mean decay of the earlier pair, and both with a cut-off."""
    spec = StackSpec(cutoff_ns=None if cutoff is None else int(cutoff * GRAIN))
    nodes = (DEPHASING, DEPHASING, DEPHASING)
    found = joined(link(p, PERFECT), link(p, PERFECT), nodes, spec)
    x = exp(-2 * GRAIN / T2)  # two halves wait
    if cutoff is None or p == 1:
        attempts, decay = chains.mean_attempts_of_all(p, 2), chains.mean_decay(p, x)
    else:
        attempts, decay = chains.mean_attempts_with_cutoff(p, cutoff), chains.mean_decay_with_cutoff(p, x, cutoff)
    assert found.mean_ns == pytest.approx(attempts * GRAIN, rel=1e-12)
    assert xx(found.vector) == pytest.approx(decay, abs=1e-12)


@pytest.mark.parametrize(("p", "q"), [(0.3, 0.05), (1.0, 0.2), (0.04, 0.9)])
def test_two_links_that_differ_are_the_sum_over_all_waits(p: float, q: float) -> None:
    n = LONG[:1200]
    weights = np.outer(p * (1 - p) ** (n - 1), q * (1 - q) ** (n - 1))
    decay = np.exp(-2 * np.abs(n[:, None] - n) * GRAIN / T2)
    found = joined(link(p, PERFECT), link(q, PERFECT), (DEPHASING,) * 3, StackSpec())
    assert found.mean_ns == pytest.approx((weights * np.maximum(n[:, None], n)).sum() * GRAIN, rel=1e-9)
    assert xx(found.vector) == pytest.approx((weights * decay).sum(), abs=1e-9)


@pytest.mark.parametrize("first_ns", [0, 1000])
def test_nobody_waits_for_links_that_take_no_time(first_ns: int) -> None:
    """They may have no length: what comes of them is there as soon as the slowest is, and its first half waits."""
    links = [LinkFacts("", 0, 0, 1.0, ns, WERNER) for ns in (first_ns, 0, 0, 0)]
    whole, *more = [of_link(one, (DEPHASING, DEPHASING)) for one in links]
    for one in more:
        whole = joined(whole, one, (DEPHASING,) * 3, StackSpec())
    assert whole.mean_ns == first_ns
    assert xx(whole.vector) == pytest.approx(xx(WERNER) ** 4 * exp(-2 * 3 * first_ns / T2))


def test_swaps_that_fail_cost_time_and_pairs() -> None:
    sure, unsure = (joined(link(0.2), link(0.2), (IDEAL,) * 3, StackSpec(swap_success=s)) for s in (1.0, 0.5))
    assert (unsure.mean_ns, unsure.raw) == (2 * sure.mean_ns, 2 * sure.raw)
    assert unsure.vector == sure.vector


def test_what_does_not_decay_has_the_closed_form_of_chains() -> None:
    node = NodeFacts(8, inf, inf, 0.02, 0.01, 70)
    whole = one = link(0.2)
    for n in range(2, 8):
        whole = joined(whole, one, (node, node, node), StackSpec())
        expected = chains.swapped_fidelity([WERNER[0]] * n, mixing=0.02, flip=0.01)
        assert expectation.fidelity(whole.vector) == pytest.approx(expected, abs=1e-12)
        assert whole.mean_ns == pytest.approx(chains.mean_attempts_of_all(0.2, n) * GRAIN, rel=1e-9)
        assert whole.raw == pytest.approx(n)


@pytest.mark.parametrize(("n", "p", "within"), [(3, 0.3, 1e-9), (20, 0.01, 1e-4), (1000, 1e-4, 1e-6), (5, 1.0, 0)])
def test_the_last_of_links_alike_is_there_as_long_as_they_say(n: int, p: float, within: float) -> None:
    whole = one = link(p)
    for _ in range(n - 1):
        whole = joined(whole, one, (IDEAL,) * 3, StackSpec())
    assert whole.mean_ns == pytest.approx(chains.mean_attempts_of_all(p, n) * GRAIN, rel=within)


@pytest.mark.parametrize("n", [3, 6])
def test_chains_of_links_that_differ_are_nearly_the_mean_of_many_runs(n: int) -> None:
    """Each link waits for all before it or they for it, drawn 20,000 times: 6 sigma of that are 3 %. The model is
    good to 10 % in time, and too pessimistic in <XX>, for long waits of one place go with long waits of others."""
    rng = np.random.default_rng(n)
    chances = [0.02, 0.05, 0.03, 0.2, 0.02, 0.04][:n]
    whole = link(chances[0], PERFECT)
    for p in chances[1:]:
        whole = joined(whole, link(p, PERFECT), (NodeFacts(8, inf, 10 * T2),) * 3, StackSpec())
    ready = np.stack([rng.geometric(p, 20_000) for p in chances], axis=1)
    joins = np.maximum.accumulate(ready, axis=1)
    assert whole.mean_ns == pytest.approx(joins[:, -1].mean() * GRAIN, rel=0.1)
    waits = np.abs(joins[:, :-1] - ready[:, 1:]).sum(axis=1) * GRAIN
    assert -0.1 < xx(whole.vector) - np.exp(-2 * waits / (10 * T2)).mean() < 0.01


@pytest.mark.parametrize("method", ["dejmps", "bbpssw"])
def test_rounds_and_pumping_have_their_means(method: str) -> None:
    """Time and pairs: (2 T + step)/P for each round, (T + raw + step)/P for each pumping, without decay."""
    node = NodeFacts(8, inf, inf, 0.01, 0.01, 20)
    raw, errors = link(0.1), expectation.step_errors(node, node)
    time, pairs, vector = raw.mean_ns, 1.0, WERNER
    for rounds in range(1, 4):
        chance, vector = expectation.distilled(vector, vector, method, *errors)
        time, pairs = (2 * time + 120) / chance, 2 * pairs / chance
        found = improved(raw, Scheme(rounds), method, (node, node), 100)
        assert (found.mean_ns, found.raw) == pytest.approx((time, pairs))
        assert found.vector == pytest.approx(vector, abs=1e-12)
    time, pairs, vector = raw.mean_ns, 1.0, WERNER
    for steps in range(1, 4):
        chance, vector = expectation.distilled(vector, WERNER, method, *errors)
        time, pairs = (time + raw.mean_ns + 120) / chance, (pairs + 1) / chance
        found = improved(raw, Scheme(steps, pumping=True), method, (node, node), 100)
        assert (found.mean_ns, found.raw) == pytest.approx((time, pairs))
        assert found.vector == pytest.approx(vector, abs=1e-12)


def test_the_first_pair_waits_for_the_second_and_both_ends_for_a_message() -> None:
    p = 0.1
    found = improved(link(p), Scheme(1), "dejmps", (DEPHASING, DEPHASING), 300.0)
    first = waited(WERNER, GRAIN / p, GRAIN, (DEPHASING, DEPHASING))
    _, kept = expectation.distilled(first, WERNER, "dejmps")
    assert found.vector == pytest.approx(expectation.both_stored(kept, 300, DEPHASING, DEPHASING), abs=1e-12)
    both = of_link(LinkFacts("", 0, 0, 1.0, int(GRAIN), WERNER), (IDEAL, IDEAL))
    together = improved(both, Scheme(1), "dejmps", (DEPHASING, DEPHASING), 0.0)
    assert together.vector == pytest.approx(expectation.distilled(WERNER, WERNER)[1], abs=1e-12)  # nobody waits


def test_pairs_that_are_never_kept_take_for_ever() -> None:
    raw = Supply((0.0, 1.0, 0.0, 0.0), GRAIN, GRAIN)
    assert improved(raw._replace(vector=PERFECT), Scheme(1), "dejmps", (IDEAL, IDEAL), 0).mean_ns == 2 * GRAIN
    one, other = Supply(PERFECT, GRAIN, GRAIN), raw
    assert expectation.distilled(one.vector, other.vector)[0] == 0
