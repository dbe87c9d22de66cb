"""The files that the programs of a run are made of: found by reading them, known by their digests, kept with the run.

All that they import from files that are not installed counts, wherever in a file the import stands. What programs read
in other ways, such as data, nobody can know.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec

from orchestrator.folders import write_whole
from orchestrator.installed import is_installed
from orchestrator.run import Source
from orchestrator.sources import Unreadable, file_of, find_chain, find_file, parse
from qnode.errors import ConfigError
from qnode.wire.unreadable import UNREADABLE

INDEX_FILE: Final = "programs.json"
COPIES_FOLDER: Final = "programs"
LARGEST_COPY: Final = 2**20  # bytes: a longer file is known by its digest alone
_OUTSIDE: Final = "outside"  # where a copy goes whose own place is in none of the folders
_OURS: Final = ("qnode", "orchestrator")


class Kept(msgspec.Struct, frozen=True):
    """One file of a run's programs.

    Attributes:
        digest: Of what it said when the run began; BLAKE2b, in hexadecimal digits.
        place: Where it was.
        is_copied: Whether a copy is kept with the run; not of what is too long.
    """

    digest: str
    place: str
    is_copied: bool


def digest_of(text: bytes) -> str:
    """By which a file is known."""
    return blake2b(text, digest_size=16).hexdigest()


def files_of(source: Source, folder: Path, programs: Iterable[str] | None = None) -> Mapping[str, Path]:
    """The files of a run's programs, each by the name that it has for whoever imports it; sorted by name.

    Args:
        folder: Of the run, which has the files of programs that were typed into a notebook.
        programs: Where the functions are that matter; None: of all nodes.
    """
    folders = (source.base, folder, *map(Path, source.path))
    if programs is None:
        programs = {program.run for node in source.network.nodes.values() for program in node.programs}
    search = (*(str(one.resolve()) for one in folders), *sys.path)
    names = {file: _name(file, search) for file in _walk(programs, search)}
    for where in {program.rpartition(":")[0] for program in programs}:
        file = find_file(where, search) if where.endswith(".py") else None
        if file is not None and file.resolve() in names:
            names[file.resolve()] = copied_name(where)
    return dict(sorted((name, file) for file, name in names.items()))


def copied_name(where: str) -> str:
    """What the copy of a file is called that a configuration names by a path."""
    path = PurePosixPath(where)
    if not path.is_absolute() and ".." not in path.parts:
        return path.as_posix()
    return PurePosixPath(_OUTSIDE, *(part for part in path.parts if part not in ("/", ".."))).as_posix()


def keep(source: Source, folder: Path) -> None:
    """Write down what the programs of a run say when it begins. Raises OSError."""
    index: dict[str, Kept] = {}
    for name, file in files_of(source, folder).items():
        try:
            text = file.read_bytes()
        except OSError:
            continue  # whoever needs it says so
        is_own = file.is_relative_to(folder)
        is_copied = len(text) <= LARGEST_COPY and not is_own
        if is_copied:
            copy = folder / COPIES_FOLDER / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(text)
        if not is_own:
            index[name] = Kept(digest_of(text), str(file), is_copied)
    write_whole(folder / INDEX_FILE, msgspec.json.format(msgspec.json.encode(index), indent=1))


def kept(folder: Path) -> Mapping[str, Kept]:
    """What was written down. Raises ConfigError."""
    file = folder / INDEX_FILE
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, Kept])
    except OSError as error:
        raise ConfigError(place=str(file), detail=error.strerror or str(error)) from None
    except UNREADABLE as error:
        raise ConfigError(place=str(file), detail=f"this is not what a run saves: {error}") from None


def digest_now(file: Path) -> str | None:
    """Of what a file says now; None if it is not there."""
    try:
        return digest_of(file.read_bytes())
    except OSError:
        return None


def _name(file: Path, search: Sequence[str]) -> str:
    for folder in filter(None, search):
        if file.is_relative_to(folder):
            return file.relative_to(folder).as_posix()
    return copied_name(str(file))


def _walk(programs: Iterable[str], search: tuple[str, ...]) -> Iterator[Path]:
    wanted = dict.fromkeys(file for program in sorted(programs) for file in _files_named(program, search))
    seen: set[Path] = set()
    while wanted:
        file, _ = wanted.popitem()
        if file in seen or is_installed(file):
            continue
        seen.add(file)
        yield file
        for name in _imports_of(file, file.stat().st_mtime_ns):
            if name.partition(".")[0] not in _OURS:
                wanted.update(dict.fromkeys(_local_files(name, search)))
        for name in _siblings_of(file, file.stat().st_mtime_ns):
            wanted.update(
                dict.fromkeys(one for one in (Path(f"{name}.py"), Path(name, "__init__.py")) if one.is_file())
            )


def _files_named(program: str, search: tuple[str, ...]) -> Iterator[Path]:
    where = program.rpartition(":")[0]
    if where.endswith(".py"):
        file = find_file(where, search)
        if file is not None:
            yield file.resolve()
    else:
        yield from _local_files(where, search)


def _local_files(name: str, search: tuple[str, ...]) -> Iterator[Path]:
    """The files that `import name` executes, unless what is at the top of it is installed."""
    for spec in find_chain(name, search):
        file = None if spec is None else file_of(spec)
        if file is not None:
            if is_installed(file):
                return
            yield file


@lru_cache(maxsize=1024)
def _imports_of(file: Path, mtime_ns: int) -> tuple[str, ...]:
    """All that a file imports by its whole name; of `from a import b`, both `a` and `a.b`."""
    names: dict[str, None] = {}
    for statement in _statements(file):
        match statement:
            case ast.Import():
                names.update(dict.fromkeys(alias.name for alias in statement.names))
            case ast.ImportFrom(module=str(module), level=0):
                names[module] = None
                names.update(dict.fromkeys(f"{module}.{alias.name}" for alias in statement.names if alias.name != "*"))
    return tuple(names)


@lru_cache(maxsize=1024)
def _siblings_of(file: Path, mtime_ns: int) -> tuple[str, ...]:
    """What a file of a package imports relative to itself: paths without an ending."""
    names: dict[str, None] = {}
    for statement in _statements(file):
        if isinstance(statement, ast.ImportFrom) and statement.level:
            folder = file.parents[statement.level - 1]
            module = folder.joinpath(*(statement.module or "").split("."))
            names[str(module)] = None
            names.update(dict.fromkeys(str(module / alias.name) for alias in statement.names))
    return tuple(names)


def _statements(file: Path) -> Iterator[ast.AST]:
    try:
        return ast.walk(parse(file))
    except Unreadable:
        return iter(())
