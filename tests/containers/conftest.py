"""What the tests with Docker share: one engine, and networks that run in it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.engine import Engine, engine
from tests.containers.networks import Deployed


@pytest.fixture(scope="session")
def docker() -> Iterator[Engine]:
    """A running engine, with our image."""
    with tempfile.TemporaryDirectory(prefix="qnode-docker-", dir="/tmp") as folder, engine(Path(folder)) as started:
        yield started


@pytest.fixture
def network(docker: Engine, tmp_path: Path) -> Iterator[Deployed]:
    """A network that is yet to be written; in the end nothing of it is left in the engine."""
    deployed = Deployed(docker, tmp_path / "net")
    deployed.folder.mkdir()
    yield deployed
    deployed.down()
    assert docker.docker("ps", "--all", "--quiet") == ""
    assert docker.docker("volume", "ls", "--quiet") == ""
