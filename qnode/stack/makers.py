"""The pairs of one link of a circuit, distilled before anything else is done with them: one end's part.

No more link pairs are asked for at a time than the scheme has slots. Numbers of pairs are those of the asking: the nth
that the one end asks for is the nth of the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from qnode.ids import NodeName, PairId
from qnode.stack.distilling import Abandon, DistillEffect, Distiller, DistillStep, Ready, Wanting
from qnode.stack.effects import Distil, Drop, Effect, Half, Make, Tell
from qnode.stack.expectation import link_pair
from qnode.wire.stack import LinkFacts, NodeFacts, Parity, Scheme


class Maker:
    """Makes good pairs of many; `ready` is called with each half.

    Args:
        end: 0 at the end nearer to the requester, 1 at the other.
        ends: This node's facts, and those of the other end.
        link: As this node knows it.
        coin: Draws that both ends share, by name.
    """

    def __init__(
        self,
        circuit: str,
        scheme: Scheme,
        out: list[Effect],
        ready: Callable[[Half], None],
        *,
        method: str,
        end: int,
        ends: tuple[NodeFacts, NodeFacts],
        link: LinkFacts,
        coin: Callable[[str, int], float],
    ) -> None:
        self._circuit = circuit
        self._peer = NodeName(link.peer)
        self._slots = scheme.slots
        self._out = out
        self._ready = ready
        self._vector = link_pair(link, *ends)
        self._effects: list[DistillEffect] = []
        self._distiller = Distiller(
            circuit,
            self._peer,
            scheme,
            self._effects,
            method=method,
            end=end,
            ends=ends,
            delay_ns=link.delay_ns + max(node.swap_ns for node in ends),
            coin=coin,
        )
        self._halves: dict[PairId, Half] = {}
        self._measured = 0  # halves that are being measured
        self._coming = 0  # pairs that have been asked for
        self._wanted = 0  # pairs that are to be asked for as soon as there are slots
        self._asked = 0

    def want(self) -> None:
        """One more good pair is wanted."""
        self._distiller.want(1)
        self._go_on()

    def came(self, number: int, half: Half) -> None:
        """The half of the pair that was asked for with that number."""
        self._coming -= 1
        self._halves[half.pair] = half
        self._distiller.came(number, half.pair, self._vector, half.at_ns)
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

    def close(self) -> None:
        """Nothing more is wanted."""
        self._wanted = self._coming = 0
        self._distiller.close()
        self._go_on()

    def _go_on(self) -> None:
        while self._effects:
            effects, self._effects[:] = list(self._effects), []
            for effect in effects:
                self._do(effect)
        while self._wanted and len(self._halves) + self._measured + self._coming < self._slots:
            self._out.append(Make(self._circuit, self._peer, self._asked))
            self._asked += 1
            self._wanted -= 1
            self._coming += 1

    def _do(self, effect: DistillEffect) -> None:
        match effect:
            case Wanting():
                self._wanted += effect.n
            case DistillStep():
                control, target = self._halves[effect.control], self._halves.pop(effect.target)
                self._measured += 1
                self._out.append(Distil(self._circuit, self._peer, effect.step, control, target, effect.gates))
            case Abandon():
                self._out.append(Drop(self._circuit, self._halves.pop(effect.pair)))
            case Ready():
                half = self._halves.pop(effect.pair)
                self._ready(half._replace(at_ns=effect.since_ns, vector=effect.vector))
            case Tell():
                self._out.append(effect)
