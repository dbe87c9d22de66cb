"""A project as `qnode init` makes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.commands import typed


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A new project, in a folder of its own."""
    done = typed("init", "project", cwd=tmp_path)
    assert done.code == 0, done.err
    return tmp_path / "project"
