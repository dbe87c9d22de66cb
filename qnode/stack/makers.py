"""Good pairs of many, at one of two nodes: of what a link makes before anything else is done with it, or at the ends.

At a link, no more pairs are asked for at a time than the scheme has slots. Numbers of pairs are those of the asking:
the nth that the one end asks for is the nth of the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from qnode.ids import NodeName, PairId
from qnode.stack.distilling import Abandon, DistillEffect, Distiller, DistillStep, Over, Ready, Wanting
from qnode.stack.effects import Distil, Drop, Effect, Half, Make, Tell
from qnode.stack.expectation import PERFECT, link_pair
from qnode.wire.operations import Told
from qnode.wire.stack import LinkFacts, NodeFacts, Parity, Scheme


class Improver:
    """Makes good pairs of those that it is given; `ready` is called with the number and the half of each.

    Attributes:
        asked: How many pairs it has needed so far, if all steps that are not over succeed.

    Args:
        end: 0 at one end, 1 at the other.
        ends: This node's facts, and those of the other end.
        delay_ns: Of messages between them.
        coin: Draws that both ends share, by name.
    """

    def __init__(
        self,
        circuit: str,
        peer: NodeName,
        scheme: Scheme,
        out: list[Effect],
        ready: Callable[[int, Half], None],
        *,
        method: str,
        end: int,
        ends: tuple[NodeFacts, NodeFacts],
        delay_ns: int,
        coin: Callable[[str, int], float],
    ) -> None:
        self.asked = 0
        self._circuit = circuit
        self._peer = peer
        self._out = out
        self._ready = ready
        self._effects: list[DistillEffect] = []
        self._distiller = Distiller(
            circuit,
            peer,
            scheme,
            self._effects,
            method=method,
            end=end,
            ends=ends,
            delay_ns=delay_ns + max(node.swap_ns for node in ends),
            coin=coin,
        )
        self._halves: dict[PairId, Half] = {}
        self._measured = 0  # halves that are being measured
        self._steps: dict[int, tuple[Half, Half]] = {}

    @property
    def slots(self) -> int:
        """How many memory slots are in use."""
        return len(self._halves) + self._measured

    def want(self, n: int) -> None:
        """So many more good pairs are wanted."""
        self._distiller.want(n)
        self._go_on()

    def came(self, number: int, half: Half) -> None:
        """The half of the pair of that number. Both ends expect the same of the pair at the same time, see `Half`."""
        self._halves[half.pair] = half
        self._distiller.came(number, half.pair, half.vector or PERFECT, half.at_ns)
        self._go_on()

    def missing(self, number: int) -> None:
        """Both ends know that there is no pair of that number."""
        self._distiller.missing(number)
        self._go_on()

    def measured(self, step: int, bit: Literal[0, 1] | None) -> None:
        """What became of the measurement of a step; None: nothing."""
        self._measured -= 1
        if bit is None:
            self._distiller.lost(step)
        else:
            self._distiller.measured(step, bit)
        self._go_on()

    def heard(self, parity: Parity) -> None:
        """The other end has measured. Raises MalformedMessage."""
        self._distiller.heard(parity)
        self._go_on()

    def part(self) -> None:
        """Nothing more becomes good here by itself: the other end is told that this is all."""
        self._distiller.part()

    def accept(self, number: int) -> None:
        """Of two that part, the other end knows that the pair of this number is good."""
        self._distiller.accept(number)
        self._go_on()

    def close(self) -> None:
        """Nothing more is wanted."""
        self._distiller.close()
        self._go_on()

    def _go_on(self) -> None:
        while self._effects:
            effects, self._effects[:] = list(self._effects), []
            for effect in effects:
                self._do(effect)

    def _do(self, effect: DistillEffect) -> None:
        match effect:
            case Wanting():
                self.asked += effect.n
            case DistillStep():
                control, target = self._halves[effect.control], self._halves.pop(effect.target)
                self._measured += 1
                self._steps[effect.step] = control, target
                self._out.append(Distil(self._circuit, self._peer, effect.step, control, target, effect.gates))
            case Over():
                control, target = self._steps.pop(effect.step)
                self._out.append(
                    Told(
                        "distil",
                        pair=f"{control.pair} {target.pair}",
                        peer=self._peer,
                        name=self._circuit,
                        detail="kept" if effect.kept else "lost",
                        qubits=(control.qubit, target.qubit),
                    )
                )
            case Abandon():
                self._out.append(Drop(self._circuit, self._halves.pop(effect.pair)))
            case Ready():
                half = self._halves.pop(effect.pair)
                self._ready(effect.number, half._replace(at_ns=effect.since_ns, vector=effect.vector))
            case Tell():
                self._out.append(effect)


class Maker(Improver):
    """Asks a link for the pairs that it makes good ones of.

    Args:
        end: 0 at the end nearer to the requester, 1 at the other.
        link: As this node knows it.
    """

    def __init__(
        self,
        circuit: str,
        scheme: Scheme,
        out: list[Effect],
        ready: Callable[[int, Half], None],
        *,
        method: str,
        end: int,
        ends: tuple[NodeFacts, NodeFacts],
        link: LinkFacts,
        coin: Callable[[str, int], float],
    ) -> None:
        super().__init__(
            circuit,
            NodeName(link.peer),
            scheme,
            out,
            ready,
            method=method,
            end=end,
            ends=ends,
            delay_ns=link.delay_ns,
            coin=coin,
        )
        self._most = scheme.slots
        self._vector = link_pair(link, *ends)
        self._coming = 0  # pairs that have been asked for
        self._made = 0  # so many have been asked for in all
        self._open = True

    def came(self, number: int, half: Half) -> None:
        """The half of the pair that was asked for with that number."""
        self._coming -= 1
        super().came(number, half._replace(vector=self._vector))

    def close(self) -> None:
        """Nothing more is wanted."""
        self._open = False
        self._coming = 0
        super().close()

    def _go_on(self) -> None:
        super()._go_on()
        while self._open and self._made < self.asked and self.slots + self._coming < self._most:
            self._out.append(Make(self._circuit, self._peer, self._made))
            self._made += 1
            self._coming += 1
