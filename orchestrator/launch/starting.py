"""What a way to start processes is, and what it is given."""

from __future__ import annotations

from typing import Protocol

import msgspec

from orchestrator.launch.protocol import Fork, Prepare
from orchestrator.launch.words import LastWords


class Parent(Protocol):
    """The server whose children are started.

    Attributes:
        lifeline: The end of a pipe that children watch; the other end is the server's alone.
        words: Where children leave their last words.
    """

    lifeline: int
    words: LastWords

    def is_deserted(self) -> bool:
        """Whether whoever gave the last order has gone since: then nobody needs what it ordered."""

    def let_go(self) -> None:
        """In a forked child: close what is the server's own, and take signals as a program expects them."""


class Starter(Protocol):
    """A way to start processes."""

    def load(self, modules: tuple[str, ...]) -> None:
        """Import what the programs of the next run will import, if that helps."""

    def prepare(self, order: Prepare, directory: str) -> None:
        """Take in what all node processes of a run are told; its sockets are in that directory."""

    def start(self, order: Fork) -> int:
        """Start one process in a process group of its own; its process id. Raises OSError."""


class Again(msgspec.Struct, frozen=True):
    """What a server tells itself when it starts itself anew: modules to leave out, and those it was to import."""

    left_out: tuple[str, ...]
    modules: tuple[str, ...]

    def text(self) -> str:
        return msgspec.json.encode(self).decode()

    @classmethod
    def of(cls, text: str) -> Again:
        return msgspec.json.decode(text, type=cls)
