"""Starting the forkserver before anything else: it imports what nodes need while the command line reads its own.

This module and what it imports must stay light: a command calls `start_early()` before it parses or imports anything.
"""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_ROOT: Final = str(Path(__file__).resolve().parents[2])
ENVIRONMENT: Final = {
    "PYTHONHASHSEED": "0",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
}
_OF_PYTEST: Final = "PYTEST_CURRENT_TEST"  # changes with every test


@dataclass(frozen=True)
class Started:
    """A forkserver that was started, our end of the socket to it, and the surroundings that its nodes will have."""

    process: subprocess.Popen[bytes]
    socket: socket.socket
    surroundings: object


_early: list[Started] = []


def start_early() -> None:
    """Start a forkserver that the next Launcher takes over; if none does, it ends with this process."""
    if not _early:
        _early.append(start())
        atexit.register(forget)


def take() -> Started:
    """The forkserver that was started early, if nothing around it has changed since; or a new one."""
    return _early.pop() if _early and _early[-1].surroundings == surroundings() else start()


def surroundings() -> object:
    """What a forkserver takes over from this process when it starts, to compare: the folder and the environment."""
    try:
        folder = os.getcwd()
    except FileNotFoundError:  # it was removed
        folder = ""
    return folder, {name: value for name, value in os.environ.items() if name != _OF_PYTEST}


def start() -> Started:
    """Start a forkserver of its own session: the terminal's Ctrl-C is ours to handle."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            python("orchestrator.launch.forkserver", str(theirs.fileno())),
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # processes write to the log of their run; nobody holds our output open
            env={**os.environ, **ENVIRONMENT},
            start_new_session=True,
        )
    return Started(process, ours, surroundings())


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs the `main` of a module of ours, wherever it is installed.

    The current folder stays out of `sys.path`: a program called random.py there must not become everybody's `random`.
    Nothing that is imported is garbage, and looking for it takes a quarter of the time.
    """
    imports = f"gc.disable(); from {module} import main; gc.freeze(); gc.enable()"
    code = f"import gc, sys; sys.path.append({_ROOT!r}); {imports}; sys.exit(main())"
    return [sys.executable, "-P", "-c", code, *arguments]


def surround(module: str, arguments: Sequence[str]) -> None:
    """See that this process has the environment of a node's process: if not, it becomes that command again with it."""
    if any(os.environ.get(name) != value for name, value in ENVIRONMENT.items()):
        os.execve(sys.executable, python(module, *arguments), {**os.environ, **ENVIRONMENT})


def forget() -> None:
    """End the forkserver that was started early, if no Launcher has taken it over."""
    while _early:
        started = _early.pop()
        started.socket.close()
        started.process.kill()  # it has no children yet, and nothing to remove
        started.process.wait()
