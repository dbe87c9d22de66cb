"""A pytest inside a test."""

from __future__ import annotations

import pytest

from tests.launch.conftest import temporary
from tests.plugin.inside import Inside

__all__ = ["inside", "temporary"]


@pytest.fixture
def inside(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Inside:
    return Inside(pytester, monkeypatch)
