"""Values laid over a file: which paths lead where, what is read, and what is said of a path that leads nowhere."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from orchestrator.config import Config
from orchestrator.loader import from_mapping, load, loads
from orchestrator.problems import ConfigErrors

FILE: Final = """\
version: 1
seed: 1
kinds: {end: &end {qubits: 8, gates: &gates {single: {duration: 1 us}}}, mid: *end}
nodes:
  alice: {kind: end, program: "p.py:alice", args: {theta: 0.3}}
  bob: {programs: {main: {run: "p.py:bob"}, echo: {run: "p.py:echo"}}}
  r[000..997]: {gates: *gates}
links:
  short: {between: [alice, bob], length: 10 km}
  spine: {chain: [bob, "r[000..997]"], length: 5 km}
observe: {seen: [fidelity, {fidelity: sent}]}
x-notes: {seed: 5}
"""


def laid_over(*overrides: str) -> Config:
    return loads(FILE, "net.yaml", overrides)


def problems(*overrides: str) -> list[str]:
    with pytest.raises(ConfigErrors) as refused:
        laid_over(*overrides)
    return [str(problem) for problem in refused.value.problems]


def test_a_value_is_replaced_and_the_rest_stays() -> None:
    config = laid_over("links.short.length=25km")
    assert (config.links["short"].length, config.links["spine"].length) == (25_000.0, 5_000.0)
    assert config.nodes == loads(FILE).nodes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seed=7", 7),
        (" seed = 7 ", 7),
        ("name=seven", "seven"),
        ("name='7'", "7"),
        ("name=a=b", "a=b"),
        ("name=no", "no"),
        ("until=1 h", 3600.0),
        ("until=", None),
        ("events=false", False),
    ],
)
def test_a_value_is_read_as_yaml(text: str, expected: object) -> None:
    config = laid_over(text)
    assert getattr(config, text.split("=")[0].strip()) == expected


def test_lists_and_mappings_are_values_too() -> None:
    config = laid_over("links.short.between=[alice, r000]", "clock={mode: real, speed: 2}")
    assert config.links["short"].edges == (("alice", "r000"),)
    assert (config.clock.mode, config.clock.speed) == ("real", 2.0)


def test_a_star_stands_for_every_name() -> None:
    config = laid_over("links.*.length=5km", "nodes.*.qubits=4")
    assert {link.length for link in config.links.values()} == {5_000.0}
    assert {node.qubits for node in config.nodes.values()} == {4}


def test_a_star_stands_for_a_part_of_a_name() -> None:
    config = laid_over("links.s*t.length=7km")
    assert (config.links["short"].length, config.links["spine"].length) == (7_000.0, 5_000.0)


def test_dots_in_a_range_belong_to_its_name() -> None:
    assert laid_over("nodes.r[000..997].qubits=3").nodes["r[000..997]"].qubits == 3


def test_items_of_lists_have_numbers_written_either_way() -> None:
    for text in ("observe.seen[1].fidelity=phi+", "observe.seen.1.fidelity=phi+"):
        assert [one.fidelity for one in laid_over(text).observe["seen"]] == [None, "phi+"]


def test_settings_that_the_file_does_not_give_are_added() -> None:
    config = laid_over("nodes.bob.gates.two.duration=2us", "nodes.alice.args.phi=1", "nodes.bob.programs.echo.args.n=2")
    assert config.nodes["bob"].gates.two.duration == 2e-6
    assert config.nodes["alice"].args == {"theta": 0.3, "phi": 1}
    assert config.nodes["bob"].programs["echo"].args == {"n": 2}


def test_what_an_alias_shares_is_changed_in_one_place_only() -> None:
    config = laid_over("kinds.mid.qubits=2", "nodes.r[000..997].gates.single.duration=9us")
    assert (config.kinds["end"].qubits, config.kinds["mid"].qubits) == (8, 2)
    assert config.kinds["end"].gates.single.duration == 1e-6


def test_of_two_values_for_the_same_the_later_wins() -> None:
    assert laid_over("seed=2", "seed=3").seed == 3
    assert laid_over("links.short.length=2km", "links.*.length=3km").links["short"].length == 3_000.0


def test_a_mapping_can_be_laid_over_too() -> None:
    data = {"version": 1, "nodes": {"a": None}}
    assert from_mapping(data, "here", ["nodes.a.qubits=3"]).nodes["a"].qubits == 3
    assert data == {"version": 1, "nodes": {"a": None}}


def test_a_file_can_be_laid_over_too(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(FILE)
    assert load(tmp_path / "net.yaml", ["seed=9"]).seed == 9


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("links.shrt.length=1 km", "no link 'shrt' (did you mean 'short'?); there are: short, spine"),
        ("nodes.allice.qubits=1", "no node 'allice' (did you mean 'alice'?); there are: alice, bob, r[000..997]"),
        ("kinds.none.qubits=1", "no kind 'none'; there are: end, mid"),
        ("nodes.bob.programs.ecko.args.n=1", "no program 'ecko' (did you mean 'echo'?); there are: main, echo"),
        (
            "nodes.r017.qubits=1",
            "no node 'r017': it is one of 'r[000..997]'; set them all by that name, or take it out of the range in"
            " the file",
        ),
        ("links.x*.length=1 km", "'x*' matches nothing in links; there are: short, spine"),
        ("nodes.alice.programs.*.args.n=1", "'*' matches nothing in nodes.alice.programs; there are none"),
        ("seed.a=1", "seed is 1, which has no keys; set seed as a whole"),
        ("observe.seen.5.fidelity=0", "observe.seen is a list of 2; write a number from 0, or *"),
        ("observe.seen.x=0", "observe.seen is a list of 2; write a number from 0, or *"),
        ("links.short.length", "write a path and a value, such as links.short.length=25km"),
        ("=5", "write a path and a value, such as links.short.length=25km"),
        ("links..length=5 km", "write a path and a value, such as links.short.length=25km"),
        ("name=[a", "the value is not YAML: did not find expected ',' or ']'"),
        ("name=*a", "the value is not YAML: found undefined alias"),
        ("name={a: 1, a: 2}", "key 'a' is already there, in line 1"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused_with_what_is_there(text: str, problem: str) -> None:
    assert problems(text) == [f"--set {text}: {problem}"]


def test_a_setting_that_there_is_not_is_refused_with_the_nearest() -> None:
    (problem,) = problems("sede=1")
    assert problem.startswith("--set sede=1: no setting 'sede' (did you mean 'seed'?); there are: version, name, seed")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("links.*.length=5", "links.short.length: 5 needs a unit; write a number and one of m, km, cm, mm, um, nm"),
        ("nodes.alice.qubits=none", "nodes.alice.qubits: must be a whole number, not 'none'"),
        ("links.short.between=[alice, eve]", "links.short.between[1]: no node 'eve'; there are: alice, bob"),
        ("nodes.alice.kind=edn", "nodes.alice.kind: no kind 'edn' (did you mean 'end'?); known kinds: end, mid"),
        ("kinds.end={qubit: 1}", "kinds.end.qubit: unknown key (did you mean 'qubits'?)"),
        ("nodes.bob.gates.two.durtion=1us", "nodes.bob.gates.two.durtion: unknown key (did you mean 'duration'?)"),
        ("links.short.source.coupling=1", "links.short.source: needs a `model`, such as source: {model: perfect}"),
    ],
)  # fmt: skip
def test_a_value_that_is_wrong_is_blamed_on_the_command_line_and_once(text: str, problem: str) -> None:
    small = FILE.replace("  r[000..997]: {gates: *gates}\n", "").replace(
        'chain: [bob, "r[000..997]"]', "chain: [bob, alice]"
    )
    small = small.replace("  spine:", "  x-spine:")
    with pytest.raises(ConfigErrors) as refused:
        loads(small, "net.yaml", [text])
    (found,) = refused.value.problems
    assert str(found).startswith(f"--set {text}: {problem}")
    assert str(refused.value) == str(found)  # there is no line to show


def test_mistakes_of_file_and_command_line_are_told_together() -> None:
    with pytest.raises(ConfigErrors) as refused:
        loads(FILE.replace("seed: 1", "seed: one", 1), "net.yaml", ["links.*.length=5", "nodes.eve.qubits=1"])
    assert [problem.place for problem in refused.value.problems] == [
        "--set links.*.length=5",
        "--set nodes.eve.qubits=1",
        "net.yaml:2:7",
    ]


def test_of_two_values_for_the_same_the_later_is_to_blame() -> None:
    within, whole = "links.short.source.fidelity=2", "links.short.source={model: werner, fidelity: 3}"
    with pytest.raises(ConfigErrors) as refused:
        loads(FILE, "net.yaml", [within, whole])
    assert str(refused.value) == f"--set {whole}: links.short.source.fidelity: 3 is outside [0, 1]"
    with pytest.raises(ConfigErrors) as refused:
        loads(FILE, "net.yaml", [whole, within])
    assert str(refused.value) == f"--set {within}: links.short.source.fidelity: 2 is outside [0, 1]"


def test_a_value_heals_what_was_wrong_in_the_file() -> None:
    assert loads(FILE.replace("length: 10 km", "length: 10"), "net.yaml", ["links.short.length=10 km"]) == loads(FILE)
