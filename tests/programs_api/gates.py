"""Programs that do one thing with qubits at a time, for tests that know what must come of it."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import numpy.typing as npt

from qnode import BellState, Node, Qubit
from qnode.errors import OutOfMemory, QnodeError

Matrix = npt.NDArray[np.complex128]


def now_ns() -> int:
    return round(asyncio.get_running_loop().time() * 1e9)


async def idle(node: Node) -> None:
    pass


async def waits(node: Node) -> None:
    await asyncio.sleep(1e-3)


async def shares(node: Node, peer: str, n: int = 1) -> None:
    """Keeps its halves for as long as anybody may want to look."""
    await node.entangle(peer, n)
    await asyncio.sleep(1.0)


async def shares_in_turn(node: Node, n: int) -> None:
    """The other ends of pairs that alice asks for one by one; kept, so that the observer finds both halves."""
    for _ in range(n):
        await node.entangle("alice")
    await asyncio.sleep(1.0)


def matrix(flat: list[list[float]]) -> Matrix:
    """What a configuration can say: rows of (real, imaginary, real, imaginary, ...)."""
    parts = np.array(flat).reshape(len(flat), len(flat), 2)
    both: Matrix = parts[..., 0] + 1j * parts[..., 1]
    return both


async def performs(node: Node, cases: list[dict[str, Any]], remote: bool) -> None:
    """Each case: qubits are prepared, something is done to them, and a unitary brings the state that is due to |0..0>.

    Remote qubits have met a half of a pair and left it again: the oracle holds them.
    """
    for case in cases:
        qubits = node.qubits(case["qubits"])
        if remote:
            half = await node.entangle("bob")
            for qubit in qubits:
                qubit.cnot(half)
                qubit.cnot(half)
            half.discard()
        for qubit, angles in zip(qubits, case["prepared"], strict=True):
            qubit.u(*angles)
        operands = [qubits[number] for number in case["operands"]]
        first, *others = operands
        if "unitary" in case:
            first.apply(matrix(case["unitary"]), *others)
        else:
            getattr(first, case["gate"])(*others, *case["params"])
        qubits[0].apply(matrix(case["undo"]), *qubits[1:])
        for qubit in qubits:
            node.mark("undone", qubit)
            qubit.discard()


async def corrects(node: Node, peer: str, frames: list[list[int]]) -> None:
    """Turn Phi+ into each Bell state by Paulis on this half, and correct that."""
    for z, x in frames:
        half = await node.entangle(peer)
        if x:
            half.x()
        if z:
            half.z()
        node.mark("corrupted", half)
        half.correct(BellState(z, x))
        node.mark("corrected", half)
        half.discard()


async def corrects_the_others(node: Node, peer: str, frames: list[list[int]]) -> None:
    """The same, the correction being made at the other end."""
    for frame in frames:
        half = await node.entangle(peer)
        await node.receive(peer)
        half.correct((frame[0], frame[1]))
        node.mark("corrected", half)
        await node.send(peer, "done")


async def is_corrected_elsewhere(node: Node, peer: str, frames: list[list[int]]) -> None:
    for z, x in frames:
        half = await node.entangle(peer)
        if x:
            half.x()
        if z:
            half.z()
        await node.send(peer, "corrupted")
        await node.receive(peer)


async def resets(node: Node, remote: bool) -> list[int]:
    """Whatever a qubit was and was entangled with, it is |0> then; the other qubit keeps its half of the story."""
    found = []
    for basis in "xyz":
        one, two = node.qubits(2)
        if remote:
            half = await node.entangle("bob")
            one.cnot(half)
            one.cnot(half)
        one.h()
        one.cnot(two)
        one.t()
        one.reset()
        node.mark("reset", one)
        one.h()
        found += [await one.measure("x"), await two.measure(basis)]
        if remote:
            half.discard()
    return found


async def measures_again(node: Node, remote: bool, times: int) -> list[list[list[int]]]:
    """A kept qubit is in the eigenstate that was found: every later measurement in the basis finds it again."""
    found = []
    for basis in list("xyz") * times:
        qubit = await node.entangle("bob") if remote else node.qubit()
        qubit.u(1.0, 0.5, 0.0)
        outcomes = [await qubit.measure(basis, keep=True) for _ in range(3)]
        other = {"x": "z", "y": "x", "z": "y"}[basis]
        first_other = await node.measure(qubit, basis=other, keep=True)
        outcomes_other = [first_other, await qubit.measure(other)]
        found.append([outcomes, outcomes_other])
    return found


async def measures_mixed_company(node: Node) -> list[Any]:
    """Qubits of this node and of the oracle in one measurement; each outcome is known beforehand."""
    halves = await node.entangle("bob", 2)
    bits = [1, 0, 1, 1, 0]
    here = node.qubits(3)
    for half, bit in zip(halves, bits[:2], strict=True):
        half.reset()
        if bit:
            half.x()
    for qubit, bit in zip(here, bits[2:], strict=True):
        if bit:
            qubit.x()
    order = [here[0], halves[0], here[1], here[2], halves[1]]
    return [
        await node.measure(*order, keep=True),
        await node.measure(*reversed(order), keep=True),
        await node.measure(*order[:1]),
        await node.measure(*order[1:]),
    ]


async def takes_its_time(node: Node, remote: bool) -> list[object]:
    """Gates on a busy qubit queue; two-qubit gates wait for both; only measuring makes the program wait."""
    one, two = await node.entangle("bob", 2) if remote else node.qubits(2)
    begun = now_ns()
    one.x()  # 0 to 1
    one.h()  # 1 to 2
    two.s()  # 0 to 1
    one.cnot(two)  # 2 to 12
    two.t()  # 12 to 13
    one.apply(np.eye(2))  # 12 to 13
    two.cz(one)  # 13 to 23
    one.reset()  # 23 to 24
    issued = now_ns() - begun
    first = await one.measure(keep=True)  # 24 to 124
    at_first = now_ns() - begun
    one.y()  # 124 to 125
    await node.measure(two, one)  # 125 to 225
    return [issued, first, at_first, now_ns() - begun]


async def cancels_its_measurement(node: Node, remote: bool) -> list[object]:
    """Cancelled in the middle: it has happened, the handle is dead and the slot is free when it would have ended."""
    qubit = await node.entangle("bob") if remote else node.qubit()
    filling = node.qubits(7)
    task = asyncio.create_task(qubit.measure())
    await asyncio.sleep(30e-9)
    task.cancel()
    (result,) = await asyncio.gather(task, return_exceptions=True)
    found: list[object] = [type(result).__name__]
    try:
        qubit.x()
    except QnodeError as error:
        found.append(type(error).__name__)
    begun = now_ns()
    try:
        node.qubit()
    except OutOfMemory:
        found.append("no slot yet")
    halves = await node.entangle("bob", tag="after")
    found.append(now_ns() - begun)
    assert len(filling) == 7
    await halves.measure()
    return found


async def shares_twice(node: Node, peer: str, remote: bool) -> None:
    if remote:
        await node.entangle(peer)
    await node.entangle(peer, tag="after")


async def sends_many(node: Node, to: str, n: int) -> None:
    for number in range(n):
        qubit = node.qubit()
        if number % 2:
            qubit.x()
        await node.send_qubit(to, qubit)
        await asyncio.sleep(1e-6)


async def lands_few(node: Node, sender: str, slots: int) -> list[int]:
    """As many as there are slots get a place; it is free again only once one was measured."""
    await asyncio.sleep(1e-3)
    outcomes = [await (await node.receive_qubit(sender)).measure() for _ in range(slots)]
    await node.send(sender, "more")
    outcomes.append(await (await node.receive_qubit(sender)).measure())
    return outcomes


async def sends_one_too_many(node: Node, to: str, slots: int) -> None:
    await sends_many(node, to, slots + 2)
    await node.receive(to)
    await sends_many(node, to, 1)


async def sends_a_busy_qubit(node: Node, to: str) -> None:
    qubit = node.qubit()
    qubit.x()
    qubit.rx(0.5)
    qubit.rx(-0.5)
    await node.send_qubit(to, qubit)
    try:
        await asyncio.sleep(2e-6)
        assert len(node.qubits(7)) == 7
        node.qubit()
    except OutOfMemory:
        node.record(kept=True)
    await asyncio.sleep(2e-6)
    node.qubit()


async def lands(node: Node, sender: str) -> list[int]:
    qubit = await node.receive_qubit(sender)
    return [now_ns(), await qubit.measure()]


async def lands_impatiently(node: Node, sender: str, patience_us: list[int], n: int) -> list[int]:
    """Qubits carry their number's parity; a reader that gives up must not lose one."""
    qubits: list[Qubit] = []
    for patience in patience_us:
        try:
            async with asyncio.timeout(patience * 1e-6):
                qubits.append(await node.receive_qubit(sender))
        except TimeoutError:
            pass
    while len(qubits) < n:
        qubits.append(await node.receive_qubit(sender))
    return [await qubit.measure() for qubit in qubits]


async def leaves_qubits_behind(node: Node) -> None:
    """Returns with all kinds of qubits in its slots."""
    half = await node.entangle("bob")
    one, two, three = node.qubits(3)
    one.h()
    one.cnot(two)
    two.cnot(half)
    three.x()
    await node.send(node.name, "returned", program="heir")


async def inherits_slots(node: Node) -> int:
    """Another program of the node: all slots but its own are free."""
    mine = node.qubit()
    await node.receive(node.name, program="main")
    await asyncio.sleep(1e-6)
    taken = node.qubits(7)
    mine.x()
    assert len(taken) == 7
    return await mine.measure()


async def marks_and_records(node: Node) -> None:
    for number, label in enumerate(["a", "b", "a", "unseen"]):
        qubit = node.qubit()
        if number == 2:
            qubit.x()
        node.mark(label, qubit)
        if number == 1:
            qubit.h()
            node.mark("a", qubit)
    node.record(rounds=4, state=[1, 1j])
    node.record(rounds=5, rate=0.25)
