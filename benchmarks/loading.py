"""How long a big file takes to load, against PyYAML's compose of the same text, which is a part of it."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Final

import yaml

from benchmarks.bench import Bench, require
from benchmarks.measure import Figure, Target, WrongResult
from orchestrator.loader import load

_YARDSTICK: Final = "PyYAML's compose alone"
_ROOT: Final = Path(__file__).parents[1]
_LOAD: Final = "import sys; from orchestrator.loader import load; print(len(load(sys.argv[1]).nodes))"
_COMPOSE: Final = (
    "import sys, yaml; root = yaml.compose(open(sys.argv[1], encoding='utf-8').read(), yaml.CSafeLoader);"
    " print(len(dict((key.value, value.value) for key, value in root.value)['nodes']))"
)


async def run(bench: Bench) -> list[Figure]:
    n = 50 if bench.effort.name == "tiny" else 1_000
    target = Target("value", "at most", 0.3)
    inside = Figure("loading", f"{n:,} nodes and links, one by one", "s", target, _YARDSTICK)
    fresh = Figure("loading", "the same, with a new interpreter and all imports", "s", None, _YARDSTICK)
    with tempfile.TemporaryDirectory(prefix="qnode-bench-") as folder:
        path = Path(folder) / "big.yaml"
        path.write_text(text(n), encoding="utf-8")
        await bench.sample(
            "loading",
            [
                ("in this process", partial(_sample, inside, path, n)),
                ("in a new interpreter", partial(_sample_fresh, fresh, path, n)),
            ],
        )
    return [inside, fresh]


def text(n: int) -> str:
    """A file that names each of n nodes, with a kind, a program and arguments, and each link of their chain."""
    lines = ["version: 1", "kinds:", "  end: {qubits: 8, gates: {single: {duration: 1 us}}}", "nodes:"]
    for i in range(n):
        lines.append(f'  n{i}: {{kind: end, qubits: 4, program: "program.py:main", args: {{number: {i}}}}}')
    lines.append("links:")
    for i in range(n - 1):
        lines.append(f"  l{i}: {{between: [n{i}, n{i + 1}], length: 25 km, source: {{model: perfect}}}}")
    return "\n".join([*lines, ""])


async def _sample(figure: Figure, path: Path, n: int) -> None:
    started = perf_counter()
    config = load(path)
    seconds = perf_counter() - started
    require(len(config.nodes) == n and len(config.links) == n - 1, "the file was not loaded as it was written")
    written = text(n)
    started = perf_counter()
    yaml.compose(written, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    figure.add(seconds, perf_counter() - started)


async def _sample_fresh(figure: Figure, path: Path, n: int) -> None:
    figure.add(await _seconds(_LOAD, path, n), await _seconds(_COMPOSE, path, n))


async def _seconds(program: str, path: Path, n: int) -> float:
    started = perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(path), cwd=_ROOT, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await process.communicate()
    seconds = perf_counter() - started
    if process.returncode or int(told) != n:
        raise WrongResult(f"a new interpreter found {told.decode().strip() or 'nothing'} instead of {n} nodes")
    return seconds
