"""Reservation: memory slots of a node that are one program's own for a while."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from qnode.api.services import NodeServices, Turn, settle
from qnode.core.memory import Memory
from qnode.core.reservations import ALWAYS_NS, Booking
from qnode.errors import InvalidOperation
from qnode.ids import NodeName


class Reservation:
    """n slots for a program, from now or from a network time on: `async with node.reserve(2): ...`.

    Inside, the program takes of these slots first, and nobody else gets them. What its qubits still occupy at the end
    they go on occupying, as shared slots. One that was made for a window of time has its slots from its start to its
    end, entered or not: at its start they are the first to be taken of what is free or comes free.
    """

    def __init__(
        self, services: NodeServices, program: str, kind: int, n: int, start_ns: int | None, end_ns: int
    ) -> None:
        self._services = services
        self._program = program
        self._kind = kind
        self._n = n
        self._start_ns = start_ns
        self._end_ns = end_ns
        self._turn = Turn(asyncio.Future(loop=services.loop), program, NodeName(""))
        self._booking: Booking | None = None
        self._entered = False
        self._over = False
        if start_ns is not None:
            self._book(start_ns)

    @property
    def _memory(self) -> Memory[Turn]:
        return self._services.machine.memories[self._kind]

    def _book(self, start_ns: int) -> None:
        machine, clock = self._services.machine, self._services.clock
        refused = self._memory.calendar.refusal(self._n, start_ns, self._end_ns)
        if refused:
            raise machine.out_of_memory(self._kind, self._n, self._program, why=refused)
        self._booking = self._memory.calendar.add(self._program, self._n, start_ns, self._end_ns)
        self._services.reservations.setdefault(self._program, []).append(self)
        clock.call_in_background_ns(start_ns, self._begin)
        if self._end_ns < ALWAYS_NS:
            clock.call_in_background_ns(self._end_ns, self.end)

    def _begin(self) -> None:
        if not self._over and self._booking is not None:
            self._services.serve(self._memory.wait_for_booked(self._turn, self._booking))

    async def __aenter__(self) -> Self:
        clock, memory = self._services.clock, self._memory
        if self._over or self._entered:
            raise InvalidOperation(detail="a reservation of memory slots can be entered once, and before it is over")
        self._entered = True
        try:
            if self._start_ns is None:
                reservations = self._services.reservations.setdefault(self._program, [])
                reservations.append(self)
                served = memory.wait_to_book(self._turn, self._program, self._n, clock.now_ns, self._end_ns)
                self._services.serve(served)
                await self._turn.future
                self._booking = memory.booked(self._turn)
                if self._end_ns < ALWAYS_NS:
                    clock.call_in_background_ns(self._end_ns, self.end)
            else:
                # Its own timer keeps no run alive; who awaits it does.
                awake: asyncio.Future[None] = asyncio.Future(loop=self._services.loop)
                clock.call_at_ns(self._start_ns, settle, awake)
                await awake
                await self._turn.future
        except BaseException:
            self.end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """Give the slots up, before the time or instead of ever entering; what is over stays so."""
        if self._over:
            return
        self._over = True
        services, memory, turn = self._services, self._memory, self._turn
        mine = services.reservations.get(self._program, [])
        if self in mine:
            mine.remove(self)
        if not turn.served:
            services.serve(memory.forget(turn))
        elif self._booking is None:
            self._booking = memory.booked(turn)
        if self._booking is not None:
            services.serve(memory.give_up(self._booking, was_set_aside=turn.served))
        if not turn.future.done():
            why = f"the time for which {self._n} slots were reserved is over, and they never were free"
            turn.future.set_exception(services.machine.out_of_memory(self._kind, self._n, self._program, why=why))
            turn.future.exception()  # whoever waits is told; nobody need
