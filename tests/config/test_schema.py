"""The JSON Schema: it is what the models say, it accepts whatever the loader accepts, and refuses what it can."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from orchestrator import schema as schemas
from orchestrator.config import Config
from orchestrator.loader import from_mapping, loads
from orchestrator.problems import ConfigErrors
from orchestrator.written import Written
from tests.config.broken import BROKEN, GOOD, Case
from tests.config.full import FULL, GRAPH, REAL, TELEMETRY

ROOT: Final = Path(__file__).parents[2]
SCHEMA: Final = schemas.schema()
VALIDATOR: Final = jsonschema.Draft7Validator(SCHEMA)

# What is wrong between values, and what is said of the text of a file: no schema knows of it.
ONLY_THE_LOADER: Final = re.compile(
    r"t2 \(|must be at least 1 ns|must be longer than 0|only the (real|virtual) clock|full depolarisation|no kind"
    r"|no host '|has a place already"
    r"|counts down|stands for|^\S+ (key|\S+ node) \S+ is already there|no node|linked with itself|`between` joins"
    r"|ring needs|do not fill"
    r"|already joined|same two nodes|less than light|sum to|mean_pairs: must be more than 0|tag !!|a key must be"
    r"|success_probability: must be more|ever succeed|beyond the other|if they jitter|in a window only|only time bins"
    r"|is no state|no photons to lose|no pair would come"
    r"|is neither true|not a number that can|`qubits` is for slots|communication slots need|there are none; say how"
    r"|takes 3 probabilities|says all that goes wrong|the sum of K'K|must be a matrix of|not as large as the first"
    r"|photons on average|cannot have two photons|is not a rate of pulses|does not come after|`afterpulse_time`"
    r"|hardly ever|times the resolution|separation of the bins|do not fit between"
    r"|at least 1 ps|is an end of the link|tap needs a source"
    r"|`<<` takes|alias cannot|(bell_diagonal|stabilizer) holds"
)


def data(text: str) -> Any:
    return Written.from_text(text, "net.yaml").data


def test_it_is_a_schema() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)


def test_the_published_one_is_what_the_models_say() -> None:
    published = (ROOT / "docs" / schemas.SCHEMA_FILE).read_text(encoding="utf-8")
    assert published == schemas.schema_text(), "run: python -m orchestrator.schema --write docs"


def test_the_page_is_what_the_models_say() -> None:
    page = (ROOT / "docs" / schemas.PAGE_FILE).read_text(encoding="utf-8")
    assert page == schemas.page_text(page), "run: python -m orchestrator.schema --write docs"


def test_writing_rewrites_both_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / schemas.PAGE_FILE).write_text(f"before\n{schemas.PART.begin}\nstale\n{schemas.PART.end}\nafter\n")
    assert schemas.main(["--write", str(tmp_path)]) == 0
    page = (tmp_path / schemas.PAGE_FILE).read_text()
    assert page.startswith(f"before\n{schemas.PART.begin}\n")
    assert page.endswith(f"{schemas.PART.end}\nafter\n")
    assert "stale" not in page
    assert sorted(path.name for path in tmp_path.iterdir()) == [schemas.PAGE_FILE, schemas.SCHEMA_FILE]
    assert schemas.main([]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / schemas.SCHEMA_FILE).read_text()) == SCHEMA


def test_a_page_without_a_part_to_rewrite_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no part to rewrite"):
        schemas.page_text("# Nothing here\n")


def test_everything_is_described() -> None:
    def undescribed(model: dict[str, Any], name: str) -> Iterator[str]:
        if not model.get("description"):
            yield name
        for key, one in model["properties"].items():
            if key != "model" and not one.get("description"):
                yield f"{name}.{key}"

    models = {"": SCHEMA, **{name: one for name, one in SCHEMA["$defs"].items() if "properties" in one}}
    assert [name for key, model in models.items() for name in undescribed(model, key)] == []


def test_quantities_are_text_with_a_pattern_and_an_example() -> None:
    length = SCHEMA["$defs"]["LinkConfig"]["properties"]["length"]
    assert length["examples"] == ["25 km"]
    text, zero = length["anyOf"]
    assert re.search(text["pattern"], "25 km")
    assert not re.search(text["pattern"], "25")
    assert not re.search(text["pattern"], "25 parsec")
    assert zero == {"const": 0}


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.name)
def test_it_accepts_the_examples(path: Path) -> None:
    VALIDATOR.validate(data(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "text", [GOOD, FULL, REAL, GRAPH, TELEMETRY], ids=["good", "full", "real", "graph", "telemetry"]
)
def test_it_accepts_what_says_everything(text: str) -> None:
    VALIDATOR.validate(data(text))


def written() -> list[Case]:
    """The broken files that are YAML."""
    kept = []
    for case in BROKEN:
        try:
            Written.from_text(case.text, "net.yaml")
        except ConfigErrors:
            continue
        kept.append(case)
    return kept


@pytest.mark.parametrize("case", written(), ids=lambda case: f"{case.what[:30]}->{case.instead[:40]}")
def test_it_refuses_what_can_be_told_without_comparing_values(case: Case) -> None:
    is_for_the_loader = all(ONLY_THE_LOADER.search(problem) for problem in case.problems)
    assert VALIDATOR.is_valid(data(case.text)) == is_for_the_loader


# --- whatever the loader accepts, the schema accepts -----------------------------------------------------------------

VALUES: Final[list[Any]] = [
    None, True, False, 0, 1, 2, -1, 0.0, 0.5, 1.5, 1e300,
    "", "0", "00.0e7", "1", "1 us", "1us", " 1.5  ms ", "-0 s", "+1 s", "1_000 km", "1 km", ".5 dB/km", "5 deg",
    "-5 °", "3 %", "-1", "1e2", "end", "alice", "r[0..3]", "virtual", "real", "all", "along_links", "fidelity", "phi+",
    "perfect", "werner", "mqtt://h:1", "mqtts://h", "mqtt://h:0", 70000, "p.py:f",
    "a b.py:f.g", "pkg.mod:f", "x-1", "ünïcode",
    [], {}, ["alice", "bob"], ["alice", "alice"], ["fidelity"], [{"fidelity": None}], [{"fidelity": 0}], {"x-own": [1]},
    {"model": "perfect"}, {"mode": "virtual"}, {"matrix": "d.csv"}, {"run": "p.py:f"}, {"ä": 1}, {"a·": 1},
    {"mqtt": "mqtt://h"}, {"prometheus": 0}, {"broker": "mqtt://[::1]:65535"}, {"port": 1, "host": "::"},
    {"main": {"run": "p.py:f", "service": True}}, {"nodes": "r[00..11]", "columns": 3}, {"duration": "1 ns"},
]  # fmt: skip


def paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield (*path, key)
        yield from paths(item, (*path, key))


KEYS: Final = sorted({name for model in [SCHEMA, *SCHEMA["$defs"].values()] for name in model.get("properties", ())})
BASES: Final = [data(FULL), data(REAL), data(GOOD), data(TELEMETRY)]


@st.composite
def changed(draw: st.DrawFn) -> Any:
    """A good configuration with values replaced, taken away or added, a few times; most of them are still right.

    Of eight changes, those that the loader refuses are undone, all but perhaps the last.
    """
    found = draw(st.sampled_from(BASES))
    for left in reversed(range(8)):
        tried = copy.deepcopy(found)
        path = draw(st.sampled_from(list(paths(tried))))
        inner = tried
        for step in path[:-1]:
            inner = inner[step]
        match draw(st.sampled_from(["replace", "replace", "remove", "add"])):
            case "replace":
                inner[path[-1]] = copy.deepcopy(draw(st.sampled_from(VALUES)))
            case "remove":
                del inner[path[-1]]
            case "add" if isinstance(inner, dict):
                name = draw(st.sampled_from([*KEYS, "x-own", "carol", "r[0..1]"]))
                inner[name] = copy.deepcopy(draw(st.sampled_from(VALUES)))
        if is_loaded(tried) or (left == 0 and draw(st.booleans())):
            found = tried
    return found


def is_loaded(found: Any) -> bool:
    try:
        Config.model_validate(found)
    except ValidationError:
        return False
    return True


@settings(max_examples=100)
@given(changed())
@example({"version": 1, "nodes": {"a": None}, "clock": None, "links": None, "classical": None, "observe": None})
@example(
    {"version": 1.0, "nodes": {"a": {"args": None, "program": "p.py:f"}}, "x-a": 1, "seed": None, "until": "0.1 s"}
)
@example({"version": 1, "nodes": {"[0..1]": {"x-a": {}}}, "links": {"x-l": 5}, "observe": {"m": [{"fidelity": None}]}})
@example({"version": 1, "nodes": {"a": {}, "b": {}}, "links": {"l": {"between": "a", "chain": ["a", "b"]}}})
@example({"version": 1, "nodes": {"a": {}, "b": {}}, "links": {"l": {"between": None, "chain": ["a", "b"]}}})
@example({"version": 1, "nodes": {"a": {"program": None, "programs": None}}, "classical": {"delay": "0"}})
def test_whatever_the_loader_accepts_it_accepts(found: Any) -> None:
    if is_loaded(found):
        VALIDATOR.validate(found)


def test_many_of_the_changed_files_are_right() -> None:
    """Otherwise the property above would say little."""
    outcomes: list[bool] = []

    @settings(max_examples=100)
    @given(changed())
    def look(found: Any) -> None:
        outcomes.append(is_loaded(found))

    look()
    assert 50 < sum(outcomes) < len(outcomes)


def test_what_is_saved_of_a_configuration_is_accepted() -> None:
    """A run saves its configuration as JSON; so it is read again, and an editor finds nothing to complain about."""
    for text in (GOOD, FULL, REAL, TELEMETRY):
        config = loads(text)
        saved = json.loads(config.model_dump_json(exclude_unset=True))
        VALIDATOR.validate(saved)
        assert from_mapping(saved) == config == Config.model_validate(saved)
