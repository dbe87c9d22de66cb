"""The slots of a node: counted, never overdrawn, and given first come, first served."""

from __future__ import annotations

from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from qnode.core.memory import Memory, place

SLOTS = 5


class Waiter:
    """A token, told apart by what it is and not by what it equals."""

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


class SlotsOfANode(RuleBasedStateMachine):
    """Any order of taking, waiting, giving up and releasing, beside a plain queue."""

    def __init__(self) -> None:
        super().__init__()
        self.memory: Memory[Waiter] = Memory(SLOTS)
        self.taken = 0
        self.queue: deque[Waiter] = deque()

    def served(self, waiters: list[Waiter]) -> None:
        """Exactly those at the head of the queue that fit, in its order."""
        expected = []
        while self.queue and self.queue[0].wanted <= SLOTS - self.taken:
            expected.append(self.queue.popleft())
            self.taken += expected[-1].wanted
        assert list(map(id, waiters)) == list(map(id, expected))

    @rule()
    def take(self) -> None:
        assert self.memory.take() is (self.taken < SLOTS)
        self.taken = min(SLOTS, self.taken + 1)

    @rule(n=st.integers(1, SLOTS))
    def take_in_turn_or_wait(self, n: int) -> None:
        at_once = not self.queue and n <= SLOTS - self.taken
        assert self.memory.take_in_turn(n) is at_once
        if at_once:
            self.taken += n
            return
        waiter = Waiter(n)
        self.memory.wait(waiter, n)
        self.queue.append(waiter)

    @precondition(lambda self: self.taken)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        n = data.draw(st.integers(1, self.taken))
        self.taken -= n
        self.served(self.memory.release(n))

    @precondition(lambda self: self.queue)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        places = data.draw(st.sets(st.integers(0, len(self.queue) - 1), min_size=1, max_size=2))
        gone = [self.queue[place] for place in places]
        self.queue = deque(waiter for place, waiter in enumerate(self.queue) if place not in places)
        self.served(self.memory.forget(*gone))

    @invariant()
    def slots_and_waiters_are_counted(self) -> None:
        assert self.memory.free == SLOTS - self.taken >= 0
        assert list(map(id, self.memory.waiting)) == list(map(id, self.queue))


TestSlotsOfANode = SlotsOfANode.TestCase
TestSlotsOfANode.settings = settings(max_examples=50, stateful_step_count=30)


def test_a_request_for_many_is_not_overtaken_by_one_for_few() -> None:
    memory: Memory[str] = Memory(3)
    assert memory.take_in_turn(2)
    memory.wait("three", 3)
    assert memory.free_in_turn() == 0
    assert not memory.take_in_turn(1)  # there is one, but somebody waits
    memory.wait("one", 1)
    assert memory.release() == []
    assert memory.release() == ["three"]
    assert memory.release(3) == ["one"]


def test_whoever_waits_behind_one_that_gives_up_is_served_at_once() -> None:
    memory: Memory[str] = Memory(3)
    assert memory.take_in_turn(2)
    for waiter, n in (("three", 3), ("one", 1), ("another", 1)):
        memory.wait(waiter, n)
    assert memory.forget("three") == ["one"]
    assert memory.free == 0


@given(st.integers(0, 20))
def test_a_node_holds_as_many_as_it_has_slots(slots: int) -> None:
    memory: Memory[None] = Memory(slots)
    assert [memory.take() for _ in range(slots + 1)] == [True] * slots + [False]


def test_a_place_is_file_and_line() -> None:
    assert place((test_a_place_is_file_and_line.__code__, 12)) == f"{__file__}:12"
    assert place(None) == "an unknown line"
