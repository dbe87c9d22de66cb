"""Blind computation: the right output, a server that sees only noise, and lies that are caught as often as promised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from orchestrator import Cluster, Program
from qnode.protocols.blind_computation import (
    Computation,
    Place,
    Traps,
    beside,
    bricks,
    hide,
    lie,
    run_blindly,
    search,
    searching,
    serve,
)
from qnode.quantum.gates import GATES, Matrix
from qnode.testing import assert_frequency, assert_same_distribution
from tests.protocols.branching_pa import Chances

Nets = Callable[..., Cluster]

ROWS, COLUMNS = 2, 5
PLACES: list[Place] = [(row, column) for row in range(ROWS) for column in range(COLUMNS)]
ITEMS = list(product((0, 1), repeat=2))
H = GATES["h"].unitary()
FALSE_ALARM = 1e-9
SHOTS = 60


# --- an ideal server, on a vector, all outcomes at once --------------------------------------------------------------


def turned(angle: float) -> Matrix:
    """To measure at an angle: the gate before a measurement in Z; angle in multiples of pi/4."""
    measured: Matrix = H @ np.diag([1, np.exp(-1j * angle * np.pi / 4)])
    return measured


def sent(patch: Computation | Traps, place: Place) -> Matrix:
    """What the client sends for a place, with its secrets as they are."""
    ket: Matrix = np.array([1, np.exp(1j * patch.thetas[place] * np.pi / 4)]) / np.sqrt(2)
    if isinstance(patch, Traps) and not patch.is_trap(place):
        ket = np.eye(2, dtype=np.complex128)[int(patch.bits[place])]
    return ket


def entangled(patch: Computation | Traps) -> Matrix:
    """All qubits of a patch in a brickwork, shape (2,) * 10, column after column: the first is measured first."""
    order = [(row, column) for column in range(COLUMNS) for row in range(ROWS)]
    state: Matrix = np.ones(1, dtype=np.complex128)
    for place in order:
        state = np.kron(state, sent(patch, place)).astype(np.complex128, copy=False)
    state = state.reshape((2,) * len(order))
    for pair in bricks(ROWS, COLUMNS):
        both = tuple(1 if place in pair else slice(None) for place in order)
        state[both] *= -1
    return state


def branches(patch: Computation | Traps, state: Matrix, column: int = 0) -> Iterator[tuple[float, Computation | Traps]]:
    """Every way in which the measurements can come out, and what the client has concluded: probability, patch."""
    if column == COLUMNS:
        yield float(np.abs(state) ** 2), patch
        return
    for row in range(ROWS):
        measured = np.tensordot(turned(patch.ask((row, column))), state, axes=(1, row))
        state = np.moveaxis(measured, 0, row)
    for outcomes in product((0, 1), repeat=ROWS):
        rest = state[outcomes]
        if np.linalg.norm(rest) ** 2 < 1e-14:
            continue
        told = deepcopy(patch)
        for row, outcome in enumerate(outcomes):
            told.hear((row, column), outcome)
        yield from branches(told, rest, column + 1)


def circuit(angles: npt.NDArray[np.int_]) -> npt.NDArray[np.float64]:
    """The program without a server: probabilities of its outputs, shape (2, 2)."""
    state = np.full((2, 2), 0.5, dtype=np.complex128)
    for column in range(COLUMNS):
        if ((0, column), (1, column)) in bricks(ROWS, COLUMNS):
            state[1, 1] *= -1
        state = turned(angles[0, column]) @ state @ turned(angles[1, column]).T
    return np.abs(state) ** 2


@pytest.mark.parametrize("seed", range(3))
def test_the_output_is_the_programs_whatever_is_measured_and_whatever_the_secrets(seed: int) -> None:
    rng = np.random.default_rng(seed)
    program = rng.integers(8, size=(ROWS, COLUMNS))
    patch = Computation(rng, program)
    found = np.zeros((2, 2))
    for probability, concluded in branches(patch, entangled(patch)):
        assert isinstance(concluded, Computation)
        found[tuple(concluded.output)] += probability
    assert found == pytest.approx(circuit(program), abs=1e-10)


def after_bricks(angles: npt.NDArray[np.int_]) -> npt.NDArray[np.float64]:
    """Outputs of a program of any size, from the gates that it stands for: shape (2,) * rows.

    Each measurement at angle a is the gate H exp(-i a Z/2), and the two vertical lines of a brick are controlled phases
    before it (Broadbent, Fitzsimons & Kashefi 2009, figure 1).
    """
    rows, columns = angles.shape
    state = np.full((2,) * rows, 2 ** (-rows / 2), dtype=np.complex128)
    for column in range(columns):
        brick = [row for row in range(rows - 1) if column and column % 2 == 0 and row % 2 == (column % 8 in (6, 0))]
        for row in brick:
            both = tuple(1 if place in (row, row + 1) else slice(None) for place in range(rows))
            state[both] *= -1
        for row in range(rows):
            state = np.moveaxis(np.tensordot(turned(angles[row, column]), state, axes=(1, row)), 0, row)
    return np.abs(state) ** 2


@pytest.mark.parametrize(("rows", "columns", "seed"), [(2, 9, 1), (3, 9, 2), (4, 5, 3), (3, 13, 4)])
def test_the_output_of_several_bricks_is_the_programs(rows: int, columns: int, seed: int) -> None:
    """Results of all columns but the last one as they come, by their probabilities; the last one's exactly.

    A column is entangled when it is measured next, which is as well, and takes a vector of two columns only.
    """
    rng = np.random.default_rng(seed)
    program = rng.integers(8, size=(rows, columns))
    patch = Computation(rng, program)
    edges = bricks(rows, columns)

    def column_of(column: int) -> Matrix:
        state: Matrix = np.ones(1, dtype=np.complex128)
        for row in range(rows):
            state = np.kron(state, sent(patch, (row, column))).astype(np.complex128, copy=False)
        state = state.reshape((2,) * rows)
        for one, other in edges:
            if one[1] == other[1] == column:
                state[tuple(1 if row in (one[0], other[0]) else slice(None) for row in range(rows))] *= -1
        return state

    state = column_of(0)
    for column in range(columns - 1):
        state = np.multiply.outer(state, column_of(column + 1))
        for row in range(rows):
            state[tuple(1 if axis in (row, rows + row) else slice(None) for axis in range(2 * rows))] *= -1
        for row in range(rows):
            state = np.moveaxis(np.tensordot(turned(patch.ask((row, column))), state, axes=(1, row)), 0, row)
        state = state.reshape(2**rows, *(2,) * rows)
        chances = (np.abs(state) ** 2).reshape(2**rows, -1).sum(axis=1)
        assert chances == pytest.approx(np.full(2**rows, 2.0**-rows), abs=1e-10)
        nth = int(rng.integers(2**rows))
        for row in range(rows):
            patch.hear((row, column), nth >> (rows - 1 - row) & 1)
        state = state[nth] / np.sqrt(chances[nth])
    for row in range(rows):
        state = np.moveaxis(np.tensordot(turned(patch.ask((row, columns - 1))), state, axes=(1, row)), 0, row)
    found = np.zeros((2,) * rows)
    for outcomes in product((0, 1), repeat=rows):
        for row, outcome in enumerate(outcomes):
            patch.hear((row, columns - 1), outcome)
        found[tuple(patch.output)] += np.abs(state[outcomes]) ** 2
    assert found == pytest.approx(after_bricks(program), abs=1e-10)
    assert found.max() - found.min() > 0.01  # a program whose output is even would show nothing


@pytest.mark.parametrize("item", ITEMS)
def test_the_search_finds_its_item_for_certain(item: Place) -> None:
    wanted = np.zeros((2, 2))
    wanted[item] = 1
    assert circuit(np.array(searching(item))) == pytest.approx(wanted, abs=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_no_trap_is_sprung_by_an_honest_server(seed: int) -> None:
    patch = Traps(np.random.default_rng(seed), (ROWS, COLUMNS))
    total = 0.0
    for probability, concluded in branches(patch, entangled(patch)):
        assert isinstance(concluded, Traps)
        assert concluded.caught == 0
        total += probability
    assert total == pytest.approx(1, abs=1e-10)


# --- what the server can know ----------------------------------------------------------------------------------------


def test_all_secrets_are_as_likely_and_so_is_the_place_of_the_program() -> None:
    """Every way in which they can be drawn, for a program of one measurement and one test."""
    seen: Counter[tuple[int, ...]] = Counter()
    path: list[int] | None = []
    while path is not None:
        rng: Any = Chances(path)
        program, (test,), patches = hide(rng, [[0]], 1)
        secrets = (program.thetas, program.flips, test.thetas, test.bits)
        assert set(map(type, patches)) == {Computation, Traps}
        seen[(*(int(one[0, 0]) for one in secrets), test.colour, patches.index(program))] += 1
        path = rng.next_path()
    assert seen == dict.fromkeys(product(range(8), (0, 1), range(8), (0, 1), (0, 1), (0, 1)), 1)


@pytest.mark.parametrize("place", PLACES)
def test_angles_and_states_tell_nothing(place: Place) -> None:
    """All secrets of a qubit: the angle is uniform over eight, and given the angle the state is I/2 on average.

    So it is for each program's angle and each result of the columns before: for a server, programs do not differ.
    """
    rng = np.random.default_rng(1)
    for angle, before in product(range(8), (0, 1)):
        patch = Computation(rng, np.full((ROWS, COLUMNS), angle))
        patch.results[:] = before
        seen: Counter[int] = Counter()
        means = np.zeros((8, 2, 2), dtype=np.complex128)
        for patch.thetas[place], patch.flips[place] in product(range(8), (0, 1)):
            asked = patch.ask(place)
            seen[asked] += 1
            means[asked] += np.outer(sent(patch, place), sent(patch, place).conj()) / 2
        assert seen == dict.fromkeys(range(8), 2)
        assert means == pytest.approx(np.broadcast_to(np.eye(2) / 2, (8, 2, 2)), abs=1e-10)


@pytest.mark.parametrize("colour", [0, 1])
def test_traps_look_alike(colour: int) -> None:
    patch = Traps(np.random.default_rng(2), (ROWS, COLUMNS))
    patch.colour = colour
    for place in PLACES:
        means = np.zeros((8, 2, 2), dtype=np.complex128)
        for patch.thetas[place], patch.bits[place] in product(range(8), (0, 1)):
            means[patch.ask(place)] += np.outer(sent(patch, place), sent(patch, place).conj()) / 2
        assert means == pytest.approx(np.broadcast_to(np.eye(2) / 2, (8, 2, 2)), abs=1e-10)


def test_half_of_the_places_are_traps_and_nothing_beside_them_is() -> None:
    patch = Traps(np.random.default_rng(3), (ROWS, COLUMNS))
    for patch.colour in (0, 1):
        traps = [place for place in PLACES if patch.is_trap(place)]
        assert len(traps) == 5
        assert not any(patch.is_trap(other) for place in traps for other in beside(place, ROWS, COLUMNS))


@pytest.mark.parametrize("lied_about", PLACES)
@pytest.mark.parametrize("colour", [0, 1])
def test_a_lie_is_seen_exactly_if_it_is_about_a_trap(lied_about: Place, colour: int) -> None:
    """So one about any place of any patch is caught with (1 - 1/patches)/2 = T/N, and of several each trap counts."""
    patch = Traps(np.random.default_rng(4), (ROWS, COLUMNS))
    patch.colour = colour
    honest = next(concluded for _, concluded in branches(patch, entangled(patch)))
    assert isinstance(honest, Traps)
    for place in PLACES:
        known = (patch.bits[place] + sum(patch.bits[other] for other in beside(place, ROWS, COLUMNS))) % 2
        patch.hear(place, int(known ^ (place == lied_about)))
    assert (honest.caught, patch.caught) == (0, int(patch.is_trap(lied_about)))


# --- between processes -----------------------------------------------------------------------------------------------


def network(client: Program, server: Program) -> dict[str, Any]:
    nodes = {"client": client, "server": {"qubits": 30, "program": server}}
    return {"nodes": nodes, "links": [("client", "server", "10 km")], "seed": 3, "events": False}


def working(times: int, tests: int) -> dict[str, Any]:
    return {"client": "client", "rows": ROWS, "columns": COLUMNS, "patches": tests + 1, "times": times}


@pytest.mark.qnode("../../configs/blind_computation.yaml")
def test_the_configuration_finds_the_item_and_springs_no_trap(net: Cluster) -> None:
    run = net.run_sync()
    assert run["client"] == [[1, 0]] * 6
    assert run.notes["client"] == {"trusted": 6, "caught": 0}
    assert sum(run["server"]) == 180
    assert run.counts["messages"] == 6 * 2 * COLUMNS  # and nothing else is said


def test_programs_look_alike_to_the_server(qnode_cluster: Nets) -> None:
    """Two programs, 100 angles each: both uniform, and alike. The exact statement is above.

    Half of them are odd, as are those of no such program, and half are below pi: n = 100 accepts 0.18 to 0.82.
    """
    told: list[dict[int, int]] = []
    for item in ((0, 0), (1, 1)):
        client = Program(search, server="server", item=item, times=10, tests=0)
        run = qnode_cluster(network(client, Program(serve, **working(10, 0)))).run_sync(inline=True)
        assert run["client"] == [list(item)] * 10
        told.append(dict(enumerate(run["server"])))
        assert_frequency(sum(run["server"][1::2]), 100, 1 / 2, false_alarm=FALSE_ALARM)
        assert_frequency(sum(run["server"][:4]), 100, 1 / 2, false_alarm=FALSE_ALARM)
        assert_same_distribution(told[-1], probabilities=dict.fromkeys(range(8), 1 / 8), false_alarm=FALSE_ALARM)
    assert_same_distribution(*told, false_alarm=FALSE_ALARM)


def test_qubits_come_at_the_same_time_whatever_they_are(qnode_cluster: Nets) -> None:
    """Where gates take time: or a server would know traps by it, and honest ones would spring them, out of order."""
    slow = {"gates": {"single": {"duration": "1 us"}}}
    given = network(Program(search, server="server", item=(1, 0)), Program(serve, **working(1, 2)))
    given["nodes"]["client"] = {"qubits": 30, "program": given["nodes"]["client"], **slow}
    run = qnode_cluster(given | {"events": True}).run_sync(inline=True)
    assert run["client"] == [[1, 0]]
    assert {one.t for one in run.events if one.event == "receive_qubit"} == {50_035 + 2 * 1_000}


def test_any_program_is_computed_and_comes_out_as_often_as_it_should(qnode_cluster: Nets) -> None:
    """The same as of a single machine: probabilities 0.05, 0.14, 0.14 and 0.66; outputs that are even are caught."""
    times, program = 120, np.array([[3, 4, 4, 2, 7], [2, 5, 2, 3, 7]])
    expected = circuit(program)
    client = Program(run_blindly, server="server", angles=program.tolist(), times=times, tests=0)
    run = qnode_cluster(network(client, Program(serve, **working(times, 0)))).run_sync(inline=True)
    seen = Counter(map(tuple, run["client"]))
    chances = {place: float(expected[place]) for place in ITEMS}
    assert_same_distribution(seen, probabilities=chances, false_alarm=FALSE_ALARM)
    with pytest.raises(AssertionError):
        assert_same_distribution(dict.fromkeys(ITEMS, times // 4), probabilities=chances, false_alarm=FALSE_ALARM)


@pytest.mark.parametrize(("p", "share"), [(None, 10 / 30), (0.1, 1 - 0.9**10)], ids=["one lie", "each with 0.1"])
def test_lies_are_caught_as_often_as_promised(p: float | None, share: float, qnode_cluster: Nets) -> None:
    """T = 10 traps of N = 30 results. 60 times accept 0.01 to 0.75 of one lie, 0.24 to 0.98 of many (0.651)."""
    client = Program(search, server="server", item=(1, 0), times=SHOTS, tests=2)
    run = qnode_cluster(network(client, Program(lie, **working(SHOTS, 2), p=p))).run_sync(inline=True)
    assert p is not None or run["server"] == SHOTS
    assert_frequency(run.notes["client"]["caught"], SHOTS, share, false_alarm=FALSE_ALARM)
