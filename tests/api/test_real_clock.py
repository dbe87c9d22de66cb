"""The real clock: the same programs as time goes by, with right results, and nothing earlier than light allows.

No upper bounds are tested: how late a busy machine is says nothing about the emulator.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator import Cluster
from orchestrator.plan import plan
from orchestrator.run import Run
from orchestrator.topology import describe
from qnode.runtime.host import NodeHost
from qnode.runtime.parcels import ParcelStore
from qnode.wire.items import Arrived, Failed, Paired
from qnode.wire.messages import Grant
from qnode.wire.operations import Discard, Entangle, Measure, Withdraw
from tests.api.networks import PROGRAMS, line_of, network, run

LINK_NS = 50_035
PROTOCOLS = Path(__file__).parents[1] / "protocols"

speeds = pytest.mark.parametrize("speed", [1.0, 0.01, 20.0])


def real(speed: float = 1.0) -> dict[str, Any]:
    return {"clock": {"mode": "real", "speed": speed}}


def program(file: str, name: str, **args: object) -> dict[str, object]:
    return {"program": f"{file}:{name}", "args": args}


async def protocol(runs: Path, nodes: dict[str, Any], **more: Any) -> Run:
    data = {"version": 1, "seed": 3, "nodes": nodes, "links": {"l": {"chain": list(nodes), "length": "10 km"}}, **more}
    async with Cluster.from_dict(data, base=PROTOCOLS, runs=runs) as net:
        return await net.run(timeout=60)


@speeds
@pytest.mark.parametrize("nodes_per_process", [1, "all"])
async def test_messages_go_to_and_fro_and_never_faster_than_light(
    speed: float, nodes_per_process: int | str, tmp_path: Path
) -> None:
    rounds = 5
    alice, bob = (
        program("several.py", "ping", to="bob", rounds=rounds),
        program("several.py", "pong", sender="alice", rounds=rounds),
    )
    nodes = {"alice": alice, "bob": bob}
    found = await run(
        network("several.py", nodes, nodes_per_process=nodes_per_process, **real(speed)), tmp_path, inline=False
    )
    assert not found.summary.reproducible
    there = {number: (left, came) for number, left, came in found["bob"]}
    last = 0
    for left, number, came, back in found["alice"]:
        assert there[number] == (left, came)
        assert left >= last  # time never steps back
        assert came >= left + LINK_NS
        assert back >= came + LINK_NS
        last = back
    assert found.summary.at_ns >= 2 * rounds * LINK_NS


@speeds
async def test_teleportation_is_perfect(speed: float, tmp_path: Path) -> None:
    states = [(0.3, 0.1), (1.2, 2.0), (2.9, 5.0)]
    nodes = {
        "alice": program("test_protocols.py", "teleport_many", states=states),
        "bob": program("test_protocols.py", "receive_many", n=3),
    }
    found = await protocol(tmp_path, nodes, observe={"received": [{"fidelity": "sent"}]}, **real(speed))
    assert [one.value for one in found.observed] == [pytest.approx(1, abs=1e-10)] * 3
    assert found.summary.at_ns >= 3 * 2 * LINK_NS


@speeds
async def test_a_qubit_is_forwarded_over_three_links(speed: float, tmp_path: Path) -> None:
    nodes = {
        "a": program("test_protocols.py", "first_hop", to="b", theta=0.7, phi=1.9),
        "b": program("test_protocols.py", "forward", sender="a", to="c"),
        "c": program("test_protocols.py", "forward", sender="b", to="d"),
        "d": program("test_protocols.py", "last_hop", sender="c"),
    }
    found = await protocol(tmp_path, nodes, observe={"received": [{"fidelity": "sent"}]}, **real(speed))
    assert [one.value for one in found.observed] == [pytest.approx(1, abs=1e-10)]
    assert found.summary.at_ns >= 3 * LINK_NS


async def test_many_teleportations_in_flight_do_not_mix(tmp_path: Path) -> None:
    n = 32
    nodes = {
        "alice": program("entangling.py", "teleports_all", n=n),
        "bob": program("entangling.py", "receives_all", n=n),
    }
    observe = {f"received{number}": [{"fidelity": f"sent{number}"}] for number in range(n)}
    config = network("entangling.py", nodes, slots=2 * n, observe=observe, **real())
    found = await run(config, tmp_path, inline=False)
    assert [one.value for one in found.observed] == [pytest.approx(1, abs=1e-10)] * n


@pytest.mark.parametrize(
    ("names", "sizes"), [(["alice", "bob"], [70_000]), (["alice", "bob", "carol"], [1, 65_536, 2_000_000])], ids=str
)
async def test_long_messages_of_all_to_all_arrive_whole(names: list[str], sizes: list[int], tmp_path: Path) -> None:
    """Each waits until its payload has been taken, while the others' messages come in."""
    nodes = {
        name: program("talking.py", "exchanges_much", peers=[other for other in names if other != name], sizes=sizes)
        for name in names
    }
    found = await run(network("talking.py", nodes, **real()), tmp_path, inline=False)
    for name in names:
        got = [one[:3] for one in found[name]]
        assert got == [[size, len(name), len(name)] for _ in names[1:] for size in sizes]
        assert all(one[3] >= LINK_NS for one in found[name])


async def test_channels_keep_their_order(tmp_path: Path) -> None:
    n = 50
    nodes = {
        "alice": program("talking.py", "counts_up", to="bob", n=n),
        "bob": program("talking.py", "hears_backwards", sender="alice", n=n),
    }
    found = await run(network("talking.py", nodes, **real()), tmp_path, inline=False)
    assert found["bob"] == {channel: list(range(2 * n)) for channel in ("b", "a", "")}


# ---------------------------------------------------------------- what comes at a bad time: a host without its process


def bob_alone(run: str, args: dict[str, object], folder: Path, **options: Any) -> NodeHost:
    """The host of one node, driven by hand."""
    config = network("several.py", {"bob": {"program": run, "args": args}}, **real())
    cluster = Cluster.from_dict(config, base=PROGRAMS, runs=folder)
    launch = plan(describe(cluster.config, cluster.base, 1), run_id="r", token=b"", directory="", folder="")
    (spec,) = (node for process in launch.processes for node in process.nodes if node.name == "bob")
    return NodeHost(spec, launch.run, ParcelStore(folder).get, **options)


def test_a_qubit_that_is_there_before_the_program_has_begun_is_received(tmp_path: Path) -> None:
    """Clocks start one after another: what an early node sent may be due when a late one runs for the first time."""
    host = bob_alone("gates.py:lands", {"sender": "alice"}, tmp_path)
    host.resume(Grant("bob", 0, LINK_NS, (Arrived("alice", "main", "alice.0"),)))
    ops = host.report().ops
    host.close()
    assert [type(op) for op in ops] == [Measure]


def test_a_half_that_was_on_its_way_when_its_request_was_withdrawn_is_discarded(tmp_path: Path) -> None:
    """The oracle had handed it out already, with its time on it."""
    host = bob_alone("several.py:gives_up", {"peer": "alice", "timeout": 1e-6}, tmp_path)
    host.resume(Grant("bob", 0, 0, ()))
    (asked,) = host.report().ops
    assert isinstance(asked, Entangle)
    host.resume(Grant("bob", 1, 1_000, ()))
    assert host.report().ops == (Withdraw(asked.request),)
    host.resume(Grant("bob", 2, LINK_NS, (Paired(asked.request, "alice~bob#0", "alice~bob#0@bob"),)))
    *_, discarded = host.report().ops
    free = host.machine.memory.free
    host.close()
    assert discarded == Discard(("alice~bob#0@bob",), LINK_NS)
    assert free == 8


def test_halves_of_a_request_that_fails_after_they_came_are_discarded(tmp_path: Path) -> None:
    host = bob_alone("misuse.py:asks_for_two", {"peer": "alice"}, tmp_path)
    host.resume(Grant("bob", 0, 0, ()))
    (asked,) = host.report().ops
    assert isinstance(asked, Entangle)
    host.resume(Grant("bob", 1, LINK_NS, (Paired(asked.request, "alice~bob#0", "alice~bob#0@bob"),)))
    assert host.report().ops == ()
    assert host.machine.memory.free == 6
    failed = Failed(None, asked.request, "GenerationTimeout", {"node": "bob", "peer": "alice", "timeout": "1"})
    host.resume(Grant("bob", 2, LINK_NS, (failed,)))
    report = host.report()
    free = host.machine.memory.free
    host.close()
    assert report.ops == (Discard(("alice~bob#0@bob",), LINK_NS),)
    assert [ended.failed for ended in report.ended] == [False]
    assert free == 8


def test_halves_of_a_request_that_its_program_leaves_behind_are_discarded_once(tmp_path: Path) -> None:
    host = bob_alone("misuse.py:leaves_a_request", {"peer": "alice"}, tmp_path)
    host.resume(Grant("bob", 0, 0, ()))
    (asked,) = host.report().ops
    assert isinstance(asked, Entangle)
    host.resume(Grant("bob", 1, LINK_NS, (Paired(asked.request, "alice~bob#0", "alice~bob#0@bob"),)))
    host.report()
    host.resume(Grant("bob", 2, 10**9, ()))
    report = host.report()
    free = host.machine.memory.free
    host.close()
    assert report.ops == (Withdraw(asked.request), Discard(("alice~bob#0@bob",), 10**9))
    assert [ended.failed for ended in report.ended] == [False]
    assert free == 8


def test_a_program_that_spins_for_too_long_fails_and_names_the_line(tmp_path: Path) -> None:
    host = bob_alone("misuse.py:spins", {}, tmp_path, max_rounds=1000)
    host.resume(Grant("bob", 0, 0, ()))
    (ended,) = host.report().ended
    host.close()
    assert ended.failed
    assert ended.traceback == (
        "node bob has gone round 1000 times at one instant, and network time stands still while it spins at"
        f" {line_of('misuse.py', 'spins', 'round and round')}: await what the program waits for, or sleep for a time"
    )
