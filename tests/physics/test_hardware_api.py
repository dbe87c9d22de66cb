"""What hardware does, as programs see it: in real runs, of several processes where that could matter."""

from __future__ import annotations

from hashlib import sha256
from itertools import product
from math import exp
from pathlib import Path
from typing import Any, Final

import pytest

from orchestrator import Cluster
from orchestrator.oracle.events import Event, encode_events
from orchestrator.oracle.record import read_record
from orchestrator.oracle.replay import replay
from orchestrator.oracle.spec import record_path
from orchestrator.run import Run
from qnode.quantum.fidelity import is_density_matrix
from qnode.testing import assert_frequency

PROGRAMS: Final = Path(__file__).parent / "programs"
LINK_NS: Final = 50_035  # 10 km


def program(name: str, **args: Any) -> dict[str, Any]:
    return {"program": f"noisy.py:{name}", "args": args}


def network(alice: dict[str, Any], bob: dict[str, Any] | None = None, **settings: Any) -> dict[str, Any]:
    """One node, or two that are 10 km apart; `link` says more of their link."""
    link = {"between": ["alice", "bob"], "length": "10 km", **settings.pop("link", {})}
    nodes = {"alice": alice} if bob is None else {"alice": alice, "bob": bob}
    links = {} if bob is None else {"links": {"fibre": link}}
    return {"version": 1, "seed": 4, "nodes": nodes, **links, **settings}


async def run(config: dict[str, Any], runs: Path, *, inline: bool = True) -> Run:
    async with Cluster.from_dict(config, base=PROGRAMS, runs=runs) as net:
        return await net.run(inline=inline, timeout=60, on_output=None)


# --- operations ------------------------------------------------------------------------------------------------------


async def test_gates_that_a_node_does_not_have_are_refused_with_those_it_has(tmp_path: Path) -> None:
    gates = ["x", "h", "rz", "cnot", "cz", "unitary", "ry", "t"]
    has = ["x", "cnot", "rz"]
    found = await run(network({**program("tries_gates", gates=gates), "gate_set": has}), tmp_path)
    for gate, told in zip(gates, found["alice"], strict=True):
        expected = f"node alice has no gate '{gate}'; its gate_set is: x, cnot, rz"
        assert told == ("done" if gate in has else expected)


@pytest.mark.parametrize(
    ("parallel", "expected"),
    [
        ({}, [12_000, 22_000, 27_000]),
        ({"parallel": 1}, [32_000, 34_000, 39_000]),
        ({"parallel": 2}, [12_000, 22_000, 27_000]),
    ],
)
async def test_operations_take_their_time_and_some_nodes_do_one_at_a_time(
    parallel: dict[str, int], expected: list[int], tmp_path: Path
) -> None:
    """Gates of 10 us, measurements of 2 us, one of two qubits of 3 us; what is issued first comes first."""
    gates = {"single": {"duration": "10 us"}, "two": {"duration": "3 us"}, "measure": {"duration": "2 us"}}
    found = await run(network({**program("works_on_two"), "gates": gates, **parallel}), tmp_path)
    assert found["alice"] == expected


@pytest.mark.parametrize(("p01", "p10"), list(product([0, 0.25, 1], repeat=2)))
async def test_readings_are_wrong_as_often_as_configured(p01: float, p10: float, tmp_path: Path) -> None:
    """400 readings of each state, in which each rate is right to within 0.14 but for 1e-9."""
    n = 400
    readout = {"gates": {"measure": {"readout": {"p01": p01, "p10": p10}}}}
    config = network({**program("reads", state=0, n=n), **readout}, {**program("reads", state=1, n=n), **readout})
    found = await run(config, tmp_path)
    assert_frequency(sum(found["alice"]), n, p10, false_alarm=1e-9)
    assert_frequency(n - sum(found["bob"]), n, p01, false_alarm=1e-9)


async def test_a_slot_is_busy_while_attempts_are_made_for_it(tmp_path: Path) -> None:
    """A pair would take some 100,000 s; the request is given up after 1 ms."""
    link = {"source": {"model": "werner", "fidelity": 0.9, "success_probability": 1e-9, "duration": "100 us"}}
    alice = {**program("uses_its_slot_while_attempts_go_on"), "qubits": 1}
    found = await run(network(alice, program("asks_in_vain"), link=link), tmp_path)
    busy, free = found["alice"]
    assert busy.startswith("node alice has too few free memory slots: 1 wanted, 0 of 1 free")
    assert free == "free again"
    assert any(event.event == "generate" for event in found.events)  # attempts were under way


# --- slots -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inline", [True, False], ids=["inline", "processes"])
async def test_pairs_come_into_communication_slots_and_are_moved_to_others(inline: bool, tmp_path: Path) -> None:
    """The next pair is asked for when the move is over, and none while a half sits where it would come."""
    hardware = {
        "communication": {"qubits": 1},
        "memory": {"qubits": 3},
        "gates": {"move": {"duration": "20 us"}, "measure": {"duration": "1 us"}},
    }
    alice, bob = ({**program("keeps_in_memory", peer=peer, n=3), **hardware} for peer in ("bob", "alice"))
    found = await run(network(alice, bob), tmp_path, inline=inline)
    *came, told, outcomes, last = found["alice"]
    assert came == [LINK_NS, 2 * LINK_NS + 20_000, 3 * LINK_NS + 40_000]
    assert told == "GenerationTimeout"
    assert last == came[-1] + 20_000 + 200_000 + 1_000
    assert found["bob"] == [*came, told, outcomes, last]  # Phi+ at both ends, wherever its halves were moved


@pytest.mark.parametrize("inline", [True, False], ids=["inline", "processes"])
async def test_a_half_that_is_kept_too_long_is_given_up_and_the_peer_told(inline: bool, tmp_path: Path) -> None:
    """Alice waits for the slot that it frees; bob, who has room for more, hears of it one message later."""
    alice = {**program("keeps_too_long", peer="bob"), "qubits": 1, "cutoff": "400 us"}
    bob = {**program("keeps_as_long_as_it_is_told", peer="alice"), "qubits": 2}
    found = await run(network(alice, bob), tmp_path, inline=inline)
    arrived, again, told, outcome = found["alice"]
    assert (arrived, again) == (LINK_NS, LINK_NS + 400_000 + LINK_NS)
    came, bob_told, bob_outcome = found["bob"]
    assert came == again
    assert told == bob_told
    assert told.startswith("PairExpired")
    assert "alice~bob#0" in told
    assert outcome == bob_outcome
    (expired,) = [event for event in found.events if event.event == "expire"]
    assert (expired.t, expired.node, expired.qubits) == (LINK_NS + 400_000, "alice", ("alice~bob#0@alice",))


async def test_a_half_that_comes_after_its_partner_was_given_up_comes_with_the_news(tmp_path: Path) -> None:
    """Bob's correction takes 5 ms; alice keeps her half for 1 ms, and her message takes no time."""
    source = {"model": "double_click"}  # Psi+ or Psi-: to be corrected
    alice = {**program("gives_up", peer="bob"), "cutoff": "1 ms"}
    bob = {**program("stores_half", peer="alice", seconds=0.0), "gates": {"single": {"duration": "5 ms"}}}
    config = network(alice, bob, link={"source": source, "length": "0 km"})
    async with Cluster.from_dict(config, base=PROGRAMS, runs=tmp_path) as net:
        found = await net.run(inline=True, timeout=60, check=False, on_output=None)
    (failure,) = found.summary.failures
    assert (failure.node, failure.at_ns) == ("bob", 5_000_000)  # as soon as it has its half and awaits something of it
    assert "PairExpired" in failure.traceback


# --- attempts at pairs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inline", [True, False], ids=["inline", "processes"])
async def test_attempts_dephase_what_both_nodes_store_beside(inline: bool, tmp_path: Path) -> None:
    """Each of k attempts a Z with p (PHYSICS, section 3): X of a stored |+> is (1 - 2p)^k, k as logged."""
    p, pairs = 0.03, 4
    source = {"model": "werner", "fidelity": 0.9, "success_probability": 0.3, "attempt_dephasing": p}
    alice, bob = ({**program("stores_beside", peer=peer, pairs=pairs), "qubits": 3} for peer in ("bob", "alice"))
    config = network(alice, bob, link={"source": source}, formalism="density_matrix")
    found = await run(config, tmp_path, inline=inline)
    attempts = [event.n for event in found.events if event.event == "generate"]
    assert len(attempts) == pairs
    assert max(attempts) > 1
    for node in ("alice", "bob"):
        rho = found.reduced_state(f"stored at {node}")
        assert 2 * rho[0, 1].real == pytest.approx((1 - 2 * p) ** sum(attempts), abs=1e-10)


async def test_who_looks_in_between_sees_the_attempts_so_far(tmp_path: Path) -> None:
    p = 0.03
    source = {
        "model": "werner",
        "fidelity": 1.0,
        "success_probability": 1e-6,
        "duration": "1 us",
        "attempt_dephasing": p,
    }
    alice, bob = ({**program("stores_beside", peer=peer, pairs=1), "qubits": 2} for peer in ("bob", "alice"))
    config = network(alice, bob, link={"source": source}, formalism="density_matrix")
    cluster = Cluster.from_dict(config, base=PROGRAMS, runs=tmp_path)
    cluster.inline = True
    async with cluster as net:
        for microseconds in (0, 1, 7, 30):
            view = await net.run_until(microseconds * 1e-6 + 1e-9)
            assert view is not None
            (stored,) = [qubit for qubit in view.qubits("alice") if "~" not in qubit]
            left = 2 * view.reduced_state(stored)[0, 1].real
            assert left == pytest.approx((1 - 2 * p) ** (microseconds + 1), abs=1e-10)


async def test_states_that_a_formalism_cannot_hold_are_refused_at_both_ends(tmp_path: Path) -> None:
    """Whichever of its pieces is drawn first: half of this source's pairs are stabilizer states."""
    matrix = [[0.4, 0, 0, 0], [0, 0.3, "0.1j", 0], [0, "-0.1j", 0.2, 0], [0, 0, 0, 0.1]]
    source = {"model": "density_matrix", "matrix": matrix, "success_probability": 0.5}
    alice, bob = (program("told_what_is_wrong", peer=peer) for peer in ("bob", "alice"))
    config = network(alice, bob, link={"source": source}, formalism="stabilizer")
    found = await run(config, tmp_path)
    for told in (found["alice"], found["bob"]):
        assert told.startswith("NotStabilizer their source")
        assert "use auto" in told


# --- flying qubits ---------------------------------------------------------------------------------------------------


async def test_a_lossy_fibre_loses_what_its_attenuation_says(tmp_path: Path) -> None:
    """10 km at 0.3 dB/km: a half of 500 qubits arrives (10^-0.3); 0.361 to 0.640 are accepted, at 1e-9."""
    n = 500
    config = network(
        program("sends_all", peer="bob", n=n), program("counts", peer="alice"), link={"attenuation": "0.3 dB/km"}
    )
    found = await run(config, tmp_path)
    assert_frequency(found["bob"], n, 10**-0.3, false_alarm=1e-9)
    lost = [event for event in found.events if event.event == "lost"]
    assert len(lost) == n - found["bob"]


# --- clocks ----------------------------------------------------------------------------------------------------------


async def test_a_stored_pair_ages_on_the_virtual_clock(tmp_path: Path) -> None:
    """Both halves for 3 ms and two gates of 1 ms at T1 = 20 ms, T2 = 10 ms (PHYSICS, section 3)."""
    hardware = {"t1": "20 ms", "t2": "10 ms", "gates": {"single": {"duration": "1 ms"}}}
    alice, bob = ({**program("stores_half", peer=peer, seconds=3e-3), **hardware} for peer in ("bob", "alice"))
    config = network(alice, bob, formalism="density_matrix", observe={"stored": ["fidelity"]})
    found = await run(config, tmp_path)
    coherence = exp(-2 * 3e-3 / 10e-3)
    assert found.observed[0].value == pytest.approx((_alike(exp(-1e-3 / 20e-3)) + coherence) / 2, abs=1e-10)


def _alike(e1: float) -> float:
    """Probability that both halves of Phi+ are alike after X, 1 ms, X, 2 ms: each as a chain of two populations."""
    alike = 0.0
    for start in (0, 1):
        excited = float(1 - start)  # X
        excited *= e1
        excited = 1 - excited  # X
        excited *= e1**2
        alike += 0.5 * (excited**2 + (1 - excited) ** 2)
    return alike


@pytest.mark.parametrize(
    ("hardware", "least", "most"),
    [
        ({"t2": "40 ms"}, 0.5, (1 + exp(-1)) / 2),
        ({"t1": "40 ms"}, 0.5, (1 + (1 - exp(-0.5)) ** 2 + exp(-1) + 2 * exp(-0.5)) / 4),
        ({"t1": "400 s", "t2": "400 s"}, 0.9, 1.0),  # more than 20 s of network time, 200 s of ours, would be too late
    ],
    ids=["T2", "T1", "slowly"],
)
async def test_a_stored_pair_ages_on_the_real_clock(
    hardware: dict[str, str], least: float, most: float, tmp_path: Path
) -> None:
    """At least for as long as it was stored, however late anybody is."""
    alice, bob = ({**program("stores_half", peer=peer, seconds=2e-2), **hardware} for peer in ("bob", "alice"))
    clock = {"mode": "real", "speed": 0.1}
    config = network(alice, bob, clock=clock, formalism="density_matrix", observe={"stored": ["fidelity"]})
    found = await run(config, tmp_path, inline=False)
    values = [one.value for one in found.observed if one.value is not None]
    assert values
    assert least <= values[0] <= most + 1e-9
    assert min(found["alice"], found["bob"]) >= 2e-2


# --- the same run ----------------------------------------------------------------------------------------------------


def everything(**settings: Any) -> dict[str, Any]:
    """alice - carol - bob with everything that can go wrong, and a swap in the middle."""
    repeater = {
        "communication": {"qubits": 1, "t2": "3 ms"},
        "memory": {"qubits": 3, "t1": "8 ms", "t2": "6 ms"},
        "cutoff": "20 ms",
        "gates": {
            "single": {"duration": "1 us", "error": 0.02, "dephase": 0.01},
            "two": {"duration": "50 us", "error": 0.05},
            "measure": {"duration": "30 us", "flip": 0.02, "readout": {"p01": 0.03, "p10": 0.01}},
            "initialise": {"duration": "10 us", "error": 0.02},
            "move": {"duration": "60 us"},
        },
        "parallel": 1,
    }
    twisted = {"kraus": [[[0.8, 0], [0, 0.8]], [[0, 0.6], [0.6, 0]]]}
    end = {
        **repeater,
        "memory": {"qubits": 2, "t1": "5 ms", "t2": "7 ms"},
        "gates": {"single": twisted, "measure": {"duration": "30 us", "readout": {"p10": 0.02}}},
    }
    rounds = 6
    ends = {
        name: {**end, **program("repeater_end", middle="carol", other=other, rounds=rounds)}
        for name, other in (("alice", "bob"), ("bob", "alice"))
    }
    click = {
        "model": "single_click",
        "bright_state": 0.2,
        "dark_clicks": 1e-3,
        "attempt_dephasing": 1e-3,
        "emission": 0.3,
    }
    double = {"model": "double_click", "emission": 0.5, "visibility": 0.9}
    return {
        "version": 1,
        "seed": 12,
        "nodes": {
            **ends,
            "carol": {**repeater, **program("repeater", left="alice", right="bob", rounds=rounds)},
        },
        "links": {
            "left": {"between": ["alice", "carol"], "length": "10 km", "attenuation": "0.2 dB/km", "source": click},
            "right": {"between": ["bob", "carol"], "length": "5 km", "source": double},
        },
        "observe": {f"swapped{nth}": ["fidelity"] for nth in range(rounds)},
        **settings,
    }


def fingerprint(found: Run) -> tuple[Any, ...]:
    summary = found.summary
    return (
        sha256(found.events_bytes).hexdigest(),
        [(one.node, one.at_ns, one.packed) for one in summary.results],
        summary.observed,
        summary.at_ns,
        summary.counts,
    )


@pytest.mark.parametrize("formalism", ["auto", "density_matrix"])
async def test_noise_is_the_same_however_many_processes_draw_it(formalism: str, tmp_path: Path) -> None:
    """A process a node, two for three, one for all, or none at all; and once more from the record."""
    reference = await run(everything(formalism=formalism), tmp_path, inline=False)
    assert reference.summary.how == "done"
    assert reference.summary.counts["refused"] == 0
    expected = fingerprint(reference)
    assert fingerprint(await run(everything(formalism=formalism), tmp_path)) == expected
    if formalism == "auto":
        for per_process in (2, "all"):
            config = everything(formalism=formalism, nodes_per_process=per_process)
            assert fingerprint(await run(config, tmp_path, inline=False)) == expected
    events: list[Event] = []
    again = replay(record_path(reference.folder), emit=events.append)
    assert again.divergence is None
    assert encode_events(events) == reference.events_bytes
    assert again.observed == reference.summary.observed
    _, rounds = read_record(record_path(reference.folder))
    assert sum(1 for _ in rounds) > 30


async def test_another_seed_is_another_run(tmp_path: Path) -> None:
    one, other = [await run(everything(seed=seed), tmp_path) for seed in (12, 13)]
    assert one.summary.at_ns != other.summary.at_ns


# --- many nodes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inline", [True, False], ids=["inline", "processes"])
async def test_a_hundred_nodes_share_a_ghz_state_that_decays_and_stays_a_stabilizer_state(
    inline: bool, tmp_path: Path
) -> None:
    """T1 = 10 s, T2 = 1 s: a state vector of a hundred qubits could not be held at all."""
    leaves = [f"leaf{nth}" for nth in range(99)]
    memory = {"qubits": 100, "t1": "10 s", "t2": "1 s"}
    nodes = {name: {**memory, **program("leaf", hub="hub")} for name in leaves}
    config = {
        "version": 1,
        "seed": 5,
        "nodes_per_process": 50,
        "nodes": {"hub": {**memory, **program("shares_ghz", leaves=leaves)}, **nodes},
        "links": {"star": {"star": ["hub", *leaves], "length": "1 km"}},
    }
    cluster = Cluster.from_dict(config, base=PROGRAMS, runs=tmp_path)
    cluster.inline = inline
    async with cluster as net:
        view = await net.run_until("15 ms")
        assert view is not None
        mine = view.qubits("hub")
        assert len(mine) == 1
        assert is_density_matrix(view.reduced_state(mine[0], *view.qubits("leaf7")))
        held = view._register
        assert {held.formalism_of(qubit) for qubit in held.qubits()} == {"stabilizer"}
        assert max(len(held.members(qubit)) for qubit in held.qubits()) > 90  # some fell to |0>, by themselves
        found = await net.run()
    outcomes = [found[name] for name in ("hub", *leaves)]
    alike = max(sum(outcomes), 100 - sum(outcomes))
    assert alike >= 90  # of a hundred, 0.25 % each decay
