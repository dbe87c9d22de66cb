"""Qubits in real memories under real operations, against closed forms and against the same written out by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from math import exp, inf
from typing import Final, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qnode.ids import QubitId
from qnode.quantum.bell import BELL_STATES, PHI_PLUS, BellState
from qnode.quantum.fidelity import fidelity
from qnode.quantum.gates import Matrix
from qnode.quantum.hardware import IDEAL, ErrorModel, Hardware, Slots, Timing
from qnode.quantum.noisy import COMMUNICATION, MEMORY, Attempts, Laboratory, NoisyRegister
from qnode.quantum.register import Register
from tests.physics.noise import EXACT, Paper, damping
from tests.quantum.worlds import qubits

A, B = qubits("a", "b")
S: Final = 1_000_000_000


def never(name: str, nth: int = 0) -> float:
    raise AssertionError(f"nothing is drawn here, not even {name} {nth}")


def fixed(name: str, nth: int = 0) -> float:
    return 0.5


def drawing(draws: Mapping[str, float] | float) -> Callable[[str, int], float]:
    """Coins that fall so, by name or all alike."""

    def coin(name: str, nth: int) -> float:
        return draws.get(name, 0.5) if isinstance(draws, Mapping) else draws

    return coin


def noisy(formalism: str = "density_matrix") -> NoisyRegister:
    return NoisyRegister(Register(formalism), fixed)


def memory(t1: float = inf, t2: float = inf) -> Laboratory:
    """A node with such slots; times in seconds."""
    return Laboratory(Hardware(memory=Slots(8, t1 * S, t2 * S)))


# --- storage of a pair -----------------------------------------------------------------------------------------------


def stored(bell: BellState, labs: Sequence[Laboratory], times: Sequence[float], formalism: str) -> float:
    register = noisy(formalism)
    register.create_pair(A, B, bell)
    for qubit, lab in zip((A, B), labs, strict=True):
        register.put(lab, qubit, MEMORY, 0)
    for qubit, time in zip((A, B), times, strict=True):
        register.leave(qubit, round(time * S))
    return fidelity(register.seen_at(0).reduced_state((A, B)), bell.ket())


def closed_form(bell: BellState, e1: tuple[float, float], e2: tuple[float, float]) -> float:
    """PHYSICS, section 3: Phi by populations that stay or both fall, Psi by the one excitation that stays."""
    if bell.x:
        return (e1[0] + e1[1] + 2 * e2[0] * e2[1]) / 4
    g = 1 - e1[0], 1 - e1[1]
    return (1 + g[0] * g[1] + e1[0] * e1[1] + 2 * e2[0] * e2[1]) / 4


seconds = st.integers(0, 5 * S).map(lambda ns: ns / S)


@pytest.mark.parametrize("bell", BELL_STATES, ids=lambda bell: bell.name)
@settings(max_examples=30)
@given(
    st.tuples(st.floats(0.1, 5), st.floats(0.1, 5)),
    st.tuples(st.floats(0.05, 2), st.floats(0.05, 2)),
    st.tuples(seconds, seconds),
)
def test_both_halves_stored(
    bell: BellState, t1: tuple[float, float], ratio: tuple[float, float], times: tuple[float, float]
) -> None:
    labs = [memory(t1[end], ratio[end] * t1[end]) for end in range(2)]
    e1 = exp(-times[0] / t1[0]), exp(-times[1] / t1[1])
    e2 = exp(-times[0] / (ratio[0] * t1[0])), exp(-times[1] / (ratio[1] * t1[1]))
    found = stored(bell, labs, times, "density_matrix")
    assert found == pytest.approx(closed_form(bell, e1, e2), abs=EXACT)


@pytest.mark.parametrize("bell", BELL_STATES, ids=lambda bell: bell.name)
@pytest.mark.parametrize("end", [0, 1])
def test_one_half_stored(bell: BellState, end: int) -> None:
    labs = [memory(1.3, 0.9) if one == end else memory() for one in range(2)]
    e1, e2 = exp(-0.8 / 1.3), exp(-0.8 / 0.9)
    assert stored(bell, labs, (0.8, 0.8), "density_matrix") == pytest.approx((1 + e1 + 2 * e2) / 4, abs=EXACT)


@pytest.mark.parametrize(("bell", "expected"), list(zip(BELL_STATES, (0.5915, 0.5436) * 2, strict=True)))
def test_when_a_correction_is_applied_matters(bell: BellState, expected: float) -> None:
    """The example of PHYSICS, section 3: T1 = 1, T2 = 0.8, both halves for 0.37."""
    labs = [memory(1, 0.8)] * 2
    assert stored(bell, labs, (0.37, 0.37), "density_matrix") == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize("bell", BELL_STATES, ids=lambda bell: bell.name)
def test_a_memory_that_only_dephases(bell: BellState) -> None:
    labs = [memory(t2=0.5), memory(t2=2.0)]
    expected = (1 + exp(-0.3 / 0.5 - 0.7 / 2)) / 2
    assert stored(bell, labs, (0.3, 0.7), "density_matrix") == pytest.approx(expected, abs=EXACT)
    assert stored(bell, labs, (0.3, 0.7), "bell_diagonal") == pytest.approx(expected, abs=EXACT)


def test_without_a_t2_dephasing_is_that_of_the_decay() -> None:
    e1 = exp(-0.4)
    assert stored(PHI_PLUS, [memory(1.0), memory()], (0.4, 0.4), "density_matrix") == pytest.approx(
        (1 + e1 + 2 * e1**0.5) / 4, abs=EXACT
    )


# --- any circuit, looked at any number of times ----------------------------------------------------------------------

Q: Final = qubits("q0", "q1", "q2")
NOISY: Final = Hardware(
    memory=Slots(4, 2e5, 1.1e5),
    communication=Slots(4, 0.8e5, 1.4e5),
    single=Timing(700, ErrorModel(0.01, (0.01, 0.0, 0.02))),
    two=Timing(2500, ErrorModel(0.03, kraus=tuple(np.ascontiguousarray(k).tobytes() for k in damping(0.1)))),
    measure=Timing(5000, ErrorModel(paulis=(0.02, 0.01, 0.0))),
    initialise=Timing(1500, ErrorModel(paulis=(0.03, 0.0, 0.0))),
    move=Timing(4000, ErrorModel(paulis=(0.0, 0.0, 0.06))),
    p01=0.02,
    p10=0.05,
)
SLOTS: Final = (NOISY.memory, NOISY.communication)


class Step(NamedTuple):
    """What happens to some of three qubits after a pause of the node: all times are those of its operands' ends."""

    kind: str
    qubits: tuple[QubitId, ...]
    gate: str
    params: tuple[float, ...]
    pause_ns: int
    slot: int


def some_steps(seed: int, count: int) -> list[Step]:
    rng = np.random.default_rng(seed)
    kinds = ("gate", "gate", "two", "two", "idle", "reset", "move", "measure")
    steps = []
    for _ in range(count):
        kind = kinds[rng.integers(len(kinds))]
        operands = tuple(Q[k] for k in rng.permutation(3)[: 2 if kind == "two" else 1])
        gate = str(rng.choice(("cnot", "cz", "swap") if kind == "two" else ("h", "ry", "t", "x")))
        params = (float(rng.uniform(0, 6)),) if gate == "ry" else ()
        pause = int(rng.choice((0, 0, 300, 20_000)))
        steps.append(Step(kind, operands, gate, params, pause, int(rng.integers(2))))
    return steps


def run_steps(
    register: NoisyRegister, hardware: Hardware, steps: Sequence[Step], *, looks: int | None = None
) -> tuple[int, list[int]]:
    """Do them, looking at random times in between; when the last is over, and what was measured."""
    lab, rng = Laboratory(hardware), np.random.default_rng(looks)
    now, free, outcomes = 0, dict.fromkeys(Q, 0), []
    for qubit in Q:
        register.create(lab, qubit, MEMORY, 0)
        free[qubit] = hardware.initialise.duration_ns
    for step in steps:
        now += step.pause_ns
        start = max(now, *(free[qubit] for qubit in step.qubits))
        (qubit, *_) = step.qubits
        timing = hardware.single
        if step.kind in ("gate", "two"):
            timing = hardware.single if len(step.qubits) == 1 else hardware.two
            register.apply(lab, step.gate, step.qubits, step.params, start)
        elif step.kind == "reset":
            timing = hardware.initialise
            register.reset(lab, qubit, start)
        elif step.kind == "move":
            timing = hardware.move
            register.move(lab, qubit, step.slot, start)
        elif step.kind == "measure":
            timing = hardware.measure
            outcomes.append(register.measure(lab, qubit, "zxy"[step.slot], start, keep=True))
        else:
            continue
        for operand in step.qubits:
            free[operand] = start + timing.duration_ns
        if looks is not None:
            seen = register.seen_at(now + int(rng.integers(100_000)))
            assert np.trace(seen.reduced_state(Q[: rng.integers(1, 4)])) == pytest.approx(1)
    return max(now, *free.values()), outcomes


def on_paper(steps: Sequence[Step], step_ns: int) -> Paper:
    """The same by hand."""
    paper, now, free = Paper(NOISY, step_ns), 0, dict.fromkeys(Q, NOISY.initialise.duration_ns)
    for qubit in Q:
        paper.create(qubit, NOISY.memory, 0)
    for step in steps:
        now += step.pause_ns
        start = max(now, *(free[qubit] for qubit in step.qubits))
        (qubit, *_) = step.qubits
        timing = NOISY.single
        if step.kind in ("gate", "two"):
            timing = NOISY.single if len(step.qubits) == 1 else NOISY.two
            paper.apply(step.gate, step.qubits, step.params, start)
        elif step.kind == "reset":
            timing = NOISY.initialise
            paper.reset(qubit, start)
        elif step.kind == "move":
            timing = NOISY.move
            paper.move(qubit, SLOTS[step.slot], start)
        else:
            continue
        for operand in step.qubits:
            free[operand] = start + timing.duration_ns
    return paper


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("looks", [None, 1])
def test_a_circuit_is_idle_gate_idle_error_however_it_is_looked_at(seed: int, looks: int | None) -> None:
    """Noise is applied lazily here, and in short stretches on paper."""
    steps = [step for step in some_steps(seed, 14) if step.kind != "measure"]
    register, end = noisy(), 0
    end, _ = run_steps(register, NOISY, steps, looks=looks)
    for later in (0, 12_345):
        paper = on_paper(steps, 5_000)
        for qubit in Q:
            paper.age(qubit, end + later)
        np.testing.assert_allclose(
            register.seen_at(end + later).reduced_state(Q), paper.dense.reduced_state(Q), rtol=0, atol=EXACT
        )


@pytest.mark.parametrize("formalism", ["auto", "state_vector", "density_matrix"])
@pytest.mark.parametrize("seed", range(4))
def test_looking_draws_nothing_and_changes_nothing(formalism: str, seed: int) -> None:
    found = []
    for looks in (None, 5, 6):
        used: list[tuple[str, int]] = []
        rng = np.random.default_rng(seed)

        def coin(name: str, nth: int = 0, used: list[tuple[str, int]] = used, rng: np.random.Generator = rng) -> float:
            used.append((name, nth))
            return float(rng.random())

        register = NoisyRegister(Register(formalism), coin)
        end, outcomes = run_steps(register, NOISY, some_steps(seed, 25), looks=looks)
        found.append((end, outcomes, used, register.register.snapshots(), register.clocks(Q)))
    assert found[0] == found[1] == found[2]
    assert found[0][1]


def test_an_observer_sees_the_state_after_all_that_was_issued() -> None:
    """A gate that takes time is seen at its end, whether it errs or not; later, the qubit ages."""
    for error in (ErrorModel(), ErrorModel(paulis=(0.0, 0.0, 1e-9))):
        hardware = Hardware(memory=Slots(2, t2_ns=1e5), single=Timing(40_000, error))
        register, lab = noisy(), Laboratory(hardware)
        register.create(lab, A, MEMORY, 0)
        register.apply(lab, "h", (A,), (), 10_000)
        for at_ns, age in ((10_000, 40_000), (30_000, 40_000), (50_000, 40_000), (60_000, 50_000)):
            coherence = register.seen_at(at_ns).reduced_state((A,))[0, 1].real
            assert coherence == pytest.approx(exp(-age / 1e5) / 2, abs=1e-8)


def test_a_gate_without_memories_that_age_only_errs() -> None:
    hardware = Hardware(single=Timing(40_000, ErrorModel(depolarise=0.3)))
    register, lab = noisy(), Laboratory(hardware)
    register.create(lab, A, MEMORY, 0)
    register.apply(lab, "h", (A,), (), 0)
    rho = register.seen_at(99).reduced_state((A,))
    assert rho[0, 1].real == pytest.approx(0.5 * (1 - 4 * 0.3 / 3), abs=EXACT)
    assert register.clocks((A,)) == ()


# --- measuring -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("basis", ["x", "y", "z"])
@pytest.mark.parametrize("seed", range(6))
def test_what_is_read_and_what_is_left(basis: str, seed: int) -> None:
    """Projected at the start, after the errors; the reading may be wrong, the state is left in the true outcome."""
    steps = [step for step in some_steps(seed, 6) if step.kind != "measure"]
    (measured, *others) = Q
    paper = on_paper(steps, S)
    register = noisy()
    end, _ = run_steps(register, NOISY, steps)
    expected = paper.measured(measured, basis, end)
    whole: list[Matrix] = []
    for true in (0, 1):
        for wrong in (False, True):
            draws = {f"measure {measured}": (1e-9, 1 - 1e-9)[true], f"readout {measured}": (1 - 1e-9, 0.0)[wrong]}
            branch = NoisyRegister(Register("density_matrix"), drawing(draws))
            run_steps(branch, NOISY, steps)
            read = branch.measure(Laboratory(NOISY), measured, basis, end, keep=True)
            assert read == true ^ wrong
            left = branch.seen_at(end).reduced_state((measured,))
            later = branch.seen_at(end + NOISY.measure.duration_ns).reduced_state((measured,))
            np.testing.assert_allclose(left, later, rtol=0, atol=EXACT)  # seen when the measurement is over
            whole.append(branch.seen_at(end).reduced_state(others))
    # the others, on average over what was true, are as if nobody had measured
    flips = NOISY.p10, NOISY.p01
    zero = (expected[0] - flips[1]) / (1 - flips[0] - flips[1])
    for qubit in others:
        paper.age(qubit, end)
    mean = zero * whole[0] + (1 - zero) * whole[2]
    np.testing.assert_allclose(mean, paper.dense.reduced_state(others), rtol=0, atol=EXACT)


def test_readings_are_wrong_as_often_as_they_say_each_way() -> None:
    """Enumerated over the draw of the reading: P(read 1 | 0) = p10, P(read 0 | 1) = p01, and the state is the truth."""
    lab = Laboratory(Hardware(p01=0.25, p10=0.125))
    for true, p in ((0, 0.125), (1, 0.25)):
        for draw in (0.0, p - 1e-9, p, 0.9):
            register = NoisyRegister(Register("stabilizer"), drawing(draw))
            register.create(lab, A, MEMORY, 0)
            if true:
                register.apply(lab, "x", (A,), (), 0)
            assert register.measure(lab, A, "z", 0, keep=True) == true ^ (draw < p)
            np.testing.assert_allclose(register.seen_at(0).reduced_state((A,)), np.diag((1 - true, true)))


def test_a_measurement_projects_at_its_start() -> None:
    """What a memory would have done during it matters no more; before it, it did."""
    hardware = Hardware(memory=Slots(2, t1_ns=1e5), measure=Timing(300_000))
    paper = Paper(hardware)
    paper.dense.create(A)
    paper.dense.apply("x", (A,))
    paper.put(A, hardware.memory, 0)
    zero, one = paper.measured(A, "z", 50_000)
    assert [zero, one] == pytest.approx([1 - exp(-0.5), exp(-0.5)])
    for draw in (zero - 1e-9, zero + 1e-9):
        register = NoisyRegister(Register("density_matrix"), drawing(draw))
        lab = Laboratory(hardware)
        register.create(lab, A, MEMORY, 0)
        register.apply(lab, "x", (A,), (), 0)
        assert register.measure(lab, A, "z", 50_000, keep=False) == (draw > zero)
        assert A not in register.register


def test_resets_and_new_qubits_err_as_they_say() -> None:
    lab = Laboratory(Hardware(initialise=Timing(100, ErrorModel(paulis=(0.2, 0.0, 0.0)))))
    register = noisy()
    register.create(lab, A, MEMORY, 0)
    np.testing.assert_allclose(register.seen_at(100).reduced_state((A,)), np.diag((0.8, 0.2)), atol=EXACT)
    register.create(lab, B, MEMORY, 0)
    register.apply(lab, "h", (B,), (), 100)
    register.apply(lab, "cnot", (B, A), (), 100)
    register.reset(lab, B, 200)
    np.testing.assert_allclose(register.seen_at(300).reduced_state((B,)), np.diag((0.8, 0.2)), atol=EXACT)
    np.testing.assert_allclose(register.seen_at(300).reduced_state((A,)), np.eye(2) / 2, atol=EXACT)


# --- between slots, and between processes ----------------------------------------------------------------------------


def test_slots_of_each_kind_age_by_their_own_times_and_nothing_ages_under_way() -> None:
    lab = Laboratory(Hardware(memory=Slots(2, t2_ns=1e6), communication=Slots(1, t2_ns=1e5), move=Timing(20_000)))
    assert (lab.arrival, Laboratory(IDEAL).arrival) == (COMMUNICATION, MEMORY)
    register = noisy()
    register.create_pair(A, B)
    register.put(lab, A, COMMUNICATION, 10_000)
    register.move(lab, A, MEMORY, 40_000)
    register.leave(A, 100_000)
    register.put(lab, A, COMMUNICATION, 5_000_000)
    rho = register.seen_at(5_050_000).reduced_state((A, B))
    left = exp(-30_000 / 1e5) * exp(-60_000 / 1e6) * exp(-50_000 / 1e5)
    assert fidelity(rho, PHI_PLUS.ket()) == pytest.approx((1 + left) / 2, abs=EXACT)


def test_a_component_goes_on_ageing_where_it_is_taken() -> None:
    lab = Laboratory(NOISY)
    here, there = noisy(), noisy()
    steps = [step for step in some_steps(3, 8) if step.kind != "measure"]
    end, _ = run_steps(here, NOISY, steps)
    there.adopt(lab, *here.export(Q[0]))
    for qubit in Q[1:]:
        if qubit in here.register:
            there.adopt(lab, *here.export(qubit))
    assert here.clocks(Q) == ()
    alone = noisy()
    run_steps(alone, NOISY, steps)
    for register in (there, alone):
        register.apply(lab, "cnot", (Q[1], Q[2]), (), end + 7_000)
    seen = [register.seen_at(end + 20_000).reduced_state(Q) for register in (there, alone)]
    np.testing.assert_allclose(seen[0], seen[1], rtol=0, atol=EXACT)


# --- attempts at pairs -----------------------------------------------------------------------------------------------


class Try(NamedTuple):
    """Attempts that begin at a time, known from then on."""

    at_ns: int
    every_ns: int
    n: int


tries = st.lists(st.builds(Try, st.integers(0, 60), st.integers(0, 9), st.integers(1, 12)), max_size=5)
touches = st.lists(st.integers(0, 150), max_size=8)


@given(tries, touches, st.integers(0, 60), st.booleans(), st.floats(0, 1))
def test_each_attempt_dephases_a_stored_qubit_once(
    given_tries: list[Try], touched: list[int], born: int, forgetting: bool, p: float
) -> None:
    """Counted one by one; whenever the qubit is touched, and if attempts that are over are forgotten."""
    attempts = Attempts()
    lab = Laboratory(Hardware(), attempts)
    register = noisy()
    events = sorted([(one.at_ns, 1, one) for one in given_tries] + [(at, 2, None) for at in touched])
    register.create(lab, A, MEMORY, born)
    register.register.apply("h", (A,))
    expected = 0
    for at, _, one in events:
        if one is not None:
            attempts.begin(one.at_ns, one.every_ns, one.n, p)
            expected += sum(one.at_ns + k * one.every_ns >= born for k in range(one.n))
            continue
        if at >= born:
            register.apply(lab, "z", (A,), (), at)
            register.register.apply("z", (A,))
        if forgetting:
            register.settle(attempts, (A,), at)
    coherence = 2 * register.seen_at(300).reduced_state((A,))[0, 1].real
    assert coherence == pytest.approx((1 - 2 * p) ** expected, abs=EXACT)
    register.settle(attempts, (A,), 300)
    assert register.pending((A,), 300) == {}
    assert 2 * register.seen_at(300).reduced_state((A,))[0, 1].real == pytest.approx(coherence, abs=EXACT)


@pytest.mark.parametrize("k", [1, 2, 7, 10**15])
@pytest.mark.parametrize("p", [0.0, 1e-3, 0.5, 0.8, 1.0])
def test_many_attempts_dephase_as_one_formula_says(k: int, p: float) -> None:
    """(1 - (1 - 2p)^k)/2 (Kalb et al. 2018); a million billion attempts take no longer than one."""
    attempts = Attempts()
    lab = Laboratory(Hardware(), attempts)
    register = noisy()
    register.create(lab, A, MEMORY, 0)
    register.apply(lab, "h", (A,), (), 0)
    attempts.begin(0, 3, k, p)
    flipped = (1 - (1 - 2 * p) ** k) / 2
    rho = register.seen_at(3 * k).reduced_state((A,))
    assert rho[0, 1].real == pytest.approx(0.5 - flipped, abs=EXACT)


def test_attempts_that_are_given_up_dephase_no_more_and_others_do() -> None:
    """Two links of a node may well begin at the same time."""
    attempts = Attempts()
    lab = Laboratory(Hardware(), attempts)
    register = noisy()
    register.create(lab, A, MEMORY, 0)
    register.apply(lab, "h", (A,), (), 0)
    one, _ = attempts.begin(10, 10, 100, 0.1), attempts.begin(10, 10, 5, 0.2)
    one.stop(35)
    rho = register.seen_at(5_000).reduced_state((A,))
    assert rho[0, 1].real == pytest.approx(0.5 * 0.8**3 * 0.6**5, abs=EXACT)


def test_attempts_while_a_gate_is_under_way_are_not_forgotten() -> None:
    """They act when it is over."""
    attempts = Attempts()
    lab = Laboratory(Hardware(single=Timing(1000)), attempts)
    register = noisy()
    register.create(lab, A, MEMORY, 0)
    register.apply(lab, "h", (A,), (), 0)
    attempts.begin(300, 100, 3, 0.1)
    register.settle(attempts, (A,), 700)  # all are over, and the gate is not
    assert register.seen_at(2000).reduced_state((A,))[0, 1].real == pytest.approx(0.5 * 0.8**3, abs=EXACT)


def test_what_many_attempts_leave_behind_is_forgotten() -> None:
    attempts = Attempts()
    lab = Laboratory(Hardware(), attempts)
    register = noisy()
    register.create(lab, A, MEMORY, 0)
    register.apply(lab, "h", (A,), (), 0)
    kept = []
    for nth in range(1000):
        if attempts.many:
            register.settle(attempts, (A,), 10 * nth)
        attempts.begin(10 * nth, 3, 2, 1e-4)
        kept.append(len(attempts._stretches))
    assert max(kept) <= 66
    rho = register.seen_at(20_000).reduced_state((A,))
    assert rho[0, 1].real == pytest.approx(0.5 * (1 - 2e-4) ** 2000, abs=EXACT)


# --- what is ideal ---------------------------------------------------------------------------------------------------


def test_ideal_hardware_draws_nothing_but_outcomes_and_keeps_no_clocks() -> None:
    register, lab = NoisyRegister(Register(), never), Laboratory(IDEAL)
    for qubit in Q:
        register.create(lab, qubit, MEMORY, 5)
    register.apply(lab, "h", (Q[0],), (), 10**12)
    register.apply(lab, "cnot", Q[:2], (), 10**15)
    register.move(lab, Q[1], COMMUNICATION, 10**16)
    assert register.clocks(Q) == ()
    rho = register.seen_at(2**60).reduced_state(Q[:2])
    assert fidelity(rho, PHI_PLUS.ket()) == pytest.approx(1, abs=EXACT)


def test_a_hundred_qubits_in_ghz_stay_a_stabilizer_state_while_they_decay() -> None:
    rng = np.random.default_rng(1)
    register = NoisyRegister(Register(), lambda name, nth: float(rng.random()))
    lab = memory(10.0, 1.0)
    names = qubits(*(f"n{k}" for k in range(100)))
    for qubit in names:
        register.create(lab, qubit, MEMORY, 0)
    register.apply(lab, "h", (names[0],), (), 0)
    for one, other in pairwise(names):
        register.apply(lab, "cnot", (one, other), (), 10_000_000)
    for qubit in names:
        register.apply(lab, "x", (qubit,), (), 20_000_000)
    assert {register.register.formalism_of(qubit) for qubit in names} == {"stabilizer"}
    register.register.check_invariants()
