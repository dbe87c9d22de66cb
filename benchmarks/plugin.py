"""What the pytest plugin costs: a test of two nodes beyond its run, and the start of a pytest that has no network."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Final

from benchmarks.bench import Bench, require
from benchmarks.measure import Figure, Target

_TESTS: Final = """\
from time import perf_counter

import pytest
from qnode import Node


async def toss(node: Node, peer: str = ""):
    began = perf_counter()
    half = await node.entangle("bob" if node.name == "alice" else "alice")
    return await half.measure(), began, perf_counter()


@pytest.mark.parametrize("nth", range({n}))
@pytest.mark.qnode(nodes={{"alice": toss, "bob": toss}}, links=[("alice", "bob", "10 km")], seed=1)
def test_two_nodes(net, nth, record_property):
    run = net.run_sync()
    assert run["alice"][0] == run["bob"][0]
    began, ended = (pick(run[node][at] for node in ("alice", "bob")) for at, pick in ((1, min), (2, max)))
    record_property("programs", ended - began)
    record_property("run", run.wall_s)
"""
_CONFTEST: Final = """\
import json
import time
from pathlib import Path

import pytest

TIMES = []


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    began = time.perf_counter()
    result = yield
    TIMES.append({"test": time.perf_counter() - began, **dict(item.user_properties)})
    return result


def pytest_sessionfinish():
    Path("times.json").write_text(json.dumps(TIMES))
"""
_INI: Final = "[pytest]\naddopts = -p no:cacheprovider\nasyncio_default_fixture_loop_scope = function\n"
_NOTHING: Final = "def test_nothing():\n    pass\n"
_YARDSTICK: Final = "the same run alone"


async def run(bench: Bench) -> list[Figure]:
    n = 3 if bench.effort.name == "tiny" else 30
    test = Figure(
        "plugin", "a test of two nodes, beyond its programs", "s", Target("value", "at most", 0.06), _YARDSTICK
    )
    start = Figure("plugin", "what pytest without networks starts later", "s", Target("value", "at most", 0.02))
    with tempfile.TemporaryDirectory(prefix="qnode-bench-") as folder:
        networks, nothing = Path(folder) / "networks", Path(folder) / "nothing"
        _write(networks, {"conftest.py": _CONFTEST, "test_networks.py": _TESTS.format(n=n)})
        _write(nothing, {"test_nothing.py": _NOTHING})
        await bench.sample(
            "plugin",
            [
                (test.case, partial(_test, test, networks, n)),
                (start.case, partial(_start, start, nothing, 1 if bench.effort.name == "tiny" else 15)),
            ],
        )
    return [test, start]


def _write(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir()
    for name, text in {"pytest.ini": _INI, **files}.items():
        (folder / name).write_text(text)


async def _test(figure: Figure, folder: Path, n: int) -> None:
    """The median over all tests but the first, for which the launcher is started."""
    await _pytest(folder)
    times = json.loads((folder / "times.json").read_text())
    require(len(times) == n, f"{len(times)} of {n} tests were run")
    figure.add(*(statistics.median(one[what] - one["programs"] for one in times[1:]) for what in ("test", "run")))


async def _start(figure: Figure, folder: Path, pairs: int) -> None:
    """How much longer the quickest of several with the plugin took than the quickest without, in turns."""
    pairs_s = [(await _pytest(folder), await _pytest(folder, "-p", "no:qnode")) for _ in range(pairs)]
    with_it, without = map(min, zip(*pairs_s, strict=True))
    figure.add(max(1e-6, with_it - without))


async def _pytest(folder: Path, *options: str) -> float:
    began = perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "pytest", "-q", *options),
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await process.communicate()
    seconds = perf_counter() - began
    require(process.returncode == 0, f"pytest ended with {process.returncode}:\n{told.decode()}")
    return seconds
