"""Every shape of program once more, from the record: the same bytes, the same results, the same output."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator import Cluster, replay
from qnode.errors import ConfigError
from qnode.wire.payload import unpack
from tests.oracle.test_replay import EVERYTHING, OBSERVE, recorded
from tests.replay import networks
from tests.replay.networks import replayed

CONFIGS = Path(__file__).parents[2] / "configs"
HARDWARE = {"gates": {"single": {"duration": "1 us", "error": 0.01}, "measure": {"duration": "3 us"}}, "t1": "1 ms"}


def both(program: str, **args: Any) -> dict[str, Any]:
    return {"alice": (program, {"peer": "bob", **args}), "bob": (program, {"peer": "alice", **args})}


def noisy(described: dict[str, Any], **more: Any) -> dict[str, Any]:
    for node in described["nodes"].values():
        node.update(HARDWARE, **more)
    return described


SHAPES: dict[str, dict[str, Any]] = {
    "executors": networks.config({"alice": "executors", "bob": "takes"}),
    "parcels": networks.config(both("parcels")),
    "many": noisy(networks.config(both("many"))),
    "direct": noisy(networks.config(both("direct")), qubits=64),
    "shared": networks.config(both("many"), nodes_per_process=2),
}


@pytest.mark.parametrize("shape", SHAPES)
async def test_every_node_does_the_same_again(shape: str, tmp_path: Path) -> None:
    run = await networks.run(SHAPES[shape], tmp_path)
    for node in run.network.nodes:
        replayed(run, node)


async def test_a_run_in_one_process_is_replayed_as_well(tmp_path: Path) -> None:
    run = await networks.run(SHAPES["many"], tmp_path, inline=True)
    for node in ("alice", "bob"):
        replayed(run, node, said=False)  # there it was printed, and kept nowhere


async def test_several_programs_of_a_node_and_services_are_replayed_together(tmp_path: Path) -> None:
    described = networks.config({"alice": ("asks", {"peer": "bob"}), "bob": ("asks", {"peer": "alice"})})
    for node, peer in (("alice", "bob"), ("bob", "alice")):
        asks = {"run": "programs.py:asks", "args": {"peer": peer}}
        echo = {"run": "programs.py:echo", "args": {"peer": peer}, "service": True}
        described["nodes"][node] = {"programs": {"main": asks, "other": asks, "echo": echo}}
    run = await networks.run(described, tmp_path)
    for node in ("alice", "bob"):
        done = replayed(run, node)
        assert set(done.ended) == {"main", "other"}
        assert [one.program for one in done.waits] == ["echo"]


async def test_what_is_marked_observed_and_lost_on_the_way_is_the_same_again(tmp_path: Path) -> None:
    run = await recorded(tmp_path, EVERYTHING, inline=False, observe=OBSERVE, formalism="density_matrix")
    for node in EVERYTHING:
        replayed(run, node)


@pytest.mark.parametrize("file", ["teleportation.yaml", "superdense.yaml", "decoy_bb84.yaml"])
async def test_every_node_of_an_example_does_the_same_again(file: str, tmp_path: Path) -> None:
    """Light pulses too, which go over the link as arrays."""
    async with Cluster.from_yaml(CONFIGS / file, runs=tmp_path) as net:
        run = await net.run(timeout=60, on_output=None)
    for node in run.network.nodes:
        replayed(run, node)


async def test_what_modules_remember_is_forgotten_before_each_replay(tmp_path: Path) -> None:
    """As every run has processes of its own; a run in this process has imported them here, and keeps them."""
    (tmp_path / "remembers.py").write_text("SEEN = []\n")
    program = "import remembers\n\n\nasync def alice(node):\n    remembers.SEEN.append(1)\n"
    (tmp_path / "counts.py").write_text(f"{program}    return len(remembers.SEEN)\n")
    described = networks.config({"alice": ""})
    described["nodes"]["alice"]["program"] = "counts.py:alice"
    run = await networks.run(described, tmp_path / "runs", base=tmp_path, inline=True)
    assert run["alice"] == 1
    for _ in range(3):
        replayed(run, "alice", said=False)
    assert sys.modules.pop("remembers").SEEN == [1]


async def test_a_run_that_was_meddled_with_is_replayed_as_it_was(tmp_path: Path) -> None:
    """Messages lost and late, a node that was held: all of it is in the record."""
    described = networks.config({"alice": ("sends", {"peer": "bob"}), "bob": ("hears", {"peer": "alice"})})
    async with Cluster.from_dict(described, base=networks.PROGRAMS.parent, runs=tmp_path) as net:
        await net.run_until("1.5 ms", on_output=None)
        await net.drop_next("alice", "bob")
        await net.run_until("2.5 ms")
        await net.delay_next("alice", "bob", "10 ms")
        await net.hold("bob")
        await net.run_until("5.5 ms")
        await net.release("bob")
        run = await net.run()
    heard = [number for number, _ in run["bob"]]
    assert heard == [0, 1, 4, 5, 6, 7, 3][: len(heard)]
    for node in ("alice", "bob"):
        replayed(run, node)


# ---------------------------------------------------------------- runs that did not end well


async def test_a_program_that_failed_fails_again_and_the_others_clean_up_again(tmp_path: Path) -> None:
    """An address in an error's text is this machine's own: that does not make it another error."""
    programs = {"alice": ("fails", {"peer": "bob"}), "bob": ("cleans_up", {"peer": "alice"})}
    run = await networks.run(networks.config(programs), tmp_path, check=False)
    failed = replayed(run, "alice").ended["main"]
    assert failed.failed
    assert "# raised here" in failed.traceback
    assert failed.error.startswith("RuntimeError: on purpose")
    lost = replayed(run, "bob").ended["main"]
    assert lost.error.startswith("qnode.errors.PeerLost")
    assert networks.printed(run, "bob")[-1] == "bob | cleaning up"


async def test_a_deadlock_is_shown_where_the_node_waits(tmp_path: Path) -> None:
    run = await networks.run(networks.config(both("waits")), tmp_path, check=False)
    assert run.summary.how == "deadlock"
    for node in ("alice", "bob"):
        (wait,) = replayed(run, node).waits
        assert wait.what == f"receive({'bob' if node == 'alice' else 'alice'!r})"
        assert wait.where == networks.line_of("waits here")


async def test_a_run_that_was_to_end_at_a_time_is_replayed_to_it(tmp_path: Path) -> None:
    run = await networks.run(networks.config({"alice": "sleeps"}, until="20.5 ms"), tmp_path)
    done = replayed(run, "alice")
    assert (done.steps, done.at_ns) == (21, 20_000_000)
    assert [one.where for one in done.waits] == [networks.line_of("sleeps here")]


async def test_a_step_that_a_process_did_not_survive_is_executed_though_it_is_not_in_the_record(tmp_path: Path) -> None:
    path = tmp_path / "end"
    path.touch()
    described = networks.config({"alice": ("hangs", {"path": str(path)}), "bob": "sleeps"})
    run = await networks.run(described, tmp_path, check=False)
    assert run.exit_code == 4
    path.unlink()
    lines: list[str] = []
    done = replay(run, "alice", on_output=lines.append)
    assert (done.steps, done.unrecorded, done.diverged) == (1, True, None)
    assert (done.at_ns, lines) == (1_000_000, ["alice | lives"])


@pytest.mark.parametrize("inline", [False, True], ids=["processes", "inline"])
async def test_each_life_of_a_node_that_was_killed_and_began_again_is_replayed(inline: bool, tmp_path: Path) -> None:
    """The last of them, if none is named; its qubits, random numbers and messages are its own."""
    again = {"at": "4.5 ms", "kill": "bob", "restart": "fresh"}
    described = networks.config(
        {"alice": ("sleeps", {"steps": 12}), "bob": ("random_steps", {"steps": 6})},
        faults=[again],
        failures={"restart_delay": "1 ms"},
    )
    run = await networks.run(described, tmp_path, inline=inline)
    assert len(run["bob"]) == 6
    lives = [replay(run, "bob", life=life, on_output=None) for life in (1, 2, None)]
    assert [done.diverged for done in lives] == [None] * 3
    assert [(done.steps, done.at_ns) for done in lives] == [(5, 4_000_000), (7, 11_500_000), (7, 11_500_000)]
    assert lives[0].ended == {}
    assert unpack(lives[1].ended["main"].result) == run["bob"]
    assert lives[1] == lives[2]
    assert sum(done.steps for done in lives[:2]) == networks.reports(run, "bob")
    with pytest.raises(ConfigError, match="bob had 2 lives"):
        replay(run, "bob", life=3)
    replayed(run, "alice", said=not inline)


# ---------------------------------------------------------------- up to a time


@pytest.mark.parametrize(("until", "steps"), [("0 s", 1), ("999 us", 1), ("1 ms", 2), ("10.5 ms", 11), (0.005, 6)])
async def test_a_replay_stops_after_all_that_is_due_by_a_time(until: str | float, steps: int, tmp_path: Path) -> None:
    run = await networks.run(networks.config({"alice": ("sleeps", {"steps": 30})}), tmp_path, inline=True)
    lines: list[str] = []
    done = replay(run, "alice", until=until, on_output=lines.append)
    assert (done.how, done.steps, done.ended) == ("until", steps, {})
    assert lines == [f"alice | step {number}" for number in range(steps)]
    assert [(one.program, one.what, one.where) for one in done.waits] == [
        ("main", "sleep()", networks.line_of("sleeps here"))
    ]


async def test_a_time_after_the_end_is_the_end(tmp_path: Path) -> None:
    run = await networks.run(networks.config({"alice": ("sleeps", {"steps": 3})}), tmp_path, inline=True)
    assert replayed(run, "alice", until="1 h", said=False).how == "end"


# ---------------------------------------------------------------- many networks


@given(
    st.lists(st.sampled_from(["many", "direct", "parcels"]), min_size=1, max_size=2, unique=True),
    st.integers(0, 2**32),
    st.sampled_from(["auto", "state_vector"]),
)
@settings(max_examples=5)
def test_programs_in_any_company_do_the_same_again(programs: list[str], seed: int, formalism: str) -> None:
    described = networks.config(both("many"), seed=seed, formalism=formalism)
    for node, peer in (("alice", "bob"), ("bob", "alice")):
        several = {name: {"run": f"programs.py:{name}", "args": {"peer": peer}} for name in programs}
        described["nodes"][node] = {"programs": several, "qubits": 64, **HARDWARE}
    with TemporaryDirectory() as folder:
        run = asyncio.run(networks.run(described, Path(folder), inline=True))
        for node in ("alice", "bob"):
            replayed(run, node, said=False)
