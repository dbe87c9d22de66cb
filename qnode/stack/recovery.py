"""What breaks: links, nodes, and the circuits and requests with them; and how a request goes on after that.

A repeater that finds a circuit broken tells its ends. These tell each other what is whole of it, so that both think
alike, and the requester sets up another for what is missing.
"""

from __future__ import annotations

from qnode.ids import NodeName
from qnode.stack.circuits import Circuit
from qnode.stack.ends import End
from qnode.stack.local import Local
from qnode.stack.requester import Requester
from qnode.stack.requests import Requests
from qnode.stack.table import CircuitTable
from qnode.stack.ways import Routes
from qnode.wire.items import Back, LinkDown, LinkUp, Lost
from qnode.wire.stack import Close, Down, Settle


class Recovery:
    """What a node does when it hears that something is broken, or works again."""

    def __init__(
        self, local: Local, table: CircuitTable, requests: Requests, requester: Requester, routes: Routes
    ) -> None:
        self._local = local
        self._table = table
        self._requests = requests
        self._requester = requester
        self._routes = routes

    def happened(self, what: LinkDown | LinkUp | Lost | Back) -> None:
        """Something has become of an own link, or of another node."""
        peer, local = NodeName(what.peer), self._local
        match what:
            case LinkDown():
                local.down.add(peer)
                self._routes.link_down(peer)
                self._link_down(peer)
            case LinkUp():
                local.down.discard(peer)
                self._routes.link_up(peer)
            case Lost():
                local.lives[peer] = what.incarnation + 1
                self._routes.node_lost(peer, what.incarnation)
                self._node_lost(peer, what.reason)
            case Back():
                local.lost.discard(peer)
                self._routes.node_back(peer, what.incarnation)
        self._requester.routes_changed()

    def forsake(self, node: NodeName, reason: str) -> None:
        """Another node is gone: requests with it end."""
        self._local.lost.add(node)  # it need not be told anything
        self._requests.forsake(node, reason)

    def _node_lost(self, node: NodeName, reason: str) -> None:
        self.forsake(node, reason)
        self._table.node_lost(node)
        for circuit in [circuit for circuit in self._table.here.values() if node in circuit.route]:
            if isinstance(circuit, End) and circuit.far == node:
                self._table.close(circuit.id, self._local.name)
            else:
                self._break(circuit, f"node {node} is gone: {reason}")
        self._requester.node_lost(node)

    def _link_down(self, peer: NodeName) -> None:
        reason = f"the link of {self._local.name} and {peer} is broken"
        for circuit in [circuit for circuit in self._table.here.values() if circuit.uses(peer)]:
            self._break(circuit, reason)

    def _break(self, circuit: Circuit, reason: str) -> None:
        if isinstance(circuit, End):
            self._break_off(circuit, reason)
        else:
            self._give_up(circuit, reason)

    def _give_up(self, circuit: Circuit, reason: str) -> None:
        """At a repeater: the ends are told, for they may have heard of that before it was set up."""
        for end in (circuit.route[0], circuit.route[-1]):
            if end not in self._local.lost:
                self._local.tell(end, Down(circuit.id, reason))
        self._table.close(circuit.id, self._local.name)

    # ------------------------------------------------------------ at the ends

    def down(self, down: Down) -> None:
        """A repeater has given a circuit up."""
        circuit, want = self._table.here.get(down.circuit), self._table.serves.get(down.circuit)
        if isinstance(circuit, End):
            self._break_off(circuit, down.reason)
        elif circuit is None and want is not None:  # all others have given it up before it began
            self._requester.lost_way(want)

    def settle(self, sender: NodeName, settle: Settle) -> None:
        """The other end of a broken circuit says what is whole."""
        circuit = self._table.here.get(settle.circuit)
        if circuit is None and not settle.answer:
            whole, expected = self._table.finished(settle.circuit)
            self._table.close(settle.circuit, sender)  # in case that it is still to be set up here
            self._local.tell(sender, Settle(settle.circuit, whole, True, expected))
        if not isinstance(circuit, End):
            return
        self._break_off(circuit, f"{sender} has found it broken")
        circuit.settle(settle.pairs, settle.expected, self._local.now_ns)
        want = self._table.finish(circuit)
        if want is None:
            return
        want.whole += circuit.whole
        want.missing = circuit.missing() if circuit.reads else None
        if want.whole == want.asked.n:
            self._requests.serve(want)
        elif circuit.place:
            want.state = "asked"
            self._table.try_again_for(want.asked.number)
        else:
            self._requester.set_up(want)

    def _break_off(self, circuit: End, reason: str) -> None:
        """Nothing more comes of a circuit; the ends tell each other what is whole."""
        if circuit.settling:
            return
        local, want = self._local, self._table.serves.get(circuit.id)
        if want is not None:
            want.state = "settling"
            local.log("network_broken", want.asked.program, want.asked.number, name=circuit.id, detail=reason)
        circuit.break_off()
        circuit.settling = True
        if not circuit.place:
            self._routes.forget(circuit.far)
        local.tell(circuit.far, Settle(circuit.id, circuit.done, expected=circuit.expected))
        if not circuit.place:
            for node in circuit.route[1:-1]:
                if node not in local.lost:
                    local.tell(node, Close(circuit.id))
