"""Runs share nothing with each other, nodes share no randomness, and two clusters do not meet."""

from __future__ import annotations

import asyncio
from itertools import combinations
from pathlib import Path

import pytest

from orchestrator import Cluster

PROGRAMS = Path(__file__).parents[1] / "programs_api"
N = 64

pytestmark = pytest.mark.usefixtures("temporary")


def four(program: str, **args: object) -> dict[str, object]:
    return {
        "version": 1,
        "seed": 3,
        "nodes": {name: {"program": f"lost.py:{program}", "args": args} for name in ("alice", "bob", "carol", "dave")},
    }


def agreements(one: list[int], other: list[int]) -> int:
    return sum(left == right for left, right in zip(one, other, strict=True))


async def test_repeated_runs_in_one_cluster_share_nothing(tmp_path: Path) -> None:
    async with Cluster.from_dict(four("remembers"), base=PROGRAMS, runs=tmp_path) as net:
        for _ in range(3):
            run = await net.run()
            assert {name: run[name] for name in ("alice", "bob")} == {"alice": ["alice"] * 2, "bob": ["bob"] * 2}


async def test_unseeded_generators_of_different_nodes_are_independent(tmp_path: Path) -> None:
    """Processes forked from one must not inherit one generator.

    3 kinds of generator, 6 pairs of nodes, n = 64 bits at p = 1/2: more than 56 agreements (or fewer than 8) have
    probability 2 P(X > 56) = 1.0e-10 each, 1.9e-9 in all. The seed is fixed. A generator that two nodes share agrees
    64 times of 64.
    """
    async with Cluster.from_dict(four("draws", n=N), base=PROGRAMS, runs=tmp_path) as net:
        run = await net.run()
    for one, other in combinations(("alice", "bob", "carol", "dave"), 2):
        for kind in range(3):
            assert 8 <= agreements(run[one][kind], run[other][kind]) <= 56
        assert not set(run[one][3]) & set(run[other][3])


async def test_independent_measurements_of_different_nodes_are_independent(tmp_path: Path) -> None:
    """n = 64 measurements of |+> at each of 4 nodes, p = 1/2; bounds and false alarm as above, 6 pairs: 6e-10."""
    async with Cluster.from_dict(four("measures", n=N), base=PROGRAMS, runs=tmp_path) as net:
        run = await net.run()
    for one, other in combinations(("alice", "bob", "carol", "dave"), 2):
        assert 8 <= agreements(run[one], run[other]) <= 56


async def test_the_same_seed_gives_the_same_random_numbers_and_another_seed_others(tmp_path: Path) -> None:
    async with Cluster.from_dict(four("draws", n=N), base=PROGRAMS, runs=tmp_path) as net:
        first, again, other = await net.run(seed=7), await net.run(seed=7), await net.run(seed=8)
    assert first.results == again.results
    for name in ("alice", "bob"):
        assert not set(first[name][3]) & set(other[name][3])


async def test_two_clusters_at_once_do_not_meet(tmp_path: Path) -> None:
    async with (
        Cluster.from_dict(four("measures", n=N), base=PROGRAMS, runs=tmp_path / "one") as one,
        Cluster.from_dict(four("measures", n=N), base=PROGRAMS, runs=tmp_path / "two") as two,
    ):
        same, different = await asyncio.gather(one.run(), two.run(seed=4))
        alone = await two.run()
    assert same.results == alone.results
    assert same.results != different.results


async def test_two_runs_that_start_at_once_get_folders_of_their_own(tmp_path: Path) -> None:
    async with (
        Cluster.from_dict(four("remembers"), base=PROGRAMS, runs=tmp_path) as one,
        Cluster.from_dict(four("remembers"), base=PROGRAMS, runs=tmp_path) as two,
    ):
        runs = await asyncio.gather(one.run(), two.run())
    assert len({run.folder for run in runs}) == 2
    assert runs[0].events_bytes == runs[1].events_bytes
