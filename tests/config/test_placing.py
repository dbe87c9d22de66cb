"""Who runs where: what was said of it holds, and the rest is spread evenly."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import loader
from orchestrator.placing import ORACLE, spread

HOSTS = ("h0", "h1", "h2", "h3")
NODES = tuple(f"n{number}" for number in range(12))


@pytest.mark.parametrize(
    ("hosts", "place", "expected"),
    [
        ((), {}, {}),
        (("x",), {}, {"oracle": "x", "a": "x", "b": "x", "c": "x"}),
        (("x", "y"), {}, {"oracle": "x", "a": "x", "b": "x", "c": "y"}),
        (("x", "y", "z"), {}, {"oracle": "x", "a": "x", "b": "y", "c": "z"}),
        (("x", "y"), {"oracle": "y", "a": "y"}, {"oracle": "y", "a": "y", "b": "x", "c": "x"}),
        (("x", "y"), {"a": "y", "b": "y", "c": "y"}, {"oracle": "x", "a": "y", "b": "y", "c": "y"}),
    ],
)
def test_small_networks_by_hand(hosts: tuple[str, ...], place: dict[str, str], expected: dict[str, str]) -> None:
    assert spread(hosts, place, ("a", "b", "c")) == expected


@given(
    st.integers(1, len(HOSTS)).map(lambda n: HOSTS[:n]),
    st.integers(1, len(NODES)).map(lambda n: NODES[:n]),
    st.data(),
)
def test_what_was_said_holds_and_nobody_gets_more_while_another_has_less(
    hosts: tuple[str, ...], nodes: tuple[str, ...], data: st.DataObject
) -> None:
    place = data.draw(st.dictionaries(st.sampled_from((ORACLE, *nodes)), st.sampled_from(hosts)))
    placed = spread(hosts, place, nodes)
    assert list(placed) == [ORACLE, *nodes]
    assert place.items() <= placed.items()
    assert placed[ORACLE] == place.get(ORACLE, hosts[0])
    dealt = [name for name in nodes if name not in place]
    total, got = Counter(placed[name] for name in nodes), Counter(placed[name] for name in dealt)
    assert all(total[more] <= total[less] + 1 for more in got for less in hosts)
    blocks = [placed[name] for name in dealt]
    assert sorted(blocks, key=hosts.index) == blocks, "neighbours are torn apart"


def test_a_list_of_names_and_ranges_of_nodes_will_do() -> None:
    config = loader.from_mapping(
        {"version": 1, "nodes": {"r[0..5]": {}}, "hosts": ["x", "y"], "place": {"r[0..1]": "y", "oracle": "y"}}
    )
    assert list(config.hosts) == ["x", "y"]
    assert spread(tuple(config.hosts), config.place, tuple(f"r{n}" for n in range(6))) == {
        "oracle": "y", "r0": "y", "r1": "y", "r2": "x", "r3": "x", "r4": "x", "r5": "y",
    }  # fmt: skip
