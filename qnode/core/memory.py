"""The memory of a node: its slots, who waits for one, and the qubits that sit in them."""

from __future__ import annotations

from collections import deque
from types import CodeType
from typing import Final, Generic, TypeVar

from qnode.errors import QnodeError
from qnode.ids import NodeName, PairId, QubitId

Where = tuple[CodeType, int]
W = TypeVar("W")

NO_FREE_SLOT: Final = "no free memory slot"  # why a qubit that arrives is lost


def place(where: Where | None) -> str:
    """File and line, as an error shows them."""
    return f"{where[0].co_filename}:{where[1]}" if where else "an unknown line"


class HeldQubit:
    """A qubit in a slot of this node: where its state lives, how far its timeline has got, and how it ended.

    Attributes:
        id: Its name in the whole network.
        kind: Of the slot that it sits in, `MEMORY` or `COMMUNICATION`.
        pair: The pair that it is one half of, or None.
        local: True while its state is computed here, False once the oracle holds it.
        busy_ns: The network time until which its issued operations take.
        fate: Empty while it is held; then how it ended ("measured", "sent away", "discarded").
        fate_where: The line that ended it.
        error: What went wrong with an issued operation; raised at the next await on the qubit.
    """

    __slots__ = ("busy_ns", "error", "fate", "fate_where", "id", "kind", "local", "node_name", "pair", "program")

    def __init__(
        self,
        qubit: QubitId,
        node_name: NodeName,
        program: str,
        pair: PairId | None,
        *,
        local: bool,
        busy_ns: int,
        kind: int = 0,
    ) -> None:
        self.id = qubit
        self.kind = kind
        self.node_name = node_name
        self.program = program
        self.pair = pair
        self.local = local
        self.busy_ns = busy_ns
        self.fate = ""
        self.fate_where: Where | None = None
        self.error: QnodeError | None = None


class Memory(Generic[W]):
    """Counts the free slots; requests for several at once are served first come, first served.

    A waiter is any token: the core hands it back when its slots have been taken for it.
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.free = slots
        self._waiting: deque[tuple[W, int]] = deque()

    def take(self) -> bool:
        """One slot at once, or False."""
        if self.free:
            self.free -= 1
            return True
        return False

    def take_in_turn(self, n: int) -> bool:
        """n slots, unless somebody waits already or there are too few."""
        if self._waiting or self.free < n:
            return False
        self.free -= n
        return True

    def wait(self, waiter: W, n: int) -> None:
        self._waiting.append((waiter, n))

    @property
    def waiting(self) -> list[W]:
        """Who waits, first come first."""
        return [waiter for waiter, _ in self._waiting]

    def forget(self, *waiters: W) -> list[W]:
        """They gave up; those behind them may now be served, and are returned."""
        gone = set(map(id, waiters))
        self._waiting = deque(entry for entry in self._waiting if id(entry[0]) not in gone)
        return self.release(0)

    def release(self, n: int = 1) -> list[W]:
        """Give slots back. Returns the waiters whose slots have just been taken for them."""
        self.free += n
        served: list[W] = []
        while self._waiting and self._waiting[0][1] <= self.free:
            waiter, wanted = self._waiting.popleft()
            self.free -= wanted
            served.append(waiter)
        return served
