"""What the tests with Slurm share: one of three hosts, and commands that are typed where jobs are submitted."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.needs import DEADLINE_S, wait_for
from tests.launch.processes import left_in
from tests.slurm.engine import Slurm, slurm


@pytest.fixture(scope="session")
def three_hosts() -> Iterator[Slurm]:
    """A running Slurm."""
    with tempfile.TemporaryDirectory(prefix="qnode-slurm-", dir="/tmp") as folder, slurm(Path(folder)) as started:
        yield started


@pytest.fixture
def hosts(three_hosts: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slurm]:
    """The same, for commands of this test; in the end no job is left in it, and no process or file of ours."""
    with tempfile.TemporaryDirectory(prefix="qn-", dir="/tmp") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setenv("SLURM_CONF", three_hosts.environment["SLURM_CONF"])
        yield three_hosts
        wait_for(lambda: three_hosts.jobs == [], "the end of all jobs")
        assert left_in(Path(folder), within_s=DEADLINE_S) == []
