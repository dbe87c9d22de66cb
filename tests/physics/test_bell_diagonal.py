"""Mixtures of Bell states: four-vectors, and formalism `bell_diagonal`, against closed forms and dense circuits."""

from __future__ import annotations

import asyncio
from itertools import product
from math import exp, inf, sqrt
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator import Cluster
from qnode import Node
from qnode.errors import ComponentTooLarge, ConfigError, NotClifford, NotPauli
from qnode.quantum import bell_diagonal
from qnode.quantum.bell import BELL_STATES, PHI_MINUS, PHI_PLUS, PSI_MINUS, PSI_PLUS, BellState, Pauli
from qnode.quantum.channels import Channel, depolarising, from_kraus, from_paulis, relaxation
from qnode.quantum.circuits import BELL_MEASUREMENT, bell_outcome
from qnode.quantum.correlators import Floats
from qnode.quantum.fidelity import fidelity, named_state, partial_trace
from qnode.quantum.gates import GATES, Matrix
from qnode.quantum.pair_states import PairState
from qnode.quantum.register import Register
from qnode.testing import assert_frequency
from tests.physics.circuits import ONE, distil, gate, memory, swap, through
from tests.quantum.worlds import qubits, random_unitary

AGREE: Final = 1e-10
A, B, C, D = qubits("a", "b", "c", "d")
seeds = st.integers(0, 2**32)
chances = st.floats(0, 1)
few = settings(max_examples=15)
every_bell = pytest.mark.parametrize("bell", BELL_STATES, ids=lambda bell: bell.name)
F: Final = np.linspace(0.25, 1, 31)


def some(seed: int) -> Floats:
    vector: Floats = np.random.default_rng(seed).dirichlet(np.ones(4))
    return vector


def pure(bell: BellState) -> Floats:
    vector: Floats = np.eye(4)[bell_diagonal.index(bell)]
    return vector


def rho_of(vector: Floats) -> Matrix:
    return bell_diagonal.to_density_matrix(vector)


def close(found: object, expected: object) -> None:
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=0, atol=AGREE)


# --- four-vectors ----------------------------------------------------------------------------------------------------


@every_bell
def test_a_vector_is_in_the_order_of_the_bell_states(bell: BellState) -> None:
    assert BELL_STATES[bell_diagonal.index(bell)] == bell
    close(rho_of(pure(bell)), np.outer(bell.ket(), bell.ket().conj()))
    close(bell_diagonal.from_density_matrix(rho_of(some(3))), some(3))
    vectors = bell_diagonal.werner(F, bell)
    close([fidelity(rho_of(vector), bell.ket()) for vector in vectors], F)
    close(vectors.sum(axis=-1), 1)
    close(np.sort(vectors, axis=-1)[:, 0], (1 - F) / 3)


@few
@given(seed=seeds, q=chances)
def test_noise_of_either_half_is_that_of_the_matrices(seed: int, q: float) -> None:
    vector, (px, py, pz, _) = some(seed), some(seed + 1)
    letters = [GATES[name].unitary() for name in "xyz"]
    kraus = [sqrt(p) * m for p, m in zip((1 - px - py - pz, px, py, pz), (ONE, *letters), strict=True)]
    for half in (0, 1):
        close(rho_of(bell_diagonal.pauli(vector, px, py, pz)), through(rho_of(vector), kraus, half))
        quarter = [sqrt(1 - q) * ONE, *(sqrt(q / 3) * letter for letter in letters)]
        close(rho_of(bell_diagonal.depolarise(vector, q)), through(rho_of(vector), quarter, half))
        z = [sqrt(1 - q) * ONE, sqrt(q) * letters[2]]
        close(rho_of(bell_diagonal.dephase(vector, q)), through(rho_of(vector), z, half))
        stored = bell_diagonal.store(vector, 0.7, 1.3)
        close(rho_of(stored), through(rho_of(vector), memory(0.7, 1e30, 1.3), half))


@pytest.mark.parametrize(("left", "right"), list(product(BELL_STATES, repeat=2)))
def test_swapping_adds_frames(left: BellState, right: BellState) -> None:
    close(bell_diagonal.swap(pure(left), pure(right)), pure(left ^ right))


@few
@given(seed=seeds, mixing=chances, flip=chances)
def test_swapping_is_the_mean_of_the_corrected_circuit(seed: int, mixing: float, flip: float) -> None:
    left, right = some(seed), some(seed + 1)
    delivered = np.zeros((4, 4), np.complex128)
    for bell in BELL_STATES:
        ends = swap(rho_of(left), rho_of(right), bell, mixing, flip)
        for name in bell.correction:
            ends = gate(ends, name, 1)
        delivered += ends
    close(rho_of(bell_diagonal.swap(left, right, mixing, flip)), delivered)


def test_a_chain_of_werner_pairs_has_the_closed_form() -> None:
    """F_n = (1 + 3 ((4F-1)/3)^n)/4."""
    whole = one = bell_diagonal.werner(F)
    for n in range(2, 12):
        whole = bell_diagonal.swap(whole, one)
        close(whole[:, 0], (1 + 3 * ((4 * F - 1) / 3) ** n) / 4)
        close(whole, bell_diagonal.twirled(whole))


def test_a_chain_with_noisy_swaps_has_the_closed_form_of_duer_and_briegel() -> None:
    """(1 + 3 s^(n-1) w^n)/4, s = (1-l)(4(1-eps)^2 - 1)/3, for pairs that are twirled after each swap."""
    mixing, flip, w = 0.07, 0.03, (4 * F - 1) / 3
    s = (1 - mixing) * (4 * (1 - flip) ** 2 - 1) / 3
    whole = one = bell_diagonal.werner(F)
    for n in range(2, 8):
        whole = bell_diagonal.twirled(bell_diagonal.swap(whole, one, mixing, flip))
        close(whole[:, 0], (1 + 3 * s ** (n - 1) * w**n) / 4)


@pytest.mark.parametrize("turned", [False, True], ids=["BBPSSW", "DEJMPS"])
@few
@given(seed=seeds, mixing=chances, flip=chances)
def test_distilling_is_that_of_the_circuit(turned: bool, seed: int, mixing: float, flip: float) -> None:
    first, second = some(seed), some(seed + 1)
    expected = distil(rho_of(first), rho_of(second), turned=turned, mixing=mixing, flip=flip)
    step = bell_diagonal.dejmps if turned else bell_diagonal.bilateral_cnot
    chance, kept = step(first, second, mixing, flip)
    close(chance, np.trace(expected).real)
    close(chance * rho_of(kept), expected)


@pytest.mark.parametrize("turned", [False, True], ids=["BBPSSW", "DEJMPS"])
@pytest.mark.parametrize(("first", "second"), list(product(BELL_STATES, repeat=2)))
def test_distilling_two_bell_states_is_all_or_nothing(turned: bool, first: BellState, second: BellState) -> None:
    expected = distil(rho_of(pure(first)), rho_of(pure(second)), turned=turned)
    chance, kept = (bell_diagonal.dejmps if turned else bell_diagonal.bilateral_cnot)(
        pure(first) * (1 - 1e-12) + 0.25e-12,
        pure(second),  # an impossible pair has no state to be in
    )
    close(chance * rho_of(kept), expected)


def test_bbpssw_has_the_closed_form() -> None:
    """N = F^2 + 2F(1-F)/3 + 5((1-F)/3)^2, F' = (F^2 + ((1-F)/3)^2)/N (Bennett et al. 1996)."""
    chance, better = bell_diagonal.bbpssw(F)
    n = F**2 + 2 * F * (1 - F) / 3 + 5 * ((1 - F) / 3) ** 2
    close(chance, n)
    close(better, (F**2 + ((1 - F) / 3) ** 2) / n)
    assert (better[(F > 0.51) & (F < 1)] > F[(F > 0.51) & (F < 1)]).all()


@few
@given(seed=seeds)
def test_dejmps_has_the_closed_form(seed: int) -> None:
    """Deutsch et al. 1996, in their order Phi+, Psi-, Psi+, Phi-."""
    order = [bell_diagonal.index(bell) for bell in (PHI_PLUS, PSI_MINUS, PSI_PLUS, PHI_MINUS)]
    first, second = some(seed), some(seed + 1)
    (a, b, c, d), (e, f, g, h) = first[order], second[order]
    n = (a + b) * (e + f) + (c + d) * (g + h)
    chance, kept = bell_diagonal.dejmps(first, second)
    close(chance, n)
    close(kept[order], np.array((a * e + b * f, c * h + d * g, c * g + d * h, a * f + b * e)) / n)


def test_arrays_of_parameters_broadcast() -> None:
    fidelities, errors = F[:, None], np.array((0.0, 0.01, 0.1))
    pairs = bell_diagonal.werner(fidelities)
    chance, kept = bell_diagonal.dejmps(pairs, pairs, errors, 0.02)
    assert chance.shape == (31, 3)
    one = bell_diagonal.werner(F[7])
    alone = bell_diagonal.dejmps(one, one, 0.1, 0.02)
    close(chance[7, 2], alone[0])
    close(kept[7, 2], alone[1])
    swapped = bell_diagonal.swap(pairs, one, errors, 0.02)
    close(swapped[7, 2], bell_diagonal.swap(one, one, 0.1, 0.02))


# --- the formalism ---------------------------------------------------------------------------------------------------


def with_pairs(formalism: str, *vectors: Floats) -> Register:
    register = Register(formalism)
    for (first, second), vector in zip(((A, B), (C, D)), vectors, strict=False):
        register.create_mixed_pair(first, second, PairState(rho_of(vector)), 0.5)
    return register


def measured_bell(register: Register, draws: tuple[float, float]) -> BellState:
    for name, sites in BELL_MEASUREMENT:
        register.apply(name, [(B, C)[site] for site in sites])
    return bell_outcome(register.measure(B, draws[0]), register.measure(C, draws[1]))


@pytest.mark.parametrize("outcome", BELL_STATES, ids=lambda bell: bell.name)
def test_a_swap_in_the_formalism_goes_from_16_numbers_to_4(outcome: BellState) -> None:
    left, right = some(1), some(2)
    register = with_pairs("bell_diagonal", left, right)
    assert measured_bell(register, (0.75 * outcome.z, 0.75 * outcome.x)) == outcome
    assert set(register.members(A)) == {A, D}
    for name in outcome.correction:
        register.apply(name, (D,))
    close(register.reduced_state((A, D)), rho_of(bell_diagonal.swap(left, right)))


@pytest.mark.parametrize("alike", [0, 1])
def test_a_distillation_in_the_formalism_is_that_of_the_vectors(alike: int) -> None:
    first, second = some(3), some(4)
    register = with_pairs("bell_diagonal", first, second)
    for qubit, angle in zip((A, B, C, D), (1, -1, 1, -1), strict=True):
        register.apply("rx", (qubit,), (angle * np.pi / 2,))
    for pair in ((A, C), (B, D)):
        register.apply("cnot", pair)
    chance, kept = bell_diagonal.dejmps(first, second)
    assert register.measure(C, 0.75 * alike) == alike
    close(register.pauli_expectation({D: "z"}) * (1 - 2 * alike), 2 * chance - 1)  # type: ignore[dict-item]
    assert register.measure(D, 1 - 1e-9 if alike else 0.0) == alike
    close(register.reduced_state((A, B)), rho_of(kept))


NOISY: Final[dict[str, tuple[Channel, int]]] = {
    "depolarising": (depolarising(0.2, 1), 1),
    "depolarising of two": (depolarising(0.2, 2), 2),
    "paulis": (from_paulis((0.1, 0.0, 0.3)), 1),
    "paulis of two": (from_paulis(tuple(np.arange(1, 16) / 200)), 2),
    "dephasing memory": (relaxation(1.0, 0.6), 1),
    "paulis by their Kraus operators": (
        from_kraus([sqrt(0.8) * GATES["y"].unitary(), sqrt(0.2) * np.diag((1j, -1j)).astype(np.complex128)]), 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("channel", "n"), NOISY.values(), ids=NOISY.keys())
@few
@given(seed=seeds, draw=st.floats(0, 1, exclude_max=True))
def test_pauli_channels_are_exact_and_never_drawn(channel: Channel, n: int, seed: int, draw: float) -> None:
    registers = [with_pairs(formalism, some(seed), some(seed + 1)) for formalism in ("bell_diagonal", "density_matrix")]
    for register in registers:
        register.apply("cnot", (B, C))
        register.suffer(channel, (C, A)[:n], draw)
        register.apply("h", (B,))
        register.suffer(channel, (B, D)[:n], draw)
    mine, dense = registers
    close(mine.reduced_state((A, B, C, D)), dense.reduced_state((A, B, C, D)))
    mine.check_invariants()
    for register in registers:
        register.discard(A, draw)
    close(mine.reduced_state((D, B, C)), dense.reduced_state((D, B, C)))
    outcomes = [[register.measure(B, draw), register.measure(D, draw, "y")] for register in registers]
    assert outcomes[0] == outcomes[1]
    close(mine.reduced_state((C,)), dense.reduced_state((C,)))


@pytest.mark.parametrize(
    "channel",
    [relaxation(0.9, 0.5), relaxation(0.9, 0.93), from_kraus([sqrt(0.5) * ONE, sqrt(0.5) * GATES["h"].unitary()])],
    ids=["t2 < t1", "t1 < t2", "Hadamard"],
)
def test_noise_that_is_no_mixture_of_paulis_is_refused_and_changes_nothing(channel: Channel) -> None:
    register = with_pairs("bell_diagonal", some(1))
    before = register.snapshot(A)
    with pytest.raises(NotPauli, match=f"{channel.name} does more to a than random Paulis"):
        register.suffer(channel, (A,), 0.5)
    with pytest.raises(NotPauli, match="their source does more to c, d"):
        register.create_mixed_pair(C, D, PairState(np.diag((0.7, 0.1, 0.1, 0.1)).astype(np.complex128)), 0.5)
    with pytest.raises(NotClifford, match="gate t on a is not Clifford, and formalism bell_diagonal holds"):
        register.apply("t", (A,))
    with pytest.raises(NotClifford):
        register.apply_unitary(random_unitary(1, 1), (A,))
    assert register.snapshot(A) == before
    assert len(register) == 2


def test_an_infinite_t1_only_dephases() -> None:
    register = with_pairs("bell_diagonal", some(1))
    register.relax(A, 1.0, exp(-0.3), 0.999)
    close(register.reduced_state((A, B)), rho_of(bell_diagonal.store(some(1), 0.3, 1.0)))
    assert bell_diagonal.store(some(1), 0.3, inf).tolist() == some(1).tolist()


def test_a_component_beyond_ten_qubits_is_refused_unless_it_falls_apart() -> None:
    names = qubits(*(f"q{k}" for k in range(11)))
    register = Register("bell_diagonal")
    for name in names:
        register.create(name)
    for name in names[1:10]:
        register.apply("cnot", (names[0], name))
    register.apply("h", names[:1])  # only now is anything entangled: q0, being |0>, was no control
    register.suffer(depolarising(0.2, 1), names[:1], 0.5)
    register.apply("cnot", (names[0], names[10]))
    assert set(register.members(names[0])) == {names[0], names[10]}
    for name in names[1:9]:
        register.apply("cnot", (names[0], name))
    with pytest.raises(ComponentTooLarge, match="at most 10"):
        register.apply("cnot", (names[0], names[9]))


def test_what_is_only_classically_correlated_stays_together() -> None:
    register = with_pairs("bell_diagonal", pure(PHI_PLUS), pure(PHI_PLUS))
    register.suffer(from_paulis((0,) * 4 + (0.5,) + (0,) * 10), (A, C), 0.5)  # X on both or on neither
    component = register._at(A, "")
    assert [set(part.places) for part in component.factors()] == [{A, B, C, D}]
    register = with_pairs("bell_diagonal", some(1), some(2))
    register.apply("cnot", (A, C))
    register.apply("cnot", (A, C))
    found = register._at(A, "").factors()
    assert {frozenset(part.places) for part in found} == {frozenset((A, B)), frozenset((C, D))}
    for part in found:
        part.check()
        names = tuple(part.places)
        close(part.reduced(tuple(part.places.values())), register.reduced_state(names))


@pytest.mark.parametrize("formalism", ["bell_diagonal", "density_matrix"])
@pytest.mark.parametrize("f", [0.25, 0.7, 1.0])
def test_teleporting_over_a_werner_pair_has_fidelity_2f_plus_1_over_3(formalism: str, f: float) -> None:
    """Averaged over the six cardinal states; every outcome, since all are as likely."""
    reached = []
    for state, outcome in product(("0", "1", "+", "-", "i", "-i"), BELL_STATES):
        register = Register(formalism)
        register.create_mixed_pair(A, B, PairState(rho_of(bell_diagonal.werner(f))), 0.5)
        register.create(C)
        for name in {"0": (), "1": ("x",), "+": ("h",), "-": ("x", "h"), "i": ("h", "s"), "-i": ("x", "h", "s")}[state]:
            register.apply(name, (C,))
        for name, sites in BELL_MEASUREMENT:
            register.apply(name, [(C, A)[site] for site in sites])
        found = bell_outcome(register.measure(C, 0.75 * outcome.z), register.measure(A, 0.75 * outcome.x))
        assert found == outcome
        for name in found.correction:
            register.apply(name, (B,))
        reached.append(fidelity(register.reduced_state((B,)), named_state(state)))
    assert np.mean(reached) == pytest.approx((2 * f + 1) / 3, abs=AGREE)


def test_a_noisy_repeater_chain_in_the_formalism_is_the_chain_of_vectors() -> None:
    """Five Werner links, depolarising gates, dephasing while waiting: both exact formalisms and the vectors agree."""
    link, error, kept = bell_diagonal.werner(0.93), 0.02, exp(-0.1)
    vector = bell_diagonal.dephase(link, (1 - kept) / 2)
    ends = {}
    for formalism in ("bell_diagonal", "density_matrix"):
        register = Register(formalism)
        rng = np.random.default_rng(5)
        names = [qubits(f"l{k}", f"r{k}") for k in range(5)]
        for left, right in names:
            register.create_mixed_pair(left, right, PairState(rho_of(link)), 0.5)
            register.relax(right, 1.0, kept, 0.5)
        for k in range(1, 5):
            end, near, far = names[k - 1][1], names[k][0], names[k][1]
            register.apply("cnot", (end, near))
            register.suffer(depolarising(error, 2), (end, near), 0.5)
            register.apply("h", (end,))
            outcome = bell_outcome(register.measure(end, rng.random()), register.measure(near, rng.random()))
            for name in outcome.correction:
                register.apply(name, (far,))
        ends[formalism] = register.reduced_state((names[0][0], names[-1][1]))
    whole = vector
    for _ in range(4):
        whole = bell_diagonal.swap(whole, vector, error * 16 / 15)
    close(ends["bell_diagonal"], rho_of(whole))
    close(ends["density_matrix"], rho_of(whole))
    assert fidelity(ends["bell_diagonal"], PHI_PLUS.ket()) == pytest.approx(whole[0], abs=AGREE)
    close(partial_trace(rho_of(whole), (0,)), ONE / 2)


def test_what_is_sampled_is_as_likely_as_the_mixture_says() -> None:
    """Equal Z outcomes of a noisy swap, 4,000 times: p = 0.850 is accepted from 0.812 to 0.885, false alarm 1e-9."""
    error, runs = depolarising(0.05, 2), 4000
    draws = np.random.default_rng(1).random((runs, 7))
    link = (some(5) + 3 * pure(PHI_PLUS)) / 4

    def swapped(formalism: str, draw: Floats) -> Register:
        register = Register(formalism)
        for pair, at in (((A, B), 0), ((C, D), 1)):
            register.create_mixed_pair(*pair, PairState(rho_of(link)), draw[at])
        register.apply("cnot", (B, C))
        register.suffer(error, (B, C), draw[2])
        register.apply("h", (B,))
        outcome = bell_outcome(register.measure(B, draw[3]), register.measure(C, draw[4]))
        for name in outcome.correction:
            register.apply(name, (D,))
        return register

    exact = swapped("bell_diagonal", draws[0]).pauli_expectation({A: Pauli.Z, D: Pauli.Z})
    sampled = [swapped("auto", draw) for draw in draws]
    equal = sum(one.measure(A, draw[5]) == one.measure(D, draw[6]) for one, draw in zip(sampled, draws, strict=True))
    assert_frequency(equal, runs, (1 + exact) / 2, false_alarm=1e-9)


# --- in a network ----------------------------------------------------------------------------------------------------


async def keep(node: Node) -> int:
    half = await node.entangle(node.neighbours[0])
    await asyncio.sleep(3e-3)
    half.h()
    half.h()
    node.mark("kept", half)
    await asyncio.sleep(1e-6)
    return await half.measure()


NODE: Final = {"program": keep, "t2": "10 ms", "gates": {"single": {"error": 0.01}}}


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_run_shows_the_exact_mixture_and_not_a_sample(seed: int, tmp_path: Path) -> None:
    """Dephasing of both halves for 3 ms, and four gates that depolarise: the formula, whatever the seed."""
    links = [("alice", "bob", {"source": {"model": "werner", "fidelity": 0.9}})]
    net = Cluster(
        nodes={"alice": NODE, "bob": NODE}, links=links, seed=seed, formalism="bell_diagonal",
        observe={"kept": ["fidelity"]}, runs=tmp_path,
    )  # fmt: skip
    run = await net.run(inline=True)
    vector = bell_diagonal.store(bell_diagonal.store(bell_diagonal.werner(0.9), 3.0, 10.0), 3.0, 10.0)
    for _ in range(4):
        vector = bell_diagonal.depolarise(vector, 0.01 * 3 / 2)
    last = run.summary.observed[-1]
    assert last.value == pytest.approx(vector[0], abs=AGREE)


SINGLE_CLICK: Final = {"length": "1 km", "source": {"model": "single_click", "bright_state": 0.1}}


@pytest.mark.parametrize(
    ("memory", "link", "said"),
    [
        ({"t1": "1 s"}, {}, "bell_diagonal holds no relaxation, and alice has a t1"),
        ({}, SINGLE_CLICK, "bell_diagonal holds mixtures of Bell states, and single_click of alice-bob makes others"),
    ],
    ids=["t1", "source"],
)
def test_what_cannot_be_held_is_said_before_a_run(memory: Any, link: Any, said: str, tmp_path: Path) -> None:
    nodes = {"alice": {**NODE, **memory}, "bob": NODE}
    with pytest.raises(ConfigError, match=said):
        Cluster(nodes=nodes, links=[("alice", "bob", link)], formalism="bell_diagonal", runs=tmp_path)
