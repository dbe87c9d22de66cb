"""Programs and files that a configuration names: what is wrong with them is told without running any of them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import pytest

from orchestrator.loader import from_mapping, load, loads
from orchestrator.problems import ConfigErrors

ALICE: Final = """\
import sys
sys.exit("this file was run, and not only read")

async def alice(node, theta: float, phi: float = 0.0, *, n: int = 1) -> None:
    node.mark("sent", node.qubit())

async def plain(node): ...

async def greedy(node, **more): ...

async def everything(*all, key): ...

async def nobody(): ...

async def placed(node, x, /, y=1): ...

def blocking(node): ...

@functools.wraps(blocking)
def wrapped(node): ...

class Program:
    @staticmethod
    async def inside(node): ...

assigned = plain
if sys.platform:
    async def either(node): ...
try:
    from somewhere import borrowed
except ImportError:
    borrowed = None
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "alice.py").write_text(ALICE)
    (tmp_path / "stars.py").write_text("from somewhere import *\n")
    (tmp_path / "broken.py").write_text("async def f(node):\n    return (\n\nasync def g(node): ...\n")
    (tmp_path / "latin.py").write_bytes(b"name = '\xfc'\n")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("raise SystemExit('imported, and not only found')\n")
    (tmp_path / "package" / "inner.py").write_text("async def main(node, n): ...\n")
    return tmp_path


def problems(folder: Path, node: str, more: str = "") -> list[str]:
    (folder / "net.yaml").write_text(f"version: 1\nnodes:\n  a: {node}\n{more}")
    try:
        load(folder / "net.yaml", programs=True)
    except ConfigErrors as errors:
        return [str(problem).removeprefix(f"{folder / 'net.yaml'}:") for problem in errors.problems]
    return []


@pytest.mark.parametrize(
    "node",
    [
        "{program: 'alice.py:alice', args: {theta: 1}}",
        "{program: 'alice.py:alice', args: {theta: 1, phi: 2, n: 3}}",
        "{program: 'alice.py:plain'}",
        "{program: 'alice.py:greedy', args: {whatever: 1}}",
        "{program: 'alice.py:everything', args: {key: 1}}",
        "{program: 'alice.py:wrapped', args: {who: knows}}",
        "{program: 'alice.py:assigned', args: {who: knows}}",
        "{program: 'alice.py:either', args: {who: knows}}",
        "{program: 'alice.py:borrowed'}",
        "{program: 'alice.py:Program.inside'}",
        "{program: 'stars.py:anything'}",
        "{program: 'package.inner:main', args: {n: 1}}",
        "{program: 'qnode.protocols.ghz:ghz', args: {chain: [a], bases: z}}",
        "{program: 'zlib:crc32'}",  # no source to read: the node will tell
    ],
)
def test_what_fits_or_cannot_be_told_is_let_pass(folder: Path, node: str) -> None:
    assert problems(folder, node) == []


@pytest.mark.parametrize(
    ("node", "problem"),
    [
        ("{program: 'alcie.py:alice'}", "3:16: nodes.a.program: there is no file 'alcie.py' in {} (did you"),
        ("{program: 'sub/a.py:alice'}", "3:16: nodes.a.program: there is no file 'sub/a.py' in {}"),
        (
            "{program: 'broken.py:f'}",
            "3:16: nodes.a.program: broken.py, line 2, is not Python: '(' was never closed",
        ),
        ("{program: 'latin.py:f'}", "3:16: nodes.a.program: latin.py, line 1, is not Python: (unicode error)"),
        (
            "{program: 'alice.py:alcie'}",
            "3:16: nodes.a.program: alice.py has no function 'alcie' (did you mean 'alice'?); its async functions are:"
            " alice, plain, greedy, everything, nobody, placed",
        ),
        (
            "{program: 'package.inner:f'}",
            "3:16: nodes.a.program: package.inner has no function 'f'; its async functions are: main",
        ),
        (
            "{program: 'alice.py:blocking'}",
            "3:16: nodes.a.program: blocking in alice.py, line 17, must be an `async def` that takes a Node",
        ),
        (
            "{program: 'alice.py:Program'}",
            "3:16: nodes.a.program: Program in alice.py, line 22, is a class; it must be an `async def` that takes a",
        ),
        ("{program: 'alice.py:nobody'}", "3:16: nodes.a.program: nobody must take a Node as its first parameter"),
        (
            "{program: 'alice.py:placed', args: {y: 2}}",
            "3:16: nodes.a.program: placed takes 'x' by its place only, and programs get arguments by name",
        ),
        ("{program: 'alice.py:alice'}", "3:16: nodes.a.program: alice needs 'theta'; give it in `args`"),
        (
            "{programs: {main: {run: 'package.inner:main'}}}",
            "3:30: nodes.a.programs.main.run: main needs 'n'; give it in `args`",
        ),
        (
            "{program: 'alice.py:alice', args: {theta: 1, phy: 2}}",
            "3:51: nodes.a.args.phy: alice has no parameter 'phy' (did you mean 'phi'?); its parameters: theta, phi, n",
        ),
        (
            "{program: 'alice.py:alice', args: {thetta: 1}}",
            "3:41: nodes.a.args.thetta: alice has no parameter 'thetta' (did you mean 'theta'?); its parameters: ",
        ),
        (
            "{program: 'alice.py:plain', args: {n: 1}}",
            "3:41: nodes.a.args.n: plain has no parameter 'n'; it takes a Node and nothing more",
        ),
        (
            "{program: 'alice.py:plain', args: {node: 1}}",
            "3:41: nodes.a.args.node: 'node' is the Node, which every program is given",
        ),
        (
            "{program: 'no_such_package.module:f'}",
            "3:16: nodes.a.program: there is no module 'no_such_package'; it is looked for in {} and what is installed",
        ),
        (
            "{program: 'package.outer:f'}",
            "3:16: nodes.a.program: there is no module 'package.outer'; it is looked for in {} and what is installed",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_at_the_line_that_names_it(folder: Path, node: str, problem: str) -> None:
    (found,) = problems(folder, node)
    assert found.startswith(problem.replace("{}", str(folder)))


def test_a_file_with_a_mistake_is_blamed_once_and_one_that_is_missing_wherever_it_is_named(folder: Path) -> None:
    named = {"a": "broken.py:f", "b": "broken.py:g", "c": "gone.py:f", "d": "gone.py:g"}
    nodes = "\n  ".join(f"{name}: {{program: '{program}'}}" for name, program in named.items())
    assert [found.split(": ")[1] for found in problems(folder, nodes.removeprefix("a: "))] == [
        "nodes.a.program",
        "nodes.c.program",
        "nodes.d.program",
    ]


def test_programs_are_checked_beside_other_mistakes(folder: Path) -> None:
    node = "{program: 'alice.py:alcie', qubits: 0}"
    assert [found.split(": ")[1] for found in problems(folder, node, "links: {l: {between: [a, b]}}\n")] == [
        "nodes.a.program",
        "nodes.a.qubits",
        "links.l.between[1]",
    ]


def test_nothing_is_imported(folder: Path) -> None:
    before = set(sys.modules)
    assert problems(folder, "{program: 'package.inner:main', args: {n: 1}}") == []
    assert not {name for name in set(sys.modules) - before if name.startswith("package")}


def test_programs_are_read_only_when_that_is_asked_for(folder: Path) -> None:
    (folder / "net.yaml").write_text("version: 1\nnodes: {a: {program: 'gone.py:f'}}")
    assert load(folder / "net.yaml").nodes["a"].program == "gone.py:f"


def test_a_mapping_has_a_folder_and_more_of_them(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    data = {"version": 1, "nodes": {"a": {"program": "alice.py:plain"}}}
    other = tmp_path_factory.mktemp("other")
    from_mapping(data, base=other, path=(str(folder),), programs=True)
    with pytest.raises(ConfigErrors, match=r"there is no file 'alice.py'"):
        from_mapping(data, base=other, programs=True)


# --- marks and matrices ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("observe", "expected"),
    [
        ("{snet: [fidelity]}", ["4:11: observe.snet: no program marks 'snet' (did you mean 'sent'?)"]),
        (
            "{sent: [{fidelity: sennt}]}",
            ["4:29: observe.sent[0].fidelity: no program marks 'sennt' (did you mean 'sent'?)"],
        ),
        ("{sent: [{fidelity: phi+}]}", []),
        ("{received: [fidelity]}", []),  # whoever marks it may be in a file that nobody reads
    ],
)
def test_a_mark_that_is_called_nearly_so_is_pointed_out(folder: Path, observe: str, expected: list[str]) -> None:
    assert problems(folder, "{program: 'alice.py:alice', args: {theta: 1}}", f"observe: {observe}\n") == expected


def test_marks_whose_names_are_made_by_the_program_are_let_pass(folder: Path) -> None:
    (folder / "marks.py").write_text("async def f(node):\n    node.mark('sent', 1)\n    node.mark(f'sen{1}', 1)\n")
    assert problems(folder, "{program: 'marks.py:f'}", "observe: {sen1: [fidelity]}\n") == []


@pytest.mark.parametrize(
    ("matrix", "detail"),
    [
        (None, "No such file or directory"),
        (", a\nb, 1 s\n", "node 'b' has no column"),
        (", a, b\na,, 5\nb, 1 s,\n", "'5' needs a unit; write a number and one of s, ms, us, ns, ps, min, h, day"),
    ],
)
def test_a_matrix_of_delays_is_read(folder: Path, matrix: str | None, detail: str) -> None:
    if matrix is not None:
        (folder / "d.csv").write_text(matrix)
    (found,) = problems(folder, "{}\n  b: {}", "classical: {delay: {matrix: d.csv}}\n")
    assert found.startswith(f"5:29: classical.delay.matrix: {folder / 'd.csv'}")
    assert found.endswith(detail)


def test_the_examples_name_programs_that_are_there() -> None:
    for path in sorted((Path(__file__).parents[2] / "configs").glob("*.yaml")):
        load(path, programs=True)


def test_a_text_without_a_folder_is_checked_from_here(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.chdir(folder)
    loads("version: 1\nnodes: {a: {program: 'alice.py:plain'}}", programs=True)
