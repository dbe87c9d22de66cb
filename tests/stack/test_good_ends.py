"""Requests for pairs of a fidelity that links alone cannot make: their ends distil what comes of them."""

from __future__ import annotations

from functools import partial
from math import exp
from pathlib import Path
from typing import Any, Final

import pytest

from orchestrator import Cluster
from orchestrator.cli.verify import check
from orchestrator.run import Run
from qnode.ids import NodeName, PairId, QubitId
from qnode.quantum import bell_diagonal
from qnode.stack.effects import Distil, Effect, Half
from qnode.stack.makers import Improver
from qnode.wire.stack import NodeFacts, Parity, Scheme
from tests.recovery.kills import told
from tests.stack.test_good_pairs import chain, run

FIDELITY: Final = 0.93  # of each link, of Werner pairs
ERROR: Final = 0.05
LOSSES: Final = {"cutoff": "200 us", "swap_success": 0.8}


def small(names: str, main: str, wanted: float, n: int = 1, *, ends: int = 8, between: int = 2, **more: Any) -> Any:
    """A chain whose repeaters can do nothing but swap, if they have two slots."""
    kinds = {"node": {"qubits": between}, "end": {"qubits": ends}}
    config = chain(names, main, wanted, n, kinds=kinds, formalism="density_matrix", **more)
    for name in (names[0], names[-1]):
        config["nodes"][name]["kind"] = "end"
        config["nodes"][name]["args"].setdefault("n", n)
    return config


def steps_at(run: Run, one: str, other: str) -> list[Any]:
    return [each for each in run.events if (each.event, each.node, each.peer) == ("distil", one, other)]


def expected_of(run: Run, one: str, other: str, hops: int, method: str = "dejmps", mixing: float = 0.0) -> list[float]:
    """Of the pairs that were delivered, by the formulas of PHYSICS.md, from the steps that the log tells of."""
    raw = link = bell_diagonal.werner(FIDELITY)
    for _ in range(hops - 1):
        raw = bell_diagonal.swap(raw, link, mixing)
    vectors: dict[str, Any] = {}
    for step in steps_at(run, one, other):
        control, target = (vectors.get(qubit, raw) for qubit in step.qubits)
        if step.detail == "kept" and method == "dejmps":
            _, vectors[step.qubits[0]] = bell_diagonal.dejmps(control, target)
        elif step.detail == "kept":
            vectors[step.qubits[0]] = bell_diagonal.twirled(
                bell_diagonal.bilateral_cnot(*map(bell_diagonal.twirled, (control, target)))[1]
            )
    delivered = [each for each in run.events if (each.event, each.node) == ("network_deliver", one)]
    delivered.sort(key=lambda each: int(each.pair.rpartition(".")[2]))
    return [float(vectors[each.qubits[0]][0]) for each in delivered]


def holds(run: Run) -> bool:
    """Whether all that must hold does, by the log."""
    assert run.folder is not None
    return check(run.folder)[0].violations == []


GATES_US: Final = {"single": 20, "two": 1000, "measure": 30}

CASES: Final = {
    "pumping, for want of memory": small("abc", "at_once", 0.9, ends=2),
    "round by round": small("abcde", "at_once", 0.85),
    "links and ends": small("abc", "at_once", 0.985, between=4, ends=4),
    "several at once, for repeaters are bad": small("abc", "at_once", 0.9, 6, stack={"window": 4}) | {"kinds": {
        "node": {"qubits": 8, "gates": {"two": {"error": ERROR}}}, "end": {"qubits": 12},
    }},
    "sequential, with losses": small("abcd", "at_once", 0.87, 2, stack={"swap": "sequential", **LOSSES}),
    "nested, with losses": small("abcde", "at_once", 0.85, stack={"swap": "nested", **LOSSES}),
    "gates that take long": small("abcd", "at_once", 0.87) | {"kinds": {
        "node": {"qubits": 2},
        "end": {"qubits": 8, "gates": {name: {"duration": f"{long} us"} for name, long in GATES_US.items()}},
    }},
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
async def test_ends_distil_what_is_not_good_enough(case: str, tmp_path: Path) -> None:
    """Told, made and foreseen are the same: what is said at both ends, the exact state, and the formulas."""
    config = CASES[case]
    names = "".join(config["nodes"])
    one, other = names[0], names[-1]
    done = await run(config, tmp_path)
    assert done[one] == pytest.approx(done[other], abs=1e-12)
    assert min(done[one]) >= config["nodes"][one]["args"]["min_fidelity"]
    assert [each.value for each in done.observed] == pytest.approx([*done[one], *done[other]], abs=1e-10)
    mine, theirs = steps_at(done, one, other), steps_at(done, other, one)
    assert mine
    assert sorted(step.detail for step in mine) == sorted(step.detail for step in theirs)
    if case != "links and ends":
        mixing = ERROR * 5 / 4 * 16 / 15 if "bad" in case else 0.0  # of an average infidelity
        assert done[one] == pytest.approx(expected_of(done, one, other, len(names) - 1, mixing=mixing), abs=1e-12)
    else:
        assert steps_at(done, "a", "b")
    assert holds(done)


async def test_pairs_are_twirled_alike_at_both_ends(tmp_path: Path) -> None:
    """Of BBPSSW only the mean over the twirls is foreseen: each pair is near it, and far from it if ends disagreed."""
    done = await run(small("abcd", "at_once", 0.86, 4, ends=12, stack={"distillation": "bbpssw"}), tmp_path)
    assert done["a"] == pytest.approx(done["d"], abs=1e-12)
    assert done["a"] == pytest.approx(expected_of(done, "a", "d", 3, "bbpssw"), abs=1e-12)
    assert [each.value for each in done.observed] == pytest.approx([*done["a"], *done["d"]], abs=0.08)


async def test_noisy_ends_foretell_what_they_make(tmp_path: Path) -> None:
    """Within what twirling leaves out, as in the test of the same name for links."""
    kinds = {
        "node": {"qubits": 2, "t1": "20 s", "t2": "10 s"},
        "end": {
            "qubits": 8, "t1": "20 s", "t2": "10 s",
            "gates": {"single": {"error": 0.001}, "two": {"error": 0.002, "duration": "1 us"}},
        },
    }  # fmt: skip
    done = await run(small("abcd", "at_once", 0.86, 2) | {"kinds": kinds}, tmp_path)
    assert done["a"] == pytest.approx(done["d"], abs=1e-12)
    marked = exp(-2 / 10) / 2 + exp(-2 / 20) / 4 + 0.25
    found = [each.value for each in done.observed]
    assert found == pytest.approx([told * marked for told in (*done["a"], *done["d"])], abs=0.02)


# ---------------------------------------------------------------- memory


async def test_the_far_end_may_have_less_memory(tmp_path: Path) -> None:
    """What can be had is reckoned with the memories of both: for both the same, and no more is promised."""
    config = small("abc", "refused", 0.999)
    config["nodes"]["c"] = {**config["nodes"]["c"], "qubits": 2}
    for name in "ac":
        config["nodes"][name]["args"].pop("n")
    done = await run(config, tmp_path)
    reachable = float(done["a"].rpartition(" ")[2])
    assert FIDELITY < reachable < 0.999
    for name in "ac":
        config["nodes"][name]["args"] = {**config["nodes"][name]["args"], "min_fidelity": reachable - 1e-4}
        config["nodes"][name]["program"] = "asking.py:at_once"
    again = await run(config, tmp_path)
    assert min(again["a"]) >= reachable - 1e-4
    config["nodes"]["c"]["qubits"] = 1
    for name in "ac":
        config["nodes"][name]["program"] = "asking.py:refused"
    none = await run(config, tmp_path)
    assert float(none["a"].rpartition(" ")[2]) == pytest.approx(expected_of_swapped(2), abs=1e-4)


def expected_of_swapped(hops: int) -> float:
    w = (4 * FIDELITY - 1) / 3
    return float((3 * w**hops + 1) / 4)


async def test_ends_wait_for_memory_that_is_in_use(tmp_path: Path) -> None:
    config = small("abc", "at_once", 0.9, ends=3)
    config["nodes"]["c"]["program"] = "asking.py:holds"
    config["nodes"]["c"]["args"] = {"peer": "a", "slots": 2, "min_fidelity": 0.9}
    done = await run(config, tmp_path)
    assert done["a"] == pytest.approx(done["c"], abs=1e-12)
    assert [each.peer for each in done.events if each.event == "network_queued"] == ["c"]
    assert min(each.t for each in done.events if each.event == "distil") > 100_000_000


# ---------------------------------------------------------------- what breaks

RING: Final = {"links": {
    "there": {"chain": list("abc"), "length": "10 km", "source": {"model": "werner", "fidelity": FIDELITY}},
    "round": {"chain": list("cda"), "length": "20 km", "source": {"model": "werner", "fidelity": FIDELITY}},
}}  # fmt: skip


def ring() -> dict[str, Any]:
    """The first and the third want four pairs; there are two ways."""
    config: dict[str, Any] = small("abcd", "at_once", 0.9, 4) | RING
    config["nodes"]["c"], config["nodes"]["d"] = config["nodes"]["d"], {"kind": "node"}
    for one, other in ("ac", "ca"):
        config["nodes"][one]["args"]["peer"] = other
    return config


@pytest.mark.parametrize("fault", ["break: 'there[1]'", "kill: b"])
@pytest.mark.parametrize("nth", [1, 2, 3, 6])
async def test_what_breaks_while_ends_distil_leaves_nothing_half(fault: str, nth: int, tmp_path: Path) -> None:
    """What is whole is kept at both ends, and the rest is made on another way, and as good."""
    what, _, whom = fault.partition(": ")
    config = ring()
    config["faults"] = [{what: whom.strip("'"), "on": {"event": "distil", "node": "a", "nth": nth}}]
    done = await run(config, tmp_path)
    assert done["a"] == pytest.approx(done["c"], abs=1e-12)
    assert len(done["a"]) == 4
    assert [each.value for each in done.observed] == pytest.approx([*done["a"], *done["c"]], abs=1e-10)
    routes = [each.detail for each in done.events if each.event == "network_accepted"]
    assert routes == ["a b c", "a d c"]
    assert holds(done)


@pytest.mark.parametrize(("seed", "nth"), [(12, 3), (32, 6), (36, 2)])
async def test_messages_that_overtake_each_other_leave_nothing_half(seed: int, nth: int, tmp_path: Path) -> None:
    """Both ends end up with the same pairs, when bits come after all that was to be told of a broken circuit."""
    config = ring() | {"seed": seed}
    config["faults"] = [
        {"break": "there[1]", "on": {"event": "distil", "node": "a", "nth": nth}, "after": f"{7 * seed} us"},
        {"reorder": {"between": ["a", "c"], "probability": 0.5, "within": "300 us"}, "at": "0 s"},
    ]
    done = await run(config, tmp_path)
    assert len(done["a"]) == 4
    assert done["a"] == pytest.approx(done["c"], abs=1e-12)
    assert [each.value for each in done.observed] == pytest.approx([*done["a"], *done["c"]], abs=1e-10)
    assert holds(done)


def test_two_that_part_believe_each_other_what_is_ready() -> None:
    """Even if the bit that says so is overtaken."""
    facts = NodeFacts(4, float("inf"), float("inf"))
    outs: list[list[Effect]] = [[], []]
    good: list[list[tuple[int, PairId]]] = [[], []]

    def ready(end: int, number: int, half: Half) -> None:
        good[end].append((number, half.pair))

    ends = [
        Improver(
            "a>c#0", NodeName("ca"[end]), Scheme(1), out, partial(ready, end),
            method="dejmps", end=end, ends=(facts, facts), delay_ns=10, coin=lambda name, nth: 0.0,
        )
        for end, out in enumerate(outs)
    ]  # fmt: skip
    for end, one in enumerate(ends):
        one.want(1)
        for number in (0, 1):
            one.came(number, Half(PairId(f"{end}#{number}"), QubitId(f"{end}.{number}"), 0, (0.9, 0.1, 0.0, 0.0)))
        assert isinstance(outs[end][-1], Distil)
        one.measured(1, 0)
    ends[0].heard(Parity("a>c#0", 0, 1, 0))
    assert good == [[(0, PairId("0#0"))], []]
    for one in ends:
        one.part()
    ends[1].heard(Parity("a>c#0", 0, 1, 0))  # too late: it has told what it has
    assert good[1] == []
    ends[1].accept(0)
    for one in ends:
        one.close()
        assert one.slots == 0
    assert good[1] == [(0, PairId("1#0"))]


# ---------------------------------------------------------------- processes, and the real clock


async def test_processes_distil_as_one_process_does(tmp_path: Path) -> None:
    config = small("abcd", "at_once", 0.87, 2, stack=LOSSES)
    async with Cluster.from_dict(config, base=Path(__file__).parent / "programs", runs=tmp_path) as net:
        done = await net.run(on_output=None)
        again = await net.run(on_output=None, inline=True)
    assert told(done) == told(again)
    assert min(done["a"]) >= 0.87


async def test_on_the_real_clock(tmp_path: Path) -> None:
    config = small("abc", "at_once", 0.9, 2, clock={"mode": "real", "speed": 4.0})
    async with Cluster.from_dict(config, base=Path(__file__).parent / "programs", runs=tmp_path) as net:
        done = await net.run(on_output=None)
    assert done["a"] == pytest.approx(done["c"], abs=1e-12)
    assert [each.value for each in done.observed] == pytest.approx([*done["a"], *done["c"]], abs=1e-10)


@pytest.mark.parametrize("slots", [2, 4])
async def test_the_configuration_shows_what_it_was_told(slots: int, tmp_path: Path) -> None:
    """Of all eight halves: as good as asked for and as told, whether ends distil or links do."""
    path = Path(__file__).parents[2] / "configs/min_fidelity.yaml"
    changes = [f"nodes.r[1..3].qubits={slots}"]
    done = await Cluster.from_yaml(path, set=changes, runs=tmp_path).run(inline=True)
    seen = [one.value or 0.0 for one in done.observed]
    assert len(seen) == 8
    told = f"asked 0.9, told {min(seen):.6f}"
    assert (done["alice"], done["bob"]) == (told, told)
    assert min(seen) >= 0.9
    steps = {event.peer for event in done.events if event.event == "distil" and event.node == "alice"}
    assert steps == ({"bob"} if slots == 2 else {"r1"})
