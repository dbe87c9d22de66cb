"""The oracle is told of processes that are gone at moments that no cluster can be brought to on purpose."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from orchestrator.oracle.core import Outcome
from orchestrator.oracle.service import OracleService
from orchestrator.oracle.spec import OracleSpec
from qnode.ids import NodeName
from qnode.transport.server import Server
from tests.oracle.cores import spec

BOB = NodeName("bob")


@pytest.fixture
def service(tmp_path: Path) -> OracleService:
    of: OracleSpec = msgspec.structs.replace(
        spec(), address=f"ipc://{tmp_path}/o", token=b"t", restart={"bob": "fresh"}, restarts=3, restart_ns=1_000
    )
    return OracleService(of, Server(of.address, of.token))


def test_a_process_that_is_gone_before_its_life_has_begun_ends_the_run(service: OracleService) -> None:
    core = service._core
    core.first_grants()
    core.lose(BOB, "a script", fresh=True)
    service._lose({"bob": "of the life before"}, {"bob": 0})
    assert core.missing == {}
    service._lose({"bob": "of the life to come"}, {"bob": 1})
    assert core.missing == {BOB: "of the life to come"}
    assert core.outcome == Outcome("lost", 0)
    service.close()


def test_what_is_told_of_an_earlier_life_is_no_news(service: OracleService) -> None:
    core = service._core
    core.first_grants()
    core.lose(BOB, "a script", fresh=True)
    core.time.keep_appointment()
    assert core.lives.current[BOB] == 1
    service._lose({"bob": "of the life before"}, {"bob": 0})
    assert (core.outcome, service._losses) == (None, [])
    service._lose({"bob": "of this one"}, {"bob": 1})
    assert [loss.reason for loss in service._losses] == ["of this one"]
    service.close()
