"""What tests of protocols share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.protocols.branching_pa import Networks


@pytest.fixture
def networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Networks:
    """Networks of which every run that there can be is made, with its probability."""
    return Networks(tmp_path, monkeypatch)
