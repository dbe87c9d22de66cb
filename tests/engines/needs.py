"""What tests with a real engine need, and why they are skipped where it cannot be had."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest

WANTED: Final = "QNODE_ENGINES"
DEADLINE_S: Final = 120.0  # what hangs fails; nothing is measured by it


def require(programs: Sequence[str], packages: str) -> None:
    """Skip the test, with the reason, unless engines are wanted, and can be started here."""
    if os.environ.get(WANTED) != "1":
        pytest.skip(f"engines are started only where {WANTED}=1 is set, as `make engines` does")
    if os.geteuid() != 0:
        pytest.skip("an engine of its own can be started by root alone")
    missing = [program for program in programs if shutil.which(program, path=_PATH) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}; apt-get install {packages}")


_PATH: Final = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


@contextlib.contextmanager
def alone(what: str) -> Iterator[None]:
    """Whoever else starts such an engine on this machine at the same time waits: it has addresses and ports."""
    with open(Path(tempfile.gettempdir(), f"qnode-engine-{what}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def daemon(*command: str | Path, log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of an engine; ended, by its id, on leaving."""
    words = [shutil.which(str(command[0]), path=_PATH) or str(command[0]), *map(str, command[1:])]
    with log.open("ab") as file:
        env = {**os.environ, "PATH": _PATH, **environment}
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=env)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(condition: Callable[[], bool], what: str, *, log: Path | None = None, every_s: float = 0.1) -> None:
    """Until an engine says so; it has no other way to tell. Raises AssertionError with the end of its log."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        told = "" if log is None or not log.exists() else "\n" + log.read_text(errors="replace")[-4000:]
        assert time.monotonic() < deadline, f"{what} does not come{told}"
        time.sleep(every_s)
