"""Seeing the end of what keeps a network up."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.cli import networks, up
from orchestrator.folders import NETWORKS_FOLDER
from orchestrator.launch.detached import Detached
from tests.cli.commands import typed
from tests.launch.processes import GONE_S, linux_only


@pytest.fixture
def many_files() -> Iterator[None]:
    """So many open files that the next one's number is more than select() takes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= hard < 2048:
        pytest.skip("needs more open files than allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    yield
    for descriptor in held:
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@linux_only
def test_the_end_of_a_keeper_is_seen_where_very_many_files_are_open(
    many_files: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    NETWORKS_FOLDER.mkdir(parents=True)
    (NETWORKS_FOLDER / "net.lock").touch()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as keeper:
        watch = networks.Watch("net", keeper.pid)
        assert not watch.is_gone(0.01)
        keeper.communicate(b"\n")
        assert watch.is_gone(GONE_S)
        watch.close()


def test_a_keeper_with_nothing_to_keep_up_that_does_not_end_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(networks, "END_S", 0.1)
    NETWORKS_FOLDER.mkdir(parents=True)
    (NETWORKS_FOLDER / "net.lock").touch()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as keeper:
        up.leave_nothing("net", Detached(keeper))
        assert keeper.returncode == -signal.SIGKILL
    assert list(NETWORKS_FOLDER.iterdir()) == []


@pytest.mark.parametrize("entry", [b"", b"{}", b'{"name": "\xff"}', b"\xff"])
def test_an_entry_that_cannot_be_read_is_not_shown(
    entry: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    claim = networks.Claim("net")
    (NETWORKS_FOLDER / "net.json").write_bytes(entry)
    shown = typed("ps", cwd=tmp_path)
    assert (shown.code, shown.out) == (0, "no network is up here; `qnode up CONFIG` starts one\n")
    assert networks.is_up("net")
    claim.leave()
