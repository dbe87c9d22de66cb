"""Brokers that tests share: each publishes below a topic of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache

import pytest

from benchmarks.broker import KINDS, Broker, is_installed


@pytest.fixture(scope="package")
def started() -> Iterator[Callable[[str], Broker]]:
    """The broker of a kind; there is one for all."""
    with ExitStack() as stack:
        yield cache(lambda kind: stack.enter_context(Broker(kind)))


@pytest.fixture
def broker(started: Callable[[str], Broker]) -> Broker:
    return started(next(filter(is_installed, KINDS)))


@pytest.fixture(params=KINDS)
def each_broker(request: pytest.FixtureRequest, started: Callable[[str], Broker]) -> Broker:
    """Mosquitto, and amqtt: for what must work with any."""
    if not is_installed(request.param):
        pytest.skip(f"{request.param} is not installed")
    return started(request.param)


@pytest.fixture
def root(request: pytest.FixtureRequest) -> str:
    """A topic for this test alone."""
    return f"test/{request.node.name}".replace("[", "/").replace("]", "")
