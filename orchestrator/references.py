"""Checks of programs: that what a configuration names is there and fits, told by reading the files, never running them.

Python has many ways to make a name that no reader can follow; what cannot be told for certain is taken to be right,
and the node's process will say otherwise.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from orchestrator.config import NAMED_STATES, Config, DelayMatrix, ProgramConfig
from orchestrator.delay_matrix import read_matrix
from orchestrator.near import nearest
from orchestrator.problems import Finding
from orchestrator.problems import Path as Trail
from orchestrator.shapes import expand
from orchestrator.sources import Unreadable, file_of, find_chain, find_file, parse
from qnode.errors import ConfigError
from qnode.ids import NodeName

_NOT_ASYNC: Final = "must be an `async def` that takes a Node"


def findings(config: Config, base: Path, path: tuple[str, ...] = ()) -> Iterator[Finding]:
    """What is wrong with the files that a configuration names.

    Args:
        config: It may have lost parts that were refused.
        base: The folder that paths of files are relative to, and the first in which modules are looked for.
        path: More folders with files and modules, before those of this interpreter.
    """
    library = _Library(base, path)
    for pattern, node in config.nodes.items():
        short = bool(node.program)
        for name, program in node.all_programs.items():
            trail: Trail = ("nodes", pattern) if short else ("nodes", pattern, "programs", name)
            yield from _of_program(library, trail, "program" if short else "run", program)
    yield from _of_marks(config, library)
    yield from _of_matrix(config, base)


def _of_program(library: _Library, trail: Trail, key: str, program: ProgramConfig) -> Iterator[Finding]:
    here = (*trail, key)
    where, _, function = program.run.rpartition(":")
    try:
        source = library.source(where)
        found = source.function(function) if source is not None else None
    except _Wrong as wrong:
        yield Finding(here, wrong.detail)
        return
    if found is not None:
        yield from _of_signature(found, trail, key, program.args)


def _of_signature(
    function: ast.AsyncFunctionDef, trail: Trail, key: str, given: Mapping[str, Any]
) -> Iterator[Finding]:
    """Whether keyword arguments fit a function that gets a Node first."""
    signature = function.args
    positional = [*signature.posonlyargs, *signature.args]
    if not positional and signature.vararg is None:
        yield Finding((*trail, key), f"{function.name} must take a Node as its first parameter")
        return
    node, after = (positional[0].arg, positional[1:]) if positional else (None, [])
    needed = [one.arg for one in (after[: len(after) - len(signature.defaults)] if signature.defaults else after)]
    needed += [one.arg for one, value in zip(signature.kwonlyargs, signature.kw_defaults, strict=True) if value is None]
    nameless = {one.arg for one in signature.posonlyargs}
    by_name = [one.arg for one in (*after, *signature.kwonlyargs) if one.arg not in nameless]
    unknown = [name for name in given if name not in by_name and name != node and signature.kwarg is None]
    if node in given and node not in nameless:
        yield Finding((*trail, "args", str(node)), f"{node!r} is the Node, which every program is given", key=True)
    for name in unknown:
        taken = f"its parameters: {', '.join(by_name)}" if by_name else "it takes a Node and nothing more"
        detail = f"{function.name} has no parameter {name!r}{nearest(name, by_name)}; {taken}"
        yield Finding((*trail, "args", name), detail, key=True)
    lacking = [name for name in needed if name not in given and not nearest(name, unknown)]
    if any(name in nameless for name in lacking):
        detail = f"{function.name} takes {lacking[0]!r} by its place only, and programs get arguments by name"
        yield Finding((*trail, key), detail)
    elif lacking:
        names, them = " and ".join(map(repr, lacking)), "it" if len(lacking) == 1 else "them"
        yield Finding((*trail, key), f"{function.name} needs {names}; give {them} in `args`", needs=((*trail, "args"),))


def _of_marks(config: Config, library: _Library) -> Iterator[Finding]:
    """Marks that are observed and that no program makes, if one that is made is called nearly so."""
    made = library.texts
    for mark, observed in config.observe.items():
        named: list[tuple[Trail, str, bool]] = [(("observe", mark), mark, True)]
        named += [
            (("observe", mark, nth, "fidelity"), one.fidelity, False)
            for nth, one in enumerate(observed)
            if one.fidelity is not None and one.fidelity not in NAMED_STATES
        ]
        for trail, name, is_key in named:
            near = nearest(name, sorted(library.marks))
            if near and name not in made and not library.has_other_marks:
                yield Finding(trail, f"no program marks {name!r}{near}", key=is_key)


def _of_matrix(config: Config, base: Path) -> Iterator[Finding]:
    delay = config.classical.delay
    if isinstance(delay, DelayMatrix):
        names = tuple(NodeName(name) for pattern in config.nodes for name in expand(pattern))
        try:
            read_matrix(base / delay.matrix, names, lambda path: path.read_text(encoding="utf-8-sig"))
        except ConfigError as error:
            yield Finding(("classical", "delay", "matrix"), str(error), needs=(("nodes",),))


# --- sources -------------------------------------------------------------------------------------------------------


class _Wrong(Exception):
    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


@dataclass(frozen=True)
class _Source:
    """A Python file that was read; `name` is what the configuration calls it."""

    name: str
    tree: ast.Module

    def function(self, name: str) -> ast.AsyncFunctionDef | None:
        """The function of that name, or None if it is there in a way that only running can tell. Raises _Wrong."""
        name, _, rest = name.partition(".")
        found = self._functions.get(name)
        if rest and found is not None:
            return None  # a method; what it is bound to is for the run to tell
        if isinstance(found, ast.AsyncFunctionDef):
            return found if not found.decorator_list else None
        if isinstance(found, ast.FunctionDef):
            if found.decorator_list:
                return None
            raise _Wrong(f"{name} in {self.name}, line {found.lineno}, {_NOT_ASYNC}")
        if isinstance(found, ast.ClassDef):
            raise _Wrong(f"{name} in {self.name}, line {found.lineno}, is a class; it {_NOT_ASYNC}")
        if name in self._bound or self._may_hold_more:
            return None
        there = [one.name for one in self._functions.values() if isinstance(one, ast.AsyncFunctionDef)]
        listed = f"its async functions are: {', '.join(there)}" if there else "it has no async functions"
        raise _Wrong(f"{self.name} has no function {name!r}{nearest(name, there)}; {listed}")

    @cached_property
    def _functions(self) -> dict[str, ast.AsyncFunctionDef | ast.FunctionDef | ast.ClassDef]:
        """At the top of the file; the last of a name wins, as it does when the file is run."""
        kinds = (ast.AsyncFunctionDef, ast.FunctionDef, ast.ClassDef)
        return {node.name: node for node in self.tree.body if isinstance(node, kinds)}

    @cached_property
    def _bound(self) -> set[str]:
        """Names that something other than a `def` at the top may give a meaning."""
        names = set[str]()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
            elif isinstance(node, ast.alias):
                names.add(node.asname or node.name.partition(".")[0])
        for top in self.tree.body:
            if not isinstance(top, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inner = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
                names.update(node.name for node in ast.walk(top) if isinstance(node, inner))
        return names

    @cached_property
    def _may_hold_more(self) -> bool:
        stars = (node for node in ast.walk(self.tree) if isinstance(node, ast.ImportFrom))
        return "__getattr__" in self._functions or any(alias.name == "*" for node in stars for alias in node.names)


class _Library:
    """The sources that a configuration names, each read once; a file with a mistake is complained about once."""

    def __init__(self, base: Path, path: tuple[str, ...]) -> None:
        self._base = base
        self._folders = [base, *map(Path, path)]
        self._path = [*map(str, self._folders), *sys.path]
        self._sources: dict[str, _Source | None] = {}

    def source(self, where: str) -> _Source | None:
        """A file or a module, or None if its source cannot be read (or was found to be wrong before). Raises _Wrong."""
        if where not in self._sources:
            self._sources[where] = None
            file = self._file(where) if where.endswith(".py") else self._module(where)
            self._sources[where] = None if file is None else _read(where, file)
        return self._sources[where]

    def _file(self, where: str) -> Path:
        found = find_file(where, self._folders)
        if found is None:
            del self._sources[where]  # every place that names it is wrong
            file = self._base / where
            there = sorted(one.name for one in file.parent.glob("*.py")) if file.parent.is_dir() else []
            raise _Wrong(f"there is no file {where!r} in {self._base.resolve()}{nearest(file.name, there)}")
        return found

    def _module(self, where: str) -> Path | None:
        """Where a module's source is, found without importing any of the packages that it is in."""
        spec = None
        for depth, spec in enumerate(find_chain(where, self._path), 1):
            if spec is None:
                del self._sources[where]
                name = ".".join(where.split(".")[:depth])
                raise _Wrong(
                    f"there is no module {name!r}; it is looked for in {self._base.resolve()} and what is installed"
                )
        return None if spec is None else file_of(spec)

    @cached_property
    def texts(self) -> set[str]:
        """Every text that is written in one of them."""
        return {
            node.value
            for source in self._sources.values()
            if source is not None
            for node in ast.walk(source.tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }

    @cached_property
    def marks(self) -> set[str]:
        """The names of marks that are written out."""
        return {
            call.args[0].value
            for call in self._calls_of_mark
            if call.args and isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str)
        }

    @cached_property
    def has_other_marks(self) -> bool:
        """Whether there may be marks whose names are made when a program runs."""
        written = sum(bool(call.args) and isinstance(call.args[0], ast.Constant) for call in self._calls_of_mark)
        return written < len(self._calls_of_mark)

    @cached_property
    def _calls_of_mark(self) -> list[ast.Call]:
        return [
            node
            for source in self._sources.values()
            if source is not None
            for node in ast.walk(source.tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "mark"
        ]


def _read(where: str, file: Path) -> _Source:
    try:
        return _Source(where, parse(file))
    except Unreadable as error:
        line = f", line {error.line}," if error.line else ""
        raise _Wrong(f"{where}{line} {error.reason}") from None
