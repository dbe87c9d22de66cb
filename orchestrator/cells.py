"""Programs that were typed into a notebook or at a prompt travel as their source, with what they need.

What they need are the global names that they use: modules, functions and classes that another process can import
become imports; functions from cells their source; numbers, text and other plain values themselves, as they are when
the network is built. What is none of these is listed in one error.
"""

from __future__ import annotations

import ast
import builtins
import dis
import inspect
import os
import sys
import textwrap
from collections.abc import Iterator, Mapping
from enum import Enum
from types import CodeType, FunctionType, ModuleType
from typing import Final

import numpy as np

from qnode.errors import ConfigError, NotPackable
from qnode.wire.payload import pack, unpack

FILE: Final = "_cells.py"  # written into the folder of each run

_HEAD: Final = """\
# Programs that were typed in, as they were when their network was built.
from __future__ import annotations
"""


def is_cell(function: FunctionType) -> bool:
    """Whether a function was typed in: it is of the main module, and there is no file of it."""
    return function.__module__ == "__main__" and not os.path.isfile(inspect.unwrap(function).__code__.co_filename)


class Cells:
    """The source of programs from cells, as one file."""

    def __init__(self) -> None:
        self._imports: dict[str, str] = {}
        self._values: dict[str, str] = {}
        self._functions: dict[str, str] = {}
        self._known: dict[str, object] = {}

    def add(self, function: FunctionType, place: str) -> str:
        """Take a program and everything that it needs; what a configuration calls it.

        Raises:
            ConfigError: If its source is not known, or it uses what cannot travel; all such names at once.
        """
        lacking = dict(self._take(function.__name__, function))
        if lacking:
            names = "".join(f"\n  {name}: {why}" for name, why in lacking.items())
            raise ConfigError(
                place=place,
                detail=f"{function.__name__} was typed in, so its source travels to the node, and these names cannot"
                f" travel with it:{names}\nDefine them inside the function, pass them as arguments"
                f" (Program({function.__name__}, name=value)), or put them into a .py file and import it.",
            )
        return f"{FILE}:{function.__name__}"

    def files(self) -> Mapping[str, str]:
        """The text of the file, by its name; nothing if nothing was taken."""
        if not self._functions:
            return {}
        lines = [*sorted(self._imports.values()), "", *self._values.values()]
        return {FILE: "\n".join([_HEAD, *lines, "", *self._functions.values()])}

    def _take(self, name: str, value: object) -> Iterator[tuple[str, str]]:
        """Take what a name means; yields the names that cannot travel, each with the reason."""
        if name in self._known:
            if self._known[name] is not value:
                yield name, "it means one thing in one program and another in another; run all cells again"
            return
        self._known[name] = value
        line = _import_of(name, value)
        if line is not None:
            self._imports[name] = line
        elif isinstance(value, FunctionType) and is_cell(value):
            yield from self._take_function(name, value)
        else:
            try:
                self._values[name] = f"{name} = {self._expression(value)}"
            except NotPackable:
                yield name, f"a {type(value).__qualname__}, which is neither a plain value nor can be imported"

    def _take_function(self, name: str, function: FunctionType) -> Iterator[tuple[str, str]]:
        if "<locals>" in function.__qualname__:
            yield name, f"defined inside {function.__qualname__.partition('.<locals>')[0]}"
            return
        try:
            source = textwrap.dedent(inspect.getsource(function))
        except (OSError, TypeError):
            yield name, "its source is not known here; put it into a .py file"
            return
        for used in _globals_of(source):
            if used in function.__globals__:
                yield from self._take(used, function.__globals__[used])
            elif not hasattr(builtins, used):
                yield used, "not defined"
        self._functions[name] = f"\n{source}" + (f"\n{name} = {function.__name__}" if name != function.__name__ else "")

    def _expression(self, value: object) -> str:
        """An expression that makes a plain value again. Raises NotPackable."""
        if isinstance(value, Enum):
            kind = f"_{type(value).__name__}"
            line = _import_of(kind, type(value))
            if line is not None:
                self._imports[kind] = line
                return f"{kind}[{value.name!r}]"
        elif _is_literal(value):
            return repr(value)
        elif isinstance(value, np.generic) or type(value) is type(unpack(pack(value))):
            self._imports["_unpack"] = "from qnode.wire.payload import unpack as _unpack"
            return f"_unpack({pack(value)!r})"
        raise NotPackable(what="it", type=type(value).__qualname__)


def _is_literal(value: object) -> bool:
    try:
        return bool(ast.literal_eval(repr(value)) == value)
    except (ValueError, SyntaxError, TypeError, RecursionError):
        return False


def _import_of(name: str, value: object) -> str | None:
    """The statement by which another process gets the same thing under the same name."""
    if isinstance(value, ModuleType):
        spec = getattr(value, "__spec__", None)
        if spec is None or value.__name__ == "__main__":
            return None
        return f"import {spec.name}" if spec.name == name else f"import {spec.name} as {name}"
    module, qualname = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(qualname, str) or module == "__main__" or "." in qualname:
        return None
    if getattr(sys.modules.get(module), qualname, None) is not value:
        return None
    return f"from {module} import {qualname}" if qualname == name else f"from {module} import {qualname} as {name}"


def _globals_of(source: str) -> list[str]:
    """The global names that a function's source needs, when it is defined and when it runs."""
    compiled = compile(source, "<cell>", "exec", annotations.compiler_flag, dont_inherit=True)
    defined = {node.name for node in ast.parse(source).body if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef)}
    return [name for name in dict.fromkeys(_loaded(compiled)) if name not in defined]


def _loaded(code: CodeType) -> Iterator[str]:
    stored = set[str]()
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("STORE_NAME", "STORE_GLOBAL"):
            stored.add(str(instruction.argval))
        elif instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME") and instruction.argval not in stored:
            yield str(instruction.argval)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _loaded(constant)
