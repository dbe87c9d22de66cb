"""What a right file may look like: the scalars of YAML 1.2, one's own keys, merges, short forms and defaults."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from orchestrator.config import Config
from orchestrator.loader import from_mapping, load, loads
from qnode.errors import ConfigError


def argument(text: str) -> Any:
    """What a program gets for an argument that is written so."""
    config = loads(f"version: 1\nnodes: {{a: {{program: 'p.py:f', args: {{value: {text}}}}}}}")
    return config.nodes["a"].args["value"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("Off", "Off"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("TRUE", True),
        ("null", None),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-7", -7),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("0b11", "0b11"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1.", 1.0),
        ("1e3", 1000.0),
        ("1e-3", 0.001),
        ("-1.5E+2", -150.0),
        (".inf", float("inf")),
        ("-.Inf", float("-inf")),
        ("2026-01-01", "2026-01-01"),
        ("+", "+"),
        ("=", "="),
        ("'12'", "12"),
        ("[1, no, [2.0]]", [1, "no", [2.0]]),
        ("{no: {1: 2}}", {"no": {"1": 2}}),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, expected: object) -> None:
    value = argument(text)
    assert value == expected
    assert type(value) is type(expected)


def test_nodes_may_be_called_no_null_and_7() -> None:
    config = loads(
        "version: 1\nnodes: {no: , null: {}, 007: {}, 1e3: {}, true: {}}\nlinks: {off: {between: [no, '007']}}"
    )
    assert list(config.nodes) == ["no", "null", "007", "1e3", "true"]
    assert config.links["off"].edges == (("no", "007"),)


def test_own_keys_are_ignored_everywhere() -> None:
    config = loads("""
version: 1
x-notes: {anything: [goes, here]}
x-fast: &fast {duration: 1 ns}
kinds: {x-k: 1, end: {x-why: cheap, gates: {x-from: a paper, single: *fast}}}
nodes: {x-n: 1, a: {kind: end, x-colour: red, programs: {x-p: 1, main: {run: "p.py:f", x-y: 1}}}, b: }
links: {x-l: , ab: {between: [a, b], x-km: 3, source: {model: perfect, x-s: 1}}}
classical: {x-c: 1}
observe: {x-o: 1, seen: [{fidelity: phi+, x-t: 1}]}
clock: {x-clock: 1}
""")
    assert (list(config.kinds), list(config.nodes), list(config.links)) == (["end"], ["a", "b"], ["ab"])
    assert list(config.nodes["a"].programs) == ["main"]
    assert list(config.observe) == ["seen"]


def test_own_keys_of_arguments_are_arguments() -> None:
    assert argument("{x-api: 1}") == {"x-api": 1}


def test_merge_keys_work_and_ones_own_keys_win() -> None:
    config = loads("""
version: 1
x-a: &a {qubits: 3, gates: {single: {duration: 1 ns}}}
x-b: &b {<<: *a, qubits: 4}
nodes: {n: {<<: *b, qubits: 5}, m: {<<: [*b, *a]}}
""")
    assert [node.qubits for node in config.nodes.values()] == [5, 4]
    assert config.nodes["n"].gates.single.duration == 1e-9


def test_a_mistake_in_what_is_merged_is_found_at_its_own_line() -> None:
    with pytest.raises(ConfigError, match=r"^<text>:2:18: nodes.n.qubits: must be at least 1"):
        loads("version: 1\nx-a: &a {qubits: 0}\nnodes: {n: {<<: *a}}")


def test_a_program_in_short_is_the_program_main() -> None:
    short = loads("version: 1\nnodes: {a: {program: 'p.py:f', args: {n: 2}}}").nodes["a"]
    written = loads("version: 1\nnodes: {a: {programs: {main: {run: 'p.py:f', args: {n: 2}}}}}").nodes["a"]
    assert short.all_programs == written.all_programs


@pytest.mark.parametrize(
    "run", ["p.py:f", "sub/p.py:f", "../p.py:f", "/abs/p.py:f", "pkg:f", "pkg.sub.module:f", "my-file.py:_f1"]
)
def test_these_name_programs(run: str) -> None:
    assert loads(f"version: 1\nnodes: {{a: {{program: '{run}'}}}}").nodes["a"].program == run


def test_what_is_not_given_is_ideal() -> None:
    config = loads("version: 1\nnodes: {a: , b: }\nlinks: {ab: {between: [a, b]}}")
    hardware, link = config.hardware(config.nodes["a"]), config.links["ab"]
    assert (hardware.qubits, hardware.t1, hardware.t2) == (16, None, None)
    assert {(gate.duration, gate.error) for gate in (hardware.gates.single, hardware.gates.two)} == {(0.0, 0.0)}
    assert (link.length, link.attenuation, link.source.model, link.one_way_seconds) == (0.0, 0.0, "perfect", 0.0)
    assert (config.clock.mode, config.seed, config.until, config.events) == ("virtual", None, None, True)
    assert (config.formalism, config.max_state_vector_qubits, config.nodes_per_process) == ("auto", 24, 1)
    assert config.classical.delay == "along_links"


def test_a_node_is_laid_over_its_kind_key_by_key() -> None:
    config = loads(
        """
version: 1
kinds: {end: {qubits: 3, t1: 4 s, gates: {single: {duration: 1 us, error: 0.1}, two: {duration: 2 us}}}}
nodes: {a: {kind: end, t2: 5 s, gates: {single: {error: 0.2}}}}
""",
    )
    merged = config.hardware(config.nodes["a"])
    assert (merged.qubits, merged.t1, merged.t2) == (3, 4.0, 5.0)
    assert (merged.gates.single.duration, merged.gates.single.error) == (1e-6, 0.2)
    assert merged.gates.two.duration == 2e-6


def test_models_are_frozen() -> None:
    config = loads("version: 1\nnodes: {a: }")
    with pytest.raises(ValidationError, match=r"frozen"):
        config.seed = 3  # type: ignore[misc]


@pytest.mark.parametrize("clock", ["virtual", "{mode: virtual}", "{tick: 1 us}", "{}"])
def test_the_virtual_clock(clock: str) -> None:
    assert loads(f"version: 1\nnodes: {{a: }}\nclock: {clock}").clock.mode == "virtual"


def test_a_file_is_read_as_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text("version: 1\nname: Überseekabel\nnodes: {a: {gates: {single: {duration: 1 µs}}}}", encoding="utf-8")
    assert load(path).name == "Überseekabel"
    assert load(str(path)).nodes["a"].gates.single.duration == 1e-6


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing.yaml: No such file or directory$"):
        load(tmp_path / "missing.yaml")
    (tmp_path / "network.yaml").touch()
    with pytest.raises(ConfigError, match=r"netwrok.yml: No such file or directory \(did you mean 'network.yaml'\?\)$"):
        load(tmp_path / "netwrok.yml")
    with pytest.raises(ConfigError, match=r"Is a directory"):
        load(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"name: \xfcber")
    with pytest.raises(ConfigError, match=r"latin.yaml: is not text in UTF-8"):
        load(tmp_path / "latin.yaml")


def test_a_mapping_and_its_text_mean_the_same() -> None:
    data = {"version": 1, "nodes": {"a": {"qubits": 2}, "b": None}, "links": {"ab": {"between": ["a", "b"]}}}
    text = "version: 1\nnodes: {a: {qubits: 2}, b: }\nlinks: {ab: {between: [a, b]}}"
    assert from_mapping(data) == loads(text) == Config.model_validate(data)


PIECES = [
    "version: 1",
    "nodes:",
    "{a: {}}",
    "links",
    ":",
    " ",
    "\n",
    "[",
    "]",
    "{",
    "}",
    "&x",
    "*x",
    "<<",
    "!!int",
    "-",
    "~",
]


@given(st.one_of(st.text(max_size=60), st.lists(st.sampled_from(PIECES), max_size=12).map("".join)))
def test_no_text_is_more_than_refused(text: str) -> None:
    with suppress(ConfigError):
        assert isinstance(loads(text), Config)
