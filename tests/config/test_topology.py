"""What a configuration is turned into: names written out, integer nanoseconds, and how long messages take."""

from __future__ import annotations

import pickle
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.delays import AlongLinks
from orchestrator.loader import load, loads
from orchestrator.topology import Network, Observation, ProgramDescription, describe
from qnode.errors import ConfigError
from qnode.ids import NodeName, ProgramName
from qnode.quantum.hardware import Hardware, Slots

A, B, C, D = map(NodeName, "abcd")
HERE = Path("somewhere")


def network(text: str, base: Path = HERE, seed: int = 1) -> Network:
    return describe(loads(f"version: 1\n{text}"), base, seed)


def test_a_description_says_everything_in_integers_and_si() -> None:
    net = network(
        """
name: two
until: 10 s
clock: {tick: 1 us}
formalism: state_vector
max_state_vector_qubits: 20
events: false
kinds: {end: {qubits: 8, gates: {single: {duration: 1 us}, two: {duration: 2.5 ns}, measure: {duration: 3 ms}}}}
nodes:
  a: {kind: end, programs: {main: {run: "t.py:alice", args: {theta: 0.3}}, echo: {run: "e.py:main", service: true}}}
  b: {qubits: 2}
links: {ab: {between: [a, b], length: 10 km}}
observe: {received: [fidelity, {fidelity: 0}, {fidelity: sent}]}
""",
        seed=7,
    )
    a, b = net.nodes[A], net.nodes[B]
    assert (net.name, net.seed, net.base) == ("two", 7, HERE)
    assert (net.clock, net.speed, net.tick_ns, net.until_ns) == ("virtual", 1.0, 1000, 10**10)
    assert (net.formalism, net.max_state_vector_qubits, net.events) == ("state_vector", 20, False)
    assert (a.name, a.qubits, a.base) == (A, 8, HERE)
    times = a.hardware.single, a.hardware.two, a.hardware.measure
    assert [time.duration_ns for time in times] == [1000, 2, 3_000_000]
    assert a.programs == (
        ProgramDescription(ProgramName("main"), "t.py:alice", {"theta": 0.3}, service=False),
        ProgramDescription(ProgramName("echo"), "e.py:main", {}, service=True),
    )
    assert (b.hardware, b.programs) == (Hardware(Slots(2)), ())
    assert net.observe == tuple(Observation("received", target) for target in (None, "0", "sent"))


def test_ten_kilometres_of_fibre_take_50035_ns() -> None:
    """10 km / (2c/3) = 50,034.61... ns, rounded to the nearest nanosecond (halves to even), link by link."""
    net = network("nodes: {a: , b: , c: }\nlinks: {l: {chain: [a, b, c], length: 10 km}}")
    assert [link.delay_ns for link in net.links] == [50_035, 50_035]
    assert net.delays.delay_ns(A, B) == 50_035
    assert net.delays.delay_ns(A, C) == net.delays.delay_ns(C, A) == 100_070
    assert net.delays.delay_ns(A, A) == 0


@pytest.mark.parametrize(("delay", "expected"), [("0.04 ms", 40_000), ("33356 ns", 33_356), ("33355.6 ns", 33_356)])
def test_a_delay_may_be_given_down_to_that_of_light(delay: str, expected: int) -> None:
    net = network(f"nodes: {{a: , b: }}\nlinks: {{l: {{between: [a, b], length: 10 km, delay: {delay}}}}}")
    assert net.delays.delay_ns(A, B) == expected


def test_links_know_their_ends_and_nodes_their_neighbours() -> None:
    net = network("nodes: {'n[0..3]': , lone: }\nlinks: {s: {star: 'n[0..2]'}, t: {between: [n3, n0]}}")
    names = [(link.name, link.a, link.b) for link in net.links]
    assert names == [("s[0]", "n0", "n1"), ("s[1]", "n0", "n2"), ("t", "n3", "n0")]
    assert net.neighbours(NodeName("n0")) == ("n1", "n2", "n3")
    assert net.neighbours(NodeName("n3")) == ("n0",)
    assert net.neighbours(NodeName("lone")) == ()
    between = net.link_between(NodeName("n0"), NodeName("n3"))
    assert between is not None
    assert between.name == "t"
    assert net.link_between(NodeName("n1"), NodeName("n2")) is None


@pytest.mark.parametrize(("written", "expected"), [("1", 1), ("2", 2), ("all", 3)])
def test_nodes_per_process_is_a_number(written: str, expected: int) -> None:
    assert network(f"nodes: {{'n[0..2]': }}\nnodes_per_process: {written}").nodes_per_process == expected


def test_a_description_can_be_pickled() -> None:
    net = network("nodes: {a: , b: }\nlinks: {l: {between: [a, b], length: 1 km}}")
    again = pickle.loads(pickle.dumps(net))
    assert (again.nodes, again.links, again.delays.delay_ns(A, B)) == (net.nodes, net.links, 5003)


# --- delays --------------------------------------------------------------------------------------------------------

links = st.dictionaries(
    st.tuples(st.integers(0, 6), st.integers(0, 6)).filter(lambda ends: ends[0] < ends[1]), st.integers(0, 100)
)


@given(links)
def test_delays_along_links_are_the_shortest_ways(drawn: dict[tuple[int, int], int]) -> None:
    """Against Floyd and Warshall's algorithm, the other textbook way."""
    inf = 10**9
    best = [[0 if i == j else inf for j in range(7)] for i in range(7)]
    for (i, j), delay_ns in drawn.items():
        best[i][j] = best[j][i] = delay_ns
    for via in range(7):
        for i in range(7):
            for j in range(7):
                best[i][j] = min(best[i][j], best[i][via] + best[via][j])
    names = [NodeName(f"n{i}") for i in range(7)]
    delays = AlongLinks((names[i], names[j], delay_ns) for (i, j), delay_ns in drawn.items())
    for i, j in permutations(range(7), 2):
        expected = best[i][j] if best[i][j] < inf else None
        assert delays.delay_ns(names[i], names[j]) == expected


def test_the_short_way_round_wins_over_few_links() -> None:
    net = network(
        "nodes: {a: , b: , c: }\n"
        "links: {far: {between: [a, c], length: 100 km}, near: {chain: [a, b, c], length: 1 km}}"
    )
    assert net.delays.delay_ns(A, C) == 2 * 5003


def test_parts_that_no_link_joins_are_no_error_before_somebody_sends() -> None:
    net = network("nodes: {a: , b: , c: , d: }\nlinks: {x: {between: [a, b]}, y: {between: [c, d]}}")
    assert net.delays.delay_ns(A, B) == 0
    assert net.delays.delay_ns(A, C) is None
    assert net.delays.delay_ns(D, A) is None


def test_one_delay_for_all() -> None:
    net = network("nodes: {a: , b: }\nclassical: {delay: 1 ms}")
    assert net.delays.delay_ns(A, B) == 1_000_000
    assert net.delays.delay_ns(A, A) == 0


MATRIX = """,    a,      b,     c
a,       ,   1 us,  2 us
b,  3 us ,       ,
c,   0   , 4.5 ns,  9 s
"""


def test_a_matrix_gives_each_direction_its_own_delay(tmp_path: Path) -> None:
    (tmp_path / "delays.csv").write_text(MATRIX)
    (tmp_path / "net.yaml").write_text("version: 1\nnodes: {a: , b: , c: }\nclassical: {delay: {matrix: delays.csv}}")
    delays = describe(load(tmp_path / "net.yaml"), tmp_path, 1).delays
    assert (delays.delay_ns(A, B), delays.delay_ns(B, A)) == (1000, 3000)
    assert (delays.delay_ns(A, C), delays.delay_ns(C, A)) == (2000, 0)
    assert (delays.delay_ns(B, C), delays.delay_ns(C, B)) == (None, 4)
    assert delays.delay_ns(C, C) == 0


@pytest.mark.parametrize(
    ("what", "instead", "sentence"),
    [
        ("1 us", "1", "d.csv, from a to b: '1' needs a unit"),
        ("1 us", "fast", "d.csv, from a to b: 'fast' is not a time"),
        ("b,  3 us ,       ,", "", "d.csv: node 'b' has no row"),
        ("b,     c\n", "c,     c\n", "d.csv: node 'b' has no column"),
        ("c,   0", "c,,,\nc,   0", "d.csv: a node has more than one row"),
        (MATRIX, "", "d.csv: node 'a' has no column"),
    ],
)
def test_a_matrix_that_is_no_good_is_refused(what: str, instead: str, sentence: str) -> None:
    config = loads("version: 1\nnodes: {a: , b: , c: }\nclassical: {delay: {matrix: d.csv}}")
    assert what in MATRIX
    with pytest.raises(ConfigError, match=sentence):
        describe(config, Path(), 1, read=lambda path: MATRIX.replace(what, instead))


def test_a_matrix_that_is_not_there_is_refused(tmp_path: Path) -> None:
    config = loads("version: 1\nnodes: {a: }\nclassical: {delay: {matrix: d.csv}}")
    with pytest.raises(ConfigError, match=r"d.csv: No such file"):
        describe(config, tmp_path, 1)


# --- a thousand nodes ----------------------------------------------------------------------------------------------


def test_a_thousand_nodes_by_a_range() -> None:
    net = network(
        'nodes: {alice: , bob: , "r[000..997]": {qubits: 8}}\n'
        'links: {backbone: {chain: [alice, "r[000..997]", bob], length: 25 km}, backup: {between: [alice, bob]}}'
    )
    assert (len(net.nodes), len(net.links)) == (1000, 1000)
    assert list(net.nodes)[:3] == ["alice", "bob", "r000"]
    assert net.neighbours(NodeName("r500")) == ("r499", "r501")
    assert net.delays.delay_ns(NodeName("alice"), NodeName("r997")) == 125_087
    assert net.delays.delay_ns(NodeName("alice"), NodeName("r003")) == 4 * 125_087


def test_a_thousand_nodes_one_by_one(tmp_path: Path) -> None:
    nodes = [f'  n{i}: {{qubits: 8, program: "p.py:f", args: {{i: {i}}}}}' for i in range(1000)]
    chain = [f"  l{i}: {{between: [n{i}, n{i + 1}], length: 1 km}}" for i in range(999)]
    path = tmp_path / "big.yaml"
    path.write_text("\n".join(["version: 1", "nodes:", *nodes, "links:", *chain]))
    net = describe(load(path), tmp_path, 1)
    assert net.delays.delay_ns(NodeName("n0"), NodeName("n999")) == 999 * 5003
    assert net.nodes[NodeName("n7")].programs[0].args == {"i": 7}


@pytest.mark.parametrize(
    ("n", "routing", "flood"),
    [(100, "auto", True), (101, "auto", False), (101, "link_state", True), (2, "on_demand", False)],
)
def test_routes_are_sought_where_too_many_would_announce_their_links(n: int, routing: str, flood: bool) -> None:
    net = network(f"nodes: {{'n[1..{n}]': {{qubits: 2}}}}\nstack: {{routing: {routing}}}\n")
    assert net.stack.flood is flood


def test_routes_are_sought_only_where_everybody_can_answer_who_seeks() -> None:
    """a, b and c are joined by links, and a cannot tell c anything; with d, of another part, nobody has to talk."""
    rows = {"a": ["", "1 us", ""], "b": ["1 us", "", "1 us"], "c": ["1 us", "1 us", ""], "d": ["", "", ""]}

    def flood(routing: str, rows: dict[str, list[str]]) -> bool:
        names = [*rows, *(f"e{nth}" for nth in range(100))]
        table = [["", *names], *([name, *rows.get(name, [])] for name in names)]
        text = "\n".join(",".join([*row, *[""] * (len(names) + 1 - len(row))]) for row in table)
        config = loads(
            f"version: 1\nnodes: {{{', '.join(f'{name}: ' for name in names)}}}\n"
            "links: {ab: {between: [a, b], length: 1 km}, bc: {between: [b, c], length: 1 km}}\n"
            f"classical: {{delay: {{matrix: delays.csv}}}}\nstack: {{routing: {routing}}}\n"
        )
        return describe(config, HERE, 1, read=lambda path: text).stack.flood

    assert flood("auto", rows)
    assert flood("link_state", rows)
    with pytest.raises(ConfigError, match="for on_demand, a has to answer c, and the matrix of delays has no way"):
        flood("on_demand", rows)
    whole = {**rows, "a": ["", "1 us", "1 us"]}
    assert not flood("auto", whole)
    assert not flood("on_demand", whole)
