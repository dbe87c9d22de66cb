"""The mailbox: each letter reaches one reader, in order for each address, and none is lost when a reader gives up."""

from __future__ import annotations

from collections import defaultdict
from itertools import count, permutations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from qnode.core.mailbox import Letter, Mailbox

ADDRESSES = (("main", "bob"), ("main", "carol"), ("keys", "bob"))
Address = tuple[str, ...]

addresses = st.sampled_from(ADDRESSES)


class Letters(RuleBasedStateMachine):
    """Senders, readers that wait, read, give up before their letter or with it in hand."""

    def __init__(self) -> None:
        super().__init__()
        self.box: Mailbox[int, str] = Mailbox()
        self.readers = count()
        self.waiting: dict[Address, list[str]] = defaultdict(list)
        self.in_hand: list[tuple[Address, Letter[int]]] = []
        self.in_box: dict[Address, list[Letter[int]]] = defaultdict(list)
        self.read: list[Letter[int]] = []
        self.sent = 0

    def handed(self, address: Address, letter: Letter[int], reader: str | None) -> None:
        """The reader that waits longest gets it, or the box, between those sent before and after it."""
        if self.waiting[address]:
            assert reader == self.waiting[address].pop(0)
            self.in_hand.append((address, letter))
        else:
            assert reader is None
            self.in_box[address] = sorted([*self.in_box[address], letter], key=lambda one: one.value)

    @rule(address=addresses)
    def send(self, address: Address) -> None:
        letter = self.box.number(self.sent)
        self.sent += 1
        self.handed(address, letter, self.box.put(address, letter))

    @rule(address=addresses)
    def ask(self, address: Address) -> None:
        letter = self.box.take(address)
        if letter is not None:
            assert letter == self.in_box[address].pop(0)
            self.in_hand.append((address, letter))
            return
        assert not self.in_box[address]
        reader = f"reader {next(self.readers)}"
        self.box.wait(address, reader)
        self.waiting[address].append(reader)

    @rule(address=addresses, index=st.integers(0, 3))
    def give_up_waiting(self, address: Address, index: int) -> None:
        readers = self.waiting[address]
        if index < len(readers):
            self.box.forget(address, readers.pop(index))
        else:
            self.box.forget(address, "nobody")

    @rule(peer=st.sampled_from(("bob", "carol")))
    def lose_a_peer(self, peer: str) -> None:
        gone = [
            (address, reader) for address in ADDRESSES if address[1] == peer for reader in self.waiting.pop(address, [])
        ]
        assert sorted(self.box.dismiss(lambda address: address[1] == peer)) == sorted(gone)

    @precondition(lambda self: self.in_hand)
    @rule(index=st.integers(0, 3))
    def read_what_is_in_hand(self, index: int) -> None:
        self.read.append(self.in_hand.pop(min(index, len(self.in_hand) - 1))[1])

    @precondition(lambda self: self.in_hand)
    @rule(index=st.integers(0, 3))
    def give_up_with_a_letter_in_hand(self, index: int) -> None:
        address, letter = self.in_hand.pop(min(index, len(self.in_hand) - 1))
        self.handed(address, letter, self.box.put_back(address, letter))

    @invariant()
    def each_letter_is_in_one_place(self) -> None:
        places = [*self.read, *(letter for _, letter in self.in_hand)]
        places += [letter for letters in self.in_box.values() for letter in letters]
        assert sorted(letter.value for letter in places) == list(range(self.sent))
        assert self.box.unread() == sum(map(len, self.in_box.values()))


TestLetters = Letters.TestCase
TestLetters.settings = settings(max_examples=50, stateful_step_count=30)


def values(box: Mailbox[str, str], n: int) -> list[str | None]:
    """The next n letters that somebody gets who asks."""
    letters = [box.take(ADDRESSES[0]) for _ in range(n)]
    return [letter and letter.value for letter in letters]


def test_readers_are_served_in_the_order_in_which_they_came() -> None:
    box: Mailbox[str, str] = Mailbox()
    for reader in ("first", "second", "third"):
        box.wait(ADDRESSES[0], reader)
    box.forget(ADDRESSES[0], "second")
    letters = [box.number(text) for text in ("one", "two", "three")]
    assert [box.put(ADDRESSES[0], letter) for letter in letters] == ["first", "third", None]
    assert values(box, 2) == ["three", None]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_letters_put_back_in_any_order_are_read_in_the_order_in_which_they_came(order: tuple[int, ...]) -> None:
    box: Mailbox[str, str] = Mailbox()
    letters = [box.number(text) for text in ("one", "two", "three", "four")]
    for letter in letters[:3]:
        box.wait(ADDRESSES[0], "cancelled")
        assert box.put(ADDRESSES[0], letter) == "cancelled"
    assert box.put(ADDRESSES[0], letters[3]) is None
    for index in order:
        assert box.put_back(ADDRESSES[0], letters[index]) is None
    assert values(box, 5) == ["one", "two", "three", "four", None]


def test_a_letter_put_back_goes_to_whoever_waits() -> None:
    box: Mailbox[str, str] = Mailbox()
    box.wait(ADDRESSES[0], "next")
    assert box.put_back(ADDRESSES[0], box.number("one")) == "next"
    assert box.unread() == 0
