"""The direction of imports: which part may know which, checked on the source of every module.

The rules are the tables below. The checker itself is tested on small made-up trees, so that it can fail.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import pytest

ROOT: Final = Path(__file__).parents[1]

# Who may import whom inside qnode; `a <- b` of the design reads "b imports a". A part is a folder or a module of the
# top level; a name with a dot opens that one module and not its folder.
MAY_IMPORT: Final[Mapping[str, Sequence[str]]] = {
    "qnode": ("errors", "ids", "quantum.bell", "core", "api"),  # `from qnode import Node`
    "exits": (),
    "errors": ("exits",),
    "ids": (),
    "quantum": ("errors", "ids"),
    "wire": ("errors", "ids", "quantum"),
    "photons": ("errors", "ids"),
    "core": ("errors", "ids", "quantum", "wire"),
    "testing": ("errors", "ids", "quantum", "wire", "core"),
    "transport": ("errors", "ids", "wire"),
    "stack": ("errors", "ids", "quantum", "wire", "core"),
    "api": ("errors", "ids", "quantum.bell", "photons", "wire", "core"),
    "runtime": ("qnode", "errors", "exits", "ids", "quantum", "wire", "core", "transport", "stack", "api"),
    "protocols": ("qnode", "errors", "ids", "quantum.bell", "api"),
    "pytest_plugin": ("errors",),
}

# The one module of qnode that imports orchestrator, and only inside of functions: every pytest of an environment loads
# it, and a project that has nothing to do with networks may have a package `orchestrator` of its own.
LATE: Final = "qnode.pytest_plugin"

# The only places that may import a module which touches the world in a way that must stay in one place.
ONLY_IN: Final[Mapping[str, str]] = {
    "aiomqtt": "orchestrator.telemetry.publisher",
    "prometheus_client": "orchestrator.telemetry.exposition",
    "zmq": "qnode.transport",
    "subprocess": "orchestrator.launch",
}

# What is pure: no loop, socket, clock, environment or randomness of the process, and nothing imported that has them.
PURE: Final = (
    "qnode.errors",
    "qnode.exits",
    "qnode.ids",
    "qnode.quantum",
    "qnode.photons",
    "qnode.wire",
    "qnode.core",
    "qnode.stack",
    "qnode.runtime.sequence",
    "qnode.testing",
    "orchestrator.checks",
    "orchestrator.cli.commands",
    "orchestrator.config",
    "orchestrator.delay_matrix",
    "orchestrator.delays",
    "orchestrator.deploy",
    "orchestrator.drawing",
    "orchestrator.layout",
    "orchestrator.draft",
    "orchestrator.failures",
    "orchestrator.faults",
    "orchestrator.limits",
    "orchestrator.gate_errors",
    "orchestrator.graphs",
    "orchestrator.hardware",
    "orchestrator.invalid",
    "orchestrator.links",
    "orchestrator.near",
    "orchestrator.overrides",
    "orchestrator.photons",
    "orchestrator.pair_sources",
    "orchestrator.presets",
    "orchestrator.problems",
    "orchestrator.recording",
    "orchestrator.shapes",
    "orchestrator.telemetry.backlog",
    "orchestrator.telemetry.credentials",
    "orchestrator.telemetry.settings",
    "orchestrator.telemetry.tally",
    "orchestrator.telemetry.topics",
    "orchestrator.stacks",
    "orchestrator.topology",
    "orchestrator.placing",
    "orchestrator.plain",
    "orchestrator.plan",
    "orchestrator.units",
    "orchestrator.values",
    "orchestrator.written",
    "orchestrator.oracle",
)
SHELLS: Final = (  # inside what is pure otherwise
    "orchestrator.oracle.service",
    "orchestrator.oracle.event_writer",
    "orchestrator.oracle.record",
    "orchestrator.oracle.records",
    "orchestrator.oracle.regrant",
    "orchestrator.oracle.replay",
    "orchestrator.oracle.returning",
    "orchestrator.oracle.segments",
)
IMPURE_MODULES: Final = (
    "asyncio",
    "datetime",
    "multiprocessing",
    "os",
    "random",
    "secrets",
    "select",
    "selectors",
    "signal",
    "socket",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "uuid",
    "zmq",
)

# What every process of a run is forked with, and which packages of others it may hold: each costs all of them memory.
PROCESS: Final = "orchestrator.launch.child"
HELD: Final = ("msgpack", "msgspec", "numpy", "stim", "zmq")

LAZY: Final = "# lazy:"  # the comment that an import inside a function owes its reader


class Import(NamedTuple):
    """One name that a module imports: `target` is the dotted module, resolved; where, and under which conditions."""

    file: Path
    line: int
    importer: str
    target: str
    in_function: bool
    for_types: bool
    excused: bool

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.importer} imports {self.target}"


# --- reading the tree ----------------------------------------------------------------------------------------------


def modules(root: Path) -> dict[str, Path]:
    """Every module of both packages, by dotted name."""
    files = sorted(file for package in ("qnode", "orchestrator") for file in (root / package).rglob("*.py"))
    return {_dotted(file.relative_to(root)): file for file in files}


def _dotted(file: Path) -> str:
    parts = file.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports(root: Path) -> list[Import]:
    """Every import of every module; read once for all rules."""
    known = modules(root)
    return [found for name, file in known.items() for found in _of_module(root, name, file, known)]


def _of_module(root: Path, name: str, file: Path, known: Mapping[str, Path]) -> Iterator[Import]:
    source = file.read_text(encoding="utf-8")
    lines = source.splitlines()
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    for node, in_function, for_types in _walk(ast.parse(source), in_function=False, for_types=False):
        excused = any(LAZY in line for line in lines[node.lineno - 1 : node.end_lineno])
        for target in _targets(node, package, known):
            yield Import(file.relative_to(root), node.lineno, name, target, in_function, for_types, excused)


def _walk(
    tree: ast.AST, *, in_function: bool, for_types: bool
) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool, bool]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node, in_function, for_types
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            for inner in node.body:
                yield from _walk(ast.Module([inner], []), in_function=in_function, for_types=True)
            for inner in node.orelse:
                yield from _walk(ast.Module([inner], []), in_function=in_function, for_types=for_types)
            continue
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from _walk(node, in_function=in_function or is_function, for_types=for_types)


def _targets(node: ast.Import | ast.ImportFrom, package: str, known: Mapping[str, Path]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
    base = ".".join([*above, *([node.module] if node.module else [])])
    wholes = [f"{base}.{alias.name}" for alias in node.names]
    # `from package import module` reaches the module, `from module import name` the module that has the name
    yield from dict.fromkeys(whole if whole in known else base for whole in wholes)


def is_pure(module: str) -> bool:
    return any(within(module, place) for place in PURE) and not any(within(module, place) for place in SHELLS)


def within(module: str, place: str) -> bool:
    return module == place or module.startswith(f"{place}.")


# --- the rules: each yields the sentences of those who break it ----------------------------------------------------


def against_the_arrows(found: Sequence[Import]) -> Iterator[str]:
    for imported in found:
        if within(imported.importer, "qnode") and within(imported.target, "orchestrator"):
            if imported.importer != LATE:
                yield f"{imported}; qnode never imports orchestrator"
            elif not (imported.in_function or imported.for_types):
                yield f"{imported}; {LATE} imports orchestrator only inside of functions"
        elif within(imported.importer, "qnode") and within(imported.target, "qnode"):
            yield from _against_the_table(imported)


def _against_the_table(imported: Import) -> Iterator[str]:
    importer, target = _part(imported.importer), _part(imported.target)
    if importer == target:
        return
    if importer not in MAY_IMPORT:
        yield f"{imported}; {importer} is not in the table MAY_IMPORT: say there what it may import"
        return
    allowed = MAY_IMPORT[importer]
    inner = imported.target.removeprefix("qnode.")
    if target not in allowed and not any("." in place and within(inner, place) for place in allowed):
        yield f"{imported}; {importer} may import only: {', '.join(allowed) or 'nothing of ours'}"


def _part(module: str) -> str:
    return "qnode" if module == "qnode" else module.split(".")[1]


def in_the_wrong_place(found: Sequence[Import]) -> Iterator[str]:
    for imported in found:
        for module, place in ONLY_IN.items():
            if within(imported.target, module) and not within(imported.importer, place):
                yield f"{imported}; only {place} imports {module}"


def impure(found: Sequence[Import]) -> Iterator[str]:
    for imported in found:
        if imported.for_types or not is_pure(imported.importer):
            continue
        if any(within(imported.target, module) for module in IMPURE_MODULES):
            yield f"{imported}; {imported.importer} is pure"
        ours = any(within(imported.target, package) for package in ("qnode", "orchestrator"))
        if ours and not is_pure(imported.target):
            yield f"{imported}; {imported.importer} is pure and may import only what is pure"


def hidden(found: Sequence[Import]) -> Iterator[str]:
    for imported in found:
        if imported.in_function and not imported.excused:
            yield f"{imported} inside a function; move it to the top, or give the reason on its line: {LAZY} ..."


def too_large(found: Sequence[Import]) -> Iterator[str]:
    """What a process of a run would hold besides, with the way that leads there."""
    eager: dict[str, list[Import]] = {}
    for imported in found:
        if not imported.in_function and not imported.for_types:
            eager.setdefault(imported.importer, []).append(imported)
    ways = {PROCESS: PROCESS}
    ahead = [PROCESS]
    for module in ahead:
        for imported in eager.get(module, ()):
            target, way = imported.target, f"{ways[module]} > {imported.target}"
            package = target.partition(".")[0]
            if package in ("qnode", "orchestrator"):
                if target not in ways:
                    ways[target] = way
                    ahead.append(target)
            elif package not in sys.stdlib_module_names and package not in HELD:
                yield f"{imported}, and so does every process of a run: {way}"


def cycles(found: Sequence[Import]) -> Iterator[str]:
    """Modules that need each other, one sentence for each group (strongly connected components, Tarjan 1972)."""
    graph: dict[str, dict[str, Import]] = {}
    for imported in found:
        if not imported.for_types and imported.importer != imported.target:
            graph.setdefault(imported.importer, {}).setdefault(imported.target, imported)
    for group in _strongly_connected(graph):
        edges = [edge for name in sorted(group) for to, edge in sorted(graph[name].items()) if to in group]
        yield "a cycle: " + "; ".join(map(str, edges))


def _strongly_connected(graph: Mapping[str, Mapping[str, Import]]) -> Iterator[set[str]]:
    index: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    groups: list[set[str]] = []

    def visit(name: str) -> None:
        index[name] = lowest[name] = len(index)
        stack.append(name)
        for to in graph.get(name, {}):
            if to not in index:
                visit(to)
            if to in stack:
                lowest[name] = min(lowest[name], lowest[to])
        if lowest[name] == index[name]:
            at = stack.index(name)
            groups.append(set(stack[at:]))
            del stack[at:]

    for name in sorted(graph):
        if name not in index:
            visit(name)
    return (group for group in groups if len(group) > 1)


RULES: Final = (against_the_arrows, in_the_wrong_place, impure, hidden, too_large, cycles)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_no_module_imports(rule: object) -> None:
    assert callable(rule)
    broken = list(rule(imports(ROOT)))
    assert not broken, "\n" + "\n".join(broken)


def test_there_is_something_to_check() -> None:
    assert {"qnode.errors", "qnode.ids", "orchestrator.config"} <= set(modules(ROOT))


# --- the checker, on made-up trees ---------------------------------------------------------------------------------


def tree(root: Path, files: Mapping[str, str]) -> list[Import]:
    for name, source in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
    return imports(root)


BROKEN: Final = {
    "up the arrows": (against_the_arrows, {"qnode/quantum/a.py": "import qnode.wire.codec"}, "quantum may import only"),
    "qnode to orchestrator": (against_the_arrows, {"qnode/core/a.py": "from orchestrator import plan"}, "never"),
    "the plugin, at its top": (against_the_arrows, {"qnode/pytest_plugin.py": "import orchestrator"}, "only inside of"),
    "exit codes know nobody": (against_the_arrows, {"qnode/exits.py": "from qnode.ids import X"}, "nothing of ours"),
    "api and gates": (against_the_arrows, {"qnode/api/a.py": "from qnode.quantum.gates import H"}, "quantum.bell"),
    "api and all of quantum": (
        against_the_arrows,
        {"qnode/api/a.py": "from qnode.quantum import gates", "qnode/quantum/gates.py": ""},
        "qnode.quantum.gates",
    ),
    "a folder without a row": (against_the_arrows, {"qnode/extra/a.py": "import qnode.ids"}, "say there"),
    "relative, upwards": (against_the_arrows, {"qnode/core/deep/a.py": "from ...api import Node"}, "qnode.api"),
    "types are arrows too": (
        against_the_arrows,
        {"qnode/wire/a.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import qnode.core.x"},
        "a.py:3",
    ),
    "zmq in the runtime": (in_the_wrong_place, {"qnode/runtime/a.py": "import zmq.asyncio"}, "only qnode.transport"),
    "zmq in the oracle": (in_the_wrong_place, {"orchestrator/oracle/service.py": "from zmq import X"}, "only qnode"),
    "subprocess in the cli": (in_the_wrong_place, {"orchestrator/cli.py": "import subprocess"}, "orchestrator.launch"),
    "a clock in the core": (impure, {"qnode/core/a.py": "from time import monotonic"}, "qnode.core.a is pure"),
    "paths of os": (impure, {"orchestrator/topology.py": "import os.path"}, "orchestrator.topology is pure"),
    "pure, through another": (impure, {"orchestrator/plan.py": "from orchestrator.cli import x"}, "only what is pure"),
    "pure, through the shell beside it": (
        impure,
        {"orchestrator/oracle/core.py": "from orchestrator.oracle.service import X"},
        "only what is pure",
    ),
    "pure, in the oracle": (impure, {"orchestrator/oracle/core.py": "import asyncio"}, "oracle.core is pure"),
    "hidden": (hidden, {"qnode/api/a.py": "async def f():\n    if 1:\n        import qnode.ids"}, "a.py:3"),
    "hidden in a method": (hidden, {"orchestrator/a.py": "class A:\n    def f(self):\n        import json"}, "a.py:3"),
    "a constant that brings pydantic": (
        too_large,
        {
            "orchestrator/launch/child.py": "from orchestrator.oracle.service import run_oracle",
            "orchestrator/oracle/service.py": "from orchestrator.failures import FRESH",
            "orchestrator/failures.py": "from pydantic import Field",
        },
        "orchestrator.oracle.service > orchestrator.failures > pydantic",
    ),
    "a cycle of two": (
        cycles,
        {"qnode/core/a.py": "from qnode.core import b", "qnode/core/b.py": "import qnode.core.a"},
        "core/b.py:1",
    ),
    "a cycle through a package": (
        cycles,
        {"qnode/core/__init__.py": "from qnode.core.a import X", "qnode/core/a.py": "from qnode.core import Y"},
        "core/__init__.py:1",
    ),
    "a cycle of three, one lazy": (
        cycles,
        {
            "orchestrator/a.py": "import orchestrator.b",
            "orchestrator/b.py": "import orchestrator.c",
            "orchestrator/c.py": "def f():\n    import orchestrator.a  # lazy: slow",
        },
        "c.py:2",
    ),
}


@pytest.mark.parametrize("case", BROKEN.values(), ids=BROKEN.keys())
def test_what_breaks_a_rule_is_named(case: tuple[object, Mapping[str, str], str], tmp_path: Path) -> None:
    rule, files, expected = case
    assert callable(rule)
    broken = list(rule(tree(tmp_path, files)))
    assert len(broken) == 1
    assert expected in broken[0]


FINE: Final = {
    "down the arrows": {"qnode/core/a.py": "from qnode.wire import x\nfrom qnode.quantum.gates import H"},
    "the root": {"qnode/__init__.py": "from qnode.api.node import Node", "qnode/protocols/a.py": "from qnode import X"},
    "api and bell": {"qnode/api/a.py": "from qnode.quantum.bell import BellState"},
    "bell as a module": {"qnode/api/a.py": "from qnode.quantum import bell", "qnode/quantum/bell.py": ""},
    "zmq at home": {"qnode/transport/sockets.py": "import zmq"},
    "subprocess at home": {"orchestrator/launch/local.py": "import subprocess"},
    "one's own folder": {"qnode/core/a.py": "from . import b", "qnode/core/b.py": "import math"},
    "lazy and said so": {"orchestrator/cli.py": "def f():\n    import orchestrator.a  # lazy: 80 ms"},
    "the plugin, late": {"qnode/pytest_plugin.py": "def f():\n    import orchestrator.a  # lazy: names"},
    "for types only": {
        "orchestrator/a.py": "import orchestrator.b",
        "orchestrator/b.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import orchestrator.a",
    },
    "a process with what it needs": {
        "orchestrator/launch/child.py": "import os\nfrom qnode.runtime.process import x",
        "qnode/runtime/process.py": "import msgspec\ndef f():\n    import scipy  # lazy: large",
        "orchestrator/config.py": "import pydantic",
    },
    "names that only look alike": {"qnode/core/timeline.py": "import timeit\nimport qnode.core.osmosis"},
    "shells may": {"orchestrator/oracle/service.py": "import time\nfrom qnode.transport import x"},
}


@pytest.mark.parametrize("files", FINE.values(), ids=FINE.keys())
def test_what_is_allowed_passes_every_rule(files: Mapping[str, str], tmp_path: Path) -> None:
    found = tree(tmp_path, files)
    assert found
    assert [sentence for rule in RULES for sentence in rule(found)] == []
