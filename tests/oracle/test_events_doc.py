"""The documentation of the event log, and its published schema, say what the code says."""

from __future__ import annotations

from pathlib import Path

import jsonschema

from orchestrator.oracle.events import KINDS, LOCAL_KINDS, Event, schema, schema_text

DOCS = Path(__file__).parents[2] / "docs"
DOC = (DOCS / "events.md").read_text()


def test_every_kind_of_event_is_documented_as_it_is() -> None:
    for kind, meaning in KINDS.items():
        assert f"| `{kind}` | {meaning} |" in DOC
    assert KINDS.keys() >= LOCAL_KINDS


def test_every_field_is_documented_as_it_is() -> None:
    fields = schema()["properties"]
    assert tuple(fields) == Event.__struct_fields__
    for field, one in fields.items():
        assert f"| `{field}` | {one['description']} |" in DOC


def test_the_published_schema_is_what_the_code_says() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    published = (DOCS / "events.schema.json").read_text(encoding="utf-8")
    assert published == schema_text(), "run: qnode events --schema > docs/events.schema.json"
