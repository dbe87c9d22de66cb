"""Requests of a node's programs, and how they meet those of others.

Requests of two nodes meet in order, for each program and tag. One of the two decides which meet, so that they never
disagree, whatever is withdrawn meanwhile: the other tells it what it wants, and hears of it when it has met. Who asked
earlier is the requester, and goes on from there.
"""

from __future__ import annotations

from bisect import insort
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final

from msgspec.structs import replace

from qnode.errors import MalformedMessage, PeerLost, QnodeError, RequestMismatch, RequestOver
from qnode.ids import NodeName
from qnode.stack.effects import Refuse
from qnode.stack.local import Local
from qnode.stack.recent import remember
from qnode.stack.table import CircuitTable
from qnode.stack.terms import mismatch
from qnode.stack.wants import Want
from qnode.wire.stack import Refused, Void, Wanted

OF_A_LIFE: Final = 1_000_000
"""Each life of a node numbers its requests from others on: what comes late of an earlier one names none of the next."""

Talks = tuple[NodeName, str, str, str]  # peer, program, tag, kind


class Meeting:
    """Requests that have met none, of this node's program and of a peer's of the same name, per tag, oldest first.

    It is kept by the one of the two nodes that decides.
    """

    __slots__ = ("mine", "talks", "theirs")

    def __init__(self, talks: Talks) -> None:
        self.talks = talks
        self.mine: list[Want] = []
        self.theirs: list[Wanted] = []


class Requests:
    """The requests of one node that are not over.

    Attributes:
        wants: By number.
        meetings: Where this node decides.

    Args:
        table: Of the circuits that serve them.
        met: Called with a request that has met another, of which it is the requester.
    """

    def __init__(self, local: Local, table: CircuitTable, met: Callable[[Want], None]) -> None:
        self._local = local
        self._table = table
        self._met = met
        self._wants: dict[int, Want] = {}
        self._meetings: dict[Talks, Meeting] = {}
        self.wants: Final[Mapping[int, Want]] = self._wants
        self.meetings: Final[Mapping[Talks, Meeting]] = self._meetings
        self._numbered = local.life * OF_A_LIFE
        self._heard_of: OrderedDict[tuple[NodeName, int, int, int], None] = OrderedDict()  # requests of others

    def decides(self, peer: NodeName) -> bool:
        """Whether this node says which of the two nodes' requests meet."""
        return self._local.name < peer

    def peer_of(self, number: int) -> NodeName | None:
        """With whom the request is that has this number."""
        want = self.wants.get(number)
        return None if want is None else want.peer

    # ------------------------------------------------------------ it begins

    def add(self, peer: NodeName, asked: Wanted, at_once: int, *, by_number: bool) -> Want:
        """A program asks a peer for this, and has room for so many pairs at once. It gets a number here."""
        self._numbered += 1
        spare = self._table.resources.most(asked.program) - (at_once if asked.kind == "keep" else 1)
        want = Want(peer, replace(asked, number=self._numbered, spare=spare), at_once)
        want.by_number = by_number
        self._wants[self._numbered] = want
        self._local.log("network_request", asked.program, self._numbered, peer=peer, n=asked.n, name=asked.tag)
        return want

    def offer(self, want: Want) -> None:
        """A new request is to meet one of its peer's."""
        if self.decides(want.peer):
            meeting = self._meeting(want.peer, want.asked)
            meeting.mine.append(want)
            self._meet(want.peer, meeting)
        else:
            self._local.tell(want.peer, want.asked)

    # ------------------------------------------------------------ it ends

    def end(self, want: Want, *, served: bool = False) -> None:
        """A request is over; the peer is told, unless both were served."""
        number, peer, theirs = want.asked.number, want.peer, want.theirs
        del self._wants[number]
        self._table.leave(want)
        if served or peer in self._local.lost:
            return
        if not self.decides(peer):
            self._local.tell(peer, Void(number))
            return
        meeting = self._meeting(peer, want.asked)
        if theirs is None:
            if want in meeting.mine:
                meeting.mine.remove(want)
            self._forget_empty(meeting)
            return
        self._local.tell(peer, Void(number, theirs.number))
        if 0 < theirs.terms.to_ns <= self._local.now_ns:
            return  # it is over at the same time
        insort(meeting.theirs, theirs, key=lambda one: one.number)
        self._meet(peer, meeting)

    def serve(self, want: Want) -> None:
        """All its pairs are whole."""
        self._local.log("network_served", want.asked.program, want.asked.number, peer=want.peer, n=want.asked.n)
        self.end(want, served=True)

    def refuse(self, want: Want, error: QnodeError) -> None:
        """Nothing comes of it, and its program is told why."""
        number = want.asked.number
        self._local.log("network_refused", want.asked.program, number, name=error.code, detail=str(error))
        self._local.out.append(Refuse(number, error.code, error.fields))
        self.end(want)

    def refuse_both(self, want: Want, error: QnodeError) -> None:
        """Nor of the one that it has met."""
        assert want.theirs is not None
        self._local.tell(want.peer, Refused(want.theirs.number, error.code, error.fields))
        self.refuse_here(want, error)

    def refuse_here(self, want: Want, error: QnodeError) -> None:
        """At an end whose peer knows, or is told by another."""
        want.theirs = None  # it is over, and meets nothing else
        self.refuse(want, error)

    def forsake(self, node: NodeName, reason: str) -> None:
        """Another node is gone: requests with it end."""
        for want in [want for want in self.wants.values() if want.peer == node]:
            self.refuse(want, PeerLost(peer=node, reason=reason))
        for talks in [talks for talks in self.meetings if talks[0] == node]:
            del self._meetings[talks]

    # ------------------------------------------------------------ what peers say

    def heard(self, sender: NodeName, wanted: Wanted) -> None:
        """A peer wants something; or says, where it decides, what that has met."""
        before = (sender, wanted.number, wanted.at_ns, wanted.met)
        if before in self._heard_of:
            return
        if self.decides(sender):
            remember(self._heard_of, before, None)
            meeting = self._meeting(sender, wanted)
            meeting.theirs.append(wanted)
            self._meet(sender, meeting)
            return
        want = self.wants.get(wanted.met)
        if want is None or want.state != "asked" or want.theirs is not None:
            return
        mine = want.asked
        alike = (mine.program, mine.tag, mine.kind, mine.n) == (wanted.program, wanted.tag, wanted.kind, wanted.n)
        if not alike or mismatch(self._local.name, sender, mine.terms, wanted.terms) is not None:
            raise MalformedMessage(detail=f"the stack of {sender} sent that requests have met which are not alike")
        remember(self._heard_of, before, None)
        want.theirs = wanted
        self._met(want)

    def void(self, sender: NodeName, void: Void) -> None:
        """A request of a peer is over."""
        if not self.decides(sender):
            want = self.wants.get(void.met)
            if want is None:  # it was served here, or withdrawn: the other end does not know
                self._local.tell(sender, Void(void.met))
            elif want.theirs is None or want.theirs.number == void.number:
                self._part(want)
            return
        for (peer, *_), meeting in list(self.meetings.items()):
            if peer == sender:
                meeting.theirs[:] = [one for one in meeting.theirs if one.number != void.number]
                self._forget_empty(meeting)
        for want in list(self.wants.values()):
            if want.peer == sender and want.theirs is not None and want.theirs.number == void.number:
                self._part(want)

    def _part(self, want: Want) -> None:
        """What a request had met is over: it waits for another, unless some of its pairs are in use."""
        circuit = self._table.here.get(want.circuit)
        had = want.whole + (circuit.whole if circuit is not None else 0)
        self._table.leave(want)
        want.theirs = None
        want.state = "asked"
        if had:
            over = RequestOver(peer=want.peer, state="withdrawn there", delivered=had, wanted=want.asked.n)
            self.refuse(want, over)
        elif self.decides(want.peer):
            meeting = self._meeting(want.peer, want.asked)
            insort(meeting.mine, want, key=lambda one: one.asked.number)
            self._meet(want.peer, meeting)
        else:
            self._table.try_again_for(want.asked.number)

    # ------------------------------------------------------------ where this node decides

    def _meeting(self, peer: NodeName, wanted: Wanted) -> Meeting:
        talks = (peer, wanted.program, wanted.tag, wanted.kind)
        meeting = self.meetings.get(talks)
        if meeting is None:
            meeting = self._meetings[talks] = Meeting(talks)
        return meeting

    def _forget_empty(self, meeting: Meeting) -> None:
        if not meeting.mine and not meeting.theirs and self.meetings.get(meeting.talks) is meeting:
            del self._meetings[meeting.talks]

    def _meet(self, peer: NodeName, meeting: Meeting) -> None:
        """Whichever requests can."""
        local = self._local
        while meeting.mine and meeting.theirs:
            want, theirs = meeting.mine.pop(0), meeting.theirs.pop(0)
            mine, want.theirs = want.asked, theirs
            if mine.n != theirs.n:
                other = RequestMismatch(node=peer, peer=local.name, wanted=theirs.n, offered=mine.n)
                local.tell(peer, Refused(theirs.number, other.code, other.fields))
                self.refuse_here(want, RequestMismatch(node=local.name, peer=peer, wanted=mine.n, offered=theirs.n))
            elif (differs := mismatch(local.name, peer, mine.terms, theirs.terms)) is not None:
                seen = mismatch(peer, local.name, theirs.terms, mine.terms) or differs
                local.tell(peer, Refused(theirs.number, seen.code, seen.fields))
                self.refuse_here(want, differs)
            elif (mine.at_ns, local.name) < (theirs.at_ns, peer):
                self._met(want)
            else:
                local.tell(peer, replace(mine, met=theirs.number))
        self._forget_empty(meeting)
