"""The circuits of one node: those that it takes part in, those that wait for its memory, and those that are over.

Of what is over it is still known for a while who has closed it and what became whole, for the other nodes need not
have heard of that.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from qnode.errors import QnodeError
from qnode.ids import NodeName
from qnode.stack.admission import Slots
from qnode.stack.circuits import Circuit, Here
from qnode.stack.ends import AT_ONCE, BY_NUMBER, End
from qnode.stack.local import Local
from qnode.stack.recent import remember
from qnode.stack.repeaters import Repeater
from qnode.stack.resources import Resources
from qnode.stack.wants import Want
from qnode.wire.stack import Close, Free, Setup, Vector

Pairs = dict[int, tuple[str, int]]
Expected = dict[int, tuple[Vector, int]]


class CircuitTable:
    """What a node knows of circuits, by name.

    Attributes:
        here: Those that it takes part in.
        serves: At an end: the request that a circuit serves, or is to serve once it is set up.
        resources: What the node has for circuits.
    """

    def __init__(self, local: Local, memory: Slots) -> None:
        self._local = local
        self._here: dict[str, Circuit] = {}
        self._serves: dict[str, Want] = {}
        self._cramped: dict[str, Want] = {}  # of these: those that have no room for all their pairs at once
        self.here: Final[Mapping[str, Circuit]] = self._here
        self.serves: Final[Mapping[str, Want]] = self._serves
        self.resources: Final = Resources(local, memory, self.here)
        self._setups: dict[str, Setup] = {}  # that wait, at their requester
        self._finished: OrderedDict[str, tuple[Pairs, Expected]] = OrderedDict()
        # Circuits, and the end that has closed them: its `Close` may have overtaken their `Setup`.
        self._closed_early: OrderedDict[tuple[str, str], None] = OrderedDict()

    def route_of(self, circuit: str) -> tuple[str, ...] | None:
        """The route of a circuit that this node takes part in, or keeps a place in its queue for."""
        known = self.here.get(circuit) or self._setups.get(circuit) or self.serves.get(circuit)
        return None if known is None else known.route

    # ------------------------------------------------------------ it begins

    def assign(self, circuit: str, want: Want) -> None:
        """At an end: it is to serve this request."""
        want.circuit = circuit
        want.circuits += 1
        self._serves[circuit] = want
        if want.at_once < want.asked.n:
            self._cramped[circuit] = want

    def join(self, setup: Setup, want: Want | None) -> Circuit | QnodeError | None:
        """Take slots for a circuit, and know it; `want` is what it serves here. None if there are none now."""
        local = self._local
        part = End if local.name in (setup.route[0], setup.route[-1]) else Repeater
        circuit = part(setup, Here(local.name, local.spec, local.facts, local.links, local.out))
        if want is not None:
            circuit.request, circuit.program = want.asked.number, want.asked.program
            circuit.tally = want.tally
            if want.asked.kind == "measure" and isinstance(circuit, End):
                circuit.reads = BY_NUMBER if want.by_number else AT_ONCE
                circuit.indices = circuit.indices if want.missing is None else want.missing
        given = self.resources.give(circuit, setup, want.at_once if want is not None else 0)
        if isinstance(given, QnodeError):
            return given
        if not given:
            return None
        self._setups.pop(setup.circuit, None)
        self._here[circuit.id] = circuit
        return circuit

    def wait(self, setup: Setup) -> None:
        """It is to be set up by its requester, who waits until it is told that it may try again."""
        self._setups[setup.circuit] = setup

    def try_again(self, circuit: str) -> None:
        """Tell the requester of a circuit that waits."""
        self._local.tell(self._setups[circuit].route[0], Free(circuit))

    def try_again_for(self, number: int) -> None:
        """At the far end: a circuit that came before this request was ready for it may try again."""
        for setup in self._setups.values():
            if setup.route[-1] == self._local.name and setup.far_number == number:
                self.try_again(setup.circuit)

    def make_room(self) -> None:
        """For ends that had no room for all their pairs."""
        for name, want in self._cramped.items():
            circuit = self.here.get(name)
            if isinstance(circuit, End):
                self.resources.make_room(circuit, want.at_once)

    # ------------------------------------------------------------ it is over

    def finish(self, circuit: Circuit) -> Want | None:
        """All that will come of it has become whole. Returns the request that it has served, at an end."""
        self._here.pop(circuit.id, None)
        want = self._serves.pop(circuit.id, None)
        self._cramped.pop(circuit.id, None)
        if want is not None and isinstance(circuit, End):
            remember(self._finished, circuit.id, (circuit.done, circuit.expected))
            want.circuit = ""
        return want

    def has_finished(self, circuit: str) -> bool:
        """Whether all that was to come of a circuit has become whole here."""
        return circuit in self._finished

    def finished(self, circuit: str) -> tuple[Pairs, Expected]:
        """What became whole of a circuit that has ended here, and what is expected of that."""
        return self._finished.get(circuit, ({}, {}))

    def drop(self, circuit: Circuit) -> None:
        """It has not come to be, as another node has no memory for it now."""
        del self._here[circuit.id]
        circuit.close()

    def leave(self, want: Want) -> None:
        """Whatever knows the circuit of a request may forget it; no other will have its name."""
        if not want.circuit:
            return
        del self._serves[want.circuit]
        self._cramped.pop(want.circuit, None)
        circuit = self._here.pop(want.circuit, None)
        if circuit is not None:
            circuit.close()
        self.resources.forget(want.circuit)
        know = want.waits_at if circuit is None else want.waits_at.union(circuit.route)
        for node in sorted(know - self._local.lost - {self._local.name}):
            self._local.tell(node, Close(want.circuit))
        want.waits_at.clear()
        want.circuit = ""

    def close(self, name: str, by: NodeName) -> None:
        """Another node has closed it, or it cannot go on here."""
        circuit = self._here.pop(name, None)
        if circuit is not None:
            circuit.close()
            want = self.serves.get(name)
            if want is not None:
                want.whole += circuit.whole
                want.waits_at.update(set(circuit.route) - {by})  # they may not have heard of it
            return
        self._forget_setup(name)
        remember(self._closed_early, (name, by), None)

    def is_closed(self, setup: Setup) -> bool:
        """Whether an end has closed it before it was set up here."""
        return any((setup.circuit, end) in self._closed_early for end in (setup.route[0], setup.route[-1]))

    def node_lost(self, node: NodeName) -> None:
        """What waits for memory and would lead over that node is over."""
        for setup in [setup for setup in self._setups.values() if node in setup.route]:
            self._forget_setup(setup.circuit)

    def _forget_setup(self, name: str) -> None:
        setup = self._setups.pop(name, None)
        if setup is not None:
            self.resources.forget(name)
