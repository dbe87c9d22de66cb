"""The JSON Schema of configurations, and the tables of their documentation: both made from the models.

`python -m orchestrator.schema` prints the schema; `--write docs` writes it and the tables into a folder.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema

from orchestrator.config import Config
from orchestrator.generated import Part, row

SCHEMA_FILE: Final = "qnode.schema.json"
PAGE_FILE: Final = "configuration.md"
PART: Final = Part("python -m orchestrator.schema --write docs")

Schema = dict[str, Any]


def schema() -> Schema:
    """The JSON Schema of a configuration file; draft 7, which is what editors know best.

    Whatever the loader accepts, it accepts; what only the whole of a file can tell, it cannot refuse.
    """
    found = Config.model_json_schema(schema_generator=_Generator)
    definitions = {name: _opened(one) for name, one in found.pop("$defs").items()}
    root = _opened(found)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A qnode configuration",
        **{**root, "type": "object"},
        "$defs": definitions,
    }


class _Generator(GenerateJsonSchema):
    """Without titles that only repeat the names of fields and classes."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def model_schema(self, schema: Any) -> Schema:
        found = super().model_schema(schema)
        found.pop("title", None)
        if "description" in found:
            found["description"] = " ".join(found["description"].split())
        return found


def _opened(found: Any) -> Any:
    """With keys of one's own allowed in all mappings, and nothing at all written for an empty one."""
    if isinstance(found, list):
        return [_opened(item) for item in found]
    if not isinstance(found, dict):
        return found
    opened = {key: _opened(value) for key, value in found.items()}
    if opened.get("type") == "object" and opened.keys() & {"additionalProperties", "patternProperties"}:
        opened["type"] = ["object", "null"]
        named = opened.pop("patternProperties", None)
        if named:  # keys that people choose
            (pattern, values), *_ = named.items()
            opened["propertyNames"] = {"anyOf": [{"pattern": pattern}, {"pattern": "^x-"}]}
            opened["additionalProperties"] = values
        opened["patternProperties"] = {"^x-": True}
    return opened


def schema_text() -> str:
    """As it stands in the file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


# --- the tables ------------------------------------------------------------------------------------------------------

_HEADINGS: Final = {
    "": "The file",
    "HardwareConfig": "`kinds`: each of them",
    "NodeConfig": "`nodes`: each of them",
    "CommunicationConfig": "`communication`",
    "MemoryConfig": "`memory`",
    "ProgramConfig": "`programs`: each of them",
    "GatesConfig": "`gates`",
    "GateConfig": "`gates.single`",
    "TwoQubitGateConfig": "`gates.two`",
    "MeasureConfig": "`gates.measure`",
    "ReadoutConfig": "`gates.measure.readout`",
    "InitialiseConfig": "`gates.initialise`",
    "MoveConfig": "`gates.move`",
    "LinkConfig": "`links`: each of them",
    "GridConfig": "`links`: `grid`",
    "TreeConfig": "`links`: `tree`",
    "RandomConfig": "`links`: `random`",
    "PerfectSource": "`source: {model: perfect}`",
    "WernerSource": "`source: {model: werner}`",
    "BellDiagonalSource": "`source: {model: bell_diagonal}`",
    "DensityMatrixSource": "`source: {model: density_matrix}`",
    "SingleClickSource": "`source: {model: single_click}`",
    "DoubleClickSource": "`source: {model: double_click}`",
    "MidpointSource": "`source: {model: midpoint_source}`",
    "PhotonsConfig": "`photons`",
    "PolarisationEncoding": "`photons.encoding: {model: polarisation}`",
    "TimeBinEncoding": "`photons.encoding: {model: time_bin}`",
    "SinglePhotonSource": "`photons.source: {model: single_photon}`",
    "WeakCoherentSource": "`photons.source: {model: weak_coherent}`",
    "EntangledSource": "`photons.source: {model: entangled}`",
    "FibreChannel": "`photons.channel: {model: fibre}`",
    "FreeSpaceChannel": "`photons.channel: {model: free_space}`",
    "PassChannel": "`photons.channel: {model: pass}`",
    "PassPoint": "`photons.channel.table`: each of them",
    "DetectorConfig": "`photons.detector`",
    "GraphConfig": "`graphs`: each of them",
    "ClockConfig": "`clock`",
    "ClassicalConfig": "`classical`",
    "DelayMatrix": "`classical.delay`",
    "ObservedConfig": "`observe`: each of a list",
    "LimitsConfig": "`limits`",
    "NodeLimitsConfig": "`limits` of a node",
    "StackConfig": "`stack`",
    "FailuresConfig": "`failures`",
    "RecordConfig": "`record`",
    "HostConfig": "`hosts`: each of them",
    "FaultConfig": "`faults`: each of a list",
    "TriggerConfig": "`faults`: `on`",
    "WaysConfig": "`faults`: `cut`, `heal`",
    "SlowConfig": "`faults`: `slow`",
    "LoseConfig": "`faults`: `lose`",
    "DuplicateConfig": "`faults`: `duplicate`",
    "ReorderConfig": "`faults`: `reorder`",
    "TelemetryConfig": "`telemetry`",
    "MqttConfig": "`telemetry.mqtt`",
    "PrometheusConfig": "`telemetry.prometheus`",
}


def tables() -> str:
    """A table for each kind of mapping that a file can hold: keys, values, and what leaving them out means."""
    found = schema()
    models = {"": found, **{name: one for name, one in found["$defs"].items() if "properties" in one}}
    missing = models.keys() ^ _HEADINGS.keys()
    if missing:
        raise AssertionError(f"a heading is needed for each model, and a model for each heading: {missing}")
    return "\n\n".join(_table(heading, models[name]) for name, heading in _HEADINGS.items())


def _table(heading: str, model: Schema) -> str:
    rows = [
        f"### {heading}",
        "",
        model["description"],
        "",
        "| key | value | left out | what it is |",
        "|---|---|---|---|",
    ]
    rows += _rows(model)
    return "\n".join(rows)


def _rows(model: Schema) -> Iterator[str]:
    required = set(model.get("required", ()))
    for key, one in model["properties"].items():
        default = "needed" if key in required else _default(one.get("default"))
        cells = (f"`{key}`", _value(one), default, one.get("description", ""))
        yield row(*cells)


def _default(value: object) -> str:
    if value is None or isinstance(value, dict):
        return ""
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value).removesuffix('.0')}`"


def _value(one: Schema) -> str:
    """What may stand there, in a few words."""
    if "title" in one:
        return f"{one['title']}, such as {_example(one)}" if one.get("examples") else str(one["title"])
    if "$ref" in one:
        return "mapping"
    if "const" in one:
        return f"`{one['const']}`"
    if "enum" in one:
        return ", ".join(dict.fromkeys(f"`{value}`" for value in one["enum"] if value is not None))
    for several in ("anyOf", "oneOf"):
        if several in one:
            kinds = [_value(each) for each in one[several] if each.get("type") != "null"]
            return " or ".join(dict.fromkeys(kinds))
    kind = one.get("type")
    if isinstance(kind, list):
        kind = kind[0]
    if kind == "integer":
        low, high = one.get("minimum"), one.get("maximum")
        limits = f" from {low}" if low is not None else ""
        return f"whole number{limits}{f' to {high}' if high is not None else ''}"
    return {"object": "mapping", "array": "list", "string": "text", "boolean": "`true`, `false`", "number": "number"}[
        str(kind)
    ]


def _example(one: Schema) -> str:
    example = one["examples"][0]
    return f"`{example}`" if isinstance(example, str) else f"`{json.dumps(example).replace(chr(34), '')}`"


# --- the command -----------------------------------------------------------------------------------------------------


def page_text(page: str) -> str:
    """A page whose generated part says what the models say now. Raises ValueError if it has no such part."""
    return PART.rewritten(page, tables())


def write(folder: Path) -> None:
    """Write the schema into a folder, and the tables into the page that is there."""
    (folder / SCHEMA_FILE).write_text(schema_text(), encoding="utf-8")
    page = folder / PAGE_FILE
    page.write_text(page_text(page.read_text(encoding="utf-8")), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m orchestrator.schema", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument(
        "--write", type=Path, metavar="FOLDER", help=f"write {SCHEMA_FILE} and the tables of {PAGE_FILE}"
    )
    options = parser.parse_args(arguments)
    if options.write is None:
        sys.stdout.write(schema_text())
    else:
        write(options.write)
    return 0


if __name__ == "__main__":
    sys.exit(main())
