"""A network's runs, one for each way in which its chances can come out: exact probabilities, nothing is sampled.

Measurements of the formalism `density_matrix` and the draws of `node.rng` come out as they are told to; everything else
is the network that everybody runs. Where a program draws several numbers, they are drawn one after another.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from itertools import permutations
from math import factorial, prod
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
import pytest

from orchestrator import Cluster
from orchestrator.run import Run
from orchestrator.view import View
from qnode import Node
from qnode.wire.payload import pack

T = TypeVar("T")
Said = tuple[tuple[str, str, str, bytes], ...]
"""All messages of a run: sender, receiver, channel and what was said; in order, for each sender and receiver."""

_IMPOSSIBLE: Final = 1e-12
_MOST: Final = 5_000


class Chances:
    """What comes out of each chance of one run, and how probable that is."""

    def __init__(self, path: Sequence[int]) -> None:
        self._path = path
        self.taken: list[tuple[int, tuple[float, ...]]] = []

    @property
    def probability(self) -> float:
        return prod(weights[index] for index, weights in self.taken)

    def one_of(self, weights: Sequence[float]) -> int:
        nth = len(self.taken)
        index = self._path[nth] if nth < len(self._path) else _next_possible(weights, 0)
        self.taken.append((index, tuple(weights)))
        return index

    def next_path(self) -> list[int] | None:
        """That of the run after this one; None if this was the last."""
        for nth in reversed(range(len(self.taken))):
            index, weights = self.taken[nth]
            other = _next_possible(weights, index + 1)
            if other < len(weights):
                return [*(index for index, _ in self.taken[:nth]), other]
        return None

    # ------------------------------------------------------------ a measurement, and a generator's methods

    def drawn(self, draw: float, p_one: float) -> int:
        return self.one_of((1 - p_one, p_one))

    def integers(self, low: int, high: int | None = None, size: Any = None, **_: Any) -> Any:
        first, end = (0, low) if high is None else (low, high)
        return self._shaped(size, [1 / (end - first)] * (end - first), first)

    def binomial(self, n: int, p: float, size: Any = None) -> Any:
        assert n == 1
        return self._shaped(size, [1 - p, p], 0)

    def permutation(self, n: int) -> npt.NDArray[np.int_]:
        index = self.one_of([1 / factorial(n)] * factorial(n))
        return np.array(list(permutations(range(n)))[index], np.int_)

    def _shaped(self, size: Any, weights: Sequence[float], first: int) -> Any:
        if size is None:
            return first + self.one_of(weights)
        found = np.zeros(size, np.int_)
        for at in np.ndindex(found.shape):
            found[at] = first + self.one_of(weights)
        return found


def _next_possible(weights: Sequence[float], start: int) -> int:
    return next((index for index in range(start, len(weights)) if weights[index] > _IMPOSSIBLE), len(weights))


async def every(
    attempt: Callable[[], Awaitable[T]], patch: pytest.MonkeyPatch, *, draws: bool
) -> AsyncIterator[tuple[float, T]]:
    """Make an attempt once for each way in which its chances can come out; yields that way's probability, and it.

    Without `draws`, those of `node.rng` are what the seed makes them, and only measurements come out in every way.
    """
    path: list[int] | None = []
    total = 0.0
    for _ in range(_MOST):
        if path is None:
            assert total == pytest.approx(1, abs=1e-10)
            return
        chances = Chances(path)
        with patch.context() as now:
            now.setattr("qnode.quantum.density_matrix.drawn", chances.drawn)
            if draws:
                now.setattr("qnode.api.node.generator", lambda key, chances=chances: chances)
            found = await attempt()
        total += chances.probability
        yield chances.probability, found
        path = chances.next_path()
    raise AssertionError(f"more than {_MOST} ways in which it can come out")


class Networks:
    """Networks of a test, in this process, exact: each run of them, and each view, with its probability."""

    def __init__(self, runs: Path, patch: pytest.MonkeyPatch) -> None:
        self._runs, self._patch = runs, patch

    def cluster(self, nodes: Mapping[str, Any], links: Any, **settings: Any) -> Cluster:
        """Formalism density_matrix, seed 1, no event log; 10 km between neighbours unless a link says otherwise."""
        given = {"seed": 1, "formalism": "density_matrix", "events": False, **settings}
        cluster = Cluster(nodes=nodes, links=links, runs=self._runs, **given)
        cluster.inline = True
        return cluster

    async def run(self, nodes: Mapping[str, Any], links: Any, **settings: Any) -> Run:
        """One run."""
        return await self.cluster(nodes, links, **settings).run()

    async def look(self, at: str, nodes: Mapping[str, Any], links: Any, **settings: Any) -> tuple[View, Run]:
        """The states of one run at a time, and what comes of it until 1 s of network time."""
        return await _look(self.cluster(nodes, links, until="1 s", **settings), at)

    async def runs(self, nodes: Mapping[str, Any], links: Any, **settings: Any) -> list[tuple[float, Run]]:
        """Every run that there can be, with its probability."""
        return [one async for one in every(self.cluster(nodes, links, **settings).run, self._patch, draws=True)]

    async def overheard(
        self, nodes: Mapping[str, Any], links: Any, *, draws: bool = True, **settings: Any
    ) -> list[tuple[float, Run, Said]]:
        """Every run that there can be, with its probability and all that somebody hears who hears everything."""
        cluster = self.cluster(nodes, links, **settings)

        async def attempt() -> tuple[Run, Said]:
            said: list[tuple[str, str, str, bytes]] = []
            send = Node.send

            async def heard(node: Node, peer: str, value: object, *, channel: str = "", **more: Any) -> None:
                said.append((node.name, peer, channel, pack(value)))
                await send(node, peer, value, channel=channel, **more)

            with self._patch.context() as now:
                now.setattr(Node, "send", heard)
                run = await cluster.run()
            return run, tuple(sorted(said, key=lambda one: one[:2]))

        return [(p, run, said) async for p, (run, said) in every(attempt, self._patch, draws=draws)]

    async def looks(
        self, at: str, nodes: Mapping[str, Any], links: Any, *, draws: bool = True, **settings: Any
    ) -> list[tuple[float, tuple[View, Run]]]:
        """What every run that there can be shows at a time, with its probability."""
        cluster = self.cluster(nodes, links, until="1 s", **settings)
        return [one async for one in every(lambda: _look(cluster, at), self._patch, draws=draws)]


async def _look(cluster: Cluster, at: str) -> tuple[View, Run]:
    async with cluster as net:
        view = await net.run_until(at)
        assert view is not None
        return view, await net.run()


def werner(between: str, fidelity: float) -> dict[str, Any]:
    """A chain of links, 10 km each, whose pairs have this fidelity: "alice bob"."""
    return {"line": {"chain": between.split(), "length": "10 km", "source": {"model": "werner", "fidelity": fidelity}}}
