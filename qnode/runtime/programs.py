"""Finding the function that a configuration names."""

from __future__ import annotations

import importlib
import inspect
import sys
import warnings
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Final

from qnode.errors import ConfigError

Main = Callable[..., Coroutine[Any, Any, object]]

PROGRAM_MODULES: Final = "_qnode_program_"  # how modules are called that are files of programs


_ahead: dict[str, tuple[ModuleType, CodeType]] = {}  # files of programs that were compiled, and are not executed yet


def read_ahead(programs: Iterable[str], folders: Sequence[str]) -> None:
    """Compile the files of a run's programs, for all processes that are forked from this one; execute nothing.

    What cannot be read, and what the compiler warns of, is left to the processes: they say so in their own log.
    """
    _ahead.clear()
    for where in {run.rpartition(":")[0] for run in programs}:
        with suppress(OSError, SyntaxError, ValueError, Warning), warnings.catch_warnings():
            warnings.simplefilter("error")
            path = _find(where, folders)
            if where.endswith(".py") and path is not None:
                _ahead[where] = _compiled(_name_of(path), path)


def load_program(run: str, folders: Sequence[str]) -> Main:
    """The async function behind `file.py:function` or `package.module:function`; `Class.function` for a static method.

    Files are looked for in `folders`, the configuration's first. A file is read once in a process, however many
    programs it holds. Raises ConfigError with what is wrong; whatever the file itself raises comes through.
    """
    where, _, name = run.rpartition(":")
    module = _load_file(where, folders) if where.endswith(".py") else importlib.import_module(where)
    function: object = module
    for part in name.split("."):
        function = getattr(function, part, None)
    if function is None:
        there = [key for key, value in vars(module).items() if inspect.iscoroutinefunction(value)]
        raise ConfigError(
            place=run, detail=f"{where} has no function {name!r}; its async functions are: {', '.join(there) or 'none'}"
        )
    if not inspect.iscoroutinefunction(function):
        raise ConfigError(place=run, detail=f"{name} must be an `async def` that takes a Node")
    main: Main = function
    return main


def _load_file(where: str, folders: Sequence[str]) -> ModuleType:
    if where in _ahead:
        return _executed(where, *_ahead[where])
    path = _find(where, folders)
    if path is None:
        raise ConfigError(
            place=str(Path(folders[0], where).resolve()),
            detail="there is no such file; program paths are relative to the configuration's folder",
        )
    name = _name_of(path)
    return sys.modules[name] if name in sys.modules else _executed(where, *_compiled(name, path))


def _executed(where: str, module: ModuleType, code: CodeType) -> ModuleType:
    name = module.__name__
    if name in sys.modules:
        return sys.modules[name]
    sys.modules[name] = module
    try:
        exec(code, vars(module))
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, RuntimeError) and "running event loop" in str(error):
            error.add_note(
                f"Every node loads {Path(where).name} to find its program. Put what starts the network under"
                ' `if __name__ == "__main__":`.'
            )
        raise
    return module


def _find(where: str, folders: Sequence[str]) -> Path | None:
    return next((path for folder in folders if (path := Path(folder, where).resolve()).is_file()), None)


def _name_of(path: Path) -> str:
    return f"{PROGRAM_MODULES}{path.as_posix()}"


def _compiled(name: str, path: Path) -> tuple[ModuleType, CodeType]:
    """A module to execute the code in. Raises what the compiler raises."""
    loader = SourceFileLoader(name, str(path))
    spec = spec_from_file_location(name, path, loader=loader)
    assert spec is not None  # it has a loader
    code = loader.get_code(name)
    assert code is not None  # it is no namespace package
    return module_from_spec(spec), code
