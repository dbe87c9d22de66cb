"""Disks without room: small ones, full ones, and files that may not grow."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def file_system(folder: Path, size: str) -> Iterator[Path]:
    """One of its own, such as of "256k", in a new folder. The test is skipped where none can be mounted."""
    folder.mkdir()
    try:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        done = subprocess.run(mount, capture_output=True, text=True, timeout=60, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], timeout=60, check=True)


def fill(folder: Path) -> None:
    """Take all the room that there is on a small disk."""
    with pytest.raises(OSError, match="No space left on device"):
        (folder / "filler").write_bytes(bytes(2**20))


@contextmanager
def at_most(size: int) -> Iterator[None]:
    """Files cannot grow beyond a size, as on a full disk; nor is bytecode cut off that others would read."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "dont_write_bytecode", True)
            patch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # processes inherit both
            yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
