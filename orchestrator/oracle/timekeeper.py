"""The virtual clock: who must report before time may go on, and what the next instant is.

An instant has rounds. Effects without delay occur in the next round; everything is ordered by (time, round, node
name, sequence), never by arrival.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from enum import Enum, auto
from typing import Final, NamedTuple

from qnode.ids import NodeName
from qnode.wire.items import Item
from qnode.wire.messages import NEVER_NS

LIVELOCK_ROUNDS: Final = 100_000
STALL_INSTANTS: Final = 1_000


class Standstill(Enum):
    """Why there is no next instant."""

    APPOINTED = auto()  # something is to be done to the network before
    UNTIL = auto()  # the configured end of network time comes first
    OUTSIDE = auto()  # only something from outside can go on
    PAUSED = auto()  # whoever started the run wants it so
    HELD = auto()  # only nodes that are held could go on
    DEADLOCK = auto()
    LIVELOCK = auto()
    STALL = auto()


class Delivery(NamedTuple):
    """Something that reaches a node at a time; the sequence number keeps the order of issue."""

    at_ns: int
    sequence: int
    node: NodeName
    item: Item


class _Kept(NamedTuple):
    """What waits for a node until it is released."""

    deliveries: list[Delivery]
    timer_ns: int | None
    background_ns: int | None
    woken: bool


class Timekeeper:
    """Network time of a run on the virtual clock.

    Attributes:
        now_ns: Network time.
        round: The round within this instant.
        awaited: The nodes that have been granted this round and have not reported yet.
        last_active: The nodes that ran in this round.
        last_woken: Those of them that ran because something from outside waited for them.
        paused: Whether nobody may run, whatever is due.
        pause_after_ns: Network time that nobody may run after; None: there is none.
        appointed_ns: When the next appointment is; None: there is none.
    """

    def __init__(self, nodes: Iterable[NodeName], *, tick_ns: int = 1, until_ns: int | None = None) -> None:
        self.now_ns = 0
        self.round = 0
        self.awaited: set[NodeName] = set(nodes)
        self.last_active: tuple[NodeName, ...] = ()
        self.last_woken: tuple[NodeName, ...] = ()
        self._tick_ns = tick_ns
        self._until_ns = until_ns
        self._deliveries: list[Delivery] = []
        self._sequence = 0
        self._timers: dict[NodeName, int] = {}
        self._timer_heap: list[tuple[int, NodeName]] = []
        self._background: dict[NodeName, int] = {}
        self._outside: set[NodeName] = set()
        self._woken: set[NodeName] = set()
        self._background_instants = 0
        self.paused = False
        self.pause_after_ns: int | None = None
        self._held: dict[NodeName, _Kept] = {}
        self._gone: set[NodeName] = set()
        self.appointed_ns: int | None = None
        self._appointments: list[tuple[int, int, Callable[[], None]]] = []

    # ------------------------------------------------------------ what nodes say

    def reported(self, node: NodeName, timer_ns: int | None, background_ns: int | None, *, outside: bool) -> None:
        """A node has nothing left to run at this instant, and says when it wants to run again."""
        self.awaited.discard(node)
        self._woken.discard(node)  # it has just run: it has seen what waited for it
        if timer_ns is None:
            self._timers.pop(node, None)
        elif self._timers.get(node) != timer_ns:
            self._timers[node] = timer_ns
            heapq.heappush(self._timer_heap, (timer_ns, node))
        if background_ns is None:
            self._background.pop(node, None)
        else:
            self._background[node] = background_ns
        if outside:
            self._outside.add(node)
        else:
            self._outside.discard(node)

    def wake(self, node: NodeName) -> None:
        """Something from outside waits for a node: it gets a round of its own at this instant."""
        if node in self._held:
            self._held[node] = self._held[node]._replace(woken=True)
        elif node not in self.awaited:
            self._woken.add(node)

    def on_grid(self, at_ns: int) -> int:
        """A time, rounded up to the clock's grid."""
        tick = self._tick_ns
        return at_ns if tick == 1 else -(-at_ns // tick) * tick

    def schedule(self, at_ns: int, node: NodeName, item: Item) -> Delivery | None:
        """Deliver something at a time, rounded up to the clock's grid; never, if that is too late."""
        if self._tick_ns != 1:
            at_ns = self.on_grid(at_ns)
        if at_ns >= NEVER_NS or (self._gone and node in self._gone):
            return None
        self._sequence += 1
        delivery = Delivery(max(at_ns, self.now_ns), self._sequence, node, item)
        if self._held and node in self._held:
            self._held[node].deliveries.append(delivery)
        else:
            heapq.heappush(self._deliveries, delivery)
        return delivery

    def pending(self) -> int:
        """How many deliveries are still to come."""
        return len(self._deliveries)

    def deliveries_to(self, node: NodeName) -> list[Delivery]:
        """What is still to come to a node, earliest first."""
        kept = self._held[node].deliveries if node in self._held else []
        return sorted([*kept, *(delivery for delivery in self._deliveries if delivery.node == node)])

    def call_off(self, which: Iterable[Delivery]) -> None:
        """Let deliveries that are still to come never come."""
        off = {delivery.sequence for delivery in which}
        if not off:
            return
        self._deliveries = [delivery for delivery in self._deliveries if delivery.sequence not in off]
        heapq.heapify(self._deliveries)
        for kept in self._held.values():
            kept.deliveries[:] = [delivery for delivery in kept.deliveries if delivery.sequence not in off]

    # ------------------------------------------------------------ nodes that come and go, and what is done to them

    def lose(self, node: NodeName) -> None:
        """A node is gone: nobody waits for it, and nothing reaches it any more."""
        self.call_off(self.deliveries_to(node))
        self.awaited.discard(node)
        self._gone.add(node)
        self._held.pop(node, None)
        self._timers.pop(node, None)
        self._background.pop(node, None)
        self._outside.discard(node)
        self._woken.discard(node)

    def begin(self, node: NodeName) -> None:
        """A node that was gone is there again, and runs at this instant."""
        self._gone.discard(node)
        self._timers[node] = self.now_ns
        heapq.heappush(self._timer_heap, (self.now_ns, node))

    def appoint(self, at_ns: int, act: Callable[[], None]) -> None:
        """Do something to the network at a time, before anybody runs that is to run then."""
        at_ns = max(self.on_grid(at_ns), self.now_ns)
        if at_ns < NEVER_NS:
            self._sequence += 1
            heapq.heappush(self._appointments, (at_ns, self._sequence, act))
            self.appointed_ns = self._appointments[0][0]

    def keep_appointment(self) -> None:
        """Go on to the next appointment, and keep it."""
        at_ns, _, act = heapq.heappop(self._appointments)
        self.appointed_ns = self._appointments[0][0] if self._appointments else None
        self.go_to(at_ns)
        act()

    @property
    def held(self) -> tuple[NodeName, ...]:
        """The nodes that are held."""
        return tuple(sorted(self._held))

    def hold(self, node: NodeName) -> None:
        """Let a node run no more; what reaches it, and what it waits for, is kept.

        Not for one that is awaited, but before anybody has run: then it begins when it is released.
        """
        if node in self._held or node in self._gone:
            return
        if node in self.awaited:
            self.awaited.discard(node)
            self._timers[node] = self.now_ns
        kept = [delivery for delivery in self._deliveries if delivery.node == node]
        self._deliveries = [delivery for delivery in self._deliveries if delivery.node != node]
        heapq.heapify(self._deliveries)
        woken = node in self._woken
        self._woken.discard(node)
        self._held[node] = _Kept(kept, self._timers.pop(node, None), self._background.pop(node, None), woken)

    def release(self, node: NodeName) -> None:
        """Let a held node run again: all that is due by now is due at once."""
        kept = self._held.pop(node, None)
        if kept is None:
            return
        for at_ns, sequence, _, item in kept.deliveries:
            heapq.heappush(self._deliveries, Delivery(max(at_ns, self.now_ns), sequence, node, item))
        if kept.timer_ns is not None:
            self._timers[node] = kept.timer_ns
            heapq.heappush(self._timer_heap, (kept.timer_ns, node))
        if kept.background_ns is not None:
            self._background[node] = kept.background_ns
        if kept.woken:
            self._woken.add(node)

    def go_to(self, now_ns: int) -> None:
        """Time as it is on the real clock; on the virtual one, on to a moment at which nothing is due."""
        if now_ns > self.now_ns:
            self.now_ns = now_ns
            self.round = 0

    @property
    def next_delivery_ns(self) -> int | None:
        """When the next delivery is due; None: there is none."""
        return self._deliveries[0].at_ns if self._deliveries else None

    def take_until(self, at_ns: int) -> list[Delivery]:
        """All deliveries up to then, earliest first: on the real clock they are handed out with their times on them."""
        taken = []
        while self._deliveries and self._deliveries[0].at_ns <= at_ns:
            taken.append(heapq.heappop(self._deliveries))
        return taken

    # ------------------------------------------------------------ the next instant

    def advance(self) -> dict[NodeName, list[Delivery]] | Standstill:
        """Go on to the next round or instant; the nodes that run then, by name, with what reaches them.

        To be called when nobody is awaited. With a Standstill time stays where it is.
        """
        next_ns = self._next_ns()
        if isinstance(next_ns, Standstill):
            return next_ns
        if next_ns > self.now_ns:
            foreground = not self._background or self._next_foreground_ns() is not None
            self._background_instants = 0 if foreground or self._outside else self._background_instants + 1
            if self._background_instants > STALL_INSTANTS:
                return Standstill.STALL
            self.now_ns = next_ns
            self.round = 0
        else:
            self.round += 1
            if self.round > LIVELOCK_ROUNDS:
                return Standstill.LIVELOCK
        return self._grant()

    @property
    def comes_to_appointment(self) -> bool:
        """Whether the next appointment comes before anybody runs."""
        return self.appointed_ns is not None and self._next_ns() is Standstill.APPOINTED

    def _next_ns(self) -> int | Standstill:
        """When somebody runs next."""
        if self.paused:
            return Standstill.PAUSED
        next_ns = self._next_foreground_ns()
        for when_ns in self._background.values():
            if next_ns is None or when_ns < next_ns:
                next_ns = when_ns
        if self._woken:
            next_ns = self.now_ns
        appointed_ns = self.appointed_ns
        appointed = appointed_ns is not None and (next_ns is None or appointed_ns <= next_ns)
        if appointed:
            next_ns = appointed_ns
        if self._pauses_before(next_ns):
            return Standstill.PAUSED
        if next_ns is None:
            if self._outside - self._held.keys():
                return Standstill.OUTSIDE
            return Standstill.HELD if self._held else Standstill.DEADLOCK
        if self._until_ns is not None and next_ns > self._until_ns:
            return Standstill.UNTIL
        return Standstill.APPOINTED if appointed else next_ns

    def _pauses_before(self, next_ns: int | None) -> bool:
        """Whether it is time to pause; the configured end of network time comes first, if it is earlier."""
        pause_ns, until_ns = self.pause_after_ns, self._until_ns
        if pause_ns is None or (until_ns is not None and until_ns < pause_ns):
            return False
        return next_ns is None or next_ns > pause_ns

    def _next_foreground_ns(self) -> int | None:
        heap, timers = self._timer_heap, self._timers
        while heap and timers.get(heap[0][1]) != heap[0][0]:
            heapq.heappop(heap)
        next_ns = heap[0][0] if heap else None
        if self._deliveries and (next_ns is None or self._deliveries[0].at_ns < next_ns):
            next_ns = self._deliveries[0].at_ns
        # A timer may have been set in the past of a round: it is due now.
        return next_ns if next_ns is None or next_ns > self.now_ns else self.now_ns

    def _grant(self) -> dict[NodeName, list[Delivery]]:
        now_ns = self.now_ns
        active: dict[NodeName, list[Delivery]] = {}
        deliveries = self._deliveries
        while deliveries and deliveries[0].at_ns <= now_ns:
            delivery = heapq.heappop(deliveries)
            active.setdefault(delivery.node, []).append(delivery)
        heap, timers = self._timer_heap, self._timers
        while heap and (heap[0][0] <= now_ns or timers.get(heap[0][1]) != heap[0][0]):
            when_ns, node = heapq.heappop(heap)
            if timers.get(node) == when_ns:
                active.setdefault(node, [])
                del timers[node]
        for node, when_ns in self._background.items():
            if when_ns <= now_ns:
                active.setdefault(node, [])
        self.last_woken = tuple(sorted(self._woken))
        for node in self.last_woken:
            active.setdefault(node, [])
        self._woken.clear()
        self.awaited = set(active)
        self.last_active = tuple(sorted(active))
        return {node: active[node] for node in sorted(active)}
