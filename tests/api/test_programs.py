"""Programs and the nodes they are at: several a node, services, arguments, randomness, and how a run ends."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from orchestrator import Cluster
from orchestrator.run import Run
from qnode.errors import ProgramFailed, Stall
from tests.api.networks import PROGRAMS, network, run

FILE = "several.py"
LINK_NS = 50_035
both_ways = pytest.mark.parametrize("inline", [True, False], ids=["inline", "processes"])


def one(name: str, *, service: bool = False, **args: object) -> dict[str, object]:
    return {"run": f"{FILE}:{name}", "args": args, "service": service}


async def host(runs: Path, *, inline: bool = True, **options: Any) -> Run:
    """Nodes given as their programs by name; everything else is for the network."""
    nodes: dict[str, Any] = {
        name: {"programs": options.pop(name)} for name in ("alice", "bob", "carol") if name in options
    }
    return await run(network(FILE, nodes, **options), runs, inline=inline)


@both_ways
async def test_a_program_knows_its_node_its_name_and_its_neighbours(inline: bool, tmp_path: Path) -> None:
    found = await host(
        tmp_path,
        alice={"main": one("introduces_itself", more=1)},
        bob={"main": one("introduces_itself"), "other": one("introduces_itself")},
        inline=inline,
    )
    assert found["alice"] == ["alice", "main", ["bob"], "<Node alice, program main>", {"more": 1}]
    assert found["bob"][:3] == ["bob", "main", ["alice", "carol"]]
    assert found["bob.other"][:3] == ["bob", "other", ["alice", "carol"]]


@both_ways
async def test_arguments_arrive_as_the_configuration_says_them(inline: bool, tmp_path: Path) -> None:
    nested = {"list": [1, 2.5, None, True], "map": {"a": {"b": "c"}}, "text": "ψ"}
    found = await host(
        tmp_path,
        alice={
            "main": one("takes_arguments", first=1),
            "all": one("takes_arguments", first=2, second=nested, third=[]),
        },
        inline=inline,
    )
    assert found["alice"] == [1, "default", None]
    assert found["alice.all"] == [2, nested, []]


@both_ways
async def test_programs_of_one_node_talk_to_each_other_without_delay(inline: bool, tmp_path: Path) -> None:
    found = await host(
        tmp_path,
        alice={
            "c": one("receives_from", sender="b"),
            "b": one("receives_and_passes_on", sender="a", to="c"),
            "a": one("passes_on", program="b", value=5),
        },
        inline=inline,
    )
    assert found.results["alice"] == {"a": 5, "b": 6, "c": [7, 0]}


@both_ways
async def test_a_service_answers_every_program_and_keeps_no_run_alive(inline: bool, tmp_path: Path) -> None:
    askers = [["alice", "one"], ["alice", "two"], ["carol", "main"]]
    found = await host(
        tmp_path,
        alice={"one": one("asks", whom="bob", program="oracle-of-delphi", question="?", times=2)}
        | {"two": one("asks", whom="bob", program="oracle-of-delphi", question=[1j.imag])},
        bob={
            "oracle-of-delphi": one("answers_forever", service=True, askers=askers),
            "clock": one("ticks", service=True),
        },
        carol={"main": one("asks", whom="bob", program="oracle-of-delphi", question={"a": 1})},
        inline=inline,
    )
    assert found.summary.how == "done"
    assert found["alice.one"] == [[[1, "?"], 2 * LINK_NS], [[2, "?"], 4 * LINK_NS]]
    assert found["alice.two"] == [[[1, [1.0]], 2 * LINK_NS]]
    assert found["carol"] == [[[1, {"a": 1}], 2 * LINK_NS]]
    assert found.summary.at_ns == 4 * LINK_NS


async def test_a_run_ends_when_the_last_program_returns_and_until_ends_it_before(tmp_path: Path) -> None:
    nodes: dict[str, Any] = {"alice": {"short": one("sleeps", seconds=1), "long": one("sleeps", seconds=31_557_600)}}
    found = await host(tmp_path, **nodes)
    assert (found.summary.how, found.summary.at_ns) == ("done", 31_557_600 * 10**9)
    found = await host(tmp_path, **nodes, until="1 h")
    assert found.summary.how == "until"
    assert found.results == {"alice": {"short": 10**9}}
    assert [(wait.node, wait.program) for wait in found.summary.waits] == [("alice", "long")]


async def test_the_timers_of_a_service_do_not_hide_that_everybody_else_waits_for_ever(tmp_path: Path) -> None:
    """A thousand instants with nothing but services are enough; the end of the run is never reached."""
    with pytest.raises(Stall) as caught:
        await host(
            tmp_path,
            alice={"main": one("receives_from", sender="nobody")},
            bob={"clock": one("ticks", service=True)},
            until="10 ms",
        )
    assert "alice main waits for receive('alice')" in str(caught.value)


@both_ways
async def test_programs_come_from_files_and_from_packages_beside_the_configuration(
    inline: bool, tmp_path: Path
) -> None:
    package = tmp_path / "my_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "helper.py").write_text("WORD = 'helped'\n")
    (package / "deep.py").write_text(
        "from my_package.helper import WORD\nasync def main(node, number):\n    return [WORD, number, __name__]\n"
    )
    (tmp_path / "plain.py").write_text("import beside\nasync def main(node):\n    return beside.WORD\n")
    (tmp_path / "beside.py").write_text("WORD = 'beside'\n")
    data = {
        "version": 1,
        "seed": 2,
        "nodes": {
            "a": {"program": "my_package.deep:main", "args": {"number": 3}},
            "b": {"program": "plain.py:main"},
        },
    }
    async with Cluster.from_dict(data, base=tmp_path, runs=tmp_path / "runs") as net:
        found = await net.run(inline=inline, timeout=40)
    assert found["a"] == ["helped", 3, "my_package.deep"]
    assert found["b"] == "beside"


@both_ways
async def test_a_file_is_relative_to_the_configurations_folder_wherever_one_is(inline: bool, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "inside"
    folder.mkdir(parents=True)
    (tmp_path / "deep" / "up.py").write_text("async def main(node):\n    return 'up'\n")
    config = folder / "net.yaml"
    config.write_text("version: 1\nnodes: {a: {program: '../up.py:main'}}\n")
    async with Cluster.from_yaml(config, runs=tmp_path / "runs") as net:
        assert (await net.run(inline=inline, timeout=40))["a"] == "up"


# ---------------------------------------------------------------- randomness


@both_ways
async def test_random_streams_belong_to_node_program_and_seed(inline: bool, tmp_path: Path) -> None:
    n = 50
    both = {"one": one("draws", n=n), "two": one("draws", n=n)}
    config = network(FILE, {name: {"programs": both} for name in ("alice", "bob", "carol")})
    async with Cluster.from_dict(config, base=PROGRAMS, runs=tmp_path) as net:
        runs = [await net.run(seed=seed, inline=inline, timeout=40) for seed in (4, 4, 5)]
    first, again, other = ([run[f"{n}.{p}"] for n in ("alice", "bob", "carol") for p in both] for run in runs)
    assert first == again
    # A shared stream, or one that runs behind another, would have numbers in common; 53-bit draws never have.
    for mine, theirs in combinations([*first, *other], 2):
        assert not set(mine) & set(theirs)


async def test_a_programs_random_stream_depends_on_nothing_else_that_is_drawn(tmp_path: Path) -> None:
    alone = await host(tmp_path, alice={"main": one("draws", n=10)})
    measuring = await host(tmp_path, alice={"main": one("draws_and_measures", n=10), "other": one("draws", n=3)})
    assert measuring["alice"] == alone["alice"]


@both_ways
@pytest.mark.parametrize(
    ("name", "what", "verb"),
    [("returns_much", "what program main of node alice returned", "return"), ("records_much", "the record", "record")],
)
async def test_a_result_that_is_too_large_to_travel_fails_its_program(
    name: str, what: str, verb: str, inline: bool, tmp_path: Path
) -> None:
    with pytest.raises(ProgramFailed) as caught:
        await host(tmp_path, alice={"main": one(name)}, inline=inline)
    assert caught.value.exit_code == 1
    assert what in str(caught.value)
    assert FILE in str(caught.value)
    assert f"may travel: write it to a file and {verb} its path" in str(caught.value)
