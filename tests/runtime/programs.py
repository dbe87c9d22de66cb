"""Plain asyncio programs, as a node runs them; each returns what happened and, where it is exact, when."""

from __future__ import annotations

import asyncio
import itertools
import math
import os
import time
from typing import Any

from qnode import Node

MS = 1e-3
YEAR_S = 365 * 86400


def now_ns() -> int:
    return round(asyncio.get_running_loop().time() * 1e9)


async def after(seconds: float, value: Any) -> Any:
    await asyncio.sleep(seconds)
    return value


async def noted(seconds: float, name: str, log: list[str]) -> None:
    """Sleeps; notes how it ended."""
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        log.append(f"{name} cancelled")
        raise
    log.append(name)


# ---------------------------------------------------------------- asyncio as everybody knows it


async def sleeps(node: Node) -> Any:
    times = []
    for seconds in (3 * MS, 0.0, 1e-9, 0.3 * MS):
        await asyncio.sleep(seconds)
        times.append(now_ns())
    return times


async def times_out(node: Node) -> Any:
    try:
        async with asyncio.timeout(5 * MS) as limit:
            await asyncio.Event().wait()
    except TimeoutError:
        return limit.expired(), now_ns()
    return "no timeout"


async def is_in_time(node: Node) -> Any:
    async with asyncio.timeout(5 * MS) as limit:
        value = await after(4 * MS, "in time")
    await asyncio.sleep(5 * MS)  # past the deadline: it is not remembered
    return value, limit.expired(), now_ns()


async def reschedules_a_timeout(node: Node) -> Any:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(1 * MS) as limit:
            limit.reschedule(loop.time() + 4 * MS)
            await asyncio.sleep(2 * MS)
            limit.reschedule(loop.time() + 1 * MS)
            await asyncio.Event().wait()
    except TimeoutError:
        return now_ns()
    return "no timeout"


async def waits_for_with_a_limit(node: Node) -> Any:
    first = await asyncio.wait_for(after(1 * MS, "first"), 2 * MS)
    try:
        await asyncio.wait_for(after(5 * MS, "second"), 2 * MS)
    except TimeoutError:
        return first, now_ns()
    return "no timeout"


async def fails_in_a_group(node: Node) -> Any:
    async def fails() -> None:
        await asyncio.sleep(2 * MS)
        raise ValueError("the third")

    log: list[str] = []
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(noted(1 * MS, "first", log))
            group.create_task(noted(math.inf, "second", log))
            group.create_task(fails())
    except* ValueError as errors:
        log.extend(str(error) for error in errors.exceptions)
    return log, now_ns()


async def uses_a_queue(node: Node) -> Any:
    queue: asyncio.Queue[int] = asyncio.Queue(maxsize=1)
    got = []

    async def produces() -> None:
        for number in range(3):
            await queue.put(number)

    async with asyncio.TaskGroup() as group:
        group.create_task(produces())
        for _ in range(3):
            await asyncio.sleep(1 * MS)
            got.append(await queue.get())
    return got, now_ns()


async def uses_events_and_locks(node: Node) -> Any:
    event, lock, log = asyncio.Event(), asyncio.Lock(), list[str]()

    async def waits(name: str) -> None:
        await event.wait()
        async with lock:
            await asyncio.sleep(1 * MS)
            log.append(name)

    async with asyncio.TaskGroup() as group:
        for name in "abc":
            group.create_task(waits(name))
        await asyncio.sleep(2 * MS)
        event.set()
    return log, now_ns()


async def gathers_64(node: Node) -> Any:
    """The longest first, and all at once: it takes as long as the longest."""
    values = await asyncio.gather(*(after((64 - n) * MS / 8, n) for n in range(64)))
    return values == list(range(64)), now_ns()


async def waits_for_the_first(node: Node) -> Any:
    tasks = [asyncio.create_task(after(seconds * MS, name)) for seconds, name in ((math.inf, "slow"), (1, "fast"))]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    at = now_ns()
    for task in pending:
        task.cancel()
    return [task.result() for task in done], len(pending), at


async def waits_for_all(node: Node) -> Any:
    tasks = [asyncio.create_task(after(seconds * MS, seconds)) for seconds in (3, 1, 2)]
    done, pending = await asyncio.wait(tasks)
    return sorted(task.result() for task in done), len(pending), now_ns()


async def waits_with_a_limit(node: Node) -> Any:
    tasks = [asyncio.create_task(after(seconds * MS, seconds)) for seconds in (1, math.inf)]
    done, pending = await asyncio.wait(tasks, timeout=2 * MS)
    for task in pending:
        task.cancel()
    return [task.result() for task in done], len(pending), now_ns()


async def takes_as_they_complete(node: Node) -> Any:
    waiting = [after(seconds * MS, seconds) for seconds in (3, 1, 2)]
    return [await one for one in asyncio.as_completed(waiting)], now_ns()


async def shields(node: Node) -> Any:
    inner = asyncio.ensure_future(after(3 * MS, "kept"))
    try:
        async with asyncio.timeout(1 * MS):
            await asyncio.shield(inner)
    except TimeoutError:
        return now_ns(), await inner, now_ns()
    return "no timeout"


async def calls_later(node: Node) -> Any:
    loop, done, log = asyncio.get_running_loop(), asyncio.Event(), list[str]()
    loop.call_later(2 * MS, log.append, "later")
    loop.call_at(loop.time() + 1 * MS, log.append, "earlier")
    loop.call_later(1.5 * MS, log.append, "never").cancel()
    loop.call_soon(log.append, "soon")
    loop.call_later(3 * MS, done.set)
    await done.wait()
    return log, now_ns()


async def works_in_threads(node: Node) -> Any:
    loop = asyncio.get_running_loop()
    one = await asyncio.to_thread(sum, range(10))
    two = await loop.run_in_executor(None, max, 1, 2)
    try:
        await asyncio.to_thread(int, "x")
    except ValueError as error:
        return one, two, str(error), now_ns()
    return "no error"


# ---------------------------------------------------------------- the order of things


async def ends_64_at_once(node: Node) -> Any:
    """What ends together: in which order it is cancelled, waited for and gathered."""
    ballast = [bytearray(size % 4096 + 1) for size in os.urandom(200)]  # the heap differs from run to run
    log: list[str] = []

    async def fails() -> None:
        await asyncio.sleep(1 * MS)
        raise ValueError

    async def all_wait() -> None:
        async with asyncio.TaskGroup() as group:
            for n in range(64):
                group.create_task(noted(1.0, str(n), log))
                ballast.append(bytearray(os.urandom(1)[0] * 16))
            group.create_task(fails())

    try:
        await all_wait()
    except* ValueError:
        pass
    tasks = [asyncio.create_task(after(1 * MS, n)) for n in range(64)]
    done, _ = await asyncio.wait(tasks)
    completed = [await one for one in asyncio.as_completed([after(1 * MS, n) for n in range(64)])]
    futures = [asyncio.get_running_loop().create_future() for _ in range(64)]
    for future in futures:
        asyncio.get_running_loop().call_soon(future.set_result, None)
    settled, _ = await asyncio.wait(futures)
    gathered = [asyncio.gather(after(1 * MS, n)) for n in range(64)]
    together, _ = await asyncio.wait(gathered)
    return [
        [int(line.removesuffix(" cancelled")) for line in log],
        [task.result() for task in done],
        completed,
        [futures.index(one) for one in settled],
        [one.result()[0] for one in together],
    ]


# ---------------------------------------------------------------- long times


async def sleeps_for_years(node: Node, years: int) -> Any:
    """Past 194 days a float no longer tells one nanosecond from the next; the clock does."""
    await asyncio.sleep(years * YEAR_S)
    await asyncio.sleep(1e-9)


async def ticks_for_years(node: Node, years: int) -> Any:
    for _ in range(years * 365):
        await asyncio.sleep(86400)
    return now_ns()


async def times_out_after_years(node: Node, years: int) -> Any:
    await asyncio.sleep(years * YEAR_S)
    try:
        async with asyncio.timeout(1 * MS):
            await asyncio.sleep(math.inf)
    except TimeoutError:
        return "expired"
    return "no timeout"


async def sleeps_for_ever(node: Node) -> None:
    await asyncio.sleep(math.inf)


# ---------------------------------------------------------------- two nodes


async def sends(node: Node, peer: str = "bob", after: float = 0.0) -> None:
    await asyncio.sleep(after)
    await node.send(peer, "hello")


async def receives_by(node: Node, peer: str, limit: float) -> Any:
    """A message of the peer, if it comes within the limit."""
    try:
        async with asyncio.timeout(limit):
            return await node.receive(peer), now_ns()
    except TimeoutError:
        return "too late", now_ns()


async def entangles_by(node: Node, peer: str, limit: float) -> Any:
    try:
        async with asyncio.timeout(limit):
            half = await node.entangle(peer)
    except TimeoutError:
        return "too late", now_ns()
    return type(half).__name__, now_ns()


async def measures_by(node: Node, peer: str, limit: float, shared: bool) -> Any:
    """A measurement, of a qubit of its own or of a half of a pair, if its outcome is known within the limit."""
    qubit = await node.entangle(peer) if shared else node.qubit()
    start = now_ns()
    try:
        async with asyncio.timeout(limit):
            await qubit.measure()
    except TimeoutError:
        return "too late"
    return now_ns() - start


async def holds_a_half(node: Node, peer: str) -> None:
    await node.entangle(peer)


async def bounces(node: Node, peer: str, times: int) -> Any:
    """Messages without delay to and fro: each hop is a round of one instant."""
    for _ in range(times):
        await node.send(peer, None)
        await node.receive(peer)
    return now_ns()


async def answers(node: Node) -> None:
    """Serves the main programs of other nodes."""
    while True:
        question = await node.receive("bob", program="main")
        await asyncio.sleep(1 * MS)
        await node.send("bob", question * 2, program="main")


async def asks(node: Node, peer: str = "alice") -> Any:
    await asyncio.sleep(5 * MS)
    told = []
    for question in (1, 2):
        await node.send(peer, question, program="answering")
        told.append(await node.receive(peer, program="answering"))
    return told


left: list[asyncio.Task[None]] = []


async def leaves_tasks(node: Node) -> str:
    """Returns while its tasks make qubits and ask for pairs that nobody meets."""

    async def makes() -> None:
        kept = node.qubit()
        try:
            while True:
                await asyncio.sleep(1 * MS)
                node.qubit()
        finally:
            await asyncio.sleep(2 * MS)
            node.record(cleaned_up=now_ns())
            kept.discard()

    async def starts() -> None:
        left.append(asyncio.create_task(makes()))
        await node.entangle("bob")

    left.append(asyncio.create_task(starts()))
    await asyncio.sleep(1.5 * MS)
    return "returned"


async def fails_with_tasks(node: Node) -> str:
    """Raises while a task of its own waits."""
    left.append(asyncio.create_task(leaves_nothing(node)))
    await asyncio.sleep(1 * MS)
    raise ValueError("enough")


async def leaves_nothing(node: Node) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        node.record(cleaned_up=now_ns())


async def waits_in_a_task(node: Node) -> int:
    await asyncio.create_task(asyncio.sleep(1 * MS))
    return now_ns()


async def returns_in_an_instant(node: Node) -> None:
    return


# ---------------------------------------------------------------- runs that do not end well, or not by themselves


async def beats(node: Node, every: float) -> None:
    """What a daemon does: nothing, again and again."""
    for _ in itertools.count():
        await asyncio.sleep(every)


async def spins_in_time(node: Node) -> None:
    """Sets timers that are due at once: time never goes on."""
    for _ in itertools.count():
        await asyncio.sleep(1e-12)


async def receives(node: Node, peer: str) -> Any:
    return await node.receive(peer)  # receives


async def waits_in_tasks(node: Node, peer: str) -> None:
    """One task waits for an event, one for a queue, and the program for both."""

    async def for_an_event() -> None:
        await asyncio.Event().wait()  # event

    async def for_a_queue() -> None:
        await asyncio.Queue().get()  # queue

    async with asyncio.TaskGroup() as group:  # group
        group.create_task(for_an_event(), name="eve")
        group.create_task(for_a_queue(), name="quentin")


async def waits_for_a_pair(node: Node, peer: str) -> None:
    await node.entangle(peer)  # pair


async def waits_for_a_lock(node: Node) -> None:
    lock = asyncio.Lock()
    await lock.acquire()
    async with lock:  # lock
        pass


async def waits_in_a_helper(node: Node, peer: str) -> None:
    """What is named is the innermost line that is not ours nor asyncio's."""

    async def helps() -> Any:
        return await node.receive(peer, channel="other")  # helper

    await helps()


async def waits_for_a_future(node: Node) -> None:
    await asyncio.get_running_loop().create_future()  # future


async def tells_after(node: Node, beats: int, peer: str) -> None:
    """A service that has something to say after many beats."""
    for _ in range(beats):
        await asyncio.sleep(1.0)
    await node.send(peer, "here", program="main")


async def hears_a_service(node: Node, peer: str) -> Any:
    return await node.receive(peer, program="daemon")  # service


# ---------------------------------------------------------------- the real clock


async def compares_clocks(node: Node, samples: int) -> Any:
    """Network time against this machine's monotonic clock: what must be between what, again and again."""
    found = []
    for _ in range(samples):
        before_ns = time.monotonic_ns()
        await asyncio.sleep(1e-6)
        found.append((before_ns, now_ns(), time.monotonic_ns()))
    return found


async def is_late(node: Node, by_ns: int) -> Any:
    """Does not give way while a timer is due."""
    done = asyncio.Event()
    asyncio.get_running_loop().call_later(1e-6, done.set)
    end_ns = time.monotonic_ns() + by_ns
    while time.monotonic_ns() < end_ns:
        pass
    await done.wait()


async def sends_with_its_time(node: Node, peer: str, times: int) -> None:
    for _ in range(times):
        await node.send(peer, now_ns())
        await asyncio.sleep(1e-4)


async def receives_with_its_time(node: Node, peer: str, times: int) -> Any:
    return [(await node.receive(peer), now_ns()) for _ in range(times)]


async def talks_for_ever(node: Node, peer: str) -> None:
    while True:
        await node.send(peer, None)
        await node.receive(peer)
