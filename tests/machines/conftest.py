from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engines.needs import require
from tests.machines.lan import Lan, why_not


@pytest.fixture(scope="session")
def lan() -> Iterator[Lan]:
    """Three hosts; a test leaves them as it found them."""
    require(("ip", "iptables"), "iproute2 iptables")
    if reason := why_not():
        pytest.skip(reason)
    with Lan(3) as hosts:
        yield hosts
