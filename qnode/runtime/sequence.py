"""Messages of other processes, each once and in the order in which it was sent, in whatever order they come.

What was under way when a connection was lost is sent again over the next one. Until its sender hears of the loss, what
it sends may be there first: ZeroMQ connects again by itself.
"""

from __future__ import annotations

from typing import Final

from qnode.wire.messages import Direct

MOST_EARLY: Final = 100_000  # messages of a process that wait for an earlier one; a sound one resends a few


class InOrder:
    """Puts the messages of each process in their order."""

    def __init__(self) -> None:
        self._latest: dict[int, int] = {}
        self._early: dict[int, dict[int, Direct]] = {}  # by process, and by the number of the one before

    def take(self, process: int, message: Direct) -> list[Direct]:
        """What can be delivered now that a message of this process has come: nothing, or it and what has waited for it.

        Raises ValueError for one that came before, or of which too many wait.
        """
        latest, early = self._latest.get(process, 0), self._early.setdefault(process, {})
        if message.number <= latest or message.after in early:
            raise ValueError("came before")
        if message.after > latest:
            if len(early) >= MOST_EARLY:
                raise ValueError("too many that wait for an earlier one")
            early[message.after] = message
            return []
        found = [message]
        while (following := early.pop(found[-1].number, None)) is not None:
            found.append(following)
        self._latest[process] = latest = found[-1].number
        if early:  # what waited for something that was given up is given up too
            self._early[process] = {after: one for after, one in early.items() if one.number > latest}
        return found
