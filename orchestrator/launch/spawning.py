"""Starting each process from nothing: slower, and safe where forking is not."""

from __future__ import annotations

import os
import sys
import tempfile

import msgspec

from orchestrator.launch.early import python
from orchestrator.launch.protocol import Fork, Prepare
from orchestrator.launch.starting import Parent


class Told(msgspec.Struct, array_like=True, frozen=True):
    """What a spawned process reads first."""

    number: int
    kind: str
    run: bytes
    spec: bytes


encode_told = msgspec.msgpack.Encoder().encode
decode_told = msgspec.msgpack.Decoder(Told).decode


class Spawning:
    """What is told to a process stands in a file without a name: it can be long, and nobody else can open it."""

    def __init__(self, server: Parent) -> None:
        self._lifeline = server.lifeline
        self._words = server.words.writing
        self._run = b""
        self._directory = ""
        for descriptor in (self._lifeline, self._words):
            os.set_inheritable(descriptor, True)

    def load(self, modules: tuple[str, ...]) -> None:
        """Nothing: there is nothing to share."""

    def prepare(self, order: Prepare, directory: str) -> None:
        self._run = order.run
        self._directory = directory

    def start(self, order: Fork) -> int:
        command = python("orchestrator.launch.spawned", str(self._lifeline), str(self._words))
        with tempfile.TemporaryFile(dir=self._directory) as file:
            file.write(encode_told(Told(order.number, order.kind, self._run, order.spec)))
            file.seek(0)
            return os.posix_spawn(
                sys.executable,
                command,
                os.environ,
                file_actions=[(os.POSIX_SPAWN_DUP2, file.fileno(), 0)],
                setpgroup=0,
                setsigdef=[],
            )
