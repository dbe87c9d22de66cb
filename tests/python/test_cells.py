"""Programs that were typed in travel as source, with what they need; what cannot travel is listed at once."""

from __future__ import annotations

import linecache
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
import pytest

from orchestrator.cells import FILE, Cells, is_cell
from qnode.errors import ConfigError


class Notebook:
    """Cells as a notebook executes them: their source in linecache, their names in one namespace of `__main__`."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self._cells = 0

    def cell(self, source: str) -> None:
        self._cells += 1
        name = f"<cell {id(self)} {self._cells}>"
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        exec(compile(source, name, "exec", dont_inherit=True), self.names)

    def travelled(self, *programs: str) -> dict[str, Any]:
        """The namespace that a node has once it has loaded the programs' file."""
        cells = Cells()
        for program in programs:
            assert cells.add(self.names[program], f"nodes.{program}") == f"{FILE}:{program}"
        there: dict[str, Any] = {"__name__": "a node's"}
        exec(compile(cells.files()[FILE], FILE, "exec", dont_inherit=True), there)
        return there


@pytest.fixture
def notebook() -> Notebook:
    return Notebook()


def test_what_was_typed_in_is_told_from_what_is_in_a_file(notebook: Notebook) -> None:
    notebook.cell("async def alice(node): ...")
    assert is_cell(notebook.names["alice"])
    assert not is_cell(test_what_was_typed_in_is_told_from_what_is_in_a_file)  # type: ignore[arg-type]


def test_nothing_is_written_for_networks_without_cells() -> None:
    assert Cells().files() == {}


def test_modules_functions_and_values_travel_with_the_program_that_uses_them(notebook: Notebook) -> None:
    notebook.cell(
        "import asyncio, math, os.path\nimport numpy as np\nfrom math import pi, floor as down\n"
        "from qnode import BellState, Node, Pauli\n"
        "ROUNDS = 3\nWORDS = {'a': [1, (2, None)], 'b': 1.5}\nTABLE = np.arange(4) * 1j\nBIG = 2**80\n"
        "BASIS = Pauli.X\nNOT_A_NUMBER = float('nan')\nNUMBER = np.float64(0.25)\nRAW = b'\\x00'\nUNUSED = object()"
    )
    notebook.cell("def inner(x):\n    return other(x) + ROUNDS\n\ndef other(x):\n    return down(x) * BIG\n")
    notebook.cell(
        "async def alice(node: Node, *, basis=BASIS, n: 'int' = ROUNDS):\n"
        "    table = [abs(entry) for entry in TABLE]\n"
        "    def local(): return pi, math.e, np.pi, os.path.sep\n"
        "    return inner(1.5), table, WORDS, local(), asyncio.sleep, BellState, basis, RAW, NUMBER, NOT_A_NUMBER, len"
    )
    there = notebook.travelled("alice")
    for name in ("ROUNDS", "WORDS", "BIG", "BASIS", "RAW", "NUMBER", "BellState", "asyncio", "math", "np", "down"):
        assert there[name] == notebook.names[name], name
    assert np.array_equal(there["TABLE"], notebook.names["TABLE"])
    assert there["NOT_A_NUMBER"] != there["NOT_A_NUMBER"]
    assert "UNUSED" not in there
    mine, theirs = notebook.names["alice"], there["alice"]
    assert theirs.__kwdefaults__ == mine.__kwdefaults__
    with pytest.raises(StopIteration) as result:
        theirs(None).send(None)
    with pytest.raises(StopIteration) as expected:
        mine(None).send(None)
    assert repr(result.value.value) == repr(expected.value.value).replace(repr(np.float64(0.25)), "0.25")


def test_two_programs_share_one_file_and_what_both_use_is_in_it_once(notebook: Notebook) -> None:
    notebook.cell("def both(): return 1\nasync def alice(node): return both()\nasync def bob(node): return both()")
    cells = Cells()
    for name in ("alice", "bob", "alice"):
        cells.add(notebook.names[name], name)
    text = cells.files()[FILE]
    assert [text.count(f"def {name}(") for name in ("both", "alice", "bob")] == [1, 1, 1]


def test_functions_that_call_each_other_and_themselves_travel(notebook: Notebook) -> None:
    notebook.cell(
        "def even(n): return n == 0 or odd(n - 1)\ndef odd(n): return n > 0 and even(n - 1)\n"
        "async def alice(node): return even(4), alice"
    )
    there = notebook.travelled("alice")
    assert there["even"](4)
    assert not there["odd"](4)


def test_decorators_and_defaults_are_there_before_the_function_that_needs_them(notebook: Notebook) -> None:
    notebook.cell(
        "import functools\n"
        "async def alice(node): return twice(1)\n"
        "def add(n):\n"
        "    def wrap(function):\n"
        "        @functools.wraps(function)\n"
        "        def inner(*args): return function(*args) + n\n"
        "        return inner\n"
        "    return wrap\n"
        "START = 5\n"
        "@add(START)\n"
        "def twice(x, factor=START): return x * factor"
    )
    assert notebook.travelled("alice")["twice"](1) == 10


def test_an_alias_and_a_function_in_another_module_keep_their_names(notebook: Notebook) -> None:
    notebook.cell("from textwrap import dedent as d\ndef f(): return 7\ng = f\nasync def alice(node): return g(), d")
    there = notebook.travelled("alice")
    assert there["g"]() == 7
    assert there["d"]("  x") == "x"


def test_values_are_those_at_the_time_when_the_network_is_built(notebook: Notebook) -> None:
    notebook.cell("ROUNDS = 1\nasync def alice(node): return ROUNDS")
    first = notebook.travelled("alice")
    notebook.cell("ROUNDS = 2")
    assert (first["ROUNDS"], notebook.travelled("alice")["ROUNDS"]) == (1, 2)


def test_all_names_that_cannot_travel_are_listed_in_one_error(notebook: Notebook) -> None:
    notebook.cell(
        "class Model: pass\nmodel = Model()\nlock = open\nfile = __import__('sys').stdout\n"
        "def make():\n    def inner(): ...\n    return inner\nnested = make()\nkept = [model]\n"
        "def helper(): return model, missing_too\n"
        "async def alice(node):\n"
        "    print(helper(), Model, missing, nested, kept, file, lock)"
    )
    with pytest.raises(ConfigError) as caught:
        Cells().add(notebook.names["alice"], "nodes.alice")
    text = str(caught.value)
    assert text.startswith("nodes.alice: alice was typed in, so its source travels to the node, and these names cannot")
    lines = [line.strip() for line in text.splitlines() if line.startswith("  ")]
    assert sorted(lines) == [
        "Model: a type, which is neither a plain value nor can be imported",
        "file: a OutStream, which is neither a plain value nor can be imported"
        if "OutStream" in text
        else f"file: a {type(notebook.names['file']).__qualname__}, which is neither a plain value nor can be imported",
        "kept: a list, which is neither a plain value nor can be imported",
        "missing: not defined",
        "missing_too: not defined",
        "model: a Model, which is neither a plain value nor can be imported",
        "nested: defined inside make",
    ]
    assert "Define them inside the function, pass them as arguments (Program(alice, name=value))" in text


def test_one_name_with_two_meanings_is_refused(notebook: Notebook) -> None:
    notebook.cell("def f(): return 1\nasync def alice(node): return f()")
    cells = Cells()
    cells.add(notebook.names["alice"], "nodes.alice")
    notebook.cell("def f(): return 2\nasync def bob(node): return f()")
    with pytest.raises(ConfigError, match="f: it means one thing in one program and another in another; run all cells"):
        cells.add(notebook.names["bob"], "nodes.bob")


def test_a_program_whose_source_is_not_known_is_refused_with_the_remedy() -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    exec("async def alice(node): ...", names)
    function = names["alice"]
    assert isinstance(function, FunctionType)
    with pytest.raises(ConfigError, match=r"alice: its source is not known here; put it into a \.py file"):
        Cells().add(function, "nodes.alice")


def test_nothing_is_executed_to_find_out_what_a_program_needs(notebook: Notebook, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    notebook.cell(f"from pathlib import Path\nasync def alice(node):\n    Path({str(mark)!r}).touch()\n")
    notebook.travelled("alice")
    assert not mark.exists()
