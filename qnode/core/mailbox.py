"""Letters that nobody has asked for yet, and readers whose letter has not come yet."""

from __future__ import annotations

from bisect import bisect
from collections import deque
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")
W = TypeVar("W")

Address = tuple[str, ...]


class Letter(NamedTuple, Generic[T]):
    """What was delivered, and the how-manieth it was."""

    number: int
    value: T


class Mailbox(Generic[T, W]):
    """First in, first out for each address; a letter waits for a reader or a reader for a letter, never both.

    A reader is any token: the caller hands it the letter.
    """

    def __init__(self) -> None:
        self._numbered = 0
        self._letters: dict[Address, deque[Letter[T]]] = {}
        self._readers: dict[Address, deque[W]] = {}

    def number(self, value: T) -> Letter[T]:
        """What is to be delivered next."""
        self._numbered += 1
        return Letter(self._numbered, value)

    def put(self, address: Address, letter: Letter[T]) -> W | None:
        """Deliver: to the reader that is returned, or, if it is None, into the box."""
        readers = self._readers.get(address)
        if readers:
            reader = readers.popleft()
            if not readers:
                del self._readers[address]
            return reader
        self._letters.setdefault(address, deque()).append(letter)
        return None

    def put_back(self, address: Address, letter: Letter[T]) -> W | None:
        """A reader was cancelled with its letter in hand: the next reader gets it, before any later letter."""
        if address in self._readers:
            return self.put(address, letter)
        letters = self._letters.setdefault(address, deque())
        letters.insert(bisect([one.number for one in letters], letter.number), letter)
        return None

    def take(self, address: Address) -> Letter[T] | None:
        """The oldest letter, or None."""
        letters = self._letters.get(address)
        if not letters:
            return None
        letter = letters.popleft()
        if not letters:
            del self._letters[address]
        return letter

    def wait(self, address: Address, reader: W) -> None:
        self._readers.setdefault(address, deque()).append(reader)

    def forget(self, address: Address, reader: W) -> None:
        """A reader gave up before its letter came."""
        readers = self._readers.get(address)
        if readers and reader in readers:
            readers.remove(reader)
            if not readers:
                del self._readers[address]

    def dismiss(self, which: Callable[[Address], bool]) -> list[tuple[Address, W]]:
        """Readers whose letter will never come: no longer waiting, and returned, those of an address in their order."""
        gone = [address for address in self._readers if which(address)]
        return [(address, reader) for address in gone for reader in self._readers.pop(address)]

    def awaited(self, address: Address) -> bool:
        """Whether somebody waits for a letter there."""
        return address in self._readers

    def clear(self, which: Callable[[Address], bool]) -> int:
        """Throw away the letters of addresses that nobody will ask for; how many."""
        return sum(len(self._letters.pop(address)) for address in [one for one in self._letters if which(one)])

    def unread(self) -> int:
        """How many letters nobody asked for."""
        return sum(map(len, self._letters.values()))
