"""A pytest inside a test."""

from __future__ import annotations

import pytest

from tests.plugin.inside import Inside


@pytest.fixture
def inside(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Inside:
    return Inside(pytester, monkeypatch)
