"""Superdense coding: over a pair of fidelity F both bits are right with probability F."""

from __future__ import annotations

import pytest

from orchestrator import Program
from qnode.protocols.superdense import receive_bits, send_bits
from qnode.quantum.bell import BELL_STATES
from tests.protocols.branching_pa import Networks, werner


def coding(bits: list[tuple[int, int]]) -> dict[str, Program]:
    return {
        "alice": Program(send_bits, to="bob", bits=bits),
        "bob": Program(receive_bits, sender="alice", n=len(bits)),
    }


@pytest.mark.parametrize("bits", BELL_STATES, ids=lambda state: state.name)
@pytest.mark.parametrize("fidelity", [1.0, 0.87])
async def test_both_bits_are_right_with_the_fidelity_of_the_pair(
    bits: tuple[int, int], fidelity: float, networks: Networks
) -> None:
    runs = await networks.runs(coding([bits]), werner("alice bob", fidelity))
    right = sum(probability for probability, run in runs if run["bob"] == [bits])
    assert right == pytest.approx(fidelity, abs=1e-10)
    wrong = [probability for probability, run in runs if run["bob"] != [bits]]
    assert wrong == pytest.approx([(1 - fidelity) / 3] * len(wrong), abs=1e-10)
