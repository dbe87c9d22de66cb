"""The networks that are up in the background: a file for each, and a lock that shows whether its keeper lives.

```text
.qnode/networks/
  <name>.lock    held by the keeper's process for as long as it lives, however it dies
  <name>.json    what it keeps up, and how far that is
  <name>.out     what the keeper itself says, should it have to
```
Whoever finds a file whose lock is free removes it: by lock, never by guessing from a process's number.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import selectors
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

import msgspec

from orchestrator.folders import NETWORKS_FOLDER, make
from orchestrator.near import nearest
from qnode.errors import ConfigError
from qnode.wire.unreadable import UNREADABLE

END_S: Final = 15.0  # what a keeper has to end everything by itself

_PATIENCE_S: Final = 2.0  # others hold a lock for the moment in which they look whether it is free


class Entry(msgspec.Struct, frozen=True):
    """A network that is up.

    Attributes:
        pid: The keeper's process.
        run: The name of the run, and `folder` where it is saved.
        pids: The process of each node, and of the oracle.
        now_ns, steps: How far it was when this was written.
    """

    name: str
    pid: int
    config: str
    run: str
    folder: str
    seed: int
    nodes: int
    started: str
    pids: dict[str, int]
    now_ns: int = 0
    steps: int = 0


class Claim:
    """A name that is ours for as long as this process lives. Raises ConfigError if it is somebody else's."""

    def __init__(self, name: str) -> None:
        self.name = name
        make(NETWORKS_FOLDER)
        while True:
            self._lock = os.open(_lock(name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if not _acquire(self._lock, _PATIENCE_S):
                os.close(self._lock)
                raise taken(name)
            if os.fstat(self._lock).st_nlink:  # nobody removed it between its being made and being locked
                return
            os.close(self._lock)

    def write(self, entry: Entry) -> None:
        """Say what is kept up; readers see the old file or the new one."""
        path = _entry(self.name)
        new = path.with_suffix(".new")
        new.write_bytes(msgspec.json.encode(entry) + b"\n")
        os.replace(new, path)

    def leave(self) -> None:
        """It is over: nothing of it stays in the folder. The lock goes with this process, the last that there is."""
        _remove(self.name)


def listing() -> list[Entry]:
    """All networks that are up, by name; what is left of those whose keeper is gone is removed."""
    return list(_living())


def find(name: str | None) -> Entry:
    """The network of a name; None: the only one. Raises ConfigError."""
    entries = listing()
    if name is None and len(entries) == 1:
        return entries[0]
    names = [entry.name for entry in entries]
    if not names:
        raise ConfigError(place=name or "networks", detail="no network is up here; `qnode up CONFIG` starts one")
    if name is None:
        raise ConfigError(place="networks", detail=f"several are up, name one of them: {', '.join(names)}")
    for entry in entries:
        if entry.name == name:
            return entry
    raise ConfigError(
        place=name, detail=f"no network of this name is up{nearest(name, names)}; there are: {', '.join(names)}"
    )


def is_up(name: str) -> bool:
    """Whether its keeper lives."""
    try:
        descriptor = os.open(_lock(name), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


class Watch:
    """Sees the end of a network's keeper, whose lock goes with its process; made before it is told to end.

    Where the system can say so, it is not gone before the last of its process is: that comes just after its lock.
    """

    def __init__(self, name: str, pid: int) -> None:
        self._lock = self._process = -1
        with contextlib.suppress(FileNotFoundError):
            self._lock = os.open(_lock(name), os.O_RDWR | os.O_CLOEXEC)
        if sys.platform == "linux" and self._lock >= 0:
            with contextlib.suppress(ProcessLookupError):
                self._process = os.pidfd_open(pid)

    def is_gone(self, within_s: float) -> bool:
        """Wait until the keeper's process is gone; False if it is not by then."""
        if self._lock < 0:
            return True
        if not _acquire(self._lock, within_s):
            return False
        return self._process < 0 or _can_be_read(self._process, within_s)

    def close(self) -> None:
        for descriptor in (self._lock, self._process):
            if descriptor >= 0:
                os.close(descriptor)


def await_end(is_gone: Callable[[float], bool], kill: Callable[[], None]) -> bool:
    """Wait for the end of a keeper that was told to end; whether it is gone.

    It has a while to end everything by itself; then it is killed, and its processes follow it.

    Args:
        is_gone: Waits for its end for so many seconds at most.
        kill: Kills it.
    """
    if is_gone(END_S):
        return True
    kill()
    return is_gone(END_S)


def output_path(name: str) -> Path:
    """What the keeper itself says."""
    make(NETWORKS_FOLDER)
    return NETWORKS_FOLDER / f"{name}.out"


def taken(name: str) -> ConfigError:
    """The error for a name that is in use."""
    return ConfigError(
        place=name, detail=f"a network of this name is up; `qnode down {name}` ends it, or give another --name"
    )


def _living() -> Iterator[Entry]:
    for path in sorted(NETWORKS_FOLDER.glob("*.lock")):
        if not is_up(path.stem):
            sweep(path.stem)
            continue
        with contextlib.suppress(OSError, *UNREADABLE):  # it comes up or has just ended; or of another version
            yield msgspec.json.decode(_entry(path.stem).read_bytes(), type=Entry)


def sweep(name: str) -> None:
    """Remove what is left of a network whose keeper is gone, however far it had come."""
    with contextlib.suppress(OSError):
        descriptor = os.open(_lock(name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(name)
        finally:
            os.close(descriptor)


def _remove(name: str) -> None:
    for path in (_entry(name), _entry(name).with_suffix(".new"), NETWORKS_FOLDER / f"{name}.out", _lock(name)):
        with contextlib.suppress(OSError):  # one that cannot be removed is no reason to leave the others
            path.unlink()


def _lock(name: str) -> Path:
    return NETWORKS_FOLDER / f"{name}.lock"


def _entry(name: str) -> Path:
    return NETWORKS_FOLDER / f"{name}.json"


def _can_be_read(descriptor: int, within_s: float) -> bool:
    with selectors.DefaultSelector() as selector:  # select() takes no number that is 1024 or more
        selector.register(descriptor, selectors.EVENT_READ)
        return bool(selector.select(within_s))


class _TooLate(Exception):  # the alarm's way out of a wait, seen by nobody
    pass


def _acquire(descriptor: int, seconds: float) -> bool:
    """Wait for a lock, by the kernel's own queue and an alarm; only in the main thread."""

    def ring(number: int, frame: FrameType | None) -> NoReturn:
        raise _TooLate

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except _TooLate:
        return False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return True
