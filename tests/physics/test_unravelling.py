"""Sampled noise is exact in expectation: integrated over its draw, it is what a density matrix does with all of it.

Nothing is drawn here: where a draw leads changes at a few places of [0, 1), which are found by bisection.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import product
from math import sqrt
from typing import Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qnode.errors import NotStabilizer
from qnode.quantum import channels, sources
from qnode.quantum.bell import BELL_STATES
from qnode.quantum.gates import Matrix
from qnode.quantum.noisy import NoisyRegister
from qnode.quantum.pair_source import PairSource
from qnode.quantum.pair_states import PairState, pair_state
from qnode.quantum.register import ComponentState, Register
from tests.physics.circuits import random_rho
from tests.physics.noise import CHANNELS, EXACT, LAST_DRAW, MIXTURES, OTHERS, integrated
from tests.quantum.worlds import qubits, random_clifford, random_unitary

THREE: Final = qubits("a", "b", "c")
TARGETS: Final = {1: ("b",), 2: ("c", "a"), 3: ("b", "c", "a")}


@cache
def some_state(formalism: str, clifford: bool, seed: int) -> ComponentState:
    register = Register(formalism)
    for qubit in THREE:
        register.create(qubit)
    register.apply_unitary((random_clifford if clifford else random_unitary)(3, seed), THREE)
    return register.export(THREE[0])


def prepared(formalism: str, *, clifford: bool, seed: int = 11) -> Register:
    """Three qubits in some entangled pure state."""
    register = Register(formalism)
    register.adopt(some_state(formalism, clifford, seed))
    return register


def assert_unravels(
    do: Callable[[Register, float], None],
    formalism: str,
    *,
    clifford: bool,
    seed: int = 11,
    steps: Sequence[float] = (),
) -> None:
    exact = prepared("density_matrix", clifford=clifford, seed=seed)
    do(exact, 0.3)

    def state(draw: float) -> Matrix:
        register = prepared(formalism, clifford=clifford, seed=seed)
        do(register, draw)
        return register.reduced_state(THREE)

    np.testing.assert_allclose(integrated(state, steps), exact.reduced_state(THREE), rtol=0, atol=EXACT)
    for draw in (0.0, LAST_DRAW):  # the ends of the interval are states, too
        register = prepared(formalism, clifford=clifford, seed=seed)
        do(register, draw)
        register.check_invariants()


def suffers(name: str) -> Callable[[Register, float], None]:
    channel = CHANNELS[name]
    targets = qubits(*TARGETS[channel.n_qubits])
    return lambda register, draw: register.suffer(channel, targets, draw)


def steps_of(name: str) -> list[float]:
    """Where one way of a mixture ends and the next begins."""
    ways = CHANNELS[name].ways
    return [] if ways is None else np.cumsum([way.probability for way in ways]).tolist()


@pytest.mark.parametrize("name", MIXTURES)
@pytest.mark.parametrize("formalism", ["stabilizer", "auto"])
def test_mixtures_of_cliffords_on_stabilizer_states(name: str, formalism: str) -> None:
    assert_unravels(suffers(name), formalism, clifford=True, steps=steps_of(name))
    register = prepared(formalism, clifford=True)
    suffers(name)(register, 0.77)
    assert {register.formalism_of(qubit) for qubit in THREE} == {"stabilizer"}


@pytest.mark.parametrize("name", CHANNELS)
@pytest.mark.parametrize(("formalism", "clifford"), [("state_vector", False), ("auto", False)])
def test_every_channel_on_states_with_amplitudes(name: str, formalism: str, clifford: bool) -> None:
    assert_unravels(suffers(name), formalism, clifford=clifford, steps=steps_of(name))


@pytest.mark.parametrize("name", OTHERS)
def test_channels_that_need_amplitudes_make_them_or_are_refused(name: str) -> None:
    """In "auto", whether they are drawn or not is a matter of the draw if they are a mixture."""
    assert_unravels(suffers(name), "auto", clifford=True, steps=steps_of(name))
    if CHANNELS[name].ways is None:
        register = prepared("stabilizer", clifford=True)
        before = register.snapshots()
        with pytest.raises(NotStabilizer, match="no stabilizer state"):
            suffers(name)(register, 0.5)
        assert register.snapshots() == before


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("e1", "e2"), [(0.6, 0.3), (0.6, 0.6), (1.0, 0.2), (0.0, 0.0), (0.3, 0.5), (0.6, -0.3), (0.3, -0.5)]
)
def test_the_short_way_to_relax_draws_as_the_channel_does(e1: float, e2: float, seed: int) -> None:
    for draw in (0.0, abs(e2) / 2, (e1 + e2) / 2, e1, e1 + (1 - e1) / 3, 0.9, LAST_DRAW, 0.123, 0.456, 0.789):
        short, whole = (prepared("auto", clifford=False, seed=seed) for _ in range(2))
        short.relax(THREE[1], e1, e2, max(0.0, min(draw, LAST_DRAW)))
        whole.suffer(channels.relaxation(e1, e2), (THREE[1],), max(0.0, min(draw, LAST_DRAW)))
        np.testing.assert_allclose(short.reduced_state(THREE), whole.reduced_state(THREE), rtol=0, atol=EXACT)


@settings(max_examples=15)
@given(st.integers(0, 2**32), st.floats(0, 1), st.floats(0, 1))
def test_any_memory_on_any_state(seed: int, e1: float, share: float) -> None:
    """t2 < t1 and t2 > t1, where what happens depends on the state."""
    e2 = share * sqrt(e1)
    if min(abs(e1 - e2), abs(1 - e1), e1, e2) < 0.01:
        return  # the table has the edges; steps that are too narrow would be missed
    assert_unravels(
        lambda register, draw: register.relax(THREE[2], e1, e2, draw), "state_vector", clifford=False, seed=seed
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("formalism", ["stabilizer", "auto", "state_vector"])
@pytest.mark.parametrize("what", ["reset", "discard"])
def test_losing_an_entangled_qubit(what: str, formalism: str, seed: int) -> None:
    clifford = formalism == "stabilizer"
    rest = THREE if what == "reset" else THREE[1:]

    def after(formalism: str, draw: float) -> Matrix:
        register = prepared(formalism, clifford=clifford, seed=seed)
        (register.reset if what == "reset" else register.discard)(THREE[0], draw)
        return register.reduced_state(rest)

    exact = after("density_matrix", 0.5)
    np.testing.assert_allclose(integrated(lambda draw: after(formalism, draw)), exact, rtol=0, atol=EXACT)


# --- pairs as sources make them --------------------------------------------------------------------------------------

FIRST, SECOND = qubits("first", "second")
ARMS: Final = sources.Arms((1e-5, 2e-5))


def x_state(weights: Sequence[float], outer: complex, inner: complex) -> Matrix:
    rho = np.diag(np.array(weights, complex))
    rho[0, 3], rho[3, 0], rho[1, 2], rho[2, 1] = outer, np.conj(outer), inner, np.conj(inner)
    return rho


def heralded(source: PairSource, nth: int) -> Matrix:
    return np.frombuffer(source.heralds[nth].rho, np.complex128).reshape(4, 4)


STABILIZER_PAIRS: Final = {
    **{bell.name: np.outer(bell.ket(), bell.ket().conj()) for bell in BELL_STATES},
    "werner": sources.werner_state(0.83),
    "white": np.eye(4, dtype=np.complex128) / 4,
    "bell diagonal": sources.bell_diagonal_state((0.4, 0.3, 0.05, 0.25)),
    "x state": x_state((0.3, 0.2, 0.25, 0.25), 0.12, -0.17),
    "x state, other signs": x_state((0.3, 0.2, 0.4, 0.1), -0.09, 0.2),
    "one click": heralded(sources.single_click(ARMS, (0.3, 0.3), (0.2, 0.2), dark=0.01), 0),
    "one click at the other": heralded(sources.single_click(ARMS, (0.3, 0.3), (0.2, 0.2), dark=0.01), 1),
    "two clicks": heralded(sources.double_click(ARMS, (0.2, 0.2), dark=0.02, alike=sources.overlap(0.8)), 1),
    "a source between": heralded(sources.midpoint_source(ARMS, (0.4, 0.3), 0.1, dark=1e-3), 0),
    "product": np.diag((0, 1, 0, 0)).astype(complex),
}
OTHER_PAIRS: Final = {
    "imaginary coherence": x_state((0.3, 0.2, 0.25, 0.25), 0.1 + 0.2j, 0.05),
    "more coherence than the rarer": x_state((0.05, 0.45, 0.05, 0.45), 0.1, 0.05),
    "one click, unequal": heralded(sources.single_click(ARMS, (0.9, 0.1), (0.05, 0.5)), 0),
    **{f"any {seed}": random_rho(seed) for seed in range(4)},
    "pure": np.outer(random_unitary(2, 3)[0], random_unitary(2, 3)[0].conj()),
}


@pytest.mark.parametrize("formalism", ["stabilizer", "auto", "state_vector", "density_matrix"])
@pytest.mark.parametrize("name", STABILIZER_PAIRS | OTHER_PAIRS)
def test_pairs_in_any_state(name: str, formalism: str) -> None:
    """The pieces that are drawn, with their probabilities, are the state."""
    rho = (STABILIZER_PAIRS | OTHER_PAIRS)[name]
    source = pair_state(np.ascontiguousarray(rho, np.complex128).tobytes())
    if formalism == "stabilizer" and name in OTHER_PAIRS:
        with pytest.raises(NotStabilizer):
            Register(formalism).create_mixed_pair(FIRST, SECOND, source, 0.0)
        return

    def state(draw: float) -> Matrix:
        register = Register(formalism)
        register.create_mixed_pair(FIRST, SECOND, source, draw)
        return register.reduced_state((FIRST, SECOND))

    np.testing.assert_allclose(integrated(state), rho, rtol=0, atol=EXACT)
    np.testing.assert_allclose(_from_pieces(source), rho, rtol=0, atol=EXACT)


def _from_pieces(source: PairState) -> Matrix:
    return np.asarray(sum(p * np.outer(ket, ket.conj()) for p, _, ket in source.pieces))


@given(st.lists(st.floats(0, 1), min_size=4, max_size=4), st.floats(-1, 1), st.floats(-1, 1), st.booleans())
def test_every_x_state_is_made_of_its_pieces(weights: list[float], outer: float, inner: float, real: bool) -> None:
    total = sum(weights)
    if total < 1e-3:
        return
    p = [weight / total for weight in weights]
    turn = 1 if real else 1j
    rho = x_state(p, turn * outer * sqrt(p[0] * p[3]), turn * inner * sqrt(p[1] * p[2]))
    source = pair_state(np.ascontiguousarray(rho, np.complex128).tobytes())
    np.testing.assert_allclose(_from_pieces(source), rho, rtol=0, atol=2e-11)
    for piece in source.pieces:
        if piece.stabilizer is not None:
            overlap = abs(np.vdot(piece.stabilizer.vector(), piece.amplitudes))
            assert overlap == pytest.approx(1, abs=1e-12)


# --- coins -----------------------------------------------------------------------------------------------------------


def test_no_coin_is_used_twice() -> None:
    """Whatever is done in whichever order: two draws of one name would be the same number."""
    from tests.physics.test_memories import NOISY, run_steps, some_steps  # one place says what a step is

    for seed, formalism in product(range(5), ("auto", "density_matrix")):
        used: list[tuple[str, int]] = []
        rng = np.random.default_rng(seed)

        def coin(name: str, nth: int = 0, used: list[tuple[str, int]] = used, rng: np.random.Generator = rng) -> float:
            used.append((name, nth))
            return float(rng.random())

        run_steps(NoisyRegister(Register(formalism), coin), NOISY, some_steps(seed, 40))
        assert len(used) == len(set(used)) > 40
