"""Whoever has a run's token steers it: pauses it, goes on, looks at it, meddles with it. The oracle's side.

Pausing and going on change nothing in the run; network time knows nothing of how long nobody ran. What does change it
is done only while it is paused, at a network time, and enters the record: so a replay repeats it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from orchestrator.oracle.core import OracleCore
from orchestrator.oracle.timekeeper import Standstill
from qnode.errors import InvalidOperation, MalformedMessage, QnodeError
from qnode.wire.messages import (
    Change,
    Go,
    Look,
    Pause,
    Paused,
    Resume,
    Seen,
    Show,
    Shown,
    StartProgram,
    Steer,
    Steered,
    StopProgram,
    fields_of,
)
from qnode.wire.operations import Adopt

Answer = Callable[[Steered], None]


class Helm:
    """The state of steering: whether network time stands still, and who has asked to see what.

    Args:
        changed: Records a change of the run and when it was made.
        nodes: The names of all nodes.
        everybody: Tells all who steer.
        ask_nodes: Asks all nodes to show their own states.
        paused: Whether the run waits for a first Go.
    """

    def __init__(
        self,
        core: OracleCore,
        nodes: Collection[str],
        *,
        changed: Callable[[int, Change], None],
        everybody: Callable[[Paused], None],
        ask_nodes: Callable[[Show], None],
        paused: bool,
    ) -> None:
        self.paused = paused
        self._begun = not paused
        self._core = core
        self._changed = changed
        self._nodes = frozenset(nodes)
        self._everybody = everybody
        self._ask_nodes = ask_nodes
        self._lookers: list[tuple[Answer, int]] = []
        self._shown: dict[str, Shown] = {}
        self._at_ns = core.time.now_ns

    def take(self, steer: Steer, answer: Answer) -> None:
        """Do what is wanted, and answer it: at once, but for looking, which takes a word with every node."""
        try:
            match steer.command:
                case Go(until_ns):
                    self._go(until_ns)
                case Pause():
                    self._core.time.paused = True
                case Resume():
                    self._resume()
                case Look():
                    self._check_paused("looked at")
                    self._look(answer, steer.number)
                    return
                case change:
                    if not isinstance(change, StartProgram | StopProgram):
                        self._check_paused("changed")
                    self.change(change)
        except QnodeError as error:
            answer(Steered(steer.number, error.code, fields_of(error)))
        else:
            answer(Steered(steer.number))

    def change(self, change: Change) -> None:
        """Change the run, now that nobody runs. Raises what it is refused with."""
        at_ns = self._at_ns if self.paused else self._core.time.now_ns
        self._core.steer(change, at_ns)
        self._changed(at_ns, change)

    def stands(self, why: Standstill | None) -> None:
        """Nobody can run. If that is for us to change, all who steer are told, once."""
        if self.paused or why not in (Standstill.PAUSED, Standstill.HELD):
            return
        time = self._core.time
        self.paused = True
        at_ns = time.pause_after_ns if why is Standstill.PAUSED and not time.paused else None
        self._at_ns = time.now_ns if at_ns is None else at_ns
        self._everybody(Paused(self._at_ns, time.held if why is Standstill.HELD else (), asked=time.paused))

    def shown(self, shown: Shown) -> None:
        """A node has shown its states. When all have, whoever wants to look sees."""
        if not self._lookers:
            raise MalformedMessage(detail=f"{shown.node} shows its states, and nobody asked")
        self._shown[shown.node] = shown
        self._see_if_all_have()

    def _see_if_all_have(self) -> None:
        if not self._nodes <= self._shown.keys() | self._core.lives.gone.keys():
            return
        lookers, self._lookers = self._lookers, []
        shown_by, self._shown = self._shown, {}
        too_long = next((one for one in shown_by.values() if one.too_long), None)
        if too_long is not None:
            refused = InvalidOperation(
                detail=f"what node {too_long.node} computes by itself takes {too_long.too_long} bytes: too much to show"
            )
            for answer, number in lookers:
                answer(Steered(number, refused.code, fields_of(refused)))
            return
        seen = seen_by(self._core, {node: one.components for node, one in shown_by.items()}, self._at_ns)
        for answer, number in lookers:
            answer(Steered(number, seen=seen))

    def back(self, ask: Callable[[Show], object]) -> None:
        """A process has had to connect again: what it was asked before may be lost."""
        if self._lookers:
            ask(Show())

    def let_end(self) -> None:
        """The run is over, as its record shows: nobody need say that it may go on."""
        self.paused = False

    def _go(self, until_ns: int | None) -> None:
        time = self._core.time
        at_ns = max(self._at_ns, time.now_ns)
        if until_ns is not None and until_ns < at_ns:
            raise InvalidOperation(detail=f"it is {at_ns} ns already; network time does not go back")
        time.paused = False
        time.pause_after_ns = until_ns
        self.paused = False
        self._begun = True

    def _resume(self) -> None:
        """Go on after a Pause, as far as whoever goes through the run by hand wants it; not beyond that."""
        time = self._core.time
        if time.paused:
            time.paused = False
            self.paused = not self._begun

    def _look(self, answer: Answer, number: int) -> None:
        self._lookers.append((answer, number))
        if len(self._lookers) == 1:
            self._ask_nodes(Show())
            if self._lookers:
                self._see_if_all_have()

    def _check_paused(self, what: str) -> None:
        if not self.paused:
            raise InvalidOperation(detail=f"a run can only be {what} while it is paused")


def seen_by(core: OracleCore, shown: Mapping[str, tuple[Adopt, ...]], at_ns: int) -> Seen:
    """All joint states of a run: the oracle's, and those that nodes computed by themselves."""
    ledger = core.operations.ledger
    components = [Adopt(*state, ledger.noisy.clocks(state.qubits)) for state in ledger.register.snapshots()]
    owners: dict[str, str] = dict(ledger.owner.items())
    for node, own in sorted(shown.items()):
        components += own
        owners.update((qubit, node) for component in own for qubit in component.qubits)
    left = ledger.noisy.pending(ledger.owner, at_ns)
    return Seen(owners, tuple(components), dict(left.items()))
