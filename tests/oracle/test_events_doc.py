"""The documentation of the event log says what the code says."""

from __future__ import annotations

from pathlib import Path

from orchestrator.oracle.events import KINDS, Event

DOC = (Path(__file__).parents[2] / "docs" / "events.md").read_text()


def test_every_kind_of_event_is_documented_as_it_is() -> None:
    for kind, meaning in KINDS.items():
        assert f"| `{kind}` | {meaning} |" in DOC


def test_every_field_is_documented() -> None:
    for field in Event.__struct_fields__:
        assert f"`{field}`" in DOC
