"""What a node gives to its circuits: slots of its memory, now or for a time to come, and shares of its links.

Who gets slots is for admission to say. A circuit that has some may come to need more, or fewer: an end had no room for
all its pairs at first, another node grants less than was asked, and repeaters give way to circuits whose booked time
has come.
"""

from __future__ import annotations

from collections.abc import Mapping

from qnode.errors import OutOfMemory, QnodeError, RateUnreachable, WindowTaken
from qnode.stack.admission import Admission, Slots, applicant
from qnode.stack.circuits import Circuit
from qnode.stack.effects import Freed
from qnode.stack.ends import End
from qnode.stack.local import Local
from qnode.stack.promises import crowded
from qnode.stack.repeaters import Repeater
from qnode.stack.terms import capacity_hz
from qnode.stack.windows import book
from qnode.wire.stack import Setup


class Resources:
    """The memory and the links of one node, and who has how much of them.

    Args:
        memory: The slots where pairs arrive; taken here, given back by the shell.
        circuits: Of this node, by name.
    """

    def __init__(self, local: Local, memory: Slots, circuits: Mapping[str, Circuit]) -> None:
        self._local = local
        self._memory = memory
        self._circuits = circuits
        self._admission = Admission(memory, self._crowded)
        self._paused = False  # whether any circuit here may be
        self._promises = False  # whether any circuit here was ever promised a rate

    # ------------------------------------------------------------ for a circuit that is set up

    def most(self, program: str) -> int:
        """How many slots a program can ever have as long as others keep theirs."""
        return self._memory.most(program)

    def give(self, circuit: Circuit, setup: Setup, room: int) -> bool | QnodeError:
        """Slots for a circuit; its window is what they are enough for. False if there are none now: it waits for them.

        Args:
            room: For how many pairs there is room at once, at an end.
        """
        if setup.rates:
            self._promises = True
        least, most, step = _needs(circuit, setup, room)
        if setup.to_ns:
            circuit.program = circuit.program or setup.circuit
            local, who = self._local, circuit.program
            booked = book(self._memory, setup, local.name, local.now_ns, who, least=least, most=most, step=step)
            if isinstance(booked, WindowTaken):
                return booked
            circuit.booking, taken = booked, booked.n
        elif least > self._memory.most(circuit.program):  # it would wait for ever
            return self._too_small(least, circuit.program)
        else:
            who_waits = applicant(setup, self._local.spec)
            taken = self._admission.admit(who_waits, least, most, step, circuit.program, circuit.shares)
        if not taken:
            return False
        if isinstance(circuit, Repeater):
            circuit.window = (taken - circuit.spare) // 2
        else:
            enough = taken - circuit.spare  # no more than an end can match: others would wait for ever
            if _improves(circuit):
                enough = taken - least + 1
                circuit.spare += taken - least
            circuit.window = min(setup.window, enough)
        circuit.reserved = 0 if circuit.booking is not None else taken
        self._log(circuit, circuit.reserved)
        return True

    def too_slow(self, setup: Setup, at: int) -> RateUnreachable | None:
        """An own link never makes as much as is to be promised: what its requester knows of it is not so."""
        for rate, beside in zip(setup.rates[at - 1 : at + 1], (at - 1, at + 1), strict=False):
            most = capacity_hz(self._local.links[setup.route[beside]])
            if rate > most * (1 + 1e-9):
                link = f"{self._local.name}~{setup.route[beside]}"
                ends = {"node": setup.route[0], "peer": setup.route[-1]}
                return RateUnreachable(**ends, wanted=f"{rate:g}", link=link, reachable=f"{most:.4g}")
        return None

    def trim(self, circuit: Circuit, window: int) -> None:
        """A smaller window is granted than this node had slots for: others may have the rest."""
        sides = 2 if isinstance(circuit, Repeater) else 1
        if circuit.booking is None and (sides == 2 or _reads(circuit)):
            spare = circuit.reserved - sides * window - circuit.spare
            if spare:
                circuit.reserved -= spare
                self._local.out.append(Freed(circuit.id, spare, circuit.program))

    def _crowded(self, wanted: Mapping[str, float]) -> list[str]:
        """The neighbours to whom the link has no room for a circuit of such shares beside those that there are."""
        return crowded(wanted, self._local.links, self._circuits.values()) if self._promises else []

    def _too_small(self, wanted: int, program: str) -> OutOfMemory:
        memory = self._memory
        kept = memory.slots - memory.most(program)
        held = f" ({kept} are programs' own)" if kept else ""
        return OutOfMemory(node=self._local.name, wanted=wanted, free=memory.free, slots=memory.slots, held=held)

    def _log(self, circuit: Circuit, n: int) -> None:
        """That it has taken some; at an end, with the request that they are for."""
        if n:
            self._local.log("network_slots", circuit.program, circuit.request, n=n, name=circuit.id)

    # ------------------------------------------------------------ who waits

    def forget(self, circuit: str) -> None:
        """It does not wait for slots any more."""
        self._admission.forget(circuit)

    def next(self) -> str | None:
        """The circuit that has waited longest and may have slots now, told once; after all that have given way."""
        if self._paused:
            self._go_on()
        return None if self._paused else self._admission.next()

    def make_room(self, circuit: End, room: int) -> None:
        """An end that had no room for all its pairs has some again.

        It does not wait for older requests that wait for memory here: these may wait for theirs elsewhere, too.
        """
        while circuit.open:
            enough = min(room, circuit.n - circuit.whole) + circuit.spare
            if circuit.reserved >= enough or not self._memory.take_in_turn(1, circuit.program):
                break
            self._log(circuit, 1)
            circuit.make_room()

    # ------------------------------------------------------------ a time that was booked

    def make_way(self, circuit: Circuit) -> None:
        """The time of a circuit has come, and others have its slots: those that pass here give way, the youngest first.

        They go on as soon as there is memory. What programs hold is theirs, and so is what pairs are distilled in.
        """
        if circuit.booking is None:
            return
        missing = circuit.booking.n - self._memory.free
        passing = [one for one in self._circuits.values() if isinstance(one, Repeater) and one.may_pause]
        for other in sorted(passing, key=_age, reverse=True):
            if missing <= 0:
                break
            missing -= other.reserved
            other.pause()
            self._paused = True

    def take_booked(self, circuit: Circuit) -> None:
        """The slots are set aside that were booked for it."""
        assert circuit.booking is not None
        circuit.reserved = sum(self._memory.take(circuit.program) for _ in range(circuit.booking.n))
        self._log(circuit, circuit.reserved)

    def _go_on(self) -> None:
        """Circuits that have given way come before all others, the oldest first: their ends keep slots meanwhile."""
        repeaters = [one for one in self._circuits.values() if isinstance(one, Repeater)]
        for circuit in sorted((one for one in repeaters if one.paused), key=_age):
            missing = circuit.paused - circuit.reserved
            if not self._memory.take_in_turn(missing):
                return
            self._log(circuit, missing)
            circuit.go_on()
        self._paused = False


def _needs(circuit: Circuit, setup: Setup, room: int) -> tuple[int, int, int]:
    """The least and the most slots that a circuit can do something with at this node, and in which steps."""
    spare = circuit.spare
    if isinstance(circuit, Repeater):
        return 2 + spare, 2 * setup.window + spare, 2
    if _reads(circuit):
        return 1 + spare, setup.window + spare, 1
    least = min(setup.n, room) + spare
    return least, least + (setup.window - 1 if _improves(circuit) else 0), 1


def _reads(circuit: Circuit) -> bool:
    """Whether halves are measured here as soon as they come."""
    return isinstance(circuit, End) and bool(circuit.reads)


def _improves(circuit: Circuit) -> bool:
    """Whether better pairs are made here of whole ones."""
    return isinstance(circuit, End) and circuit.improver is not None


def _age(circuit: Circuit) -> tuple[int, str]:
    return circuit.since_ns, circuit.id
