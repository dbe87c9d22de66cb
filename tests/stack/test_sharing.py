"""The stack beside programs that reserve slots, end early, or wait together: nobody waits for ever, nobody stumbles."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from orchestrator import Cluster
from orchestrator.run import Run
from qnode.errors import LimitExceeded, ProgramFailed
from qnode.ids import NodeName, PairId, QubitId
from qnode.stack.circuits import Here
from qnode.stack.effects import Effect, Half
from qnode.stack.repeaters import Repeater
from qnode.wire.stack import LinkFacts, NodeFacts, Setup, StackSpec, Track
from tests.stack.harness import Member, World, chain
from tests.stack.verified import assert_verified

PROGRAMS: Final = Path(__file__).parent / "programs"
ENDS: Final = ("network_served", "network_expired", "network_withdrawn", "network_refused")


def at(program: str, peer: str = "", **args: Any) -> dict[str, Any]:
    return {"qubits": 16, "program": f"sharing.py:{program}", "args": {**({"peer": peer} if peer else {}), **args}}


async def run(folder: Path, nodes: dict[str, Any], **more: Any) -> Run:
    links = {"chain": {"chain": list("abc"), "length": "10 km"}} if len(nodes) == 3 else {}
    config = {"version": 1, "name": "sharing", "seed": 1, "nodes": nodes, "links": links} | more
    async with Cluster.from_dict(config, base=PROGRAMS, runs=folder) as net:
        return await net.run(on_output=None, inline=True, timeout=60.0)  # nothing is measured by it


async def test_slots_that_were_reserved_are_free_for_circuits_again(tmp_path: Path) -> None:
    middle = {"qubits": 4, "programs": {"x": {"run": "sharing.py:reserver"}}}
    done = await run(tmp_path, {"a": at("ask", "c"), "b": middle, "c": at("ask", "a")})
    assert done["a"] == done["c"]
    assert [each.peer for each in done.events if each.event == "network_queued"] == ["b"]


async def test_a_repeater_whose_slots_are_a_programs_own_refuses_at_once(tmp_path: Path) -> None:
    middle = {"qubits": 4, "programs": {"x": {"run": "sharing.py:sleeper", "memories": 3}}}
    done = await run(tmp_path, {"a": at("told", "c"), "b": middle, "c": at("told", "a")})
    assert (done["a"], done["c"]) == ("OutOfMemory", "OutOfMemory")
    assert not [each for each in done.events if each.event == "network_queued"]


async def test_circuits_wait_behind_a_program_that_waits_for_more_slots_than_are_free(tmp_path: Path) -> None:
    less = {"run": "sharing.py:ask_with_one_less", "args": {"peer": "b", "n": 3}}
    far, soon = ({"run": "sharing.py:ask", "args": {"peer": peer}, "start": "1 ms"} for peer in "ca")
    nodes = {
        "a": {"qubits": 3, "programs": {"near": less, "far": far}},
        "b": {"qubits": 8, "programs": {"near": {"run": "sharing.py:ask", "args": {"peer": "a", "n": 3}}}},
        "c": {"qubits": 3, "programs": {"far": soon}},
    }
    done = await run(tmp_path, nodes)
    events = [(each.event, each.program) for each in done.events if each.node == "a"]
    assert events.count(("network_queued", "far")) == 1
    assert events.index(("deliver", "near")) < events.index(("network_served", "far"))


async def test_who_has_slots_of_its_own_waits_for_nobody_who_has_none(tmp_path: Path) -> None:
    """Neither for a program that waits for more than are free, nor for a circuit that does, at either end."""
    less = {"run": "sharing.py:ask_with_one_less", "args": {"peer": "b", "n": 3}}
    far, soon = ({"run": "sharing.py:ask", "args": {"peer": peer}, "start": "1 ms"} for peer in "ca")
    stays = {"run": "sharing.py:ask_and_stay", "args": {"peer": "c"}, "memories": 1}
    owners = {"own": stays | {"start": "1 ms"}, "owner": stays | {"start": "1.2 ms"}}
    nodes = {
        "a": {"qubits": 5, "programs": {"near": less, "far": far, **owners}},
        "b": {"qubits": 8, "programs": {"near": {"run": "sharing.py:ask", "args": {"peer": "a", "n": 3}}}},
        "c": {"qubits": 4, "programs": {"far": soon, "own": soon, "owner": soon}},
    }
    done = await run(tmp_path, nodes)
    events = [(each.event, each.program) for each in done.events if each.node == "a"]
    freed = events.index(("deliver", "near"))
    assert max(events.index(("network_served", name)) for name in ("own", "owner")) < freed
    assert events.index(("network_served", "far")) > freed


async def test_a_program_ends_while_its_halves_are_corrected(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    slow = {"gates": {"single": {"duration": "500 us"}}}
    nodes = {"a": at("some", "c", n=12, after=12), "b": {"qubits": 16}, "c": at("some", "a", n=12, after=1) | slow}
    nodes["a"]["program"] = "sharing.py:as_many_as_come"
    done = await run(tmp_path, nodes, stack={"window": 6})
    assert done["c"] == 1
    assert caplog.text == ""  # where the loop tells of callbacks that fail
    assert_verified(done.folder)


@pytest.mark.parametrize(("after_us", "ends"), [(-1, "expired"), (100, "expired"), (501, "served")])
async def test_a_request_is_served_when_its_program_has_all_halves_and_not_before(
    after_us: int, ends: str, tmp_path: Path
) -> None:
    """The last one is corrected for 500 us; the time may be over meanwhile."""

    async def found(timeout: float) -> Run:
        slow = {"gates": {"single": {"duration": "500 us"}}}
        nodes = {"a": at("told", "c"), "b": {"qubits": 16}, "c": at("told_within", "a", timeout=timeout) | slow}
        return await run(tmp_path, nodes)

    (corrected,) = [each for each in (await found(1.0)).events if each.event == "network_correct"]
    done = await found(corrected.t / 1e9 + after_us / 1e6)
    assert (done["c"] == "served") == (ends == "served")
    told = [each.event for each in done.events if each.node == "c" and each.event in ENDS]
    assert told == [f"network_{ends}"]
    assert_verified(done.folder)


async def test_a_window_may_be_entered_after_its_start(tmp_path: Path) -> None:
    assert (await run(tmp_path, {"a": at("late")}))["a"] == "entered"


async def test_two_tasks_share_a_request(tmp_path: Path) -> None:
    done = await run(tmp_path, {"a": at("two", "c", n=4), "b": {"qubits": 16}, "c": at("some", "a", n=4, after=4)})
    assert (done["a"], done["c"]) == (4, 4)


async def test_whoever_awaits_a_request_is_told_that_it_came_too_late(tmp_path: Path) -> None:
    done = await run(tmp_path, {"a": at("in_time", "c"), "b": {"qubits": 16}, "c": {"qubits": 16}})
    assert done["a"] == "GenerationTimeout"


async def test_halves_that_come_after_a_break_claim_no_more_than_they_are(tmp_path: Path) -> None:
    """Which they are is known to one end alone: the other tells it what it expects of them."""
    names = [f"n{i}" for i in range(6)]
    nodes: dict[str, Any] = {name: {"qubits": 16, "t2": "5 ms"} for name in names}
    for one, other in (("n0", "n3"), ("n3", "n0")):
        nodes[one] |= {"qubits": 64, **at("fidelities", other, n=20), "t2": "5 ms"}
    source = {"model": "werner", "fidelity": 0.95, "success_probability": 0.5}
    links = {"ring": {"ring": names, "length": "10 km", "source": source}}
    for when in ("0.6 ms", "0.7 ms", "0.8 ms"):
        faults = [{"at": when, "break": "ring[1]"}]
        done = await run(tmp_path, nodes, links=links, faults=faults, failures={"detection_delay": "1 us"})
        assert max(done["n0"] + done["n3"]) < 0.9
        assert min(done["n0"] + done["n3"]) > 0.5


async def test_slots_of_halves_that_are_being_measured_are_taken_until_that_is_over(tmp_path: Path) -> None:
    slow = {"qubits": 2, "gates": {"measure": {"duration": "5 ms"}}}
    done = await run(tmp_path, {"a": at("again", "c"), "b": slow, "c": at("again", "a")})
    assert done["a"] == done["c"]
    first, second = (each.t for each in done.events if each.event == "network_accepted")
    assert first < 1_000_000
    assert second > 5_000_000


class Refusing(World):
    """A network where one node's links refuse it."""

    who = ""

    def ask_link(self, member: Member, peer: str, circuit: str, nth: int) -> None:
        if member.name == self.who:
            error = LimitExceeded(node=member.name, value=2, what="requests", most=1, limit="requests", program="")
            self.after(member, member.layer.link_refused, circuit, error)
        else:
            super().ask_link(member, peer, circuit, nth)


@pytest.mark.parametrize("who", ["n0", "n1", "n2"])
def test_a_link_that_refuses_ends_the_request(who: str) -> None:
    world = Refusing(chain(3), dict.fromkeys(["n0", "n1", "n2"], 4), 1)
    world.who = who
    world.ask_at(0, "n0", "n2", "", 2, 2)
    world.ask_at(0, "n2", "n0", "", 2, 2)
    world.run()
    world.check()
    assert [(one.ended, one.reason) for one in world.requests] == [("refused", "LimitExceeded")] * 2


def test_what_is_said_of_pairs_that_are_over_is_not_remembered() -> None:
    layer_spec, facts = StackSpec(), NodeFacts(8, 1e9, 1e9)
    links = {peer: LinkFacts(peer, 10, 0, 1.0, 20, (1.0, 0.0, 0.0, 0.0)) for peer in ("a", "c")}
    out: list[Effect] = []
    setup = Setup("a>c#0", ("a", "b", "c"), 1, 1, 4, 2, 0, facts)
    circuit = Repeater(setup, Here(NodeName("b"), layer_spec, facts, links, out))
    circuit.begin(2)
    lost = PairId("a~b#0")
    circuit.came(NodeName("a"), Half(lost, QubitId("q"), 0))
    circuit.cut_off(lost, 10)
    before = circuit.remembers
    circuit.tracked(Track("a>c#0", lost, 0, lost, 0, (1.0, 0.0, 0.0, 0.0), 0), 20)
    circuit.expired(NodeName("a"), lost)
    assert circuit.remembers == before


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -1.0, "1", True])
async def test_a_timeout_is_a_time(wrong: Any, tmp_path: Path) -> None:
    with pytest.raises(ProgramFailed, match="a timeout is a number of seconds >= 0"):
        await run(tmp_path, {"a": at("waits", "c", timeout=wrong), "b": {"qubits": 4}, "c": {"qubits": 4}})
