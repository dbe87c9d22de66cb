"""Files that are wrong, and everything that is said about each: line, column, key, and what is allowed instead.

Each case changes a good file in one place, and lists all problems that come of it: none is missing, and none is a
consequence of another.
"""

from __future__ import annotations

from typing import Final

import pytest

from orchestrator.loader import from_mapping, loads
from orchestrator.problems import ConfigErrors
from qnode.errors import ConfigError
from tests.config.broken import BROKEN, GOOD, Case


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigErrors) as refused:
        loads(text, "net.yaml")
    return [str(problem) for problem in refused.value.problems]


def test_the_file_is_right_before_it_is_broken() -> None:
    assert list(loads(GOOD).nodes) == ["alice", "bob", "r[0..3]"]


@pytest.mark.parametrize("case", BROKEN, ids=[f"{case.what[:30]}->{case.instead[:40]}" for case in BROKEN])
def test_a_mistake_is_named_with_its_place_and_what_is_allowed(case: Case) -> None:
    assert problems(case.text) == [f"net.yaml:{problem}" for problem in case.problems]


def test_many_mistakes_in_one_file_are_all_named_in_its_order() -> None:
    """One in each part, and those that only the whole can tell (an unknown kind, an unknown node) beside the others."""
    assert problems(MANY) == [
        "net.yaml:2:7: seed: must be a whole number, not 'one'",
        "net.yaml:3:15: clock.mode: must be 'virtual' or 'real', not 'reel' (did you mean 'real'?)",
        "net.yaml:5:9: kinds.end.qubit: unknown key (did you mean 'qubits'?); allowed here: hardware, qubits, cutoff,"
        " communication, memory, gates, gate_set, parallel, limits",
        "net.yaml:5:23: kinds.end.t1: 10 needs a unit; write a number and one of s, ms, us, ns, ps, min, h, day",
        "net.yaml:6:22: kinds.old.t2: t2 (3 s) cannot be longer than twice t1 (1 s): decay also dephases",
        "net.yaml:8:17: nodes.alice.kind: no kind 'ends' (did you mean 'end'?); known kinds: end, old",
        "net.yaml:10:3: nodes.r[3..0]: 'r[3..0]' counts down; write [0..3]",
        "net.yaml:12:11: links.short.betwen: unknown key (did you mean 'between'?); allowed here: between, chain, ring,"
        " star, complete, grid, tree, random, delay, attenuation, source, fidelity, photons",
        "net.yaml:12:42: links.short.length: 10 needs a unit; write a number and one of m, km, cm, mm, um, nm",
        "net.yaml:13:35: links.spine.chain[2]: no node 'bo' (did you mean 'bob'?)",
        "net.yaml:14:35: observe.seen[1]: 'purity' cannot be observed; write fidelity or {fidelity: phi+}",
        "net.yaml:15:1: key 'seed' is already there, in line 2",
    ]


MANY: Final = """\
version: 1
seed: one
clock: {mode: reel, speed: 2}
kinds:
  end: {qubit: 8, t1: 10, t2: 1 s}
  old: {t1: 1 s, t2: 3 s}
nodes:
  alice: {kind: ends}
  bob: {kind: end}
  r[3..0]: {qubits: 4}
links:
  short: {betwen: [alice, bob], length:  10}
  spine: {chain: [bob, "r[0..3]", bo]}
observe: {x: [], seen: [fidelity, purity]}
seed: 4
"""


def test_a_shape_that_is_wrong_hides_nothing_else_of_its_link() -> None:
    text = "version: 1\nnodes: {a: {}}\nlinks: {l: {grid: {rows: 2}, length: 1 km, attenuation: 0.2 dB}}\n"
    assert problems(text) == [
        "net.yaml:3:20: links.l.grid.rows: unknown key; allowed here: nodes, columns",
        "net.yaml:3:57: links.l.attenuation: '0.2 dB': 'dB' is not a unit of attenuation; write a number and one of"
        " dB/km, dB/m",
    ]


def test_what_is_missing_may_be_in_what_was_left_out_of_the_file() -> None:
    assert problems("a: &a [*a]\n") == ["net.yaml:1:4: an alias cannot be inside of what it stands for"]


def test_the_text_of_the_error_shows_each_line_with_a_caret() -> None:
    with pytest.raises(ConfigErrors) as refused:
        loads("version: 1\nnodes:\n\ta: {}\n", "tabs.yaml")
    assert str(refused.value).endswith("\n    \ta: {}\n    ^")
    with pytest.raises(ConfigErrors) as refused:
        loads("version: 1\nnodes: {a: {qubits: 0}, b: {qubit: 1}}\n", "net.yaml")
    assert str(refused.value) == (
        "net.yaml:2:21: nodes.a.qubits: must be at least 1, not 0\n"
        "    nodes: {a: {qubits: 0}, b: {qubit: 1}}\n"
        "                        ^\n"
        "net.yaml:2:29: nodes.b.qubit: unknown key (did you mean 'qubits'?);"
        " allowed here: hardware, qubits, t1, t2, cutoff, communication, memory, gates, gate_set, parallel, limits,"
        " kind, program, args, programs, restart\n"
        "    nodes: {a: {qubits: 0}, b: {qubit: 1}}\n"
        "                                ^"
    )


def test_of_a_very_long_line_the_part_around_the_mistake_is_shown() -> None:
    nodes = ", ".join(f"n{i}: {{qubits: {0 if i == 500 else 1}}}" for i in range(1000))
    with pytest.raises(ConfigErrors) as refused:
        loads(f"version: 1\nnodes: {{{nodes}}}")
    sentence, line, caret = str(refused.value).splitlines()
    assert len(line) <= 130
    assert line[caret.index("^") :].startswith("0}, n501")
    assert line.strip().startswith("...")
    assert sentence.endswith("must be at least 1, not 0")


# --- no consequences -------------------------------------------------------------------------------------------------


def test_a_mistake_in_a_default_is_told_once_and_at_its_own_line() -> None:
    text = "version: 1\nx-a: &a\n  qubits: 0\nnodes:\n  n: {<<: *a}\n  m: {<<: *a}\n  o: *a\n"
    assert problems(text) == ["net.yaml:3:11: nodes.n.qubits: must be at least 1, not 0"]


def test_a_kind_that_is_wrong_is_blamed_and_not_its_nodes() -> None:
    text = "version: 1\nnodes: {a: {kind: end}, b: {kind: end, t1: 1 s}}\nkinds: {end: {t1: 1 s, t2: 3 s}}"
    assert problems(text) == [
        "net.yaml:3:28: kinds.end.t2: t2 (3 s) cannot be longer than twice t1 (1 s): decay also dephases"
    ]


@pytest.mark.parametrize(
    ("text", "only"),
    [
        ("kinds: {end: 5}\nnodes: {a: {kind: end}}", "kinds.end"),
        ("kinds: {end: {t1: 1}}\nnodes: {a: {kind: end, t2: 3 s}}", "kinds.end.t1"),
        ("kinds: {e nd: {}}\nnodes: {a: {kind: e nd}}", "kinds.e nd"),
        ("nodes: 5\nlinks: {l: {between: [a, b]}}", "nodes"),
        ("node: {a: , b: }\nlinks: {l: {between: [a, b]}}", "node"),
        ("nodes: {a: 5, b: }\nlinks: {l: {between: [a, b]}}", "nodes.a"),
        ("nodes: {al ice: , b: }\nlinks: {l: {between: [alice, b]}}", "nodes.al ice"),
        ("nodes: {oracle: , b: }\nlinks: {l: {between: [oracle, b]}}", "nodes.oracle"),
        ("nodes: {'r[9..0]': }\nlinks: {l: {chain: ['r[0..9]']}}", "nodes.r[9..0]"),
        ("nodes: {a: , b: }\nlinks: {l: {grid: {nodes: [a, b]}}}", "links.l.grid.columns"),
        ("nodes: {'n[0..1]': }\nlinks: {l: {chain: 'n[0..1]', source: {model: werner, fidelity: 2}}}",
         "links.l.source.fidelity"),
        ("nodes: {a: , b: }\nlinks: {l: {between: [a, 1]}}", "links.l.between[1]"),
        ("nodes: {a: {programme: 'p.py:f', args: {n: 1}}}", "nodes.a.programme"),
        ("nodes: {a: {program: 5, args: {n: 1}}}", "nodes.a.program"),
        ("nodes: {a: {programs: {m: {args: {n: 1}, rum: 'p.py:f'}}}}", "nodes.a.programs.m.rum"),
        ("nodes: {a: }\nclock: {mode: 5, tick: 1 s, speed: 2}", "clock.mode"),
        ("nodes: {a: }\nclassical: {delay: {file: d.csv}}", "classical.delay.file"),
        ("nodes: {5: !!what {}}", ""),
    ],
)  # fmt: skip
def test_a_mistake_has_no_consequences(text: str, only: str) -> None:
    with pytest.raises(ConfigErrors) as refused:
        loads(f"version: 1\n{text}")
    assert [problem.key for problem in refused.value.problems] == [only]


def test_what_does_not_depend_on_a_mistake_is_checked_all_the_same() -> None:
    text = """
version: 1
nodes: {a: {qubit: 1, t1: 0 s, program: "p.py:f", programs: {}}, b: {kind: none}}
links:
  x: {between: [a, nobody], length: 1, delay: 1 ns, fidelity: 0.5, source: {model: perfect, modell: 1}}
  y: {chain: [a, b], ring: [a, b], length: 9 km, delay: 1 ns}
"""
    with pytest.raises(ConfigErrors) as refused:
        loads(text)
    assert [problem.key for problem in refused.value.problems] == [
        "nodes.a.qubit",
        "nodes.a.t1",
        "nodes.a.program",
        "nodes.b.kind",
        "links.x.between[1]",
        "links.x.length",
        "links.x.fidelity",
        "links.x.source.modell",
        "links.y",
        "links.y.delay",
    ]


# --- the whole file --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "- 1", "hello", "# only a comment", "5"])
def test_what_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^net.yaml: must be a mapping with version, nodes and links$"):
        loads(text, "net.yaml")


def test_no_nodes_are_refused() -> None:
    assert problems("nodes:\nversion: 1\n") == ["net.yaml:1:1: nodes: a network needs at least one node"]


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(ConfigErrors, match=r"nested too deeply|maximum nesting depth"):
        loads(f"version: 1\nnodes: {{a: }}\nx-deep: {'[' * 5000}{']' * 5000}")
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(ConfigErrors, match=r"nested too deeply"):
        from_mapping({"version": 1, "nodes": {"a": None}, "x-deep": endless})


def test_aliases_that_stand_for_billions_of_values_are_refused_at_once() -> None:
    laughs = "".join(f"x-{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10) if n else 'lol'}]\n" for n in range(12))
    assert problems(f"{laughs}version: 1\nnodes: {{a: {{program: 'p.py:f', args: {{a: *a11}}}}}}\n")[0].endswith(
        "its aliases stand for more than 2000000 values"
    )


def test_characters_that_yaml_does_not_know_are_placed() -> None:
    (problem,) = problems("version: 1\nname: \x01\n")
    assert problem.startswith("net.yaml:2:7: ")


def test_a_mapping_made_by_a_program_gets_the_same_sentences() -> None:
    data = {"version": 1, "nodes": {"a": {}, "b": {}, 1: {}}, "links": {"x": {"between": ("a", "b"), "length": 10}}}
    with pytest.raises(ConfigErrors) as refused:
        from_mapping(data)
    assert str(refused.value).splitlines() == [
        "<mapping>: links.x.length: 10 needs a unit; write a number and one of m, km, cm, mm, um, nm",
        "<mapping>: nodes.1: must be text, not 1; a number that is meant as a name goes into quotes",
    ]
