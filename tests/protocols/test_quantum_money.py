"""Quantum money: genuine notes pass, and counterfeits as often as their making allows."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
import pytest

from orchestrator import Cluster, Program
from qnode.protocols import quantum_money as money
from qnode.testing import assert_frequency
from tests.protocols import programs_pa as programs
from tests.protocols.branching_pa import Networks

Holder = Callable[..., Coroutine[Any, Any, None]]
STREET = {"street": {"between": ["bank", "holder"], "length": "1 km"}}
FORGERS = [(money.forge_by_measuring, 5 / 8), (money.forge_by_cloning, 3 / 4)]


def trading(holder: Holder, returned: int, n: int, notes: int) -> dict[str, Program]:
    return {
        "bank": Program(money.bank, customer="holder", n=n, notes=notes, returned=returned),
        "holder": Program(holder, bank="bank", n=n, notes=notes),
    }


@pytest.mark.parametrize(("holder", "returned", "passes"), [(money.spend, 1, 1.0), *((f, 2, p) for f, p in FORGERS)])
async def test_notes_of_one_qubit_pass_as_often(
    holder: Holder, returned: int, passes: float, networks: Networks
) -> None:
    """Over all bits, bases and outcomes there are."""
    runs = await networks.runs(trading(holder, returned, 1, 1), STREET)
    assert sum(probability for probability, run in runs if run["bank"] == [True]) == pytest.approx(passes, abs=1e-10)


@pytest.mark.parametrize(("forger", "passes"), FORGERS)
async def test_each_qubit_of_a_note_has_to_pass(forger: Holder, passes: float, networks: Networks) -> None:
    """Notes of three: (5/8)^3 = 0.24 and (3/4)^3 = 0.42, of which n = 300 accepts 0.10 to 0.41 and 0.25 to 0.60."""
    run = await networks.run(trading(forger, 2, 3, 300), STREET, formalism="auto")
    assert_frequency(sum(run["bank"]), 300, passes**3)


async def test_a_note_that_is_left_in_a_noisy_memory_loses_its_worth(networks: Networks) -> None:
    """Half of the qubits lie in x: after a time t that is T2, e^-1 of the coherence is left of them."""
    nodes: dict[str, Any] = trading(money.spend, 1, 1, 1)
    nodes["holder"] = {"program": Program(programs.keeps_for_a_millisecond), "t2": "1 ms"}
    runs = await networks.runs(nodes, STREET)
    passed = sum(probability for probability, run in runs if run["bank"] == [True])
    assert passed == pytest.approx(1 / 2 + (1 + np.exp(-1)) / 4, abs=1e-10)


async def test_each_qubit_is_in_one_of_four_states_as_likely(networks: Networks) -> None:
    """And so, to who does not know which, in none of them."""
    nodes = {
        "bank": Program(money.bank, customer="holder", n=1, notes=1),
        "holder": Program(programs.keeps_note, n=1),
    }
    looks = await networks.looks("1 ms", nodes, STREET)
    issued = [view.reduced_state(*view.qubits("holder")) for _, (view, _) in looks]
    for state in ("0", "1", "+", "-"):
        assert sum(view.fidelity("holder", to=state) > 1 - 1e-10 for _, (view, _) in looks) == 1
    mean = sum(probability * state for (probability, _), state in zip(looks, issued, strict=True))
    np.testing.assert_allclose(mean, np.eye(2) / 2, atol=1e-10)


async def test_genuine_notes_pass_where_gates_take_time(networks: Networks) -> None:
    """As long for each qubit, so that none overtakes another, and their times tell no basis."""
    nodes = {
        name: {"qubits": 30, "program": program, "gates": {"single": {"duration": "1 us"}}}
        for name, program in trading(money.spend, 1, 30, 1).items()
    }
    run = await networks.run(nodes, STREET, formalism="auto", events=True)
    assert run["bank"] == [True]
    came = {one.t for one in run.events if (one.node, one.event) == ("holder", "receive_qubit")}
    assert came == {5_003 + 2 * 1_000}


def test_cloning_is_unitary() -> None:
    np.testing.assert_allclose(money.CLONING @ money.CLONING.conj().T, np.eye(8), atol=1e-12)


@pytest.mark.qnode("../../configs/quantum_money.yaml")
def test_the_configuration_tells_who_forges(net: Cluster) -> None:
    run = net.run_sync()
    assert run["bank.honest"] == [True] * 60
    assert run.counts["messages"] == 0  # nobody is told what is on a note
    assert_frequency(sum(run["bank.measured"]), 60, (5 / 8) ** 2)
    assert_frequency(sum(run["bank.cloned"]), 60, (3 / 4) ** 2)
