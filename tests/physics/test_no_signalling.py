"""Noise carries no messages and makes no copies: what alice does, with whatever hardware, is not to be seen at bob's.

Exact: her draws are integrated over, and bob's half, with all that its own memory does, is compared with what it is if
she does nothing. That no channel makes two states easier to tell apart is what forbids copies (N&C, section 9.2.1).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from itertools import product
from typing import Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qnode.ids import QubitId
from qnode.quantum import sources
from qnode.quantum.bell import PSI_MINUS
from qnode.quantum.fidelity import trace_distance
from qnode.quantum.gates import Matrix
from qnode.quantum.hardware import IDEAL, ErrorModel, Hardware, Slots, Timing
from qnode.quantum.noisy import COMMUNICATION, MEMORY, Attempts, Laboratory, NoisyRegister
from qnode.quantum.pair_states import pair_state
from qnode.quantum.register import Register
from tests.physics.circuits import random_rho, through
from tests.physics.noise import CHANNELS, EXACT, damping, integrated
from tests.quantum.worlds import qubits

HALF, BOB, LOCAL, OTHER, CAROL = qubits("half", "bob", "local", "other", "carol")
END_NS: Final = 500_000
ARMS: Final = sources.Arms((1e-5, 2e-5))


def in_bytes(rho: Matrix) -> bytes:
    return np.ascontiguousarray(rho, np.complex128).tobytes()


SOURCES: Final = {
    "perfect": in_bytes(sources.werner_state(1.0)),
    "bell diagonal": in_bytes(sources.bell_diagonal_state((0.6, 0.2, 0.15, 0.05))),
    "psi-": in_bytes(np.outer(PSI_MINUS.ket(), PSI_MINUS.ket().conj())),
    "werner": in_bytes(sources.werner_state(0.8)),
    "single click": sources.single_click(ARMS, (0.3, 0.1), (0.2, 0.4), dark=0.01).heralds[0].rho,
    "double click": sources.double_click(ARMS, (0.3, 0.1), dark=0.01).heralds[1].rho,
    "midpoint source": sources.midpoint_source(ARMS, (0.3, 0.1), 0.2, dark=0.01).heralds[0].rho,
    "any": in_bytes(random_rho(3)),
}
HARDWARE: Final = {
    "ideal": IDEAL,
    "noisy": Hardware(
        memory=Slots(4, 4e5, 3e5),
        communication=Slots(2, 2e5, 3e5),
        single=Timing(1_000, ErrorModel(0.05)),
        two=Timing(20_000, ErrorModel(paulis=tuple(0.01 * k / 15 for k in range(15)))),
        measure=Timing(7_000, ErrorModel(paulis=(0.05, 0.0, 0.02))),
        initialise=Timing(500, ErrorModel(paulis=(0.1, 0.0, 0.0))),
        move=Timing(3_000, ErrorModel(kraus=tuple(in_bytes(k) for k in damping(0.3)))),
        p01=0.1,
        p10=0.2,
    ),
}


class Alice:
    """Alice, after her half has come."""

    def __init__(self, rho: bytes, hardware: Hardware, coins: Callable[[str, int], float]) -> None:
        self.attempts = Attempts()
        self.lab = Laboratory(hardware, self.attempts)
        self.noisy = NoisyRegister(Register("density_matrix"), coins)
        self.noisy.create_pair(HALF, BOB, pair_state(rho))
        self.noisy.put(self.lab, HALF, self.lab.arrival, 0)
        self.bobs = Laboratory(hardware)
        self.noisy.put(self.bobs, BOB, self.bobs.arrival, 10_000)
        self.noisy.create(self.lab, LOCAL, MEMORY, 0)
        self.noisy.apply(self.lab, "ry", (LOCAL,), (0.8,), 1_000)

    def gate(self, name: str, *operands: QubitId, start_ns: int = 30_000) -> None:
        params = (0.7, 1.9, -0.4)[: {"ry": 1, "u": 3}.get(name, 0)]
        self.noisy.apply(self.lab, name, operands, params, start_ns)


def applies(gate: str) -> Callable[[Alice], object]:
    return lambda alice: alice.gate(gate, HALF)


def measures(basis: str, keep: bool) -> Callable[[Alice], object]:
    return lambda alice: alice.noisy.measure(alice.lab, HALF, basis, 40_000, keep=keep)


def measures_with_another(alice: Alice) -> None:
    alice.gate("cnot", LOCAL, HALF)
    alice.noisy.measure(alice.lab, HALF, "x", 60_000, keep=False)


def swaps(alice: Alice) -> None:
    alice.noisy.create_pair(OTHER, CAROL, pair_state(in_bytes(random_rho(8))))
    alice.noisy.put(alice.lab, OTHER, alice.lab.arrival, 20_000)
    alice.gate("cnot", HALF, OTHER)
    alice.gate("h", HALF, start_ns=60_000)
    alice.noisy.discard(OTHER)


def attempts(alice: Alice) -> None:
    alice.attempts.begin(5_000, 100, 1000, 0.01)
    alice.gate("h", HALF)


def moves(alice: Alice) -> None:
    alice.noisy.move(alice.lab, HALF, MEMORY, 30_000)
    alice.noisy.move(alice.lab, HALF, COMMUNICATION, 60_000)


def sends_it_away(alice: Alice) -> None:
    alice.noisy.leave(HALF, 70_000)


def always(draw: float, name: str, nth: int) -> float:
    return draw


ACTIONS: Final[dict[str, Callable[[Alice], object]]] = {
    **{f"gate {name}": applies(name) for name in ("x", "h", "u")},
    "gate with another": lambda alice: alice.gate("cnot", HALF, LOCAL),
    "gate with another first": lambda alice: alice.gate("swap", LOCAL, HALF),
    **{f"measure {b}{', keep' * keep}": measures(b, keep) for b, keep in product("xyz", (False, True))},
    "measure after a gate": measures_with_another,
    "reset": lambda alice: alice.noisy.reset(alice.lab, HALF, 30_000),
    "discard, as at a cut-off": lambda alice: alice.noisy.discard(HALF),
    "swap": swaps,
    "attempts": attempts,
    "move": moves,
    "send away": sends_it_away,
}


def bobs_state(rho: bytes, hardware: Hardware, action: Callable[[Alice], object] | None) -> Matrix:
    """Averaged over the draw of alice's measurement."""

    def state(draw: float) -> Matrix:
        alice = Alice(rho, hardware, lambda name, nth: draw if name.startswith("measure") else 0.5)
        if action is not None:
            action(alice)
        alice.noisy.register.check_invariants()
        return alice.noisy.seen_at(END_NS).reduced_state((BOB,))

    return integrated(state, (0.5,))


@cache
def undisturbed(source: str, hardware: str) -> Matrix:
    return bobs_state(SOURCES[source], HARDWARE[hardware], None)


@pytest.mark.parametrize("hardware", HARDWARE)
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("action", ACTIONS)
def test_bob_sees_nothing_of_what_alice_does(action: str, source: str, hardware: str) -> None:
    found = bobs_state(SOURCES[source], HARDWARE[hardware], ACTIONS[action])
    expected = undisturbed(source, hardware)
    np.testing.assert_allclose(found, expected, rtol=0, atol=EXACT)


def test_bob_would_see_an_outcome_that_he_were_told() -> None:
    """So the agreement above says something."""
    seen = []
    for draw in (0.0, 0.999):
        alice = Alice(SOURCES["werner"], HARDWARE["noisy"], partial(always, draw))
        measures("z", False)(alice)
        seen.append(alice.noisy.seen_at(20_000).reduced_state((BOB,)))
    assert trace_distance(*seen) > 0.3


@pytest.mark.parametrize("name", CHANNELS)
@settings(max_examples=10)
@given(st.integers(0, 2**32))
def test_no_noise_makes_states_easier_to_tell_apart(name: str, seed: int) -> None:
    channel = CHANNELS[name]
    states = [random_rho(seed + k, channel.n_qubits) for k in (0, 1)]
    after = [through(rho, list(channel.kraus), *range(channel.n_qubits)) for rho in states]
    assert trace_distance(*after) <= trace_distance(*states) + 1e-12
