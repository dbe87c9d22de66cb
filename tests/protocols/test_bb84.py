"""BB84 and BBM92: what is sifted, how many errors an eavesdropper makes, and how surely a few shown bits tell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
import pytest

from orchestrator import Cluster, Program
from orchestrator.run import Run
from qnode.protocols import bb84, bbm92, comparing, e91
from qnode.protocols.eavesdropping import intercept_qubits
from qnode.testing import assert_frequency
from tests.protocols import programs_pa as programs
from tests.protocols.branching_pa import Networks, Said, werner

Nets = Callable[..., Cluster]
Party = Callable[..., Coroutine[Any, Any, list[int]]]
TAPPED = {"line": {"chain": ["alice", "eve", "bob"], "length": "10 km"}}


def tapped(share: float, *, n: int = 1, trains: int = 1, shown: int = 1) -> dict[str, Any]:
    """Alice, eve who measures a share of the qubits, and bob."""
    size = {"n": n, "trains": trains}
    programs = {
        "alice": Program(bb84.send_key, bob="bob", over="eve", shown=shown, **size),
        "eve": Program(intercept_qubits, sender="alice", receiver="bob", n=n * trains, share=share),
        "bob": Program(bb84.receive_key, alice="alice", over="eve", **size),
    }
    return {name: {"qubits": 2 * n, "program": program} for name, program in programs.items()}


def sifted_and_wrong(runs: list[tuple[float, Run]]) -> tuple[float, float]:
    """The probability that a pulse is sifted, and that a sifted bit which was shown is wrong."""
    notes = [(probability, run.notes["alice"]) for probability, run in runs]
    sifted = sum(probability * one["sifted"] for probability, one in notes)
    return sifted, sum(probability * one["error_rate"] for probability, one in notes) / sifted


@pytest.mark.parametrize("share", [0.0, 0.3])
async def test_half_is_sifted_and_eve_leaves_a_quarter_of_what_she_measures_wrong(
    share: float, networks: Networks
) -> None:
    """Over all bits, bases and outcomes there are."""
    runs = await networks.runs(tapped(share), TAPPED)
    assert sifted_and_wrong(runs) == pytest.approx((1 / 2, share / 4), abs=1e-10)


@pytest.mark.parametrize("basis", [0, 1])
async def test_eve_guesses_either_basis_wrongly_as_often(basis: int, networks: Networks) -> None:
    """Who always measures in z would make as many errors over all, but all of them in x."""
    nodes = {
        "alice": Program(programs.sends_zero, basis=basis),
        "eve": Program(intercept_qubits, sender="alice", receiver="bob", n=1),
        "bob": Program(programs.reads, basis=basis),
    }
    wrong = sum(probability for probability, run in await networks.runs(nodes, TAPPED) if run["bob"])
    assert wrong == pytest.approx(1 / 4, abs=1e-10)


@pytest.mark.parametrize("fidelity", [1.0, 0.9])
async def test_pairs_are_sifted_by_half_and_wrong_with_one_minus_w_over_two(
    fidelity: float, networks: Networks
) -> None:
    nodes = {
        "alice": Program(bbm92.first_key, bob="bob", n=1, trains=1, shown=1),
        "bob": Program(bbm92.second_key, alice="alice", n=1, trains=1),
    }
    runs = await networks.runs(nodes, werner("alice bob", fidelity))
    error_rate = (1 - (4 * fidelity - 1) / 3) / 2
    assert sifted_and_wrong(runs) == pytest.approx((1 / 2, error_rate), abs=1e-10)


async def test_pairs_with_eve_on_the_way_are_wrong_by_a_quarter(networks: Networks) -> None:
    nodes = {
        "alice": Program(bbm92.first_key, bob="bob", over="eve", n=1, trains=1, shown=1),
        "eve": Program(intercept_qubits, sender="alice", receiver="bob", n=1),
        "bob": Program(bbm92.second_key, alice="alice", over="eve", n=1, trains=1),
    }
    assert sifted_and_wrong(await networks.runs(nodes, TAPPED)) == pytest.approx((1 / 2, 1 / 4), abs=1e-10)


async def test_few_shown_bits_notice_eve_with_one_minus_three_quarters_to_their_number(networks: Networks) -> None:
    """Of 4,000 qubits about 2,000 bits are sifted: about 500 samples of 4, all right in 0.316.

    n = 480 accepts 0.19 to 0.46; fails a correct program with probability 1e-9 at most. Errors that came always in
    pairs of neighbours, at the same rate, would leave 0.5 of the samples right.
    """
    nodes = tapped(1.0, n=200, trains=20, shown=0)
    run = await networks.run(nodes, TAPPED, formalism="auto")
    wrong = np.array(run["alice"]) != np.array(run["bob"])
    assert_frequency(int(wrong.sum()), len(wrong), 1 / 4)
    samples = wrong[: len(wrong) // 4 * 4].reshape(-1, 4)
    assert_frequency(int((~samples.any(axis=1)).sum()), len(samples), 0.75**4)


@pytest.mark.parametrize("share", [0, 1])
def test_the_configuration_makes_a_key_unless_eve_listens(share: int, qnode_cluster: Nets) -> None:
    """n = 50 shown at p = 1/4 accepts up to 0.69, and at p = 0 nothing else."""
    cluster = qnode_cluster("../../configs/bb84.yaml", set=[f"nodes.eve.args.share={share}"])
    run = cluster.run_sync()
    assert run["alice"] == run["bob"]
    assert len(run["alice"]) == (0 if share else run.notes["alice"]["sifted"] - 50)
    assert_frequency(round(50 * run.notes["alice"]["error_rate"]), 50, share / 4)


@pytest.mark.qnode("../../configs/bbm92.yaml")
def test_the_configuration_with_pairs_makes_a_key_with_the_errors_of_the_link(net: Cluster) -> None:
    run = net.run_sync()
    mine, theirs = np.array(run["alice"]), np.array(run["bob"])
    assert len(mine) == run.notes["alice"]["sifted"] - 200
    assert_frequency(int((mine != theirs).sum()), len(mine), 0.015)


@pytest.mark.parametrize(
    ("first", "second", "shown"),
    [
        (bb84.send_key, bb84.receive_key, True),
        (bbm92.first_key, bbm92.second_key, True),
        (e91.first_key, e91.second_key, False),
    ],
    ids=["BB84", "BBM92", "E91"],
)
async def test_alice_says_nothing_before_bob_has_measured(
    first: Party, second: Party, shown: bool, networks: Networks
) -> None:
    """Or whoever holds his qubits back until the bases are public measures in them, and leaves no errors."""
    size = {"over": "eve", "n": 5, "trains": 1}
    nodes = {
        "alice": Program(first, bob="bob", **size, **({"shown": 1} if shown else {})),
        "eve": Program(intercept_qubits, sender="alice", receiver="bob", n=5, share=0.0),
        "bob": Program(second, alice="alice", **size),
    }
    events = (await networks.run(nodes, TAPPED, events=True)).events
    said = next(nth for nth, one in enumerate(events) if (one.node, one.event) == ("alice", "send"))
    measured = [nth for nth, one in enumerate(events) if (one.node, one.event) == ("bob", "measure")]
    assert len(measured) == 5
    assert said > max(measured)


async def test_what_was_shown_is_in_no_key(networks: Networks) -> None:
    """Two of three bits are shown, whichever; the third of alice's is 1 where it differs from bob's."""
    nodes = {"alice": Program(programs.chooses, bits=[0, 1, 1], n=2), "bob": Program(programs.follows, bits=[0, 1, 0])}
    found = [
        (p, tuple(run["alice"]), tuple(run["bob"])) for p, run in await networks.runs(nodes, werner("alice bob", 1))
    ]
    assert {(wrong, *map(tuple, (mine, theirs))) for _, (_, wrong, mine), (_, _, theirs) in found} == {
        (0, (1,), (0,)),
        (1, (0,), (0,)),
        (1, (1,), (1,)),
    }
    assert sum(p for p, (_, wrong, _), _ in found if wrong) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("first", "second", "shown", "share"),
    [
        (bb84.send_key, bb84.receive_key, True, 1 / 2),
        (bbm92.first_key, bbm92.second_key, True, 1 / 2),
        (e91.first_key, e91.second_key, False, 1 / 3),
    ],
    ids=["BB84", "BBM92", "E91"],
)
async def test_who_hears_all_that_is_said_knows_nothing_of_the_key(
    first: Party, second: Party, shown: bool, share: float, networks: Networks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both bases, or both angles, that a key bit can come from are as likely, and after all messages so are 0 and 1."""
    monkeypatch.setattr(e91, "is_violated", lambda *_: True)
    monkeypatch.setattr(e91, "BOB_ANGLES", e91.BOB_ANGLES[:2])  # the third one makes no key
    nodes = {
        "alice": Program(first, bob="bob", n=1, trains=1, **({"shown": 0} if shown else {})),
        "bob": Program(second, alice="alice", n=1, trains=1),
    }
    keys: dict[Said, dict[int, float]] = defaultdict(lambda: {0: 0.0, 1: 0.0})
    for probability, run, said in await networks.overheard(nodes, werner("alice bob", 1)):
        assert run["alice"] == run["bob"]
        for bit in run["alice"]:
            keys[said][bit] += probability
    assert list(keys.values()) == [pytest.approx({0: share / 4, 1: share / 4}, abs=1e-10)] * 2


async def test_qubits_take_as_long_whatever_is_on_them(networks: Networks) -> None:
    """Where gates take time: or eve would see in which basis each is, and some would overtake others."""
    nodes = tapped(0.0, n=30, shown=30)
    nodes["alice"]["gates"] = {"single": {"duration": "1 us"}}
    run = await networks.run(nodes, TAPPED, formalism="auto", events=True)
    came = {one.t for one in run.events if (one.node, one.event) == ("eve", "receive_qubit")}
    assert came == {50_035 + 2 * 1_000}
    assert run.notes["alice"]["error_rate"] == 0


async def test_it_takes_no_gates_but_those_of_a_terminal_that_is_made_for_it(networks: Networks) -> None:
    terminal = {"hardware": "telecom_qkd_terminal"}
    nodes = {
        "alice": {**terminal, "program": Program(bb84.send_key, bob="bob", n=1, trains=8, shown=0)},
        "bob": {**terminal, "program": Program(bb84.receive_key, alice="alice", n=1, trains=8)},
    }
    run = await networks.run(nodes, {"line": {"chain": ["alice", "bob"], "length": "10 km"}}, formalism="auto")
    assert len(run["alice"]) == len(run["bob"]) <= 8


def test_too_many_errors_leave_no_key() -> None:
    assert comparing.Compared(100, 11, [1, 0]).key() == [1, 0]
    assert comparing.Compared(100, 12, [1, 0]).key() == []
    assert comparing.Compared(0, 0, [1]).error_rate == 0
