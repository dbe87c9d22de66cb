"""What tests of launching share: a place for temporary files of their own, and both ways to start processes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.launch.forkserver import START_METHOD
from tests.launch.processes import left_in


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files that nobody else uses (tmp_path is made before); short, for sockets live in it.

    In the end nothing may be left in it, and no process that was told to use it.
    """
    with tempfile.TemporaryDirectory(prefix="qn-", dir="/tmp") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", None)
        yield Path(folder)
        left = left_in(Path(folder))
    tempfile.tempdir = None
    assert left == []


@pytest.fixture(params=["fork", "spawn"])
def method(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How processes are started: the way of Linux, and the way of macOS."""
    chosen: str = request.param
    monkeypatch.setenv(START_METHOD, chosen)
    return chosen
