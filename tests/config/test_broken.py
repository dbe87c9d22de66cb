"""Files that are wrong: each is refused with one sentence that names the place and says what is allowed."""

from __future__ import annotations

import re
from typing import Final

import pytest

from orchestrator.loader import from_mapping, loads
from qnode.errors import ConfigError

# The file that every case changes in one place.
GOOD: Final = """\
version: 1
name: two
seed: 1
clock: virtual
kinds:
  end: {qubits: 8, t1: 10 s, t2: 1 s, gates: {single: {duration: 1 us, error: 0.001}, measure: {readout: {p01: 1 %}}}}
nodes:
  alice: {kind: end, program: "teleport.py:alice", args: {theta: 0.3}}
  bob: {kind: end, programs: {main: {run: "pkg.teleport:bob"}, echo: {run: "echo.py:main", service: true}}}
  r[0..3]: {qubits: 4}
links:
  short: {between: [alice, bob], length: 10 km, source: {model: werner, fidelity: 0.98}}
  spine: {chain: [bob, "r[0..3]"], length: 5 km}
classical: {delay: along_links}
observe: {received: [fidelity, {fidelity: phi+}, {fidelity: sent}]}
"""

END: Final = "qubits: 8"
SHORT: Final = "between: [alice, bob]"
SOURCE: Final = "{model: werner, fidelity: 0.98}"

# what -> instead, and a pattern for the sentence (the file's name and the place included)
BROKEN: Final = [
    # the whole file
    ("version: 1", "version: 2", "net.yaml, line 1, version: 2 is not a version .* write version: 1"),
    ("version: 1\n", "", "net.yaml, version: is missing"),
    ("name: two", "nam: two", r"line 2, nam: unknown key \(did you mean 'name'\?\); allowed here: version, name"),
    ("name: two", 'name: ""', "line 2, name: .*at least 1 character"),
    ("name: two", "name: 2", "line 2, name: must be text, not 2"),
    ("seed: 1", "seed: one", "line 3, seed: must be a whole number, not 'one'"),
    ("seed: 1", "seed: -1", "line 3, seed: must be at least 0, not -1"),
    ("seed: 1", "seed: true", "line 3, seed: must be a whole number, not True"),
    ("seed: 1", "until: 0 s", "until: must be at least 1 ns"),
    ("seed: 1", "until: 10", "until: 10 needs a unit"),
    ("seed: 1", "formalism: stabiliser", "formalism: must be .* not 'stabiliser' .did you mean 'stabilizer'"),
    ("seed: 1", "max_state_vector_qubits: 99", "must be at most 32, not 99"),
    ("seed: 1", "nodes_per_process: none", "'none' is not a number of nodes; write a whole number from 1, or all"),
    ("seed: 1", "nodes_per_process: 0", "0 is not a number of nodes"),
    ("seed: 1", "events: yes", "events: must be true or false, not 'yes'"),
    # the clock
    ("clock: virtual", "clock: reel", "'reel' is not a clock; write virtual, real or"),
    ("clock: virtual", "clock: {mode: reel}", "line 4, clock.mode: must be 'virtual' or 'real', not 'reel'"),
    ("clock: virtual", "clock: {mode: real, speed: 0}", "clock.speed: must be more than 0"),
    ("clock: virtual", "clock: {speed: 2}", "clock.speed: only the real clock has a speed"),
    ("clock: virtual", "clock: {mode: real, tick: 1 us}", "clock.tick: only the virtual clock has a tick"),
    ("clock: virtual", "clock: {tick: 0.1 ns}", "clock.tick: must be at least 1 ns"),
    # kinds and hardware
    (END, "qubit: 8", "line 6, kinds.end.qubit: unknown key .did you mean 'qubits'"),
    (END, "qubits: 0", "kinds.end.qubits: must be at least 1, not 0"),
    (END, "qubits: 8.5", "kinds.end.qubits: must be a whole number, not 8.5"),
    (END, 'qubits: "8"', "kinds.end.qubits: must be a whole number, not '8'"),
    ("t1: 10 s", "t1: 10", "line 6, kinds.end.t1: 10 needs a unit; write a number and one of s, ms"),
    ("t1: 10 s", "t1: 0 s", "kinds.end.t1: must be longer than 0; leave it out"),
    ("t2: 1 s", "t2: 21 s", r"kinds.end.t2: t2 \(21 s\) cannot be longer than twice t1 \(10 s\)"),
    ("duration: 1 us", "duration: 1 km", "kinds.end.gates.single.duration: .*'km' is not a unit of time"),
    ("duration: 1 us", "duration: -1 us", "kinds.end.gates.single.duration: .*a time cannot be negative"),
    ("error: 0.001", "error: 1.5", r"kinds.end.gates.single.error: 1.5 is outside \[0, 1\]"),
    ("error: 0.001", "error: 0.7", "kinds.end.gates.single.error: 0.7 is more than full depolarisation"),
    ("p01: 1 %", "p11: 1 %", "kinds.end.gates.measure.readout.p11: unknown key"),
    # nodes and programs
    ("alice: {kind: end,", "alice: {kind: ends,", "line 8, nodes.alice.kind: no kind 'ends' .did you mean 'end'"),
    ("alice: {kind: end,", "alice: {kind: end, t2: 30 s,", "line 8, nodes.alice.t2: t2 .30 s. cannot"),
    ("  alice: {", "  al.ice: {", "line 8, nodes.al.ice: 'al.ice' cannot be a name: use letters"),
    ("  alice: {", "  al~ice: {", "'al~ice' cannot be a name"),
    ("  alice: {", "  al ice: {", "'al ice' cannot be a name"),
    ("  alice: {", "  -alice: {", "'-alice' cannot be a name"),
    ("  alice: {", "  álice: {", "'álice' cannot be a name"),
    ("  alice: {", f"  {'a' * 65}: {{", "at most 64"),
    ("  alice: {", "  oracle: {", "'oracle' cannot be a node's name"),
    ("r[0..3]: {", "r[3..0]: {", r"nodes.r\[3..0\]: 'r\[3..0\]' counts down; write \[0..3\]"),
    ("r[0..3]: {", "r[0..x]: {", "cannot be a name"),
    ("  alice: {", "  r2: {}\n  alice: {", r"line 11, nodes.r\[0..3\]: node 'r2' is already there, from 'r2'"),
    (
        "teleport.py:alice",
        "teleport.py",
        "line 8, nodes.alice.program: 'teleport.py' does not name a program; write 'f",
    ),
    ("teleport.py:alice", "teleport:1alice", "nodes.alice.program: .*does not name a program"),
    ("pkg.teleport:bob", "pkg/teleport:bob", "line 9, nodes.bob.programs.main.run: .*does not name a program"),
    ("service: true", "service: 1", "nodes.bob.programs.echo.service: must be true or false, not 1"),
    ("args: {theta: 0.3}", "args: [0.3]", r"nodes.alice.args: must be a mapping of keys to values, not \[0.3\]"),
    ("args: {theta: 0.3}", "args: {the-ta: 0.3}", "nodes.alice.args.the-ta: 'the-ta' cannot be an argument's name"),
    ('program: "teleport.py:alice", ', "", "nodes.alice.args: `args` belongs to `program`"),
    ("args: {theta: 0.3}", "programs: {}", "nodes.alice.program: .*use one of the two"),
    # links
    (SHORT, "between: [alice, carol]", "line 12, links.short.between: no node 'carol'"),
    (SHORT, "between: [alice, bo]", "no node 'bo' .did you mean 'bob'"),
    (SHORT, "between: [alice, alice]", "links.short.between: 'alice' cannot be linked with itself"),
    (SHORT, "between: [alice]", "links.short.between: `between` joins two nodes, not 1"),
    (SHORT, "between: [alice, bob, r0]", "joins two nodes, not 3; a longer line of nodes is a `chain`"),
    (SHORT, "between: [alice, 1]", r"links.short.between\[1\]: must be text, not 1; .*quotes"),
    (SHORT, "between: 5", "links.short.between: must be a list"),
    (SHORT, "ring: [alice, bob]", "links.short.ring: a ring needs at least 3 nodes, not 2"),
    (SHORT, "grid: {nodes: [alice, bob, r0], columns: 2}", "links.short.grid: 3 nodes do not fill a grid of 2"),
    (SHORT, "grid: {nodes: [alice, bob]}", "links.short.grid.columns: is missing"),
    (SHORT, "tree: {nodes: [alice, bob], branching: 0}", "links.short.tree.branching: must be at least 1"),
    (SHORT, "random: {nodes: [alice, bob], probability: 2}", r"links.short.random.probability: 2 is outside \[0, 1\]"),
    (SHORT, "chain: [alice, bob], between: [alice, bob]", "links.short: .*exactly one of .*; it has between and chain"),
    (SHORT + ", ", "", "line 12, links.short: a link needs exactly one of between, chain, .*; it has none"),
    (SHORT, "chain: [alice, bob, alice]", "links.short.chain: joins the same two nodes twice"),
    (
        'chain: [bob, "r[0..3]"]',
        "chain: [r0, bob, alice]",
        "line 13, links.spine.chain: .*already joined by link 'short'",
    ),
    ('chain: [bob, "r[0..3]"]', "chain: [bob, r[0..3]]", "line 13: .*a range needs quotes"),
    ("length: 10 km", "length: 10", "links.short.length: 10 needs a unit"),
    ("length: 10 km", "length: -1 km", "links.short.length: .*a length cannot be negative"),
    ("length: 10 km", "lenght: 10 km", "links.short.lenght: unknown key .did you mean 'length'"),
    ("length: 10 km", "length: 10 km, delay: 1 us", r"links.short.delay: 1000 ns is less than light needs .*33356 ns"),
    ("length: 10 km", "length: 10 km, attenuation: 0.2 dB", "links.short.attenuation: .*one of dB/km, dB/m"),
    (SOURCE, "{model: wernher, fidelity: 1}", "links.short.source: 'wernher' is not a model; .*did you mean 'werner'"),
    (SOURCE, "{fidelity: 1}", "links.short.source: needs a `model`"),
    (SOURCE, "{model: werner, fidelity: 1.1}", r"links.short.source.fidelity: 1.1 is outside \[0, 1\]"),
    (SOURCE, "{model: werner}", "links.short.source.fidelity: is missing"),
    (SOURCE, "{model: single_click}", "links.short.source.bright_state: is missing"),
    (SOURCE, "{model: bell_diagonal, phi_plus: 0.9}", "links.short.source: .*sum to 0.9; probabilities sum to 1"),
    (SOURCE, "{model: midpoint_source, mean_pairs: 0}", "links.short.source.mean_pairs: must be more than 0"),
    (SOURCE, SOURCE + ", fidelity: 1", "links.short.fidelity: .*use one of the two"),
    # classical messages and the observer
    ("delay: along_links", "delay: along_link", "classical.delay: .*or along_links, or {matrix: file.csv}"),
    ("delay: along_links", "delay: 5", "classical.delay: 5 needs a unit"),
    ("delay: along_links", "delay: {file: x.csv}", "classical.delay.file: unknown key; allowed here: matrix"),
    ("{fidelity: phi+}", "{fidelity: Phi+}", "observe.received.*: 'Phi.' is neither a named state .0 1 . - i -i phi"),
    ("{fidelity: phi+}", "purity", r"observe.received\[1\]: 'purity' cannot be observed; write fidelity"),
    ("[fidelity, {fidelity: phi+}, {fidelity: sent}]", "fidelity", "observe.received: must be a list"),
    # YAML itself
    ("seed: 1", "seed: 1\nseed: 2", "net.yaml, line 4: key 'seed' is already there, in line 3"),
    (END, "qubits: 8, qubits: 9", "line 6: key 'qubits' is already there, in line 6"),
    ("seed: 1", "? [a]\n: 1", "line 3: a key must be text"),
    ("seed: 1", "seed: !!python/object:os.system 1", "line 3: tag .*python/object.* is not allowed"),
    ("seed: 1", "seed: !!int soon", "line 3: 'soon' is not a number"),
    ("seed: 1", "seed: !!bool soon", "line 3: 'soon' is neither true nor false"),
    ("seed: 1", "seed: *nobody", "line 3: found undefined alias"),
    ("seed: 1", "seed: [1", r"net.yaml, line \d+: did not find"),
    ("seed: 1", "\tseed: 1", "net.yaml, line 3: "),
    ("seed: 1", "--- 1", "net.yaml, line 3: "),
    ("seed: 1", f"x-deep: {'[' * 5000}{']' * 5000}", "nested too deeply|exceeded|nested"),
]


def test_the_file_is_right_before_it_is_broken() -> None:
    assert list(loads(GOOD).nodes) == ["alice", "bob", "r[0..3]"]


@pytest.mark.parametrize(("what", "instead", "sentence"), BROKEN, ids=[case[1][:40] or case[0][:40] for case in BROKEN])
def test_a_mistake_is_named_with_its_place_and_what_is_allowed(what: str, instead: str, sentence: str) -> None:
    assert what in GOOD
    with pytest.raises(ConfigError) as refused:
        loads(GOOD.replace(what, instead, 1), "net.yaml")
    assert str(refused.value).startswith("net.yaml")
    assert re.search(sentence, str(refused.value)), str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "- 1", "hello", "# only a comment", "5"])
def test_what_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"net.yaml: must be a mapping with version, nodes and links"):
        loads(text, "net.yaml")


def test_no_nodes_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"line 1, nodes: a network needs at least one node"):
        loads("nodes:\nversion: 1\n", "net.yaml")


def test_of_two_mistakes_the_first_in_the_file_is_named() -> None:
    with pytest.raises(ConfigError, match=r"line 2, links.x.length"):
        loads("version: 1\nlinks: {x: {between: [a, b], length: 1}}\nnodes: {a: {qubits: x}, b: {}}")


def test_a_kind_that_is_wrong_is_blamed_once_and_not_its_nodes() -> None:
    with pytest.raises(ConfigError, match=r"line 3, kinds.end.t2"):
        loads("version: 1\nnodes: {a: {kind: end}}\nkinds: {end: {t1: 1 s, t2: 3 s}}")


def test_a_mapping_made_by_a_program_gets_the_same_sentences() -> None:
    with pytest.raises(ConfigError, match=r"<mapping>, links.x.length: 10 needs a unit"):
        from_mapping({"version": 1, "nodes": {"a": {}, "b": {}}, "links": {"x": {"between": ["a", "b"], "length": 10}}})
    with pytest.raises(ConfigError, match=r"nodes.1: must be text, not 1"):
        from_mapping({"version": 1, "nodes": {1: {}}})
