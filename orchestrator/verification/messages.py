"""Which nodes there are, and what they send each other. Pure."""

from __future__ import annotations

from collections import Counter

from orchestrator.oracle.events import Event
from orchestrator.verification.facts import LIVES, MESSAGES, Facts, Note
from qnode.ids import life_of
from qnode.wire.stack import STACK


class Lives:
    """Which life each node is in."""

    def __init__(self, note: Note) -> None:
        self.of: Counter[str] = Counter()
        self.gone: set[str] = set()
        self._note = note

    def see(self, event: Event) -> None:
        node = event.node
        if event.event == "node_lost":
            if node in self.gone or event.n != self.of[node]:
                self._note(LIVES, f"{node} is lost in life {event.n}, though it is in {self.of[node]}")
            self.gone.add(node)
        elif event.event == "node_restarted":
            if node not in self.gone or event.n != self.of[node] + 1:
                self._note(LIVES, f"{node} begins life {event.n} after {self.of[node]}")
            self.gone.discard(node)
            self.of[node] = event.n
        elif node in self.gone and event.event not in ("fault", "hold", "release"):
            self._note(LIVES, f"{node} is lost, and does something: {event.event}")


class Messages:
    """Classical messages."""

    def __init__(self, note: Note, facts: Facts) -> None:
        self.sent = 0
        self._note = note
        self._facts = facts
        self._under_way: dict[str, tuple[str, str, int, int]] = {}  # from, to, when, and how often it may still arrive
        self._early: list[Event] = []
        self._of_stacks: set[str] = set()
        self._lost: set[str] = set()  # lives of nodes that were lost, as messages name them

    def talked_to(self) -> set[str]:
        """The nodes to whose stack some message has not arrived yet."""
        return {
            receiver
            for message, (_, receiver, _, times) in self._under_way.items()
            if times > 0 and message in self._of_stacks
        }

    def see(self, event: Event) -> None:
        match event.event:
            case "send":
                self.sent += 1
                if event.message in self._under_way:
                    self._note(MESSAGES, f"{event.message} is sent twice")
                self._under_way[event.message] = (event.node, event.peer, event.t, 1)
                if event.program == STACK:
                    self._of_stacks.add(event.message)
            case "drop" | "duplicate" if event.message in self._under_way:
                sender, receiver, t, times = self._under_way[event.message]
                more = -1 if event.event == "drop" else 1
                self._under_way[event.message] = (sender, receiver, t, times + more)
            case "node_lost":
                self._lost.add(life_of(event.node, event.n))
            case "receive" if self._facts.ordered:
                self._receive(event)
            case "receive":
                self._early.append(event)

    def _receive(self, event: Event) -> None:
        found = self._under_way.get(event.message)
        if found is None and self._is_of_the_lost(event):
            return
        if found is None:
            self._note(MESSAGES, f"{event.message} arrives, and was not sent")
            return
        sender, receiver, sent_ns, times = found
        if (sender, receiver) != (event.peer, event.node):
            self._note(MESSAGES, f"{event.message} from {sender} to {receiver} arrives at {event.node}")
        if times < 1:
            self._note(MESSAGES, f"{event.message} arrives once more, or was lost")
        delay_ns = self._facts.delay_ns(sender, receiver)
        if self._facts.ordered and (delay_ns is None or event.t < sent_ns + delay_ns):
            self._note(MESSAGES, f"{event.message} arrives {event.t - sent_ns} ns after it was sent, not {delay_ns} ns")
        self._under_way[event.message] = (sender, receiver, sent_ns, times - 1)

    def _is_of_the_lost(self, event: Event) -> bool:
        """Whether the line of its sending may have been lost with its sender: only the message went to its node."""
        sender = event.message.partition(":")[0]
        return not self._facts.ordered and sender in self._lost

    def end(self) -> None:
        for event in self._early:
            self._receive(event)
