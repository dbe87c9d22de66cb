"""Requests for pairs of a fidelity, from end to end, in whole networks."""

from __future__ import annotations

from math import exp
from pathlib import Path
from typing import Any

import pytest

from orchestrator import Cluster
from orchestrator.run import Run

PROGRAMS = Path(__file__).parent / "programs"


def chain(names: str, main: str, wanted: float, n: int = 1, **settings: Any) -> dict[str, Any]:
    """Nodes in a row; the first and the last ask each other."""
    ends = {names[0]: names[-1], names[-1]: names[0]}
    args: dict[str, Any] = {"min_fidelity": wanted, **({"n": n} if main == "end" else {})}
    nodes = {
        name: {"kind": "node"}
        | ({"program": f"asking.py:{main}", "args": {"peer": ends[name], **args}} if name in ends else {})
        for name in names
    }
    return {
        "version": 1,
        "seed": 3,
        "kinds": {"node": {"qubits": 8}},
        "nodes": nodes,
        "links": {"all": {"chain": list(names), "length": "10 km", "source": {"model": "werner", "fidelity": 0.93}}},
        "observe": {"got": ["fidelity"]},
        **settings,
    }


async def run(config: dict[str, Any], runs: Path) -> Run:
    return await Cluster.from_dict(config, base=PROGRAMS, runs=runs).run(inline=True)


@pytest.mark.parametrize("names", ["abc", "ab"], ids=["over a repeater", "neighbours"])
async def test_links_distil_what_is_not_good_enough(names: str, tmp_path: Path) -> None:
    """What is said of a pair is what it is: the exact state, after all swaps and steps that were kept."""
    wanted = 0.9 if len(names) == 3 else 0.97
    done = await run(chain(names, "end", wanted, 2, formalism="density_matrix"), tmp_path)
    told = [done[names[0]], done[names[-1]]]
    assert told[0] == pytest.approx(told[1], abs=1e-12)
    assert min(told[0]) >= wanted
    found = [each.value for each in done.observed]
    assert found == pytest.approx([*told[0], *told[1]], abs=1e-10)


async def test_noisy_nodes_foretell_what_they_make(tmp_path: Path) -> None:
    """With memories and gates that err, the exact state and what is said of it differ by what twirling leaves out."""
    noisy = {
        "qubits": 8,
        "t1": "20 s",
        "t2": "10 s",
        "gates": {"single": {"error": 0.001}, "two": {"error": 0.002, "duration": "1 us"}, "measure": {"error": 0.001}},
    }
    done = await run(chain("abc", "end", 0.88, 2, formalism="density_matrix", kinds={"node": noisy}), tmp_path)
    marked = exp(-2 / 10) / 2 + exp(-2 / 20) / 4 + 0.25  # what two halves keep of the fidelity in the second until then
    found = [each.value for each in done.observed]
    assert found == pytest.approx([told * marked for told in (*done["a"], *done["c"])], abs=0.02)


async def test_bbpssw_is_served_too(tmp_path: Path) -> None:
    """Twirled by chance, so that only the mean of many runs is what is said."""
    done = await run(chain("abc", "end", 0.87, stack={"distillation": "bbpssw"}), tmp_path)
    assert done["a"] == pytest.approx(done["c"], abs=1e-12)
    assert done["a"][0] >= 0.87


@pytest.mark.parametrize("names", ["abcd", "ab"], ids=["over repeaters", "neighbours"])
async def test_what_cannot_be_had_is_refused_with_what_can(names: str, tmp_path: Path) -> None:
    kinds = {"node": {"qubits": 4, "gates": {"two": {"error": 0.01}}}}
    done = await run(chain(names, "refused", 0.999, kinds=kinds), tmp_path)
    ends = names[0], names[-1]
    for one, other in (ends, ends[::-1]):
        assert any(f"{a} and {b} want pairs of fidelity 0.999" in done[one] for a, b in ((one, other), (other, one)))
    reachable = float(done[ends[0]].rpartition(" ")[2])
    assert 0.8 < reachable < 0.999
    again = await run(chain(names, "end", reachable - 1e-4, kinds=kinds), tmp_path)
    assert again[ends[0]][0] > 0.8
    none = await run(chain(names, "refused", reachable, kinds=kinds, stack={"distillation": "none"}), tmp_path)
    assert float(none[ends[0]].rpartition(" ")[2]) <= reachable
