"""The network layer of one node: requests of its programs, met by those of others, served over circuits.

Requests of two nodes meet (`requests`); the one that was first picks a route and sets a circuit up (`requester`), node
by node (`signalling`), with the memory that each has for it (`table`, `resources`); pairs come over it (`circuits`),
until all are whole or something breaks (`recovery`). Here is where all that happens to a node comes in, and is passed
to the part that it is for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from qnode.errors import QnodeError, from_wire
from qnode.ids import NodeName, PairId
from qnode.stack.admission import Slots
from qnode.stack.checking import check
from qnode.stack.circuits import Circuit
from qnode.stack.effects import Effect, Half
from qnode.stack.ends import End
from qnode.stack.local import Local
from qnode.stack.recovery import Recovery
from qnode.stack.repeaters import Repeater
from qnode.stack.requester import Requester
from qnode.stack.requests import Meeting, Requests, Talks
from qnode.stack.signalling import Signalling
from qnode.stack.table import CircuitTable
from qnode.stack.wants import Want
from qnode.stack.ways import Routes
from qnode.wire.items import Back, LinkDown, LinkUp, Lost
from qnode.wire.stack import (
    Announce,
    Busy,
    Close,
    Down,
    Expire,
    Found,
    Free,
    Granted,
    Joined,
    LinkFacts,
    Missing,
    NodeFacts,
    Parity,
    Refused,
    Seek,
    Settle,
    Setup,
    StackSpec,
    Talk,
    Terms,
    Track,
    Vector,
    Void,
    Wanted,
)

ANY: Final = Terms()


class NetworkLayer:
    """Events in, effects out; `out` is emptied by whoever carries them out.

    Args:
        memory: The slots where pairs arrive; taken here, given back by the shell.
        key: Of what this node draws for circuits.
    """

    def __init__(
        self,
        name: NodeName,
        life: int,
        spec: StackSpec,
        facts: NodeFacts,
        links: Iterable[LinkFacts],
        memory: Slots,
        routes: Routes,
        key: bytes = b"",
    ) -> None:
        self._local = local = Local(name, life, spec, facts, links, key)
        self._routes = routes
        self._table = table = CircuitTable(local, memory)
        self._requests = requests = Requests(local, table, self._met)
        self._requester = requester = Requester(local, table, requests, routes)
        self._signalling = Signalling(local, table, requests, requester)
        self._recovery = Recovery(local, table, requests, requester, routes)
        self.out: Final[list[Effect]] = local.out
        self.circuits: Final[Mapping[str, Circuit]] = table.here
        self.wants: Final[Mapping[int, Want]] = requests.wants
        self.meetings: Final[Mapping[Talks, Meeting]] = requests.meetings

    @property
    def now_ns(self) -> int:
        """Set it before anything happens."""
        return self._local.now_ns

    @now_ns.setter
    def now_ns(self, now_ns: int) -> None:
        self._local.now_ns = now_ns

    def _met(self, want: Want) -> None:
        self._requester.set_up(want)

    # ------------------------------------------------------------ what programs ask for

    def ask(
        self,
        program: str,
        peer: NodeName,
        tag: str,
        n: int,
        min_fidelity: float,
        at_once: int,
        *,
        priority: int = 0,
        kind: str = "keep",
        by_number: bool = False,
        terms: Terms = ANY,
    ) -> int:
        """A program wants n pairs with a peer, and has room for so many at once. Returns the request's number.

        With kind "measure" it wants the outcomes of its halves, and needs no room; `by_number` if these are not all
        measured in the same basis.
        """
        asked = Wanted(0, program, tag, n, min_fidelity, self.now_ns, kind, 0, priority, terms)
        want = self._requests.add(peer, asked, at_once, by_number=by_number)
        number = want.asked.number
        self._routes.need(peer)
        self._requests.offer(want)
        if number in self.wants and want.state == "asked":
            self._requester.check_way(want)
        return number

    def withdraw(self, number: int, why: str = "withdrawn") -> None:
        """A program has given up, or its time is over; a request that is over is over."""
        want = self.wants.get(number)
        if want is not None:
            self._local.log(f"network_{why}", want.asked.program, number, peer=want.peer, n=want.asked.n)
            if want.state in ("asked", "routing"):
                self._routes.doubt(want.peer)
            self._requests.end(want)

    # ------------------------------------------------------------ ways

    @property
    def routes_due_ns(self) -> int | None:
        """When `tell_routes` is to be called."""
        return self._routes.due_ns

    def tell_routes(self) -> None:
        """Tell the neighbours what is new of the network, all of it at once."""
        for peer, talk in self._routes.take(self.now_ns):
            self._local.tell(peer, talk)

    def measured(self, peer: NodeName, vector: Vector) -> None:
        """Pairs of an own link have been measured: circuits and routes reckon with that from now on."""
        self._local.measured(peer, vector)
        self._routes.measured(peer, vector)
        self._requester.routes_changed()

    # ------------------------------------------------------------ slots and times

    def slots_freed(self) -> None:
        """Memory has been given back: who waits longest may have it."""
        self._signalling.slots_freed()

    def make_way(self, circuit: str) -> None:
        """The time of a circuit has come, and others have its slots."""
        self._signalling.make_way(circuit)

    def slots_are_here(self, circuit: str) -> None:
        """The time of a circuit has come, and the slots are set aside that were booked for it."""
        self._signalling.slots_are_here(circuit)

    def time_is_over(self, circuit: str) -> None:
        """So is that of a circuit."""
        self._signalling.time_is_over(circuit)

    # ------------------------------------------------------------ what breaks

    def happened(self, what: LinkDown | LinkUp | Lost | Back) -> None:
        """Something has become of an own link, or of another node."""
        self._recovery.happened(what)

    def forsake(self, node: NodeName, reason: str) -> None:
        """Another node is gone: requests with it end."""
        self._recovery.forsake(node, reason)

    # ------------------------------------------------------------ messages of other stacks

    def heard(self, sender: NodeName, talk: Talk) -> None:
        """A message has come; those about what is over are ordinary.

        Raises MalformedMessage, and does nothing, if the sender must not send it.
        """
        local, table, requests = self._local, self._table, self._requests
        check(talk, sender, local.name, local.links, table.route_of, requests.peer_of)
        match talk:
            case Track():
                circuit = self.circuits.get(talk.circuit)
                if circuit is not None:
                    circuit.tracked(talk, local.now_ns)
                    self._look_after(circuit)
            case Expire():
                circuit = self.circuits.get(talk.circuit)
                if circuit is not None:
                    circuit.expired(sender, PairId(talk.pair))
            case Joined():
                circuit = self.circuits.get(talk.circuit)
                if isinstance(circuit, Repeater):
                    circuit.reaches(PairId(talk.pair), talk.place)
            case Parity():
                circuit = self.circuits.get(talk.circuit)
                if circuit is not None:
                    circuit.parity(sender, talk)
                    self._look_after(circuit)
            case Missing():
                circuit = self.circuits.get(talk.circuit)
                if isinstance(circuit, End):
                    circuit.lacks(talk.number)
                    self._look_after(circuit)
            case Wanted():
                self._requests.heard(sender, talk)
            case Void():
                self._requests.void(sender, talk)
            case Refused():
                want = self.wants.get(talk.number)
                if want is not None and talk.circuit in ("", want.circuit):
                    self._requester.refused(sender, want, from_wire(talk.code, talk.fields))
            case Setup():
                self._signalling.set_up(sender, talk)
            case Granted():
                self._signalling.granted(talk)
            case Busy():
                self._signalling.busy(talk)
            case Free():
                self._signalling.free(sender, talk)
            case Close():
                self._table.close(talk.circuit, sender)
            case Down():
                self._recovery.down(talk)
            case Settle():
                self._recovery.settle(sender, talk)
            case Announce() | Seek() | Found():
                if self._routes.heard(sender, talk):
                    self._requester.routes_changed()

    # ------------------------------------------------------------ pairs

    def came(self, circuit: str, peer: NodeName, half: Half, number: int = 0) -> bool:
        """A link has delivered a half. False if nobody wants it any more."""
        found = self.circuits.get(circuit)
        if found is None or not found.open:
            return False
        found.came(peer, half, number)
        self._look_after(found)
        return True

    def link_refused(self, circuit: str, error: QnodeError) -> None:
        """A link makes nothing for a circuit, nor would it for the next: its request is refused."""
        found, want = self.circuits.get(circuit), self._table.serves.get(circuit)
        if isinstance(found, Repeater):
            self._local.tell(found.route[0], Refused(found.number, error.code, error.fields, circuit))
        elif want is not None:
            self._requests.refuse_both(want, error)

    def swapped(self, circuit: str, left: PairId, right: PairId, frame: int | None, took_ns: int = 0) -> None:
        """The outcome of a Bell measurement; None: it has failed. `took_ns`: since both halves were stored no more."""
        found = self.circuits.get(circuit)
        if isinstance(found, Repeater):
            if frame is None:
                found.swap_failed(left, right)
            else:
                found.swapped(left, right, frame, self.now_ns, took_ns)
            self._look_after(found)

    def read(self, circuit: str, pair: PairId) -> bool:
        """A half has been measured. Whether its slot is still the circuit's: else it is free."""
        found = self.circuits.get(circuit)
        if isinstance(found, End):
            found.read(pair)
        return found is not None

    def distilled(self, circuit: str, peer: NodeName, step: int, bit: Literal[0, 1] | None) -> None:
        """What was measured in a step of a distillation; None: nothing."""
        found = self.circuits.get(circuit)
        if found is not None:
            found.distilled(peer, step, bit)
            self._look_after(found)

    def cut_off(self, circuit: str, pair: PairId) -> None:
        """A half has waited for as long as it may."""
        found = self.circuits.get(circuit)
        if found is not None:
            found.cut_off(pair, self.now_ns)

    def _look_after(self, circuit: Circuit) -> None:
        """Something has become whole, perhaps the last."""
        if circuit.open or circuit.whole < circuit.n or not circuit.n:
            return
        if isinstance(circuit, End) and circuit.improver is not None and not circuit.place:
            # Repeaters do not know when it is enough.
            for node in sorted({*circuit.route[1:-1]} - self._local.lost):
                self._local.tell(node, Close(circuit.id))
        want = self._table.finish(circuit)
        if want is not None:
            self._requests.serve(want)
