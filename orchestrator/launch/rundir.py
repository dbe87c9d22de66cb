"""A private directory for the sockets of one run, which nobody forgets to remove.

Its owner holds a lock for as long as it lives, however it dies. Whoever makes the next directory removes those whose
lock is free: by lock, never by guessing from age or process id.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import Final

from qnode.errors import TransportError

_LONGEST: Final = 60  # bytes of the folder for temporary files; what comes after it needs up to 35


class RunDirectory:
    """Mode 0700, with a short path: operating systems allow about 100 bytes for a socket's."""

    def __init__(self) -> None:
        self._root = _root()
        self._lock_path, self._lock = _lock_in(self._root)
        self.path = self._lock_path.with_suffix("")
        self.path.mkdir(mode=0o700)

    def remove(self) -> None:
        """Remove it and everything in it; safe to call twice."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock_path.unlink(missing_ok=True)
        self.let_go()
        with contextlib.suppress(OSError):  # others are in it
            self._root.rmdir()

    def let_go(self) -> None:
        """Close the lock's descriptor: in a forked child, which does not own the directory."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _root() -> Path:
    folder = tempfile.gettempdir()
    return Path(folder if len(os.fsencode(folder)) <= _LONGEST else "/tmp") / f"qnode-{os.getuid()}"


def _lock_in(root: Path) -> tuple[Path, int]:
    """A new lock in a root that is made if it is not there, and without what others left behind there."""
    while True:
        with contextlib.suppress(FileExistsError):
            root.mkdir(mode=0o700)
        with contextlib.suppress(FileNotFoundError):  # whoever was the last in it has just removed it
            _require_private(root)
            _sweep(root)
            return _new_lock(root)


def _require_private(root: Path) -> None:
    status = root.stat(follow_symlinks=False)
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise TransportError(detail=f"{root} belongs to somebody else or is open to others; remove it or set TMPDIR")


def _new_lock(root: Path) -> tuple[Path, int]:
    while True:
        path = root / f"{secrets.token_hex(4)}.lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:  # nobody swept it between being made and being locked
            return path, descriptor
        os.close(descriptor)


def _sweep(root: Path) -> None:
    for path in root.glob("*.lock"):
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path.with_suffix(""), ignore_errors=True)
                path.unlink(missing_ok=True)
            finally:
                os.close(descriptor)
