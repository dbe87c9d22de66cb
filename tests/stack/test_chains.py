"""Chains against closed forms: fidelity and waiting time from end to end, under the conditions that these are for.

Attempts are synchronous where links have no length and all attempts take a microsecond: messages take no time then, so
all links begin anew in the instant in which a pair has been delivered.
"""

from __future__ import annotations

from itertools import pairwise
from math import exp, log
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator import Cluster
from orchestrator.run import Run
from qnode.quantum import chains
from qnode.testing import assert_frequency
from tests.stack.chain_programs import Got
from tests.stack.chain_waits import (
    FALSE_ALARM,
    assert_mean,
    attempts_apart,
    attempts_of_all,
    attempts_of_two,
    delivered_ns,
)

HERE = Path(__file__).parent
WALL_S = 120.0  # what hangs fails; nothing is measured by it
EXACT = 1e-10
T_NS = 1000
P = 0.3
F = 0.98
ERROR, FLIP = 0.01, 0.02  # of a repeater's two-qubit gate, on average over states, and of each bit that it reads
MIXING = ERROR * 4 / 3
NOISY = {"gates": {"two": {"error": ERROR}, "measure": {"readout": {"p01": FLIP, "p10": FLIP}}}}
TIME_OF_10_KM_NS = 50_035
POLICIES = ("asap", "sequential", "nested")


def config(
    n: int,
    *,
    pairs: int = 1,
    requests: int = 1,
    basis: str = "z",
    link: dict[str, Any] | None = None,
    repeaters: dict[str, Any] | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """A chain of n nodes whose ends ask for so many pairs, one at a time."""
    names = [f"n{place}" for place in range(n)]
    asks = {"n": pairs, "requests": requests, "basis": basis}
    ends = {
        one: {"qubits": 2, "program": "chain_programs.py:get", "args": {"peer": other, **asks}}
        for one, other in ((names[0], names[-1]), (names[-1], names[0]))
    }
    source = {"model": "werner", "fidelity": F, "success_probability": P}
    line = {"source": {**source, "duration": f"{T_NS} ns"}} if link is None else {"source": source, **link}
    return {
        "version": 1,
        "seed": 1,
        "formalism": "density_matrix",
        "nodes": {name: ends.get(name, {"qubits": 4, **(repeaters or {})}) for name in names},
        "links": {"line": {"chain": names, **line}},
        "observe": {"whole": ["fidelity"]},
        **settings,
    }


async def run(tmp_path: Path, network: dict[str, Any], *, inline: bool = True) -> Run:
    async with Cluster.from_dict(network, base=HERE, runs=tmp_path) as net:
        return await net.run(inline=inline, timeout=WALL_S)


def ends(run: Run) -> tuple[list[Got], list[Got]]:
    one, *_, other = sorted(run.results, key=lambda name: int(name[1:]))
    return run[one], run[other]


def attempts(run: Run) -> list[int]:
    """How many attempts each pair took that was delivered, counted from the delivery of the one before."""
    found = [ns / T_NS for ns, _, _ in ends(run)[0]]
    assert all(each == int(each) for each in found)
    return [int(each) for each in found]


def said(run: Run) -> list[float]:
    """The fidelities that both ends were told, which are the same."""
    left, right = ([fidelity or 0.0 for _, fidelity, _ in end] for end in ends(run))
    assert left == pytest.approx(right, abs=EXACT)
    return left


def seen(run: Run) -> list[float]:
    """The fidelities that there were, once both ends had their halves."""
    return [one.value or 0.0 for one in run.observed if one.value is not None]


# --- fidelity and number of attempts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "pairs", "requests"), [(3, 150, 1), (5, 1, 80), (20, 1, 40)])
async def test_a_chain_is_as_good_and_as_slow_as_it_has_to_be(
    n: int, pairs: int, requests: int, tmp_path: Path
) -> None:
    """Noisy swaps and wrong bits: F = (1 + 3 s^(n-1) w^n)/4, and E[max] attempts. False alarm 3e-9.

    What a node is told is the mean over bits that were read wrongly. What there is is one of two states: with the
    corrections right, probability ((1 + (1 - 2 flip)^swaps)/2)^2, or wrong.
    """
    found = await run(tmp_path, config(n, pairs=pairs, requests=requests, repeaters=NOISY))
    swaps, formula = n - 2, chains.swapped_fidelity([F] * (n - 1), mixing=MIXING, flip=FLIP)
    assert said(found) == pytest.approx([formula] * (pairs * requests), abs=EXACT)

    w = ((4 * F - 1) / 3) ** (n - 1) * (1 - MIXING) ** swaps
    right, wrong = (1 + 3 * w) / 4, (1 - w) / 4
    corrected = [abs(value - right) < EXACT for value in seen(found)]
    assert all(good or abs(value - wrong) < EXACT for good, value in zip(corrected, seen(found), strict=True))
    corrects = ((1 + (1 - 2 * FLIP) ** swaps) / 2) ** 2
    assert corrects * right + (1 - corrects) * wrong == pytest.approx(formula, abs=EXACT)
    assert_frequency(sum(corrected), len(corrected), corrects, false_alarm=FALSE_ALARM)
    agree = sum(one[2] == other[2] for one, other in zip(*ends(found), strict=True))
    assert_frequency(agree, len(corrected), (1 + w * (1 - 2 * FLIP) ** swaps) / 2, false_alarm=FALSE_ALARM)

    waits = attempts_of_all(P, n - 1)
    assert waits @ np.arange(len(waits)) == pytest.approx(chains.mean_attempts_of_all(P, n - 1), abs=EXACT)
    assert_mean(attempts(found), np.arange(len(waits)), waits)


@pytest.mark.parametrize("source", [{"model": "werner", "fidelity": F}, {"model": "double_click", "visibility": 0.9}])
async def test_what_gates_of_one_qubit_do_is_told(source: dict[str, Any], tmp_path: Path) -> None:
    """Of those that turn what a link heralds, of swaps, and of the correction at the end; no bit is read wrongly."""
    network = config(4, pairs=20, link={"length": "1 km", "source": source})
    for node in network["nodes"].values():
        node["gates"] = {"single": {"error": 0.02}}
    found = await run(tmp_path, network)
    assert len(said(found)) == 20
    assert said(found) == pytest.approx(seen(found), abs=EXACT)


async def test_what_is_being_read_decays_no_more(tmp_path: Path) -> None:
    """A measurement finds what is there when it begins, however long it takes."""
    slow = {"t2": "2 ms", "gates": {"measure": {"duration": "200 us"}}}
    found = await run(tmp_path, config(4, pairs=5, repeaters=slow, link={"length": "1 km"}))
    assert said(found) == pytest.approx(seen(found), abs=EXACT)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("n", [3, 5, 20])
async def test_all_policies_make_the_same_pairs(n: int, policy: str, tmp_path: Path) -> None:
    found = await run(tmp_path, config(n, requests=2, repeaters=NOISY, stack={"swap": policy}))
    formula = chains.swapped_fidelity([F] * (n - 1), mixing=MIXING, flip=FLIP)
    assert said(found) == pytest.approx([formula] * 2, abs=EXACT)


async def test_links_of_different_fidelities(tmp_path: Path) -> None:
    network = config(4, requests=2, repeaters={"gates": {"two": {"error": ERROR}}})
    fidelities = (0.99, 0.9, 0.8)
    network["links"] = {
        f"l{nth}": {"between": [f"n{nth}", f"n{nth + 1}"], "fidelity": each} for nth, each in enumerate(fidelities)
    }
    found = await run(tmp_path, network)
    formula = chains.swapped_fidelity(fidelities, mixing=MIXING)
    assert [*said(found), *seen(found)] == pytest.approx([formula] * 4, abs=EXACT)


# --- two links: storing, cut-offs, swaps that fail --------------------------------------------------------------------


@pytest.mark.parametrize(("cutoff", "noisy"), [(None, False), (1, False), (3, False), (3, True)])
async def test_what_the_earlier_of_two_pairs_loses_while_it_waits(
    cutoff: int | None, noisy: bool, tmp_path: Path
) -> None:
    """The repeater's memory dephases: E[x^|D|], and of those that were kept, in E[K] attempts. False alarm 2e-9.

    Each pair is what its |D| says to 1e-10, so that the means are only those of |D| and of attempts. If the swap errs
    too, ZZ and XX shrink by (1-l)(1 - 2 flip), and YY once more, so that 4F - 1 is w (1-l) times those of the dephased.
    """
    t2_ns = 20 * T_NS
    x, w = exp(-T_NS / t2_ns), ((4 * F - 1) / 3) ** 2
    stack = {} if cutoff is None else {"cutoff": f"{cutoff * T_NS} ns"}
    repeaters: dict[str, Any] = {"t2": f"{t2_ns} ns", **(NOISY if noisy else {})}
    found = await run(tmp_path, config(3, pairs=150, repeaters=repeaters, stack=stack))
    assert noisy or seen(found) == pytest.approx(said(found), abs=EXACT)
    mixing, read = (MIXING, 1 - 2 * FLIP) if noisy else (0.0, 1.0)
    kept = [((4 * value - 1) / (w * (1 - mixing)) - read) / (read + read**2) for value in said(found)]
    apart = [round(log(each) / log(x)) for each in kept]
    assert kept == pytest.approx([x**waited for waited in apart], abs=EXACT)
    assert max(apart) == cutoff or cutoff is None
    if cutoff is None:
        waited, took = attempts_apart(P), attempts_of_all(P, 2)
        means = (chains.mean_decay(P, x), chains.mean_attempts_of_all(P, 2))
    else:
        waited, took = attempts_apart(P, cutoff=cutoff), attempts_of_two(P, cutoff=cutoff)
        means = (chains.mean_decay_with_cutoff(P, x, cutoff), chains.mean_attempts_with_cutoff(P, cutoff))
    decays = x ** np.arange(len(waited))
    assert (decays @ waited, np.arange(len(took)) @ took) == pytest.approx(means, abs=EXACT)
    assert_mean(kept, decays, waited)
    assert_mean(attempts(found), np.arange(len(took)), took)


async def test_swaps_that_fail_are_made_up_for(tmp_path: Path) -> None:
    """Two links: the mean number of attempts is divided by the probability that a swap succeeds. False alarm 1e-9."""
    success = 0.4
    took = attempts_of_two(P, cutoff=500, swap_success=success)
    assert np.arange(len(took)) @ took == pytest.approx(chains.mean_attempts_of_all(P, 2) / success, abs=1e-9)
    found = await run(tmp_path, config(3, pairs=100, stack={"swap_success": success}))
    assert_mean(attempts(found), np.arange(len(took)), took)
    assert seen(found) == pytest.approx([chains.swapped_fidelity([F, F])] * 100, abs=EXACT)


# --- links with a length ----------------------------------------------------------------------------------------------


def came_ns(run: Run, n: int) -> list[list[int]]:
    """When the pairs of the links came, for one end-to-end pair after the other, each with a circuit of its own."""
    made: list[list[int]] = [[] for _ in range(n - 1)]
    for one in run.events:
        if one.event == "generate":
            made[min(int(end[1:]) for end in (one.node, one.peer))].append(one.t + one.n * TIME_OF_10_KM_NS)
    return [list(each) for each in zip(*made, strict=True)]


@pytest.mark.parametrize("policy", POLICIES)
async def test_news_of_swaps_take_as_long_as_they_have_to(policy: str, tmp_path: Path) -> None:
    """To the nanosecond, from when the links' pairs came: all that is waited for after that are messages.

    Swapping at once, an end has its half once it could have heard of every swap directly, or one link later: that is
    what it takes where the news of the last pair start at an end.
    """
    n, requests, hop_ns = 9, 12, TIME_OF_10_KM_NS
    found = await run(tmp_path, config(n, requests=requests, link={"length": "10 km"}, stack={"swap": policy}))
    came = came_ns(found, n)
    assert len(came) == requests
    late_ns = []
    for end, name in enumerate(("n0", f"n{n - 1}")):
        got = [one.t for one in found.events if one.event == "network_deliver" and one.node == name]
        assert got == [delivered_ns(policy, each, hop_ns)[end] for each in came]
        swapped = [[max(pair) for pair in pairwise(each)][:: 1 - 2 * end] for each in came]
        heard = [max(at_ns + nth * hop_ns for nth, at_ns in enumerate(each, 1)) for each in swapped]
        late_ns += [at_ns - heard_ns for at_ns, heard_ns in zip(got, heard, strict=True)]
    assert min(late_ns) >= 0
    assert (max(late_ns) <= hop_ns) == (policy == "asap")


@pytest.mark.parametrize("policy", POLICIES)
async def test_processes_make_what_one_process_makes(policy: str, tmp_path: Path) -> None:
    network = config(5, requests=4, link={"length": "10 km"}, repeaters=NOISY, stack={"swap": policy, "cutoff": "1 ms"})
    one, many = [await run(tmp_path, network, inline=inline) for inline in (True, False)]
    assert (one.results, seen(one)) == (many.results, seen(many))
    assert [*one.events] == [*many.events]
