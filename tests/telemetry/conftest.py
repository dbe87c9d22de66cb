"""A broker that tests share: each publishes below a topic of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.broker import Broker


@pytest.fixture(scope="package")
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


@pytest.fixture
def root(request: pytest.FixtureRequest) -> str:
    """A topic for this test alone."""
    return f"test/{request.node.name}".replace("[", "/").replace("]", "")
