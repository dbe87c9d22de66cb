"""Two nodes that share pairs make better ones of them: the part of each end, for a link and from end to end alike.

A step is a CNOT at both ends from the halves of the control pair to those of the target pair, which are measured. Each
end tells the other its bit, and on equal bits both go on with the control pair; otherwise neither has any of them left.
An end that has lost a half says so instead, and the step has failed. A step is over for an end when it knows both bits,
or of a loss. What comes about steps that are over is ordinary, and ignored.

An end whose half is lost after it has told its bit cannot take it back: the pair may be finished at the other end. It
is `Ready` at both then, and `gone` at this one, as a half that is lost just after it was delivered.

When two ends part, each tells which pairs are `Ready` at it, and nothing comes of bits any more: what is ready at one
of them is accepted by the other, however messages overtake each other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from qnode.errors import MalformedMessage
from qnode.ids import NodeName, PairId
from qnode.quantum.circuits import TWIRL, Step, distillation
from qnode.stack.effects import Tell
from qnode.stack.expectation import PERFECT, both_stored, distilled, step_errors, turned
from qnode.stack.schedules import Begun, Item, Moved, schedule
from qnode.wire.stack import NodeFacts, Parity, Scheme, Vector

MOST_AHEAD: Final = 2**16
"""How many pairs the other end may be ahead."""


class DistillStep(NamedTuple):
    """Apply the gates to this end's halves of the control pair (0) and the target pair (1), and measure that in Z.

    `Distiller.measured(step, bit)` is to be told the outcome.
    """

    circuit: str
    peer: NodeName
    step: int
    control: PairId
    target: PairId
    gates: tuple[Step, ...]


class Abandon(NamedTuple):
    """Discard this end's half of a pair: it came to nothing."""

    circuit: str
    peer: NodeName
    pair: PairId


class Over(NamedTuple):
    """A step is over, and this end knows whether the control pair was kept."""

    circuit: str
    peer: NodeName
    step: int
    kept: bool


class Ready(NamedTuple):
    """A pair is as good as it was to become; the nth at one end is the nth at the other.

    Attributes:
        number, pair: Of the pair that is left.
        vector: What was to be expected of it at `since_ns`, by which both ends know, whenever this end got to know.
        gone: Whether this end has lost its half meanwhile; without steps it may never have had one, and `pair` is "".
    """

    circuit: str
    peer: NodeName
    number: int
    pair: PairId
    vector: Vector
    since_ns: int
    gone: bool


class Wanting(NamedTuple):
    """So many more pairs are needed than were asked for before; numbers go on from there. Alike at both ends."""

    circuit: str
    peer: NodeName
    n: int


DistillEffect = Tell | DistillStep | Abandon | Over | Ready | Wanting


class Running:
    """A step whose gates have been asked for."""

    __slots__ = ("begun", "mine", "theirs")

    def __init__(self, begun: Begun) -> None:
        self.begun = begun
        self.mine: Literal[0, 1] | None = None
        self.theirs: Literal[0, 1] | None = None


class Distiller:
    """One of the two ends. Methods append to `out` what is to be done, in order.

    Args:
        circuit: What the pairs are for.
        peer: The other end.
        end: 0 at one of the two, 1 at the other.
        ends: This node's facts, and those of the other.
        delay_ns: From the beginning of a step until both ends know how it ended; the same at both.
        coin: Draws that both ends share, by name: what pairs are twirled by in "bbpssw".
    """

    def __init__(
        self,
        circuit: str,
        peer: NodeName,
        scheme: Scheme,
        out: list[DistillEffect],
        *,
        method: str,
        end: int,
        ends: tuple[NodeFacts, NodeFacts],
        delay_ns: int,
        coin: Callable[[str, int], float],
    ) -> None:
        self.circuit = circuit
        self.peer = peer
        self.closed = False
        self.parting = False
        self._out = out
        self._method = method
        self._end = end
        self._ends = ends
        self._errors = step_errors(*ends)
        self._delay_ns = delay_ns
        self._coin = coin
        self._schedule = schedule(scheme)
        self._held: dict[int, Item] = {}
        self._running: dict[int, Running] = {}  # by the number of their target
        self._heard: dict[int, Parity] = {}  # about steps that have not begun here
        self._over: deque[tuple[Begun, bool]] = deque()
        self._wanted = 0
        self._asked = 0  # for so many pairs
        self._known = 0  # so many numbers have been heard of

    # ------------------------------------------------------------ what is wanted

    def want(self, n: int) -> None:
        """So many more pairs are to become ready."""
        self._wanted += n
        self._ask()

    def part(self) -> None:
        """Nothing more becomes ready here by itself: the other end is told that this is all."""
        self.parting = True

    def accept(self, number: int) -> None:
        """This pair is ready, as the other end knows, whose bit may still be on its way."""
        item = self._held.pop(number, None)
        if item is not None:
            self._out.append(self._ready(item))

    def close(self) -> None:
        """No more is wanted; what is not finished is given up."""
        for item in self._held.values():
            if item.number not in self._running:  # a target is being measured
                self._abandon(item)
        self.closed = True
        self._held.clear()
        self._running.clear()
        self._heard.clear()

    # ------------------------------------------------------------ what happens

    def came(self, number: int, pair: PairId, vector: Vector, since_ns: int) -> None:
        """This end has its half of the pair of that number; `vector` and `since_ns` are the same at both ends."""
        self._fill(Item(number, pair, vector, since_ns))

    def missing(self, number: int) -> None:
        """There is no pair of that number, at either end."""
        if not (self.closed or self.parting) and number >= self._schedule.next and number not in self._held:
            self._move(self._schedule.skipped(number))
            self._go_on()

    def lost(self, number: int) -> None:
        """This end's half of the pair of that number is lost, or will never come."""
        item = self._held.get(number)
        if item is None:
            if number >= self._schedule.next:
                self._fill(Item(number, PairId(""), PERFECT, 0, gone=True))
            return
        item.gone = True
        if self.parting:
            return
        running = None if item.step is None else self._running.get(item.step)
        if running is not None and running.mine is None:
            self._tell(running.begun, None)
            self._fail(running.begun, measured=True)
            self._go_on()

    def measured(self, step: int, bit: Literal[0, 1]) -> None:
        """The outcome of a step's measurement at this end."""
        running = self._running.get(step)
        if running is None or self.parting:
            return  # over: a half was lost here, or there
        running.mine = bit
        self._tell(running.begun, bit)
        self._compare(running)
        self._go_on()

    def heard(self, parity: Parity) -> None:
        """What the other end says of a step, which may not have begun here, or be over.

        Raises:
            MalformedMessage: If it speaks of other pairs than this end.
        """
        if self.closed or self.parting:
            return
        running = self._running.get(parity.target)
        if running is not None:
            self._check(parity, running.begun)
            running.theirs = parity.bit
            if parity.bit is None:
                self._fail(running.begun, measured=True)
            else:
                self._compare(running)
            self._go_on()
        elif parity.target >= self._schedule.next or parity.target in self._held:
            if parity.target >= self._schedule.next + MOST_AHEAD:
                raise MalformedMessage(
                    detail=f"{self.peer} distils pair {parity.target} of {self.circuit}, which nobody asked for"
                )
            self._heard[parity.target] = parity

    # ------------------------------------------------------------ steps

    def _fill(self, item: Item) -> None:
        if self.closed:
            self._abandon(item)
            return
        self._held[item.number] = item
        self._known += 1
        self._asked = max(self._asked, self._known)
        self._move(self._schedule.came(item))
        self._go_on()

    def _move(self, moved: Moved) -> None:
        begun, finished = moved
        for item in finished:
            del self._held[item.number]
            self._wanted -= 1
            self._out.append(self._ready(item))
        for step in begun:
            self._begin(step)

    def _ready(self, item: Item) -> Ready:
        return Ready(self.circuit, self.peer, item.number, item.pair, item.vector, item.since_ns, item.gone)

    def _begin(self, step: Begun) -> None:
        control, target, at_ns = step.control, step.target, step.at_ns
        control.step = target.step = target.number
        mine, theirs = self._ends
        pairs = [
            turned(both_stored(item.vector, at_ns - item.since_ns, mine, theirs), self._method, mine, theirs)
            for item in (control, target)
        ]
        _, better = distilled(pairs[0], pairs[1], self._method, *self._errors)
        control.vector = both_stored(better, self._delay_ns, mine, theirs)
        control.since_ns = at_ns + self._delay_ns
        early = self._heard.pop(target.number, None)
        if early is not None and early.control == control.number and early.bit is None:
            self._fail(step)
        elif control.gone or target.gone or (early is not None and early.control != control.number):
            self._tell(step, None)
            self._fail(step)
        else:
            running = self._running[target.number] = Running(step)
            running.theirs = None if early is None else early.bit
            gates = distillation(self._method, self._end, self._twirls(step))
            self._out.append(DistillStep(self.circuit, self.peer, target.number, control.pair, target.pair, gates))

    def _twirls(self, step: Begun) -> tuple[int, int]:
        if self._method == "dejmps":
            return 0, 0
        one, other = (
            int(len(TWIRL) * self._coin(f"twirl {item.number}", step.target.number))
            for item in (step.control, step.target)
        )
        return one, other

    def _compare(self, running: Running) -> None:
        if running.mine is None or running.theirs is None:
            return
        if running.mine == running.theirs:
            self._end_of(running.begun, kept=True)
        else:
            self._fail(running.begun, measured=True)

    def _fail(self, step: Begun, *, measured: bool = False) -> None:
        """Both pairs are lost; `measured`: the target's half has been measured, or will be."""
        self._abandon(step.control)
        if not measured:
            self._abandon(step.target)
        del self._held[step.control.number]
        self._end_of(step, kept=False)

    def _end_of(self, step: Begun, *, kept: bool) -> None:
        step.control.step = None
        if self._running.pop(step.target.number, None) is not None:
            self._out.append(Over(self.circuit, self.peer, step.target.number, kept))
        del self._held[step.target.number]
        self._over.append((step, kept))

    def _go_on(self) -> None:
        """What follows from steps that are over; others may be over at once by that."""
        while self._over:
            step, kept = self._over.popleft()
            self._move(self._schedule.ended(step, kept=kept))
        self._ask()

    def _ask(self) -> None:
        further = self._known + self._schedule.missing(self._wanted) - self._asked
        if further > 0 and not self.closed and not self.parting:
            self._asked += further
            self._out.append(Wanting(self.circuit, self.peer, further))

    def _tell(self, step: Begun, bit: Literal[0, 1] | None) -> None:
        self._out.append(Tell(self.peer, Parity(self.circuit, step.control.number, step.target.number, bit)))

    def _abandon(self, item: Item) -> None:
        if not item.gone:
            item.gone = True
            self._out.append(Abandon(self.circuit, self.peer, item.pair))

    def _check(self, parity: Parity, step: Begun) -> None:
        if parity.control != step.control.number:
            raise MalformedMessage(
                detail=f"{self.peer} distils pair {parity.control} of {self.circuit} with {parity.target}, and we pair"
                f" {step.control.number}"
            )
