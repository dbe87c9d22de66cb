"""Slots that are set aside: booked without ever being overbooked, and had by nobody else."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from qnode.core.memory import Memory
from qnode.core.reservations import ALWAYS_NS, Booking, Calendar

SLOTS = 4
LAST_NS = 12

windows = st.tuples(st.integers(0, LAST_NS), st.integers(1, LAST_NS)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@given(st.lists(st.tuples(st.integers(1, SLOTS + 1), windows), max_size=12), windows, st.data())
@settings(max_examples=100, deadline=None)
def test_a_calendar_admits_exactly_what_fits_at_every_instant(
    asked: list[tuple[int, tuple[int, int]]], window: tuple[int, int], data: st.DataObject
) -> None:
    calendar, booked = Calendar(SLOTS), [0] * (3 * LAST_NS)
    for n, (from_ns, to_ns) in asked:
        fits = all(booked[at] + n <= SLOTS for at in range(from_ns, to_ns))
        assert (calendar.refusal(n, from_ns, to_ns) == "") is fits
        if not fits:
            with pytest.raises(ValueError, match="slots wanted, and"):
                calendar.add("keys", n, from_ns, to_ns)
            continue
        booking = calendar.add("keys", n, from_ns, to_ns)
        for at in range(from_ns, to_ns):
            booked[at] += n
        if data.draw(st.booleans()):
            for _ in range(2):  # the second time, nothing
                calendar.end(booking)
            for at in range(from_ns, to_ns):
                booked[at] -= n
    assert calendar.free(*window) == SLOTS - max(booked[window[0] : window[1]])


def test_a_refusal_says_who_has_the_slots_and_when() -> None:
    calendar = Calendar(4)
    calendar.add("keys", 2, 10, 30)
    calendar.add("echo", 1, 20, ALWAYS_NS)
    assert calendar.refusal(2, 15, 25) == (
        "2 slots wanted, and at 20 ns 3 of 4 are reserved: keys 2 from 10 ns to 30 ns; echo 1 from 20 ns on"
    )
    assert calendar.refusal(2, 30) == calendar.refusal(2, 15, 20) == ""
    assert calendar.refusal(5, 0) == "5 slots wanted, and there are 4"
    assert calendar.refusal(0, 0) == f"0 slots from 0 ns to {ALWAYS_NS} ns are none"
    assert calendar.refusal(1, 5, 5) == "1 slots from 5 ns to 5 ns are none"


PROGRAMS = ("keys", "echo", "rest")


class Waiter:
    """Told apart by what it is, and not by what it equals."""

    def __init__(self, program: str, n: int, *, sets_aside: bool) -> None:
        self.program, self.n, self.sets_aside = program, n, sets_aside

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


class SharedSlots(RuleBasedStateMachine):
    """Any order of what programs can do to the memory that they share."""

    def __init__(self) -> None:
        super().__init__()
        self.memory: Memory[Waiter] = Memory(SLOTS)
        self.used = dict.fromkeys(PROGRAMS, 0)
        self.queue: list[Waiter] = []
        self.bookings: dict[int, Booking] = {}  # set aside
        self.ahead: dict[int, tuple[Waiter, Booking]] = {}

    def own(self, program: str) -> int:
        return sum(one.n for one in self.bookings.values() if one.who == program)

    def serve(self, waiters: list[Waiter]) -> None:
        for waiter in waiters:
            place = next(nth for nth, one in enumerate(self.queue) if one is waiter)
            del self.queue[place]
            if not waiter.sets_aside:
                self.used[waiter.program] += waiter.n
                continue
            booked = next((number for number, (one, _) in self.ahead.items() if one is waiter), None)
            booking = self.memory.booked(waiter) if booked is None else self.ahead.pop(booked)[1]
            self.bookings[booking.number] = booking

    @rule(program=st.sampled_from(PROGRAMS))
    def take(self, program: str) -> None:
        free = self.memory.free_for(program)
        assert self.memory.take(program) is (free > 0)
        self.used[program] += free > 0

    @rule(program=st.sampled_from(PROGRAMS), n=st.integers(1, SLOTS))
    def take_in_turn_or_wait(self, program: str, n: int) -> None:
        before, free, in_turn = len(self.queue), self.memory.free_for(program), self.memory.free_in_turn(program)
        if self.memory.take_in_turn(n, program):
            assert n <= in_turn <= free
            self.used[program] += n
            return
        assert n > in_turn
        assert before or in_turn == free
        self.queue.append(Waiter(program, n, sets_aside=False))
        self.memory.wait(self.queue[-1], n, program)

    @rule(program=st.sampled_from(PROGRAMS), n=st.integers(1, SLOTS))
    def set_aside(self, program: str, n: int) -> None:
        self.queue.append(Waiter(program, n, sets_aside=True))
        self.serve(self.memory.wait_to_book(self.queue[-1], program, n, 0, ALWAYS_NS))

    @rule(program=st.sampled_from(PROGRAMS), n=st.integers(1, SLOTS))
    def book_ahead_and_begin(self, program: str, n: int) -> None:
        if self.memory.calendar.refusal(n, 0, ALWAYS_NS):
            return
        booking = self.memory.calendar.add(program, n, 0, ALWAYS_NS)
        waiter = Waiter(program, n, sets_aside=True)
        self.queue.append(waiter)
        self.ahead[booking.number] = (waiter, booking)
        self.serve(self.memory.wait_for_booked(waiter, booking))

    @precondition(lambda self: any(self.used.values()))
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        program = data.draw(st.sampled_from([name for name, n in self.used.items() if n]))
        n = data.draw(st.integers(1, self.used[program]))
        self.used[program] -= n
        self.serve(self.memory.release(n, program))

    @precondition(lambda self: self.bookings)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        booking = self.bookings.pop(data.draw(st.sampled_from(sorted(self.bookings))))
        self.serve(self.memory.give_up(booking, was_set_aside=True))

    @precondition(lambda self: self.queue)
    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        waiter = self.queue.pop(data.draw(st.integers(0, len(self.queue) - 1)))
        served = self.memory.forget(waiter)
        number = next((number for number, (one, _) in self.ahead.items() if one is waiter), None)
        if number is not None:
            served += self.memory.give_up(self.ahead.pop(number)[1], was_set_aside=False)
        self.serve(served)

    @invariant()
    def every_slot_is_used_or_free_or_set_aside_and_free(self) -> None:
        memory = self.memory
        own_free = {name: memory.free_for(name) - memory.free for name in PROGRAMS}
        assert memory.free >= 0
        assert memory.free + sum(own_free.values()) + sum(self.used.values()) == SLOTS
        assert memory.own() == {name: self.own(name) for name in PROGRAMS if self.own(name)}
        for name in PROGRAMS:
            assert max(0, self.own(name) - self.used[name]) <= own_free[name] <= self.own(name)

    @invariant()
    def nobody_waits_for_what_is_there(self) -> None:
        """The first in the queue could not be served; nor anybody by its own slots, unless another of it is before."""
        memory, before = self.memory, set[str]()
        for waiter in memory.waiting:
            own_free = memory.free_for(waiter.program) - memory.free
            if not waiter.sets_aside and waiter.program not in before:
                assert waiter.n > own_free + (0 if before else memory.free)
            was_early = any(one is waiter for one, _ in self.ahead.values())
            fits_now = sum(memory.own().values()) + waiter.n <= SLOTS
            refused = memory.calendar.refusal(waiter.n, 0, ALWAYS_NS)
            if was_early or not (waiter.sets_aside and fits_now and refused):  # else only bookings are in its way
                before.add(waiter.program)


TestSharedSlots = SharedSlots.TestCase
TestSharedSlots.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)


def test_a_program_uses_its_own_slots_first_and_fills_them_up_first() -> None:
    """All small cases: a program with `own` slots of its own that takes n and gives back m has what it should."""
    for own, n, m in product(range(1, SLOTS), range(SLOTS + 1), range(SLOTS + 1)):
        if m > n:
            continue
        memory: Memory[Waiter] = Memory(SLOTS)
        assert memory.set_aside(memory.calendar.add("keys", own, 0))
        assert [memory.take("keys") for _ in range(n)] == [True] * n
        assert memory.release(m, "keys") == []
        back_to_own = min(m, n, own)
        shared = max(0, n - own) - (m - back_to_own)
        assert memory.free_for("keys") == SLOTS - (n - m)
        assert memory.free_for("rest") == SLOTS - own - shared


def test_what_is_kept_by_others_is_told_as_never_to_be_had() -> None:
    memory: Memory[Waiter] = Memory(SLOTS)
    booking = memory.calendar.add("keys", 3, 0)
    assert memory.set_aside(booking)
    memory.keep("keys", booking)
    assert (memory.most("keys"), memory.most("rest")) == (4, 1)
    assert memory.let_go("keys") == memory.let_go("keys") == []
    assert (memory.most("rest"), memory.free, list(memory.calendar)) == (4, 4, [])
