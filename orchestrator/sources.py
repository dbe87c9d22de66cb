"""Files and modules of programs: found and read as an import would, and never executed."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path


class Unreadable(Exception):
    """A file is not there, or is not Python.

    Attributes:
        line: The line that is to blame, or 0.
        reason: Goes on after what the file is called: "is not Python: invalid syntax".
    """

    def __init__(self, reason: str, line: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


def parse(file: Path) -> ast.Module:
    """What a file says. Raises Unreadable."""
    try:
        return ast.parse(file.read_bytes(), str(file))
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror or error}") from None
    except SyntaxError as error:
        raise Unreadable(f"is not Python: {error.msg}", error.lineno or 0) from None
    except ValueError as error:  # null bytes, or a text in no known encoding
        raise Unreadable(f"is not Python: {error}") from None


def find_file(name: str, folders: Iterable[str | Path]) -> Path | None:
    """The first file of that name, or None."""
    return next((file for folder in folders if (file := Path(folder, name)).is_file()), None)


def find_module(name: str, search: Sequence[str]) -> ModuleSpec | None:
    """A module or package at the top level, as an import finds it, installed in whatever way."""
    spec = PathFinder.find_spec(name, list(search))
    for finder in sys.meta_path if spec is None else ():
        find = getattr(finder, "find_spec", None)
        spec = None if find is None else find(name, None)
        if spec is not None:
            break
    return spec


def find_chain(name: str, search: Sequence[str]) -> Iterator[ModuleSpec | None]:
    """Each package that a module is in, from the outside, and the module; None where there is none, and then no more.

    None of them is imported.
    """
    top, *inner = name.split(".")
    spec = find_module(top, search)
    yield spec
    for part in inner:
        if spec is None:
            return
        spec = PathFinder.find_spec(f"{spec.name}.{part}", list(spec.submodule_search_locations or ()))
        yield spec


def file_of(spec: ModuleSpec) -> Path | None:
    """The file with a module's source, if there is one."""
    return Path(spec.origin).resolve() if spec.origin is not None and spec.origin.endswith(".py") else None
