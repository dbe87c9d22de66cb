"""The memory of a node: its slots, who waits for one, and the qubits that sit in them."""

from __future__ import annotations

from collections import deque
from types import CodeType
from typing import Final, Generic, NamedTuple, TypeVar

from qnode.core.reservations import Booking, Calendar
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


class _Own:
    """Slots that are set aside for one program: how many, and how many of them are free."""

    __slots__ = ("free", "n")

    def __init__(self) -> None:
        self.n = 0
        self.free = 0


class Waiting(NamedTuple, Generic[W]):
    """Somebody in the queue for n slots; with a booking or a window, for n slots to be set aside for it."""

    waiter: W
    n: int
    program: str
    booking: Booking | None = None
    window: tuple[int, int] | None = None


class Memory(Generic[W]):
    """Counts the free slots; requests for several at once are served first come, first served.

    Slots can be set aside for a program: it takes of these first and then of the free ones, and what it gives back
    fills them up first; nobody else gets them. A waiter is any token: the core hands it back when its slots have been
    taken for it.

    Attributes:
        free: How many slots are free for everybody.
        calendar: Who has slots set aside, or will have.
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.free = slots
        self.calendar = Calendar(slots)
        self._waiting: deque[Waiting[W]] = deque()
        self._own: dict[str, _Own] = {}
        self._booked: dict[int, Booking] = {}
        self._kept: dict[str, Booking] = {}

    def free_for(self, program: str) -> int:
        """How many slots a program could take now."""
        own = self._own.get(program)
        return self.free if own is None else self.free + own.free

    def own(self) -> dict[str, int]:
        """How many slots are set aside for whom."""
        return {program: own.n for program, own in self._own.items()}

    def most(self, program: str) -> int:
        """How many slots a program can ever have as long as others keep theirs."""
        return self.slots - sum(one.n for other, one in self._kept.items() if other != program)

    @property
    def reservable(self) -> int:
        """How many slots can ever be set aside besides those that are programs' own as long as they live."""
        return self.slots - sum(one.n for one in self._kept.values())

    def take(self, program: str = "") -> bool:
        """One slot at once, or False."""
        return self._take(1, program, shared=True)

    def free_in_turn(self, program: str = "") -> int:
        """How many slots a program could take now without coming before anybody who waits already."""
        if not self._waiting:
            return self.free_for(program)
        first = [one.program for one in self._waiting if not self._bides(one)]
        if program in first:
            return 0
        return self.free_for(program) - (self.free if first else 0)

    def take_in_turn(self, n: int, program: str = "") -> bool:
        """n slots, unless somebody waits already who comes first, or there are too few."""
        return n <= self.free_in_turn(program) and self._take(n, program, shared=True)

    def wait(self, waiter: W, n: int, program: str = "") -> None:
        """Stand in the queue for n slots."""
        self._waiting.append(Waiting(waiter, n, program))

    @property
    def waiting(self) -> list[W]:
        """Who waits, first come first."""
        return [one.waiter for one in self._waiting]

    def forget(self, *waiters: W) -> list[W]:
        """They gave up; those behind them may now be served, and are returned."""
        gone = set(map(id, waiters))
        self._waiting = deque(one for one in self._waiting if id(one.waiter) not in gone)
        return self.serve()

    def release(self, n: int = 1, program: str = "") -> list[W]:
        """Give slots back. Returns the waiters whose slots have just been taken for them."""
        own = self._own.get(program) if self._own else None
        if own is not None:
            back = min(n, own.n - own.free)
            own.free += back
            n -= back
        self.free += n
        return self.serve() if self._waiting else []

    # ------------------------------------------------------------ slots that are set aside

    def set_aside(self, booking: Booking) -> bool:
        """Set slots aside that were booked. False if too few are free."""
        if self.free < booking.n:
            return False
        own = self._own.setdefault(booking.who, _Own())
        self.free -= booking.n
        own.n += booking.n
        own.free += booking.n
        return True

    def wait_for_booked(self, waiter: W, booking: Booking) -> list[W]:
        """Stand in the queue for slots that were booked ahead: before everybody who was not so early. As `serve`."""
        place = next((nth for nth, one in enumerate(self._waiting) if one.booking is None), len(self._waiting))
        self._waiting.insert(place, Waiting(waiter, booking.n, booking.who, booking))
        return self.serve()

    def wait_to_book(self, waiter: W, program: str, n: int, from_ns: int, to_ns: int) -> list[W]:
        """Stand in the queue for slots to be booked and set aside, see `booked`. As `serve`."""
        self._waiting.append(Waiting(waiter, n, program, window=(from_ns, to_ns)))
        return self.serve()

    def booked(self, waiter: W) -> Booking:
        """What was booked for a waiter when it was served."""
        return self._booked.pop(id(waiter))

    def keep(self, program: str, booking: Booking) -> None:
        """These slots, set aside, are a program's own as long as it lives: nobody waits for them."""
        self._kept[program] = booking

    def let_go(self, program: str) -> list[W]:
        """It lives no more. As `serve`."""
        booking = self._kept.pop(program, None)
        return [] if booking is None else self.give_up(booking, was_set_aside=True)

    def give_up(self, booking: Booking, *, was_set_aside: bool) -> list[W]:
        """A booking is over; what its slots hold is held like anything else. Returns the waiters that are served."""
        self.calendar.end(booking)
        if was_set_aside:
            own = self._own[booking.who]
            free = min(booking.n, own.free)
            own.n -= booking.n
            own.free -= free
            self.free += free
            if not own.n:
                del self._own[booking.who]
        return self.serve()

    # ------------------------------------------------------------ the queue

    def serve(self) -> list[W]:
        """Take slots for those whose turn it is, and return them."""
        served: list[W] = []
        still: deque[Waiting[W]] = deque()
        first: set[str] = set()  # programs with somebody who waits still: what comes behind it comes later
        while self._waiting and (self._own or not first):
            one = self._waiting.popleft()
            if one.program not in first and self._grant(one, shared=not first):
                served.append(one.waiter)
            else:
                still.append(one)
                if not self._bides(one):
                    first.add(one.program)
        still.extend(self._waiting)
        self._waiting = still
        return served

    def _bides(self, one: Waiting[W]) -> bool:
        """Whether slots that are booked ahead are all that is in its way: then nobody need wait behind it."""
        if one.window is None or sum(own.n for own in self._own.values()) + one.n > self.slots:
            return False
        return bool(self.calendar.refusal(one.n, *one.window))

    def _grant(self, one: Waiting[W], *, shared: bool) -> bool:
        if one.booking is not None:
            return shared and self.set_aside(one.booking)
        if one.window is None:
            return self._take(one.n, one.program, shared=shared)
        if not shared or self.free < one.n or self.calendar.refusal(one.n, *one.window):
            return False
        booking = self._booked[id(one.waiter)] = self.calendar.add(one.program, one.n, *one.window)
        return self.set_aside(booking)

    def _take(self, n: int, program: str, *, shared: bool) -> bool:
        own = self._own.get(program) if self._own else None
        of_own = 0 if own is None else min(own.free, n)
        if n - of_own > (self.free if shared else 0):
            return False
        if own is not None:
            own.free -= of_own
        self.free -= n - of_own
        return True
