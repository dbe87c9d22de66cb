"""Pairs that are measured at birth, as arrays: joint probabilities to 1e-10, how long they take, and real processes."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from itertools import product
from math import inf, log, sqrt
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import Cluster, Program
from orchestrator.oracle.events import Event, encode_events
from orchestrator.oracle.replay import replay
from orchestrator.oracle.spec import record_path
from qnode import Node, Pauli
from qnode.core.coins import generator
from qnode.errors import InvalidOperation, MalformedMessage, QnodeError
from qnode.ids import QubitId
from qnode.quantum import bell_diagonal
from qnode.quantum.bell import BELL_STATES, PHI_PLUS, PSI_MINUS, BellState
from qnode.quantum.bell_pairs import BASES, Batch, Bits, effects, last_attempt
from qnode.quantum.dense import tensor
from qnode.quantum.fidelity import named_state
from qnode.quantum.gates import GATES, Matrix
from qnode.quantum.hardware import IDEAL, ErrorModel, Hardware, Timing
from qnode.quantum.noisy import Laboratory, NoisyRegister
from qnode.quantum.pair_source import Herald, PairSource, perfect
from qnode.quantum.register import Register
from qnode.testing import assert_frequency, assert_same_distribution
from qnode.wire.bits import pack_bases, pack_outcomes, unpack_bases, unpack_outcomes
from tests.physics.circuits import BITS, ONE, random_rho, through

AGREE: Final = 1e-10
QUBIT: Final = QubitId("q")
FALSE_ALARM: Final = 1e-9
POOR: Final = Hardware(
    single=Timing(0, ErrorModel(paulis=(0.02, 0.05, 0.1))),
    measure=Timing(0, ErrorModel(depolarise=0.06)),
    p01=0.07,
    p10=0.02,
)
BETTER: Final = Hardware(single=Timing(0, ErrorModel(depolarise=0.01)), p10=0.03)


def streams(seed: int) -> tuple[np.random.Generator, np.random.Generator, np.random.Generator]:
    first, second, third = (generator(bytes([seed, nth])) for nth in range(3))
    return first, second, third


def source(*heralds: tuple[float, BellState, Matrix], **fields: Any) -> PairSource:
    return PairSource(tuple(Herald(p, frame, rho.tobytes()) for p, frame, rho in heralds), **fields)


MIXED: Final = source((0.3, PSI_MINUS, random_rho(1)), (0.1, BellState(1, 0), random_rho(2)))


def werner(f: float, bell: BellState = PHI_PLUS) -> Matrix:
    return bell_diagonal.to_density_matrix(bell_diagonal.werner(f, bell))


# --- what outcomes are drawn from ------------------------------------------------------------------------------------


def paulis(px: float, py: float, pz: float) -> list[Matrix]:
    chances = zip((1 - px - py - pz, px, py, pz), (ONE, *(GATES[name].unitary() for name in BASES)), strict=True)
    return [sqrt(p) * operator for p, operator in chances]


def read(rho: Matrix, half: int, basis: str, outcome: int, node: Hardware) -> Matrix:
    """Error of turning, error of measuring, projection, readout: the half's state times the effect of reading this."""
    if basis != "z":
        rho = through(rho, paulis(*node.single.error.paulis or (node.single.error.depolarise / 3,) * 3), half)
    rho = through(rho, paulis(*(node.measure.error.depolarise / 3,) * 3), half)
    spin = GATES[basis].unitary()
    chance_of_0 = (1 - node.p10, node.p01)
    effect = np.zeros((2, 2), np.complex128)
    for true, chance in enumerate(chance_of_0):
        effect += (chance if outcome == 0 else 1 - chance) * (ONE + (1 - 2 * true) * spin) / 2
    return np.asarray((tensor(effect, ONE) if half == 0 else tensor(ONE, effect)) @ rho, np.complex128)


def told(outcome: int, basis: str, frame: BellState) -> int:
    """The outcome as from Phi+: Z is flipped by x, X by z, Y by both."""
    return outcome ^ {"z": frame.x, "x": frame.z, "y": frame.x ^ frame.z}[basis]


@pytest.mark.parametrize("corrects", [0, 1])
@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("nodes", [(IDEAL, IDEAL), (POOR, BETTER), (BETTER, POOR)], ids=["ideal", "poor", "better"])
def test_both_answers_are_the_joint_outcomes(nodes: tuple[Hardware, Hardware], first: int, corrects: int) -> None:
    """In every basis, for every herald, whoever answers first; against projectors on dense matrices."""
    batch = Batch(MIXED, 1, nodes, corrects, streams(1))
    marginal = batch.chances(first)
    batch.answer(first, np.array([0], np.uint8))
    conditional = batch.chances(1 - first)
    for nth, herald in enumerate(MIXED.heralds):
        rho = np.frombuffer(herald.rho, np.complex128).reshape(4, 4)
        for (a, one), (b, other) in product(enumerate(BASES), repeat=2):
            bases = (one, other) if first == 0 else (other, one)
            for outcomes in product(BITS, repeat=2):
                true = [
                    told(outcome, basis, herald.frame) if end == corrects else outcome
                    for end, (outcome, basis) in enumerate(zip(outcomes, bases, strict=True))
                ]
                left = read(read(rho, 0, bases[0], true[0], nodes[0]), 1, bases[1], true[1], nodes[1])
                mine, theirs = outcomes[first], outcomes[1 - first]
                p_mine, p_theirs = marginal[nth, a], conditional[nth, a, mine, b]
                found = (p_mine if mine else 1 - p_mine) * (p_theirs if theirs else 1 - p_theirs)
                assert found == pytest.approx(np.trace(left).real, abs=AGREE)


@pytest.mark.parametrize("bell", BELL_STATES, ids=lambda bell: bell.name)
def test_outcomes_of_any_heralded_bell_state_are_as_from_phi_plus(bell: BellState) -> None:
    n = 3000
    bases = np.arange(n, dtype=np.uint8) % 3
    batch = Batch(source((0.5, bell, werner(1, bell))), n, (IDEAL, IDEAL), 1, streams(2))
    unlike = batch.answer(1, bases) ^ batch.answer(0, bases)
    np.testing.assert_array_equal(unlike, bases == BASES.index("y"))


def test_outcomes_come_as_often_as_they_are_likely() -> None:
    """n = 400,000 of each: a frequency that is off by 0.006 at p = 1/2 is seen, with 1e-9 of false alarm in each."""
    n = 400_000
    bases = generator(b"a").integers(3, size=n, dtype=np.uint8), generator(b"b").integers(3, size=n, dtype=np.uint8)
    batch = Batch(MIXED, n, (POOR, BETTER), 0, streams(3))
    outcomes = batch.answer(0, bases[0]), batch.answer(1, bases[1])
    share = [herald.probability / MIXED.success_probability for herald in MIXED.heralds]
    for a, b in product(range(3), repeat=2):
        for bits in product(BITS, repeat=2):
            p = 0.0
            for part, herald in zip(share, MIXED.heralds, strict=True):
                rho = np.frombuffer(herald.rho, np.complex128).reshape(4, 4)
                turned = read(rho, 0, BASES[a], told(bits[0], BASES[a], herald.frame), POOR)
                p += part * float(np.trace(read(turned, 1, BASES[b], bits[1], BETTER)).real)
            here = (bases[0] == a) & (bases[1] == b)
            hits = int(((outcomes[0] == bits[0]) & (outcomes[1] == bits[1]) & here).sum())
            assert_frequency(hits, int(here.sum()), p, false_alarm=FALSE_ALARM)


def test_nobody_s_outcomes_depend_on_the_other_s_bases() -> None:
    """Not even bit by bit: who answers first has its own randomness."""
    n = 1000
    found = []
    for other in range(3):
        batch = Batch(MIXED, n, (POOR, BETTER), 1, streams(4))
        found.append(batch.answer(0, np.array([1], np.uint8)))
        batch.answer(1, np.full(n, other, np.uint8))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_one_basis_for_all_is_that_basis_for_each() -> None:
    n = 1000
    found = [
        Batch(MIXED, n, (POOR, BETTER), 1, streams(5)).answer(0, bases)
        for bases in (np.array([2], np.uint8), np.full(n, 2, np.uint8))
    ]
    np.testing.assert_array_equal(found[0], found[1])


@pytest.mark.parametrize("bases", [np.zeros(4, np.uint8), np.zeros(0, np.uint8), np.array([3], np.uint8)], ids=repr)
def test_bases_that_do_not_fit_are_refused(bases: Bits) -> None:
    with pytest.raises(InvalidOperation, match="5 pairs are measured in as many bases"):
        Batch(perfect(1), 5, (IDEAL, IDEAL), 1, streams(0)).answer(0, bases)


CARDINAL: Final = {"0": (), "1": ("x",), "+": ("h",), "-": ("x", "h"), "i": ("h", "s"), "-i": ("x", "h", "s")}


@pytest.mark.parametrize("state", CARDINAL)
@pytest.mark.parametrize("basis", BASES)
def test_errors_of_measuring_are_those_of_the_engine(basis: str, state: str) -> None:
    """The least draw at which a single qubit that is measured by itself shows 1, found by bisection, is P(0)."""
    node = POOR._replace(p01=0.0, p10=0.0)

    def outcome(draw: float) -> int:
        register = NoisyRegister(Register("density_matrix"), lambda name, nth: draw)
        register.create(Laboratory(IDEAL), QUBIT, 0, 0)
        for gate in CARDINAL[state]:
            register.apply(Laboratory(IDEAL), gate, (QUBIT,), (), 0)
        return register.measure(Laboratory(node), QUBIT, basis, 0, keep=False)

    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if outcome(middle) else (middle, high)
    ket = named_state(state)
    means = [1, *((ket.conj() @ GATES[letter].unitary() @ ket).real for letter in BASES)]
    assert effects(node)[BASES.index(basis), 0] @ means == pytest.approx(low, abs=AGREE)


def test_depolarising_shrinks_what_a_measurement_tells_and_a_readout_shifts_it() -> None:
    found = effects(Hardware(measure=Timing(0, ErrorModel(depolarise=0.3)), p01=0.2, p10=0.1))
    np.testing.assert_allclose(found[2, 1], [0.45, 0, 0, -0.35 * 0.6], atol=AGREE)
    np.testing.assert_allclose(found.sum(axis=1), [[1, 0, 0, 0]] * 3, atol=AGREE)


# --- how long it takes -----------------------------------------------------------------------------------------------


def attempts(p: float, n: int, *, sequential: bool, seed: int = 0) -> float:
    return last_attempt(source((p, PHI_PLUS, werner(1)), sequential=sequential), n, generator(bytes([seed, 7])))


def test_attempts_of_a_perfect_source_are_not_drawn() -> None:
    assert last_attempt(perfect(5), 1000, generator(b"")) == 0
    assert attempts(1.0, 7, sequential=False) == 0
    assert attempts(1.0, 7, sequential=True) == 6


def test_what_never_happens_takes_for_ever() -> None:
    assert attempts(1e-300, 3, sequential=True) == inf
    assert attempts(1e-300, 3, sequential=False) == inf
    assert attempts(1e-12, 1000, sequential=True) < inf  # and costs nothing


def geometric_sums(p: float, n: int, runs: int, *, largest: bool) -> list[int]:
    """Attempt by attempt, as it is defined: the attempt, from 0, of the last success."""
    draws = generator(b"reference").geometric(p, size=(runs, n))
    return [int(one) for one in (draws.max(axis=1) if largest else draws.sum(axis=1)) - 1]


@pytest.mark.parametrize("sequential", [True, False])
def test_attempts_are_distributed_as_if_they_were_made_one_by_one(sequential: bool) -> None:
    p, n, runs = 0.4, 3, 3000
    stream = generator(b"fast")
    made = source((p, PHI_PLUS, werner(1)), sequential=sequential)
    fast = [int(last_attempt(made, n, stream)) for _ in range(runs)]
    slow = geometric_sums(p, n, runs, largest=not sequential)
    assert_same_distribution([min(k, 15) for k in fast], [min(k, 15) for k in slow], false_alarm=FALSE_ALARM)


def test_many_rare_pairs_take_as_long_as_they_should() -> None:
    """n/p attempts within six standard deviations sqrt(n)/p (2e-9 by the normal limit): a tenth of a percent here."""
    n, p = 10**8, 1e-6
    assert abs(attempts(p, n, sequential=True) - n / p) < 6 * sqrt(n) / p
    # the largest of n: (ln n + Euler's constant)/p; P(off by 25/p) is below e^-25
    assert abs(attempts(p, n, sequential=False) - log(n) / p) < 25 / p


# --- how they travel -------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 2), min_size=1, max_size=50))
def test_bases_and_outcomes_arrive_as_they_left(numbers: list[int]) -> None:
    array = np.array(numbers, np.uint8)
    bits = array % np.uint8(2)
    np.testing.assert_array_equal(unpack_bases(pack_bases(array), len(array)), array)
    np.testing.assert_array_equal(unpack_outcomes(pack_outcomes(bits), len(array)), bits)
    with pytest.raises(MalformedMessage):
        unpack_bases(pack_bases(array) + b"\0", len(array))
    with pytest.raises(MalformedMessage):
        unpack_outcomes(pack_outcomes(bits) + b"\0", len(array))


# --- end to end ------------------------------------------------------------------------------------------------------


def network(alice: Any, bob: Any, runs: Path, **settings: Any) -> Cluster:
    return Cluster(nodes={"alice": alice, "bob": bob}, links=[("alice", "bob", "10 km")], seed=1, runs=runs, **settings)


async def sift(node: Node, n: int, batches: int = 1) -> tuple[Any, Any]:
    peer = node.neighbours[0]
    bases = node.rng.integers(3, size=n * batches)
    parts = [await node.measure_directly(peer, n, bases=part) for part in np.split(bases, batches)]
    return bases, np.concatenate(parts)


async def test_two_processes_share_a_hundred_thousand_pairs(tmp_path: Path) -> None:
    program = Program(sift, n=50_000, batches=2)
    run = await network(program, program, tmp_path).run()
    (ours, mine), (yours, theirs) = run["alice"], run["bob"]
    alike = ours == yours
    np.testing.assert_array_equal((mine ^ theirs)[alike], (ours == BASES.index("y"))[alike])
    for outcomes in (mine, theirs, (mine ^ theirs)[~alike]):
        assert_frequency(int(outcomes.sum()), len(outcomes), 0.5, false_alarm=FALSE_ALARM)
    assert run.summary.counts["pairs"] == 100_000
    lines = [event for event in run.events if event.event == "measure_directly"]
    assert [(line.node, line.n, line.peer) for line in lines] == [
        ("alice", 50_000, "bob"),
        ("bob", 50_000, "alice"),
    ] * 2
    assert {line.t for line in lines} == {50_035, 100_070}  # light over 10 km, twice
    again: list[Event] = []
    assert replay(record_path(run.folder), emit=again.append).divergence is None
    assert encode_events(again) == run.events_bytes


async def test_the_same_seed_gives_the_same_outcomes(tmp_path: Path) -> None:
    program = Program(sift, n=1000)
    first, second = [await network(program, program, tmp_path).run(inline=inline) for inline in (True, False)]
    for node in ("alice", "bob"):
        np.testing.assert_array_equal(first[node][1], second[node][1])
    other = await network(program, program, tmp_path).run(inline=True, seed=2)
    assert (other["alice"][1] != first["alice"][1]).any()


async def one_by_one(node: Node, n: int) -> list[tuple[int, int]]:
    found = []
    for nth, basis in enumerate(BASES):
        halves = await node.entangle(node.neighbours[0], n // 3)
        found += [(nth, outcome) for outcome in await node.measure(*halves, basis=basis)]
    return found


async def at_once(node: Node, n: int) -> list[tuple[int, int]]:
    bases = np.arange(n) % 3
    outcomes = await node.measure_directly(node.neighbours[0], n, bases=bases)
    return list(zip(bases.tolist(), outcomes.tolist(), strict=True))


# What is heralded other than Phi+ is put right by a gate before pairs are kept, and in the outcomes where they are not:
# with errors of that gate, or of readings that depend on what is read, these differ.
NOISY: Final[dict[str, Any]] = {
    "werner": (
        {"model": "werner", "fidelity": 0.87},
        {"single": {"error": 0.02}, "measure": {"error": 0.03, "readout": {"p01": 0.1, "p10": 0.02}}},
    ),
    "single click": (
        {"model": "single_click", "bright_state": 0.2, "visibility": 0.9, "dark_clicks": 1e-3},
        {"measure": {"error": 0.03, "readout": {"p01": 0.05, "p10": 0.05}}},
    ),
}


@pytest.mark.parametrize(("source", "gates"), NOISY.values(), ids=NOISY.keys())
async def test_statistics_are_those_of_pairs_one_by_one(source: Any, gates: Any, tmp_path: Path) -> None:
    """A difference of 0.15 in any of the joint probabilities is seen."""
    found = {}
    for program, n in ((one_by_one, 1_800), (at_once, 120_000)):
        node = {"gates": gates, "program": program, "args": {"n": n}, "qubits": 800}
        net = Cluster(
            nodes={"alice": node, "bob": node},
            links=[("alice", "bob", {"length": "1 km", "source": source})], seed=3, runs=tmp_path, events=False,
        )  # fmt: skip
        run = await net.run(inline=True)
        pairs = zip(run["alice"], run["bob"], strict=True)
        found[n] = Counter((basis, mine, theirs) for (basis, mine), (_, theirs) in pairs)
    assert_same_distribution(*found.values(), false_alarm=FALSE_ALARM)


async def alice_knows(node: Node) -> list[int]:
    outcomes = await node.measure_directly("bob", 6, bases=["x", "Y", "z", "Z", "X", "y"])
    await node.send("bob", "xyzzxy")
    return [*outcomes.tolist(), now_us()]


async def bob_is_told(node: Node) -> list[int]:
    async def letters() -> list[str]:
        return list(await node.receive("alice"))

    return [*(await node.measure_directly("alice", 6, bases=letters())).tolist(), now_us()]


def now_us() -> int:
    return round(asyncio.get_running_loop().time() * 1e6)


async def test_an_end_answers_though_the_other_end_s_bases_depend_on_it(tmp_path: Path) -> None:
    run = await network(alice_knows, bob_is_told, tmp_path).run(inline=True)
    (*mine, first_us), (*theirs, later_us) = run["alice"], run["bob"]
    assert [a ^ b for a, b in zip(mine, theirs, strict=True)] == [0, 1, 0, 0, 0, 1]
    assert (first_us, later_us) == (50, 100)


async def ask(node: Node, **how: Any) -> str:
    peer = node.neighbours[0]
    try:
        return str((await node.measure_directly(peer, **how)).shape)
    except QnodeError as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize(
    ("alice", "bob", "said"),
    [
        ({"n": 3}, {"n": 4}, "RequestMismatch"),
        ({"n": 3, "tag": "a"}, {"n": 3, "tag": "b", "timeout": 1.0}, "GenerationTimeout"),
        ({"n": 3, "timeout": 1e-6}, {"n": 3}, "GenerationTimeout"),
        (
            {"n": 3, "basis": Pauli.X, "bases": "zzz"},
            {"n": 3, "timeout": 1.0},
            "a basis for all pairs, or bases; not both",
        ),
        ({"n": 3, "bases": ["x"]}, {"n": 3, "timeout": 1.0}, r"need bases of shape \(3,\), not \(1,\)"),
        ({"n": 3, "bases": ["x", "w", "z"]}, {"n": 3, "timeout": 1.0}, "there is another one among them"),
        ({"n": 3, "bases": [0, 1, 3]}, {"n": 3, "timeout": 1.0}, "there is another one among them"),
        ({"n": 3, "bases": [0, -1, 2]}, {"n": 3, "timeout": 1.0}, "there is another one among them"),
        ({"n": 3, "bases": [0.0, 1.0, 2.0]}, {"n": 3, "timeout": 1.0}, "not float64"),
        ({"n": 3, "basis": "xy"}, {"n": 3, "timeout": 1.0}, "'xy' is no basis"),
        ({"n": 0}, {"n": 3, "timeout": 1.0}, "n of 1 to 10000000; got 0"),
        ({"n": 2.5}, {"n": 3, "timeout": 1.0}, "got 2.5"),
        ({"n": 3, "priority": 0.5}, {"n": 3, "timeout": 1.0}, "a priority is a whole number .*; got 0.5"),
    ],
    ids=repr,
)
async def test_what_cannot_be_is_said(alice: Any, bob: Any, said: str, tmp_path: Path) -> None:
    run = await network(
        Program(ask, **{"timeout": 1.0, **alice}), Program(ask, **{"timeout": 1.0, **bob}), tmp_path
    ).run(inline=True)
    assert re.search(said, run["alice"])
    assert re.match("RequestMismatch|GenerationTimeout", run["bob"]) or alice.get("timeout") == 1e-6


async def ask_twice(node: Node) -> list[str]:
    return [await ask(node, n=3, timeout=1e-6), await ask(node, n=5)]


async def ask_later(node: Node) -> str:
    await asyncio.sleep(1e-3)
    return await ask(node, n=5)


async def test_a_request_that_was_given_up_is_not_met(tmp_path: Path) -> None:
    run = await network(ask_twice, ask_later, tmp_path).run(inline=True)
    assert run["alice"][0].startswith("GenerationTimeout")
    assert (run["alice"][1], run["bob"]) == ("(5,)", "(5,)")


RARE: Final = {"model": "werner", "fidelity": 1.0, "success_probability": 0.1, "duration": "1 ms"}


async def ask_for_less(node: Node, timeout: float) -> tuple[str, str, int]:
    return await ask(node, n=100_000, timeout=timeout), await ask(node, n=100), now_us()


@pytest.mark.parametrize(("patience", "least_s", "most_s"), [(0.5, 0.7, 3), (None, 900, 1100)], ids=["both", "one"])
async def test_a_link_goes_on_with_a_batch_as_long_as_anybody_wants_it(
    patience: float | None, least_s: float, most_s: float, tmp_path: Path
) -> None:
    """100,000 pairs take a thousand seconds, a hundred take one; both to eight standard deviations at least."""
    net = Cluster(
        nodes={"alice": Program(ask_for_less, timeout=0.5), "bob": Program(ask_for_less, timeout=patience)},
        links=[("alice", "bob", {"length": "1 km", "source": RARE})], seed=1, runs=tmp_path,
    )  # fmt: skip
    run = await net.run(inline=True)
    gave_up, came, at_us = run["alice"]
    assert gave_up.startswith("GenerationTimeout")
    assert came == "(100,)"
    assert least_s < at_us / 1e6 < most_s


async def keep_and_measure(node: Node, peer: str, priority: int) -> float:
    """While pairs are measured for a thousand seconds, a few are kept."""
    batch = asyncio.create_task(node.measure_directly(peer, 100_000, priority=-1))
    await asyncio.sleep(0.05)
    for _ in range(5):
        (half,) = await node.entangle(peer, 1, priority=priority)
        await half.measure()
    batch.cancel()
    return now_us() / 1e6


@pytest.mark.parametrize("clock", ["virtual", "real"])
@pytest.mark.parametrize("priority", [-1, 0], ids=["alike", "urgent"])
async def test_others_have_their_turns_while_a_batch_is_made(priority: int, clock: str, tmp_path: Path) -> None:
    """Five pairs, of 10 ms each on average, and as many turns of the batch; two seconds are beyond 1e-30."""
    programs = {one: Program(keep_and_measure, peer=peer, priority=priority) for one, peer in ("ab", "ba")}
    net = Cluster(
        nodes=programs, links=[("a", "b", {"length": "1 km", "source": RARE})], seed=1, clock=clock, runs=tmp_path
    )
    run = await net.run(inline=clock == "virtual")
    assert 0.05 < max(run["a"], run["b"]) < 2


async def fails(node: Node) -> None:
    raise ValueError("this is the end")


async def test_who_waits_for_a_node_that_fails_is_told(tmp_path: Path) -> None:
    run = await network(Program(ask, n=3), fails, tmp_path).run(inline=True, check=False)
    assert [entry[:3] for entry in run.summary.peer_lost] == [("alice", "main", "bob")]
