"""Commands as people type them: real processes, their output, and what they look like on a terminal."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Final, NamedTuple

from orchestrator.cli import main
from tests.warm import commands as warm

ROOT: Final = Path(__file__).parents[2]
DEADLINE_S: Final = 120.0  # what hangs fails; nothing is measured by it
_STYLE: Final = re.compile(r"\x1b\[[0-9;]*m")


class Done(NamedTuple):
    """What came of a command."""

    code: int
    out: str
    err: str


def command(*arguments: str | Path) -> list[str]:
    """The command line of `qnode` with some arguments."""
    return [sys.executable, "-m", "orchestrator.cli", *map(str, arguments)]


def environment(**changes: str) -> dict[str, str]:
    """This process's, from which the sources are found wherever a command runs; what programs print comes at once."""
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "QNODE_TOKEN")}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "TERM": "xterm", **changes}


def qnode(*arguments: str | Path, cwd: Path, **changes: str) -> Done:
    """Run `qnode` to its end; its output goes into pipes. Unless Python itself is told something, it need not start."""
    return carried_out(_typed(*arguments, **changes), cwd=cwd, **changes)


def _typed(*arguments: str | Path, **changes: str) -> list[str]:
    return (command if any(name.startswith("PYTHON") for name in changes) else warm.qnode)(*arguments)


def carried_out(words: Sequence[str], *, cwd: Path, **changes: str) -> Done:
    """Run any command to its end; its output goes into pipes."""
    done = subprocess.run(
        words,
        cwd=cwd,
        env=environment(**changes),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


@contextlib.contextmanager
def started(
    *arguments: str | Path, cwd: Path, words: Sequence[str] | None = None, afresh: object = False, **changes: str
) -> Iterator[subprocess.Popen[str]]:
    """`qnode`, whose output is read as it comes; if it goes on for too long it is killed, and the reading ends too.

    `words` are what is typed instead, to start it elsewhere. Signals reach it, but for SIGSTOP and SIGKILL: with those,
    and for its own process id, it is started `afresh`, if that is true.
    """
    if words is None:
        words = command(*arguments) if afresh else _typed(*arguments, **changes)
    process = subprocess.Popen(
        words,
        cwd=cwd,
        env=environment(**changes),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    limit = threading.Timer(DEADLINE_S, process.kill)
    limit.start()
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
        limit.cancel()


def out(process: subprocess.Popen[str]) -> IO[str]:
    """Its output."""
    assert process.stdout is not None
    return process.stdout


def err(process: subprocess.Popen[str]) -> IO[str]:
    """Its standard error."""
    assert process.stderr is not None
    return process.stderr


def ended(process: subprocess.Popen[str]) -> Done:
    """Everything that it still says, and its exit code; `communicate` would lose lines that are read but not taken."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        errors = pool.submit(err(process).read)
        rest = out(process).read()
    return Done(process.wait(DEADLINE_S), rest, errors.result())


def on_terminal(*arguments: str | Path, cwd: Path, columns: int = 80, **changes: str) -> Done:
    """Run a command to its end on a terminal of its own; everything that was written to it, in order, is `out`."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = environment(**changes)
    env.pop("COLUMNS", None)
    process = subprocess.Popen(
        _typed(*arguments, **changes),
        cwd=cwd,
        env=env,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    written = b""
    try:
        while True:
            try:
                data = os.read(ours, 65536)
            except OSError:  # on Linux, the end of a terminal is an error
                break
            if not data:
                break
            written += data
        code = process.wait(DEADLINE_S)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    return Done(code, written.decode(), "")


def wait_for_file(path: Path) -> None:
    """Until it is there; another process makes it."""
    deadline = time.monotonic() + DEADLINE_S
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} does not come"
        time.sleep(0.01)


def wait_until_gone(path: Path) -> None:
    """Until it is removed; another process does."""
    deadline = time.monotonic() + DEADLINE_S
    while path.exists():
        assert time.monotonic() < deadline, f"{path} does not go"
        time.sleep(0.01)


def typed(*arguments: str | Path, cwd: Path) -> Done:
    """The same as `qnode`, but in this process, where everything is imported; for commands that start nothing."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    return Done(code, out.getvalue(), err.getvalue())


def lasting_lines(written: str) -> list[str]:
    """What stands on a terminal when all is over: without styles, and without lines that were erased."""
    lines = _STYLE.sub("", written).split("\n")
    return [line.rstrip("\r").rpartition("\r\x1b[K")[2] for line in lines]
