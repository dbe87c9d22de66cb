"""Programs that use the API wrongly, catch what they get for it, and return that: (error's name, sentence, notes)."""

from __future__ import annotations

import asyncio
import copy
import itertools
import math
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np

from qnode import Node, Qubit

Told = tuple[str, str, tuple[str, ...]]


def told(error: BaseException) -> Told:
    return type(error).__name__, str(error), tuple(getattr(error, "__notes__", ()))


async def caught(action: Callable[[], object]) -> Told | None:
    """What an action raises, at the call or when it is awaited."""
    try:
        result = action()
        if isinstance(result, Awaitable):
            await result
    except Exception as error:  # noqa: BLE001  # whatever it is, the test looks at it
        return told(error)
    return None


async def idle(node: Node) -> None:
    pass


# ---------------------------------------------------------------- dead handles


async def uses_a_measured_qubit(node: Node) -> Told:
    qubit = node.qubit()
    await qubit.measure()  # the end
    try:
        qubit.x()  # the misuse
    except Exception as error:  # noqa: BLE001
        return told(error)
    raise AssertionError


async def uses_a_qubit_measured_with_another(node: Node) -> Told:
    one, two = node.qubits(2)
    await node.measure(one, two)  # the end
    try:
        one.cnot(two)  # the misuse
    except Exception as error:  # noqa: BLE001
        return told(error)
    raise AssertionError


async def uses_a_discarded_qubit(node: Node) -> Told:
    qubit = node.qubit()
    qubit.discard()  # the end
    try:
        await qubit.measure()  # the misuse
    except Exception as error:  # noqa: BLE001
        return told(error)
    raise AssertionError


async def uses_a_discarded_qubit_with_another(node: Node) -> Told:
    one, two = node.qubits(2)
    two.discard()  # the end
    try:
        await node.measure(one, two)  # the misuse
    except Exception as error:  # noqa: BLE001
        return told(error)
    raise AssertionError


async def uses_a_sent_qubit(node: Node) -> Told:
    qubit = node.qubit()
    await node.send_qubit("bob", qubit)  # the end
    try:
        node.mark("mine", qubit)  # the misuse
    except Exception as error:  # noqa: BLE001
        return told(error)
    raise AssertionError


async def sends_a_sent_qubit(node: Node) -> Told:
    qubit = node.qubit()
    await node.send_qubit("bob", qubit)  # the end
    try:
        await node.send_qubit("bob", qubit)  # the misuse
    except Exception as error:  # noqa: BLE001
        return told(error)
    raise AssertionError


async def applies_to_a_discarded_qubit(node: Node) -> Told:
    qubit = node.qubit()
    qubit.discard()  # the end
    try:
        qubit.apply(np.eye(2))  # the misuse
    except Exception as error:  # noqa: BLE001
        return told(error)
    raise AssertionError


async def discards_twice(node: Node) -> Told:
    qubit = node.qubit()
    qubit.discard()  # the end
    try:
        qubit.discard()  # the misuse
    except Exception as error:  # noqa: BLE001
        return told(error)
    raise AssertionError


async def resets_a_measured_half(node: Node) -> Told:
    half = await node.entangle("bob")
    await half.measure("x")  # the end
    try:
        half.reset()  # the misuse
    except Exception as error:  # noqa: BLE001
        return told(error)
    raise AssertionError


async def entangles(node: Node) -> None:
    await node.entangle("alice")


# ---------------------------------------------------------------- many small ones, by name

UNITARY = np.eye(2) * 2

Action = Callable[[Node, Qubit, Qubit], object]

ACTIONS: dict[str, Action] = {
    "cnot with itself": lambda node, a, b: a.cnot(a),
    "apply with itself": lambda node, a, b: a.apply(np.eye(4), a),
    "measure twice at once": lambda node, a, b: node.measure(a, a),
    "measure nothing": lambda node, a, b: node.measure(*()),  # type: ignore[call-overload]
    "bad basis": lambda node, a, b: a.measure("w"),
    "angle is nan": lambda node, a, b: a.rx(math.nan),
    "angle is infinite": lambda node, a, b: a.u(0.0, math.inf, 0.0),
    "angle is text": lambda node, a, b: a.ry("half"),  # type: ignore[arg-type]
    "angle is complex": lambda node, a, b: a.rz(1j),  # type: ignore[arg-type]
    "not unitary": lambda node, a, b: a.apply(UNITARY),
    "unitary with nan": lambda node, a, b: a.apply(np.full((2, 2), np.nan)),
    "unitary of the wrong size": lambda node, a, b: a.apply(np.eye(2), b),
    "unitary that is no matrix": lambda node, a, b: a.apply(np.eye(4).reshape(-1), b),
    "unitary of rows of unequal length": lambda node, a, b: a.apply([[1, 0], [1]]),
    "send a set": lambda node, a, b: node.send("bob", {1, 2}),
    "send a qubit": lambda node, a, b: node.send("bob", ["here", a]),
    "record a qubit": lambda node, a, b: node.record(mine=a),
    "send to nobody": lambda node, a, b: node.send("nobody", 1),
    "receive from nobody": lambda node, a, b: node.receive("nobody"),
    "message about no pair": lambda node, a, b: node.send("bob", 1, about=a),
    "entangle with a stranger": lambda node, a, b: node.entangle("nobody"),
    "entangle with who does not ask": lambda node, a, b: node.entangle("carol", timeout=1e-3),
    "entangle with itself": lambda node, a, b: node.entangle("alice"),
    "send a qubit to no neighbour": lambda node, a, b: node.send_qubit("carol", a),
    "receive a qubit from no neighbour": lambda node, a, b: node.receive_qubit("carol"),
    "no pairs": lambda node, a, b: node.entangle("bob", 0),
    "minus one pair": lambda node, a, b: node.entangle("bob", -1),
    "half a pair": lambda node, a, b: node.entangle("bob", 1.5),  # type: ignore[call-overload]
    "more pairs than slots": lambda node, a, b: node.entangle("bob", 9),
    "fidelity above one": lambda node, a, b: node.entangle("bob", min_fidelity=1.01),
    "fidelity below zero": lambda node, a, b: node.entangle("bob", min_fidelity=-0.01),
    "fidelity is nan": lambda node, a, b: node.entangle("bob", min_fidelity=math.nan),
    "tag is a number": lambda node, a, b: node.entangle("bob", tag=5),  # type: ignore[call-overload]
    "channel is a number": lambda node, a, b: node.send("bob", 1, channel=5),  # type: ignore[arg-type]
    "program is a number": lambda node, a, b: node.send("bob", 1, program=5),  # type: ignore[arg-type]
    "label is a number": lambda node, a, b: node.mark(5, a),  # type: ignore[arg-type]
    "more qubits than slots": lambda node, a, b: node.qubits(7),
    "copy": lambda node, a, b: copy.copy(a),
    "deep copy": lambda node, a, b: copy.deepcopy({"q": a}),
}


async def acts(node: Node, action: str) -> Told | None:
    a, b = node.qubits(2)
    return await caught(lambda: ACTIONS[action](node, a, b))


async def acts_and_goes_on(node: Node) -> list[int]:
    """No misuse of all these may leave anything behind: afterwards everything still works."""
    a, b = node.qubits(2)
    for action in ACTIONS.values():
        assert await caught(lambda action=action: action(node, a, b)) is not None  # type: ignore[misc]
    assert len(node.qubits(6)) == 6
    a.h()
    a.cnot(b)
    return list(await node.measure(a, b))


async def takes_all_slots(node: Node) -> Told | None:
    node.qubits(8)
    return await caught(node.qubit)  # the one too many


async def measures_with_a_busy_slot(node: Node) -> list[object]:
    """A slot is free when its measurement is over, and not before."""
    qubits = node.qubits(8)
    task = asyncio.create_task(_measure(qubits[0]))
    await asyncio.sleep(0)
    early = await caught(node.qubit)
    await task
    late = await caught(node.qubit)
    return [early, late]


async def _measure(qubit: Qubit) -> int:
    return await qubit.measure()


# ---------------------------------------------------------------- other loops, other nodes

shared: dict[str, Any] = {}


async def calls_from_a_thread(node: Node) -> list[Told | None]:
    qubit = node.qubit()
    calls: list[Callable[[], object]] = [
        node.qubit,
        qubit.h,
        qubit.reset,
        qubit.discard,
        lambda: qubit.apply(np.eye(2)),
        lambda: node.mark("here", qubit),
        lambda: node.record(a=1),
        node.outside,
        lambda: asyncio.run(_awaited(qubit.measure())),
        lambda: asyncio.run(_awaited(node.entangle("bob"))),
        lambda: asyncio.run(_awaited(node.send("bob", 1))),
        lambda: asyncio.run(_awaited(node.receive("bob"))),
        lambda: asyncio.run(_awaited(node.send_qubit("bob", qubit))),
        lambda: asyncio.run(_awaited(node.receive_qubit("bob"))),
    ]
    found: list[Told | None] = []

    def in_a_thread() -> None:
        for call in calls:
            try:
                call()
            except Exception as error:  # noqa: BLE001
                found.append(told(error))
            else:
                found.append(None)

    thread = threading.Thread(target=in_a_thread)
    thread.start()
    thread.join()
    assert await qubit.measure() == 0
    return found


async def _awaited(awaitable: Awaitable[object]) -> object:
    return await awaitable


async def lends_its_qubit(node: Node) -> int:
    shared["qubit"] = qubit = node.qubit()
    qubit.x()
    await node.send("bob", "there it is")
    await node.receive("bob")
    return await qubit.measure()


async def uses_anothers_qubit(node: Node) -> list[Told | None]:
    await node.receive("alice")
    other: Qubit = shared["qubit"]
    mine = node.qubit()
    found = [
        await caught(other.x),
        await caught(lambda: mine.cnot(other)),
        await caught(lambda: mine.apply(np.eye(4), other)),
        await caught(lambda: node.measure(other)),
        await caught(lambda: node.measure(mine, other)),
        await caught(lambda: node.send_qubit("alice", other)),
        await caught(lambda: node.mark("taken", other)),
        await caught(other.discard),
    ]
    await node.send("alice", "thanks")
    return found


# ---------------------------------------------------------------- endings


async def returns_a_set(node: Node) -> set[int]:
    return {1}


async def raises(node: Node) -> None:
    numbers: dict[str, int] = {}
    numbers["missing"] += 1  # here it goes wrong


async def exits(node: Node) -> None:
    raise SystemExit(3)


async def exits_in_a_task(node: Node) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(exits(node))


async def fails_in_a_task(node: Node) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(raises(node))


def not_async(node: Node) -> None:
    pass


# ---------------------------------------------------------------- errors that only the oracle can know


async def grows_too_large(node: Node) -> list[object]:
    """Halves of pairs that T gates keep from being stabilizer states, joined beyond the limit."""
    halves = await node.entangle("bob", 6)
    for half in halves:
        half.t()
    for left, right in itertools.pairwise(halves):
        left.cnot(right)  # the gate that goes too far
        right.t()
    try:
        await asyncio.sleep(1e-3)
        outcomes = await node.measure(*halves)
    except Exception as error:  # noqa: BLE001
        return [told(error)]
    finally:
        await node.send("bob", "over")
    return [list(outcomes)]


async def entangles_six(node: Node) -> None:
    await node.entangle("alice", 6)
    await node.receive("alice")


async def entangles_two(node: Node) -> None:
    await node.entangle("alice", 2)


async def grows_too_large_here(node: Node) -> Told | None:
    qubits = node.qubits(8)
    for qubit in qubits:
        qubit.h()
        qubit.t()

    def join() -> None:
        for left, right in itertools.pairwise(qubits):
            left.cnot(right)
            right.t()

    return await caught(join)


# ---------------------------------------------------------------- refused, and nobody waits for the qubit


async def refused(node: Node, then: str) -> object:
    """Issues a gate that formalism stabilizer cannot do, and goes on in one of many ways."""
    half = await node.entangle("bob")
    half.t()  # the gate
    match then:
        case "sends it":
            await node.send_qubit("bob", half)
        case "discards it":
            half.discard()
        case "measures it and does not wait":
            half.measure().close()
        case "gives the measurement up":
            task = asyncio.create_task(half.measure())
            await asyncio.sleep(0)
            task.cancel()
        case "keeps it for a while":
            await asyncio.sleep(1.0)
        case "discards it and waits for ever":
            half.discard()
            await node.receive("bob")
        case "catches it":
            return await caught(half.measure)
        case "catches it later":
            await asyncio.sleep(1e-3)
            return await caught(half.measure)
        case "catches it after a second one":
            half.tdg()
            return await caught(half.measure)
    return None


async def is_refused_while_another_goes_on(node: Node) -> list[object]:
    """Reports leave one after another, on the real clock before the first is answered."""
    one, two = await node.entangle("bob", 2)
    told_of: list[object] = []

    async def goes_on() -> None:
        for _ in range(200):
            two.z()
            await asyncio.sleep(1e-6)

    one.t()  # the gate
    await goes_on()
    told_of.append(await caught(one.measure))
    told_of.append(await caught(two.measure))
    return told_of


async def measures_at_the_call(node: Node) -> list[int]:
    """Outcomes of |0>, each of which an X follows before its measurement is awaited."""
    one, two, three, half = *node.qubits(3), await node.entangle("bob")
    half.reset()
    tasks = [asyncio.create_task(qubit.measure(keep=True)) for qubit in (one, half)]
    one.x()
    half.x()
    cancelled = asyncio.create_task(two.measure())
    cancelled.cancel()  # before its first step
    three.measure().close()
    dead = [two.fate, three.fate]
    assert dead == ["measured", "measured"], dead
    return [await task for task in tasks] + [await qubit.measure() for qubit in (one, half)]


async def sends_at_the_call(node: Node) -> list[str]:
    one, two = node.qubits(2)
    one.x()
    node.send_qubit("bob", one).close()
    cancelled = asyncio.create_task(node.send_qubit("bob", two))
    cancelled.cancel()
    return [one.fate, two.fate]


async def receives_two(node: Node) -> list[int]:
    return [await (await node.receive_qubit("alice")).measure() for _ in range(2)]


# ---------------------------------------------------------------- what is left behind, and what has no end


async def asks_for_two(node: Node, peer: str) -> Told | None:
    return await caught(lambda: node.entangle(peer, 2))


async def leaves_a_request(node: Node, peer: str) -> None:
    task = asyncio.create_task(node.entangle(peer, 2))
    await asyncio.sleep(1.0)
    assert not task.done()


async def spins(node: Node) -> None:
    other = asyncio.create_task(asyncio.Event().wait())
    while not other.done():  # noqa: ASYNC110  # as programs should not
        await asyncio.sleep(0)  # round and round
