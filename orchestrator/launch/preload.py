"""Which installed modules the programs of a run will import: found by reading them, never by importing them.

Only imports at the top level count (a branch or a `try` is top level too): what a program imports in a function may be
there so that it does not happen. Local files that a program imports are read in turn. A module is installed if it
lies where installers put modules, or is qnode's own; anything else may be edited between two runs and is left to the
runs themselves.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

from orchestrator.installed import is_installed
from orchestrator.sources import Unreadable, file_of, find_chain, find_file, find_module, parse

_OURS: Final = ("qnode", "orchestrator")


def modules_of(programs: Iterable[str], folders: Sequence[Path]) -> tuple[str, ...]:
    """The installed modules that programs import, in the order in which they are met.

    Args:
        programs: Each `file.py:function` or `package.module:function`. What cannot be found or read names nothing.
        folders: Where program files are looked for; first on the programs' path.
    """
    search = (*(str(folder.resolve()) for folder in folders), *sys.path)
    wanted = dict.fromkeys(filter(None, (_file_of(program, search) for program in programs)))
    found: dict[str, None] = {}
    seen: set[Path] = set()
    while wanted:
        file, _ = wanted.popitem()
        if file in seen:
            continue
        seen.add(file)
        for name in _imports_of(file, _time_of(file)):
            top = name.partition(".")[0]
            if top in _OURS:  # a script, or a test, may import Cluster: that takes longer than starting it
                found[name] = None
                continue
            spec = find_module(top, search)
            if spec is None or spec.origin in (None, "built-in", "frozen"):
                continue
            if is_installed(Path(str(spec.origin))):
                found[name] = None
            else:
                wanted.update(dict.fromkeys(_local_files(name, search)))
    return tuple(found)


def _file_of(program: str, search: tuple[str, ...]) -> Path | None:
    where = program.rpartition(":")[0]
    if where.endswith(".py"):
        return find_file(where, search)
    return next(reversed(list(_local_files(where, search))), None)


def _local_files(name: str, search: tuple[str, ...]) -> Iterator[Path]:
    """The files that `import name` executes: of a package and of what is inside it, as far as they can be found."""
    for spec in find_chain(name, search):
        file = None if spec is None else file_of(spec)
        if file is not None:
            yield file


def _time_of(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=1024)
def _imports_of(file: Path, mtime_ns: int) -> tuple[str, ...]:
    """What a file imports at its top level; of `from a import b`, both `a` and `a.b`. Relative ones are left out."""
    try:
        body = parse(file).body
    except Unreadable:
        return ()
    return tuple(dict.fromkeys(_names(body)))


def _names(body: Iterable[ast.stmt]) -> Iterator[str]:
    for statement in body:
        match statement:
            case ast.Import():
                yield from (alias.name for alias in statement.names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module
                yield from (f"{module}.{alias.name}" for alias in statement.names if alias.name != "*")
            case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
                yield from _names(statement.orelse)
            case ast.If() | ast.For() | ast.While():
                yield from _names([*statement.body, *statement.orelse])
            case ast.Try():
                yield from _names(statement.body)
                for handler in statement.handlers:
                    yield from _names(handler.body)
                yield from _names([*statement.orelse, *statement.finalbody])
            case ast.With() | ast.ClassDef():
                yield from _names(statement.body)
