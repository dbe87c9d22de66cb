"""The magic square: a game that entanglement wins always, and no plan made beforehand more than 8 times of 9.

Alice is asked for a row of a 3 x 3 square of bits and Bob for a column, each without the other. Rows must have even
sums, and columns too but for the last, which must have an odd one: no square is like that. They win if the sums are
right and they agree where row and column cross. Nine observables of two qubits do what nine bits cannot: in each row
and column they commute and multiply to what is asked, and both players measure them on halves of two Bell pairs.

Sources: Mermin, Phys. Rev. Lett. 65, 3373 (1990); Peres, Phys. Lett. A 151, 107 (1990); Aravind, Am. J. Phys. 72, 1303
(2004), the game.
"""

from __future__ import annotations

from qnode import Node, Qubit
from qnode.protocols.arguments import number

Answer = tuple[int, int, int]

# The square:   XI  IX  XX
#               IZ  ZI  ZZ
#               XZ  ZX  YY    each row multiplies to +1, and so do the columns, but the last: XX ZZ YY = -1.


async def referee(node: Node, *, alice: str, bob: str, rounds: int) -> int:
    """Ask a random row and a random column in each round. Returns how many rounds were won."""
    number("rounds", rounds, 1, whole=True)
    wins = 0
    for _ in range(rounds):
        row, column = map(int, node.rng.integers(0, 3, 2))
        await node.send(alice, row)
        await node.send(bob, column)
        wins += is_won(row, column, await node.receive(alice), await node.receive(bob))
    node.record(won=wins / rounds)
    return wins


def is_won(row: int, column: int, alice: Answer, bob: Answer) -> bool:
    """Whether both sums are right, and the answers agree where row and column cross."""
    return sum(alice) % 2 == 0 and sum(bob) % 2 == (column == 2) and alice[column] == bob[row]


async def play_rows(alice: Node, *, bob: str, referee: str, rounds: int) -> None:
    """Be the one who is asked for rows."""
    for _ in range(rounds):
        row = await alice.receive(referee, type=int)
        await alice.send(referee, await measure_row(alice, row, *await alice.entangle(bob, 2)))


async def play_columns(bob: Node, *, alice: str, referee: str, rounds: int) -> None:
    """Be the one who is asked for columns."""
    for _ in range(rounds):
        column = await bob.receive(referee, type=int)
        await bob.send(referee, await measure_column(bob, column, *await bob.entangle(alice, 2)))


async def measure_row(node: Node, row: int, one: Qubit, two: Qubit) -> Answer:
    """Measure the three observables of a row: two of them, and the third is their product."""
    if row == 0:  # XI, IX
        a, b = await node.measure(one, two, basis="x")
    elif row == 1:  # IZ, ZI
        b, a = await node.measure(one, two)
    else:  # XZ, ZX, which a CZ turns to XI, IX
        one.cz(two)
        a, b = await node.measure(one, two, basis="x")
    return a, b, a ^ b


async def measure_column(node: Node, column: int, one: Qubit, two: Qubit) -> Answer:
    """Measure the three observables of a column: two of them, and the third is their product, or minus that."""
    if column == 0:  # XI, IZ
        two.h()
        a, b = await node.measure(one, two, basis="x")
    elif column == 1:  # IX, ZI
        one.h()
        b, a = await node.measure(one, two, basis="x")
    else:  # XX, ZZ, which a CNOT turns to XI, IZ
        one.cnot(two)
        one.h()
        a, b = await node.measure(one, two)
    return a, b, a ^ b ^ (column == 2)
