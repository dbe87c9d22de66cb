"""How a circuit comes to be, node by node: the signalling along its route.

`Setup` goes from the requester to the far end, and each node on the way takes part or says why it does not: `Busy` goes
back if it has no memory now, and `Free` to the requester once it has. The far end answers with `Granted`, by which all
know that everybody takes part: pairs are made from then on, or from when the time has come that was booked.
"""

from __future__ import annotations

from collections import OrderedDict

from msgspec.structs import replace

from qnode.errors import MalformedMessage, QnodeError
from qnode.ids import NodeName
from qnode.stack.circuits import Circuit
from qnode.stack.effects import SetAside
from qnode.stack.ends import End
from qnode.stack.local import Local
from qnode.stack.recent import remember
from qnode.stack.repeaters import Repeater
from qnode.stack.requester import Requester
from qnode.stack.requests import Requests
from qnode.stack.table import CircuitTable
from qnode.stack.wants import Want
from qnode.wire.operations import Told
from qnode.wire.stack import Busy, Close, Down, Free, Granted, Refused, Setup


class Signalling:
    """One node's part in setting up circuits, its own and those of others."""

    def __init__(self, local: Local, table: CircuitTable, requests: Requests, requester: Requester) -> None:
        self._local = local
        self._table = table
        self._requests = requests
        self._requester = requester
        self._tried: OrderedDict[tuple[str, str], int] = OrderedDict()  # circuits, by whom, and the last attempt

    # ------------------------------------------------------------ along the route

    def set_up(self, sender: NodeName, setup: Setup) -> None:
        """This node is asked to take part."""
        local = self._local
        at = setup.route.index(local.name)
        if setup.circuit in self._table.here or setup.attempt <= self._tried.get((setup.circuit, sender), -1):
            return  # it has come before
        remember(self._tried, (setup.circuit, sender), setup.attempt)
        is_end = at == len(setup.route) - 1
        want = self._requests.wants.get(setup.far_number) if is_end else None
        if self._is_over(setup) or (is_end and not self._may_serve(setup, want)):
            local.tell(sender, Busy(setup.circuit, "", setup.attempt))  # it is over: that is on its way
            return
        if want is not None and (want.circuit or not (_met(setup, want) or want.theirs is None)):
            self._wait(sender, setup)  # that something else is over, is on its way
            return
        slow = self._table.resources.too_slow(setup, at)
        if slow is not None:
            self._refuse(setup, slow)
            return
        if not is_end and (broken := self._broken(setup.route[at + 1])):
            local.tell(sender, Busy(setup.circuit, "", setup.attempt))
            local.tell(setup.route[0], Down(setup.circuit, broken))
            return
        circuit = self._table.join(setup, want)
        if isinstance(circuit, QnodeError):
            self._refuse(setup, circuit)
            if want is not None:
                self._requests.refuse_here(want, circuit)
        elif circuit is None:
            self._wait(sender, setup)
        elif want is None:
            local.tell(setup.route[at + 1], replace(setup, window=circuit.window))
        else:
            self._serve(setup, want)
            local.tell(sender, Granted(setup.circuit, circuit.window, local.facts))
            self._begin(circuit, circuit.window)

    def granted(self, granted: Granted) -> None:
        """The far end takes part, and so do all nodes from there to here."""
        circuit = self._table.here.get(granted.circuit)
        if circuit is None or circuit.granted or circuit.settling:
            return
        if granted.window > circuit.window:
            raise MalformedMessage(
                detail=f"a window of {granted.window} is granted for {circuit.id}, more than was asked"
            )
        self._table.resources.trim(circuit, granted.window)
        if circuit.place or not isinstance(circuit, End):
            self._local.tell(circuit.route[circuit.place - 1], granted)
        else:
            circuit.far_facts = granted.facts
            want = self._table.serves[granted.circuit]
            want.state = "running" if circuit.booking is None else "reserved"
            want.waits_at.clear()
            self._log_way("network_accepted" if circuit.booking is None else "network_reserved", want, circuit)
        self._begin(circuit, granted.window)

    def busy(self, busy: Busy) -> None:
        """A node further on does not take part: nobody keeps slots meanwhile."""
        circuit = self._table.here.get(busy.circuit)
        if circuit is None or circuit.settling or circuit.granted or busy.attempt != circuit.attempt:
            return
        self._table.drop(circuit)
        if circuit.place:
            self._local.tell(circuit.route[circuit.place - 1], busy)
            return
        want = self._table.serves.get(busy.circuit)
        if want is not None and busy.node:
            self._requester.is_busy(want, busy.node)

    def free(self, sender: NodeName, free: Free) -> None:
        """A node that was busy has memory now."""
        want = self._table.serves.get(free.circuit)
        if want is not None:
            self._requester.is_free(want)
        elif not self._table.has_finished(free.circuit):  # else it took part since, and may have tracks to hand on
            self._local.tell(sender, Close(free.circuit))

    def slots_freed(self) -> None:
        """Memory has been given back: who waits longest may have it."""
        circuit = self._table.resources.next()
        if circuit is None:
            self._table.make_room()
            return
        want = self._table.serves.get(circuit)
        if want is not None:
            self._requester.set_up(want)
        else:
            self._table.try_again(circuit)

    # ------------------------------------------------------------ whether this node takes part

    def _is_over(self, setup: Setup) -> bool:
        """Whether a circuit that is to be set up has been closed, or was that of an earlier life of its requester."""
        life = int(setup.circuit.partition(">")[0].partition("!")[2] or 0)
        return self._table.is_closed(setup) or life < self._local.lives.get(NodeName(setup.route[0]), 0)

    def _may_serve(self, setup: Setup, want: Want | None) -> bool:
        """At the far end: whether its request is there; where that one decides, also whether the two have met."""
        return want is not None and (_met(setup, want) or not self._requests.decides(NodeName(setup.route[0])))

    def _broken(self, ahead: str) -> str:
        """Why it cannot go on to the next node, if so."""
        if ahead in self._local.lost:
            return f"node {ahead} is gone"
        return f"the link of {self._local.name} and {ahead} is broken" if ahead in self._local.down else ""

    def _refuse(self, setup: Setup, error: QnodeError) -> None:
        self._local.tell(setup.route[0], Refused(setup.number, error.code, error.fields, setup.circuit))

    def _wait(self, sender: NodeName, setup: Setup) -> None:
        self._table.wait(setup)
        self._local.tell(sender, Busy(setup.circuit, self._local.name, setup.attempt))

    def _serve(self, setup: Setup, want: Want) -> None:
        """At the far end: the circuit is for this request, which has met the requester's, if it did not know yet."""
        met = _met(setup, want)
        want.route = setup.route
        want.state = "reserved" if setup.to_ns else "running"
        if not met:
            want.theirs = replace(want.asked, number=setup.number)
        self._table.assign(setup.circuit, want)

    # ------------------------------------------------------------ everybody takes part

    def _begin(self, circuit: Circuit, window: int) -> None:
        """Make pairs, now or when its time has come."""
        circuit.granted = True
        if circuit.booking is None:
            circuit.begin(window)
        else:
            circuit.window = window
            self._local.out.append(SetAside(circuit.id, circuit.booking))

    def make_way(self, name: str) -> None:
        """The time of a circuit has come, and others have its slots."""
        circuit = self._table.here.get(name)
        if circuit is not None:
            self._table.resources.make_way(circuit)

    def slots_are_here(self, name: str) -> None:
        """The time of a circuit has come, and the slots are set aside that were booked for it."""
        circuit = self._table.here.get(name)
        if circuit is None or circuit.booking is None or circuit.settling:
            return
        self._table.resources.take_booked(circuit)
        want = self._table.serves.get(name)
        if want is not None:
            want.state = "running"
            if not circuit.place:
                self._log_way("network_accepted", want, circuit)
        circuit.begin(circuit.window)

    def time_is_over(self, name: str) -> None:
        """So is that of a circuit: its ends, which know it by themselves, get nothing more."""
        circuit = self._table.here.get(name)
        if isinstance(circuit, Repeater):
            self._table.close(name, self._local.name)

    def _log_way(self, event: str, want: Want, circuit: Circuit) -> None:
        asked, way, far = want.asked, " ".join(circuit.route), circuit.route[-1]
        self._local.out.append(Told(event, asked.program, asked.number, "", far, circuit.n, circuit.id, way))


def _met(setup: Setup, want: Want) -> bool:
    """Whether a request of the far end is known to have met that for which a circuit is set up."""
    return want.theirs is not None and want.theirs.number == setup.number
