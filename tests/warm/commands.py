"""`qnode` and forkservers, without the half second in which Python starts: for tests of what they do.

What is tested is processes as always, with the same streams, environment and folder; they are only forked from one that
has imported everything. Where it matters how a process comes to be, tests start it afresh (tests/launch, most of all).
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

from orchestrator.launch.early import ENVIRONMENT

ROOT: Final = Path(__file__).parents[2]
TYPIST: Final = Path(__file__).parent / "typist.py"
IS_THERE: Final = sys.platform == "linux"
SURROUNDINGS: Final = dict(os.environ)  # before a test changes them
_FORKSERVER: Final = "orchestrator.launch.forkserver"


def qnode(*arguments: str | Path) -> list[str]:
    """The command line of `qnode` with some arguments."""
    if not IS_THERE:
        return [sys.executable, "-m", "orchestrator.cli", *map(str, arguments)]
    return typed("qnode", address_of("qnode", address_of("forkserver")), *map(str, arguments))


def executes(*arguments: str | Path) -> list[str]:
    """The same for a command that executes programs itself, where its environment is that of a node's process."""
    if not IS_THERE:
        return qnode(*arguments)
    return typed("qnode", address_of("qnode", address_of("forkserver"), "executes"), *map(str, arguments))


def python(code: str, *arguments: str) -> list[str]:
    """A Python that carries out some code, and has imported all of qnode already."""
    if not IS_THERE:
        return [sys.executable, "-c", code, *arguments]
    return typed("python", address_of("qnode", address_of("forkserver")), code, *arguments)


def typed(kind: str, address: str, *arguments: str) -> list[str]:
    return [sys.executable, "-I", "-S", str(TYPIST), address, kind, *arguments]


def surroundings(*path: Path) -> dict[str, str]:
    """The environment of a Python whose forkservers come from here, and which imports from these folders."""
    if not IS_THERE:
        return {"PYTHONPATH": os.pathsep.join(map(str, path))}
    sites = (TYPIST.parent / "site", *path)
    return {"PYTHONPATH": os.pathsep.join(map(str, sites)), "QNODE_WARM": address_of("forkserver")}


def words(address: str, otherwise: Callable[..., list[str]]) -> Callable[..., list[str]]:
    """For `early.python`: forkservers come from that address, unless they are to spawn or begin another life."""

    def python(module: str, *arguments: str) -> list[str]:
        if module != _FORKSERVER or len(arguments) > 1 or os.environ.get("QNODE_START_METHOD", "fork") != "fork":
            return otherwise(module, *arguments)
        return typed("forkserver", address or address_of("forkserver"), *arguments)

    return python


@cache
def address_of(kind: str, *more: str) -> str:
    """Where processes of a kind are forked, from now until these tests end."""
    folder = tempfile.TemporaryDirectory(prefix="qnode-warm-", dir="/tmp")
    theirs = ENVIRONMENT if kind == "forkserver" or "executes" in more else {}
    address = f"{folder.name}/s"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.warm.zygote", address, kind, *more],
        cwd=ROOT,
        env={**SURROUNDINGS, "PYTHONPATH": str(ROOT), **theirs},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    atexit.register(folder.cleanup)
    atexit.register(process.__exit__, None, None, None)  # closes its streams, at which it ends, and waits for it
    return address
