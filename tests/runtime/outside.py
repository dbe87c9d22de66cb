"""Programs that deal with the world outside the emulator: threads, executors, sockets, signals, blocked loops."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from qnode import Node

# ---------------------------------------------------------------- executors


async def computes_in_reverse(node: Node, n: int, answer: str) -> Any:
    """n functions that can only end last to first, beside a message under way; what each outcome finds on entering."""
    loop = asyncio.get_running_loop()
    ended = [threading.Event() for _ in range(n + 1)]
    ended[n].set()
    order: list[int] = []

    def waits(which: int) -> int:
        ended[which + 1].wait()
        ended[which].set()
        return which

    async def one(which: int) -> None:
        order.append(await asyncio.to_thread(waits, which))
        await node.send(answer, which)

    async with asyncio.TaskGroup() as group:
        for which in range(n):
            group.create_task(one(which))
    return order, round(loop.time() * 1e9)


async def receives_in_order(node: Node, peer: str, n: int) -> Any:
    return [await node.receive(peer) for _ in range(n)]


async def brings_something_unpackable(node: Node) -> Any:
    """An object that cannot be packed is no trouble for the program; only the record cannot hold it."""
    lock = await asyncio.to_thread(threading.Lock)
    return lock.acquire(blocking=False)


async def brings_an_error(node: Node) -> Any:
    try:
        await asyncio.to_thread(int, "not a number")
    except ValueError as error:
        return str(error)
    return "nothing was raised"


async def fails_in_a_thread(node: Node) -> Any:
    return await asyncio.to_thread(int, "not a number")


# ---------------------------------------------------------------- the outside holds the clock, or does not


async def asks_outside(node: Node, path: str) -> Any:
    """While it talks to a door outside, its own clock and everybody else's stand still."""
    loop = asyncio.get_running_loop()
    async with node.outside():
        reader, writer = await asyncio.open_unix_connection(path)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    return answer.decode(), round(loop.time() * 1e9)


async def looks_outside(node: Node) -> Any:
    """No socket, no thread: the program alone knows that this is the outside."""
    async with node.outside():
        return os.getpid()


async def sleeps_meanwhile(node: Node) -> Any:
    await asyncio.sleep(1.0)
    return round(asyncio.get_running_loop().time() * 1e9)


async def _listen(path: str) -> tuple[asyncio.Server, asyncio.Future[str], asyncio.Event]:
    """A TCP server that takes one line; its port is told through a door outside."""
    told: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        told.set_result((await reader.readline()).decode().strip())
        writer.write(b"thank you\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        over.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    _, writer = await asyncio.open_unix_connection(path)
    writer.write(f"{server.sockets[0].getsockname()[1]}\n".encode())
    await writer.drain()
    writer.close()
    return server, told, over


async def serves_tcp(node: Node, path: str) -> Any:
    """Listens while it waits for nothing else: somebody outside will connect."""
    server, told, over = await _listen(path)
    line = await told
    await node.send("bob", line)
    await over.wait()
    server.close()
    return line


async def serves_its_own_thread(node: Node) -> Any:
    """A TCP server, and a client in a thread that is no executor's: somebody from outside, as far as the loop knows."""
    told: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        told.set_result((await reader.readline()).decode().strip())
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)

    def talks() -> None:
        with socket.create_connection(server.sockets[0].getsockname()) as client:
            client.sendall(b"from a thread\n")
            client.recv(1)  # until it hangs up

    thread = threading.Thread(target=talks)
    thread.start()
    line = await told
    await asyncio.sleep(1.0)
    server.close()
    thread.join()
    return line, round(asyncio.get_running_loop().time() * 1e9)


async def starts_a_child(node: Node) -> Any:
    """Its pipe is closed long before anybody says that the child has ended."""
    code = "import os; os.write(1, b'out'); os.close(1)"
    child = await asyncio.create_subprocess_exec(sys.executable, "-I", "-S", "-c", code, stdout=asyncio.subprocess.PIPE)
    out, _ = await child.communicate()
    return out, child.returncode


async def hears_of_it(node: Node) -> Any:
    return await node.receive("alice")


async def listens_in_vain(node: Node) -> None:
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    await node.receive("bob")
    server.close()


async def takes_a_signal(node: Node, path: str) -> Any:
    """Tells its process id through a door outside and waits for SIGTERM."""
    got = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, got.set)
    _, writer = await asyncio.open_unix_connection(path)
    writer.write(f"{os.getpid()}\n".encode())
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    await got.wait()
    return asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)


async def is_called_from_a_thread(node: Node, path: str) -> Any:
    """A thread of its own calls, once the door outside lets it; open sockets keep the run waiting."""
    loop = asyncio.get_running_loop()
    called: asyncio.Future[str] = loop.create_future()
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"here\n")
    await writer.drain()

    def calls() -> None:
        loop.call_soon_threadsafe(called.set_result, threading.current_thread().name)

    threading.Thread(target=calls, name="caller").start()
    found = await called
    await reader.read()
    writer.close()
    return found


# ---------------------------------------------------------------- a loop that is blocked


class _Tells(logging.Handler):
    """Lets somebody go on once a warning was given."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []
        self.warned = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())
        self.warned.set()


async def blocks(node: Node, peer: str) -> Any:
    """Does not give way until it has been named for it."""
    tells = _Tells()
    logging.getLogger("qnode").addHandler(tells)
    await node.receive(peer)
    tells.warned.wait()  # blocks
    return tells.texts


async def spins(node: Node, peer: str) -> Any:
    """Gives way, and goes on at once, until it has been named for it."""
    tells = _Tells()
    logging.getLogger("qnode").addHandler(tells)
    await node.receive(peer)

    async def spin() -> None:
        while not tells.warned.is_set():  # noqa: ASYNC110  # as programs should not
            await asyncio.sleep(0)  # spins

    await spin()
    return tells.texts


# ---------------------------------------------------------------- randomness, logging


async def draws_everywhere(node: Node, n: int) -> Any:
    """Bits of the module-level generators and of the node's own."""
    return [
        [random.getrandbits(1) for _ in range(n)],
        np.random.randint(0, 2, n).tolist(),
        node.rng.integers(0, 2, n).tolist(),
    ]


async def logs(node: Node, peer: str, lines: Sequence[str]) -> None:
    """Says something with every field, at a time that is not zero."""
    half = await node.entangle(peer)
    for line in lines:
        node.log.info(line, pair=half.pair, request=7, qubit=half.id, peer=peer)
    node.log.warning("no fields, %s argument", "one")
    await asyncio.sleep(2.5)
    node.log.error("later")


async def says_nothing(node: Node, peer: str) -> None:
    await node.entangle(peer)
