"""Programs that share a node with others."""

from __future__ import annotations

import asyncio
from typing import Any

from qnode import Node
from qnode.errors import PeerLost, QnodeError

shared: dict[str, Any] = {}
"""What programs of one node, in one process, can hand each other in Python."""


def now_ns() -> int:
    return round(asyncio.get_running_loop().time() * 1e9)


def said(error: QnodeError) -> str:
    return f"{type(error).__name__}: {error}"


# --- isolation -------------------------------------------------------------------------------------------------------


async def lends(node: Node) -> int:
    """Puts a qubit, a half and itself where another program can reach them, and measures its qubit last."""
    qubit, half = node.qubit(), await node.entangle("bob")
    qubit.x()
    shared["lent"] = (node, qubit, half)
    await asyncio.sleep(1e-3)
    await half.measure()
    return await qubit.measure()


async def lends_too(node: Node) -> None:
    await node.entangle("alice")


async def borrows(node: Node) -> list[str]:
    """Tries everything with what is not its own; what it is told."""
    await asyncio.sleep(5e-4)
    other, qubit, half = shared["lent"]
    own = node.qubit()
    tries: list[Any] = [
        lambda: node.measure(qubit),
        lambda: node.measure(own, qubit),
        lambda: own.cnot(half),
        lambda: own.swap(qubit),
        lambda: own.apply([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]], qubit),
        lambda: qubit.x(),
        lambda: qubit.measure(),
        lambda: qubit.discard(),
        lambda: qubit.reset(),
        lambda: node.send_qubit("bob", qubit),
        lambda: node.mark("mine", qubit),
        lambda: other.qubit(),
        lambda: other.record(secret=1),
        lambda: other.send("bob", "as if it were from the other"),
        lambda: other.receive("bob"),
        lambda: other.entangle("bob"),
    ]
    told = []
    for one in tries:
        try:
            result = one()
            if asyncio.iscoroutine(result):
                await result
        except QnodeError as error:
            told.append(said(error))
        else:
            told.append("it was let")
    return told


async def asks_and_draws(node: Node, peer: str, n: int) -> list[Any]:
    """Pairs, letters on a channel, and random numbers: of the streams of its own name."""
    halves = await node.entangle(peer, n)
    outcomes = [await half.measure() for half in halves]
    await node.send(peer, [node.program, "on c"], channel="c")
    letter = await node.receive(peer, channel="c")
    return [[half.pair for half in halves], outcomes, letter, int(node.rng.integers(2**62))]


# --- memory ----------------------------------------------------------------------------------------------------------


async def fills(node: Node) -> list[Any]:
    """Makes qubits until there is no room, and what it is told then."""
    made = 0
    try:
        while True:
            node.qubit()
            made += 1
    except QnodeError as error:
        told = said(error)
    await asyncio.sleep(1e-3)
    return [made, told]


async def reserves(node: Node, n: int, at_ns: int, lasting_ns: int) -> list[int]:
    """Enters a reservation of n slots at a time, and fills it."""
    await asyncio.sleep(at_ns / 1e9)
    async with node.reserve(n):
        entered = now_ns()
        node.qubits(n)
        await asyncio.sleep(lasting_ns / 1e9)
    return [entered, now_ns()]


async def may_reserve(node: Node, n: int) -> str:
    try:
        async with node.reserve(n):
            return "entered"
    except QnodeError as error:
        return said(error)


async def asks_for_too_many(node: Node, n: int) -> list[str]:
    told = []
    for one in (lambda: node.reserve(n), lambda: node.entangle("bob", n), lambda: node.reserve(1, start=2.0, end=1.0)):
        try:
            result = one()
            if asyncio.iscoroutine(result):
                await result
        except QnodeError as error:
            told.append(said(error))
    return told


async def books(node: Node, windows: list[list[float]]) -> list[Any]:
    """Books (slots, start, end) ahead, all at once; when it could enter each that was admitted, else why not."""
    found: list[Any] = []

    async def enter(nth: int, n: int, reservation: Any) -> None:
        async with reservation:
            qubits = node.qubits(n)
            found[nth] = now_ns()
            await asyncio.sleep(1e-4)
            for qubit in qubits:
                qubit.discard()

    async with asyncio.TaskGroup() as group:
        for nth, (n, start, end) in enumerate(windows):
            found.append("")
            try:
                reservation = node.reserve(int(n), start=start, end=end)
            except QnodeError as error:
                found[nth] = said(error)
                continue
            group.create_task(enter(nth, int(n), reservation))
    return found


async def holds(node: Node, n: int, until: float) -> None:
    qubits = node.qubits(n)
    await asyncio.sleep(until)
    for qubit in qubits:
        qubit.discard()


async def gives_up(node: Node) -> list[int]:
    """Who waits for a slot is cancelled in the same breath in which the slot comes free: it must not be lost."""
    qubits = node.qubits(2)
    waiting = asyncio.create_task(node.entangle("bob"))
    entering = asyncio.create_task(node.reserve(2).__aenter__())
    await asyncio.sleep(1e-6)
    waiting.cancel()
    entering.cancel()
    for qubit in qubits:
        qubit.discard()
    await asyncio.gather(waiting, entering, return_exceptions=True)
    return [len(node.qubits(2))]


# --- programs that come and go ---------------------------------------------------------------------------------------


async def echoes(node: Node, peer: str) -> None:
    """Answers until it is stopped; then it says how often it did."""
    answered = 0
    try:
        while True:
            letter = await node.receive(peer, program="main")
            await node.send(peer, [letter, now_ns()], program="main")
            answered += 1
    finally:
        node.record(answered=answered)


async def asks(node: Node, peer: str, times: int, every: float) -> list[list[int]]:
    """Asks at regular times; the answers to what, and when they were given."""
    answers: list[list[int]] = []

    async def hear() -> None:
        while True:
            answers.append(await node.receive(peer, program="echo"))

    hearing = asyncio.create_task(hear())
    for nth in range(times):
        await node.send(peer, nth, program="echo")
        print(f"asked {nth}")  # noqa: T201  # whoever follows the run may do something then
        await asyncio.sleep(every)
    hearing.cancel()
    return answers


async def greedy(node: Node, peer: str) -> None:
    """Holds slots, a reservation, requests and tasks, and never ends by itself."""

    async def cleans_up() -> None:
        try:
            await asyncio.sleep(1e9)
        finally:
            node.record(task_cleaned_up_at=now_ns())

    held = node.qubits(2)
    held[0].h()
    held[0].cnot(held[1])
    async with node.reserve(1), asyncio.TaskGroup() as group:
        group.create_task(node.entangle(peer))
        group.create_task(cleans_up())
        await asyncio.sleep(1e9)


async def wants(node: Node, n: int) -> int:
    """Waits for n slots; when it got them."""
    async with node.reserve(n):
        node.qubits(n)
        return now_ns()


async def tells_at_the_end(node: Node) -> str:
    try:
        await asyncio.sleep(1e9)
    except asyncio.CancelledError:
        await asyncio.sleep(1e-6)  # clean-up may take time
    return f"stopped at {now_ns()}"


async def dies_when_stopped(node: Node) -> None:
    try:
        await asyncio.sleep(1e9)
    except asyncio.CancelledError:
        raise RuntimeError("in its clean-up") from None


async def sleeps(node: Node, seconds: float) -> int:
    await asyncio.sleep(seconds)
    return now_ns()


async def draws(node: Node) -> list[int]:
    return [int(node.rng.integers(2**62)), now_ns()]


async def tells_its_life(node: Node, peer: str) -> None:
    """Says when it began, for ever."""
    await node.send(peer, [node.program, now_ns()], program="main")
    await asyncio.sleep(1e9)


async def listens(node: Node, peer: str, programs: list[str], until: float) -> list[Any]:
    """All that programs of a peer tell until a time."""
    heard: list[Any] = []

    async def hear(program: str) -> None:
        while True:
            try:
                heard.append(await node.receive(peer, program=program))
            except PeerLost:
                await asyncio.sleep(1e-4)  # perhaps it comes back

    tasks = [asyncio.create_task(hear(program)) for program in programs]
    await asyncio.sleep(until)
    for task in tasks:
        task.cancel()
    return sorted(heard)


async def waits_for(node: Node, n: int) -> int:
    """Waits until n slots are free at once, however they come to be; when that was."""
    while True:
        try:
            node.qubits(n)
        except QnodeError:
            await asyncio.sleep(1e-4)
        else:
            return now_ns()


async def writes_to(node: Node, peer: str, program: str) -> None:
    await node.send(peer, "nobody reads this", program=program)


async def asks_until_told(node: Node, peer: str) -> int:
    """Asks until it is told that nobody is there any more; how often it was answered."""
    answered = 0
    while True:
        await node.send(peer, answered, program="echo")
        try:
            async with asyncio.timeout(5e-3):
                letter = await node.receive(peer, program="echo")
        except TimeoutError:
            continue
        if letter == "bye":
            return answered
        answered += 1
        if answered == 1:
            print("answered")  # noqa: T201  # whoever follows the run waits for that


async def says_goodbye(node: Node, peer: str) -> None:
    """Answers until it is stopped, and then says that it is."""
    try:
        while True:
            await node.send(peer, await node.receive(peer, program="main"), program="main")
    finally:
        await node.send(peer, "bye", program="main")
