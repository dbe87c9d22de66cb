"""Finding the function that a configuration names."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import ModuleType
from typing import Any

from qnode.errors import ConfigError

Main = Callable[..., Coroutine[Any, Any, object]]


def load_program(run: str, base: Path) -> Main:
    """The async function behind `file.py:function` or `package.module:function`.

    Files are relative to `base`, the configuration's folder. A file is read once in a process, however many programs
    it holds. Raises ConfigError with what is wrong; whatever the file itself raises comes through.
    """
    where, _, name = run.rpartition(":")
    module = _load_file(base / where) if where.endswith(".py") else importlib.import_module(where)
    function = getattr(module, name, None)
    if function is None:
        there = [key for key, value in vars(module).items() if inspect.iscoroutinefunction(value)]
        raise ConfigError(
            place=run, detail=f"{where} has no function {name!r}; its async functions are: {', '.join(there) or 'none'}"
        )
    if not inspect.iscoroutinefunction(function):
        raise ConfigError(place=run, detail=f"{name} must be an `async def` that takes a Node")
    main: Main = function
    return main


def _load_file(path: Path) -> ModuleType:
    path = path.resolve()
    name = f"_qnode_program_{path.as_posix()}"
    if name in sys.modules:
        return sys.modules[name]
    if not path.is_file():
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
    except BaseException:
        del sys.modules[name]
        raise
    return module
