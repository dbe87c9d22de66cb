"""Programs that end, or try to, in every way that there is."""

from __future__ import annotations

import asyncio
import gc
import io
import os
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

from qnode import Node


async def waits_at(path: str, node: Node) -> None:
    """Says that it is here, at a later instant than others return, and goes on when it is told to."""
    await asyncio.sleep(1e-3)
    async with node.outside():
        reader, writer = await asyncio.open_unix_connection(path)
        await reader.read()
        writer.close()


async def waits(node: Node, path: str) -> None:
    """Says that it is here, and waits for ever."""
    await waits_at(path, node)
    await asyncio.Event().wait()


class LastFlush(io.StringIO):
    """Says when it is flushed, which is the last thing that happens in a process, and goes on when it is told to."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def flush(self) -> None:
        with socket.socket(socket.AF_UNIX) as door:
            door.connect(self._path)
            door.recv(1)


async def returns_early_and_ends_when_told(node: Node, path: str) -> str:
    sys.stderr = LastFlush(path)
    return "done long ago"


async def raises_when_told(node: Node, path: str) -> None:
    await waits_at(path, node)
    raise RuntimeError("on purpose")


async def returns_when_told(node: Node, path: str) -> str:
    await waits_at(path, node)
    return "when told"


async def holds_out(node: Node, peer: str) -> str:
    """Takes whatever ends it for a reason to return."""
    try:
        await node.receive(peer)
    except BaseException:  # noqa: BLE001  # that is what it is for
        return "as if all were well"
    return "a message came"


async def returns_early(node: Node) -> str:
    node.record(half=0.5)
    assert gc.isenabled()  # after everything was imported without
    return "done long ago"


async def fills(node: Node, folder: str) -> str:
    """Takes all the room that there is."""
    with suppress(OSError):
        Path(folder, "filler").write_bytes(bytes(2**20))  # noqa: ASYNC240
    return "done"


async def leaves_without_a_word(node: Node, path: str, status: int) -> None:
    await waits_at(path, node)
    os._exit(status)


async def has_a_child(node: Node, path: str, tells: str) -> None:
    """Starts a program that outlives it, and says which."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])  # noqa: ASYNC220
    Path(tells).write_text(str(child.pid))  # noqa: ASYNC240
    await waits(node, path)


async def prints_for_ever(node: Node) -> None:
    n = 0
    while True:
        print(f"line {n}")  # noqa: T201
        n += 1
        await asyncio.sleep(1e-6)


async def measures_for_ever(node: Node) -> None:
    """Each step is an entry in the record."""
    while True:
        await asyncio.sleep(1e-6)
        qubit = node.qubit()
        qubit.h()
        await qubit.measure()


async def speaks(node: Node) -> None:
    """In every way that a program may."""
    print("a", "b", 3)  # noqa: T201
    print("no end", end="")  # noqa: T201
    print(" yet", flush=True)  # noqa: T201
    print("wrong", file=sys.stderr)  # noqa: T201
    sys.stdout.buffer.write("bytes \u03c8\n".encode())
    sys.stdout.writelines(["one\n", "two\n"])
    node.log.info("logged")
    thread = threading.Thread(target=print, args=("from a thread",))
    thread.start()
    thread.join()
    os.write(1, b"below Python\n")
    print("x" * 100_000)  # noqa: T201
    print("last words", end="")  # noqa: T201


async def babbles(node: Node, lines: int) -> None:
    for n in range(lines):
        for word in (node.name, n, "of", lines):
            print(word, end=" ")  # noqa: T201
        print("." * (n % 50) * 40)  # noqa: T201


async def where_it_was_imported(node: Node, names: list[str]) -> list[object]:
    """This process's number, and for each module the number of the process that executed it."""
    import importlib

    return [os.getpid(), *(importlib.import_module(name).PID for name in names)]
