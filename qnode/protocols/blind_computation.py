"""Blind quantum computation: a server computes for a client and learns nothing but how large the computation is.

The client can only prepare single qubits. It sends each in a state |0> + exp(i theta)|1>, theta a secret multiple of
pi/4; the server entangles them to a *brickwork*, always the same, and measures column after column at the angles that
it is told. Each is the program's angle, turned by what was measured before, by theta, and half around at random, which
flips the result in a way that only the client can undo: to the server it is one of eight angles, each as likely.

To catch a server that lies, the client has it do several patches, one of them the computation and the others tests, all
alike to the server. In a test every second qubit is a trap, isolated by neighbours in |0> or |1>: its result is known.
Of N results T = N (1 - 1/patches)/2 are traps, each as likely to be one: one lie is caught with probability T/N.

Sources: Broadbent, Fitzsimons & Kashefi, FOCS 2009 (arXiv:0807.4154), protocol 1; traps as in Fitzsimons & Kashefi,
Phys. Rev. A 96, 012303 (2017), but in patches of their own instead of a larger graph with the computation's.
"""

from __future__ import annotations

from math import pi
from typing import TYPE_CHECKING

import numpy as np

from qnode import Node, Qubit
from qnode.errors import InvalidOperation
from qnode.protocols.arguments import number, only_bits

if TYPE_CHECKING:
    import numpy.typing as npt

Place = tuple[int, int]
"""Row and column."""


def searching(item: Place) -> list[list[int]]:
    """Grover's search for one of four items, in multiples of pi/4: two rows of five measurements, a single brick.

    Three quarter turns are a Hadamard gate; a half turn beside the first controlled phase says what is searched for.
    """
    only_bits("an item's coordinates", item)
    return [[0, 0, (6 + 4 * (1 - other)) % 8, 6, 2] for other in reversed(item)]


def bricks(rows: int, columns: int) -> list[tuple[Place, Place]]:
    """Which qubits of a brickwork are entangled, by a controlled phase each."""
    along = [((row, column), (row, column + 1)) for row in range(rows) for column in range(columns - 1)]
    across = [
        ((row, column), (row + 1, column))
        for column in range(2, columns, 2)
        for row in range(0 if column % 8 in (2, 4) else 1, rows - 1, 2)
    ]
    return along + across


def beside(place: Place, rows: int, columns: int) -> list[Place]:
    """The neighbours of a qubit in the brickwork."""
    return [two if one == place else one for one, two in bricks(rows, columns) if place in (one, two)]


# --- the client ------------------------------------------------------------------------------------------------------


class Computation:
    """What the client keeps to itself about the patch that computes."""

    def __init__(self, rng: np.random.Generator, angles: npt.ArrayLike) -> None:
        self.angles = np.asarray(angles)
        self.thetas = rng.integers(8, size=self.angles.shape)
        self.flips = rng.integers(2, size=self.angles.shape)
        self.results = np.zeros_like(self.angles)

    def prepare(self, qubit: Qubit, place: Place) -> None:
        """Make what is sent for this place, by two gates as all are: when it comes must tell nothing either."""
        qubit.h()
        qubit.rz(self.thetas[place] * pi / 4)

    def ask(self, place: Place) -> int:
        """The angle to measure at, once the columns before are known; in multiples of pi/4."""
        row, column = place
        x = self._result(row, column - 1)
        z = self._result(row, column - 2)
        for other, same in beside(place, *self.angles.shape):
            if same == column:
                z ^= self._result(other, column - 1)
        angle = -self.angles[place] if x else self.angles[place]
        return int(angle + 4 * z + self.thetas[place] + 4 * self.flips[place]) % 8

    def hear(self, place: Place, outcome: int) -> None:
        """Take what the server says that it found."""
        self.results[place] = outcome ^ self.flips[place]

    def _result(self, row: int, column: int) -> int:
        return int(self.results[row, column]) if column >= 0 else 0

    @property
    def output(self) -> list[int]:
        """The results of the last column: those of the program."""
        return [int(bit) for bit in self.results[:, -1]]


class Traps:
    """What the client keeps to itself about a patch of traps."""

    def __init__(self, rng: np.random.Generator, shape: tuple[int, int]) -> None:
        self.colour = int(rng.integers(2))
        self.thetas = rng.integers(8, size=shape)
        self.bits = rng.integers(2, size=shape)
        self.caught = 0

    def is_trap(self, place: Place) -> bool:
        """Every second place: a brickwork has no triangles, it is coloured like a chessboard."""
        return sum(place) % 2 == self.colour

    def prepare(self, qubit: Qubit, place: Place) -> None:
        """A trap like any other qubit; its neighbours are |0> or |1>, so that nothing is entangled."""
        if self.is_trap(place):
            qubit.h()
            qubit.rz(self.thetas[place] * pi / 4)
        else:
            (qubit.x if self.bits[place] else qubit.z)()
            qubit.z()  # nothing to |0> and |1>, but in time

    def ask(self, place: Place) -> int:
        """For a trap, the angle at which the result is known; for the others any."""
        return int(self.thetas[place] + 4 * self.bits[place] * self.is_trap(place)) % 8

    def hear(self, place: Place, outcome: int) -> None:
        """Compare a trap's result with what it must be: each neighbour in |1> has flipped it."""
        if self.is_trap(place):
            known = self.bits[place] + sum(self.bits[other] for other in beside(place, *self.bits.shape))
            self.caught += int(outcome != known % 2)


def hide(
    rng: np.random.Generator, angles: npt.ArrayLike, tests: int
) -> tuple[Computation, list[Traps], list[Computation | Traps]]:
    """A program and so many tests; and all of these as they are sent, with the program in any place."""
    computation = Computation(rng, angles)
    traps = [Traps(rng, computation.angles.shape) for _ in range(tests)]
    patches: list[Computation | Traps] = [*traps]
    patches.insert(int(rng.integers(tests + 1)), computation)
    return computation, traps, patches


async def delegate(client: Node, *, server: str, angles: list[list[int]], tests: int) -> tuple[list[int], int]:
    """Have a program computed. Returns its output, and how many traps were sprung: 0, or the output is worth nothing.

    Args:
        angles: Of the program, by row and column, in multiples of pi/4, each 0 to 7.
        tests: How many patches of traps are hidden among the work.
    """
    rows, columns = _checked(angles)
    number("tests", tests, 0, whole=True)
    computation, traps, patches = hide(client.rng, angles, tests)
    for patch in patches:
        for place in np.ndindex(rows, columns):
            qubit = client.qubit()
            patch.prepare(qubit, place)
            await client.send_qubit(server, qubit)
    for column in range(columns):
        asked = [(patch, (row, column)) for patch in patches for row in range(rows)]
        await client.send(server, [patch.ask(place) for patch, place in asked])
        outcomes = await client.receive(server, type=list[int])
        for (patch, place), outcome in zip(asked, outcomes, strict=True):
            patch.hear(place, outcome)
    return computation.output, sum(trap.caught for trap in traps)


def _checked(angles: list[list[int]]) -> tuple[int, int]:
    """How many rows and columns of angles there are."""
    rows, columns = len(angles), len(angles[0]) if len(angles) else 0
    if any(len(row) != columns for row in angles) or columns < 5 or columns % 4 != 1:
        lengths = ", ".join(str(len(row)) for row in angles)
        raise InvalidOperation(detail=f"angles must be rows of 5, 9, 13, ... columns, all alike; got rows of {lengths}")
    for angle in (angle for row in angles for angle in row):
        number("an angle, in multiples of pi/4,", angle, 0, 7, whole=True)
    return rows, columns


async def run_blindly(
    client: Node, *, server: str, angles: list[list[int]], times: int = 1, tests: int = 2
) -> list[list[int]]:
    """Have any program computed, several times. Returns its output whenever no trap was sprung.

    Args:
        angles: Of the measurements, by row and column, in multiples of pi/4; columns may be 5, 9, 13, ...
    """
    trusted = []
    for _ in range(times):
        output, sprung = await delegate(client, server=server, angles=angles, tests=tests)
        if not sprung:
            trusted.append(output)
    client.record(trusted=len(trusted), caught=times - len(trusted))
    return trusted


async def search(client: Node, *, server: str, item: Place, times: int = 1, tests: int = 2) -> list[list[int]]:
    """Search for an item, several times. Returns what was found whenever no trap was sprung."""
    return await run_blindly(client, server=server, angles=searching(item), times=times, tests=tests)


# --- the server ------------------------------------------------------------------------------------------------------


async def serve(server: Node, *, client: str, rows: int, columns: int, patches: int, times: int = 1) -> list[int]:
    """Compute honestly. Returns how often it was told each of the eight angles, which is all that it learns."""
    told = np.zeros(8, int)
    for _ in range(times):
        told += await compute(server, client, np.zeros((patches, rows, columns), bool))
    return told.tolist()


async def lie(
    server: Node, *, client: str, rows: int, columns: int, patches: int, times: int = 1, p: float | None = None
) -> int:
    """Report wrong results: each with probability p, or one of them at random. Returns how many."""
    lies = 0
    for _ in range(times):
        wrong = np.zeros((patches, rows, columns), bool)
        if p is None:
            wrong.flat[server.rng.integers(wrong.size)] = True
        else:
            wrong = server.rng.random(wrong.shape) < p
        await compute(server, client, wrong)
        lies += int(wrong.sum())
    return lies


async def compute(server: Node, client: str, wrong: npt.NDArray[np.bool_]) -> npt.NDArray[np.int_]:
    """Entangle what comes, and measure as told.

    Args:
        wrong: Which results to report the wrong way around, by patch, row and column.
    Returns:
        How often each of the eight angles was asked for.
    """
    patches, rows, columns = wrong.shape
    told = np.zeros(8, int)
    qubits = {place: await server.receive_qubit(client) for place in np.ndindex(patches, rows, columns)}
    for patch in range(patches):
        for one, other in bricks(rows, columns):
            qubits[patch, *one].cz(qubits[patch, *other])
    for column in range(columns):
        angles = await server.receive(client, type=list[int])
        told += np.bincount(angles, minlength=8)
        if len(angles) != patches * rows:
            raise InvalidOperation(
                detail=f"{client} asks for {len(angles)} measurements of column {column} of {columns}, and here are "
                f"{patches} patches of {rows} rows: the program's, and one for each of its tests"
            )
        now = [qubits[patch, row, column] for patch in range(patches) for row in range(rows)]
        for qubit, angle in zip(now, angles, strict=True):
            qubit.rz(-angle * pi / 4)
            qubit.h()
        outcomes = await server.measure(*now)
        await server.send(client, [int(bit) for bit in outcomes ^ wrong[:, :, column].ravel()])
    return told
