"""Looking at processes and at what they leave behind, and waiting until they are gone."""

from __future__ import annotations

import os
import select
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

GONE_S: Final = 10.0  # on a busy machine; what is promised is a second, which benchmarks/launch.py looks at


class Watch:
    """Processes, held by descriptor: their numbers may be used again, and their ends are heard of at once."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._fds = {os.pidfd_open(pid): pid for pid in pids}

    def left(self, within_s: float = GONE_S) -> list[int]:
        """The numbers of those that have not ended by then."""
        deadline = time.monotonic() + within_s
        poll = select.poll()
        for fd in self._fds:
            poll.register(fd, select.POLLIN)
        left = dict(self._fds)
        while left and (ended := poll.poll(max(0.0, deadline - time.monotonic()) * 1000)):
            for fd, _ in ended:
                poll.unregister(fd)
                del left[fd]
        return sorted(left.values())

    def kill(self, pid: int) -> None:
        """kill -9 of one of them, and of nothing else."""
        (fd,) = (fd for fd, number in self._fds.items() if number == pid)
        signal.pidfd_send_signal(fd, signal.SIGKILL)

    def close(self) -> None:
        for fd in self._fds:
            os.close(fd)


@contextmanager
def watching(pids: Iterable[int]) -> Iterator[Watch]:
    watch = Watch(pids)
    try:
        yield watch
    finally:
        watch.close()


def children(pid: int) -> list[int]:
    """The numbers of a process's children."""
    return [int(number) for number in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def family(pid: int) -> list[int]:
    """The numbers of everything that descends from a process."""
    found = children(pid)
    for child in list(found):
        found += family(child)
    return found


def directories() -> set[str]:
    """What there is of socket directories and their locks, and "." for the folder that they are in."""
    root = Path(tempfile.gettempdir()) / f"qnode-{os.getuid()}"
    return {".", *(path.name for path in root.iterdir())} if root.exists() else set()


def told_to_use(temporary: Path) -> dict[int, str]:
    """The processes that started with this folder for temporary files, by number, and their commands; on Linux."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has gone, or is somebody else's
            if f"TMPDIR={temporary}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found[int(process.name)] = (process / "cmdline").read_text(errors="replace").replace("\0", " ")
    return found


def left_in(temporary: Path, within_s: float = GONE_S) -> list[str]:
    """What is left there: processes that have not ended by then, and files and folders once those have."""
    deadline = time.monotonic() + within_s
    while told := told_to_use(temporary):
        with suppress(ProcessLookupError), watching(told) as watch:  # one that has gone since is looked for again
            if left := watch.left(deadline - time.monotonic()):
                return [told[pid] for pid in left]
    return sorted(str(path.relative_to(temporary)) for path in temporary.rglob("*"))


linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes by way of /proc and pidfd")
