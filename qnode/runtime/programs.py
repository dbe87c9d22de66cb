"""Finding the function that a configuration names."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from qnode.errors import ConfigError

Main = Callable[..., Coroutine[Any, Any, object]]

PROGRAM_MODULES: Final = "_qnode_program_"  # how modules are called that are files of programs


def load_program(run: str, folders: Sequence[Path]) -> Main:
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


def _load_file(where: str, folders: Sequence[Path]) -> ModuleType:
    found = [path for folder in folders if (path := (folder / where).resolve()).is_file()]
    path = found[0] if found else (folders[0] / where).resolve()
    name = f"{PROGRAM_MODULES}{path.as_posix()}"
    if name in sys.modules:
        return sys.modules[name]
    if not found:
        raise ConfigError(
            place=str(path), detail="there is no such file; program paths are relative to the configuration's folder"
        )
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(place=str(path), detail="this is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, RuntimeError) and "running event loop" in str(error):
            error.add_note(
                f"Every node loads {path.name} to find its program. Put what starts the network under"
                ' `if __name__ == "__main__":`.'
            )
        raise
    return module
