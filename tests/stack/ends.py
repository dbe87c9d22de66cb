"""Two ends of a distillation, joined by lists: what happens next is somebody's choice, the states are real."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from random import Random
from typing import Final, Literal

from qnode.ids import NodeName, PairId, QubitId
from qnode.quantum.bell import BELL_STATES, BellState
from qnode.quantum.register import Register
from qnode.stack.distilling import Abandon, DistillEffect, Distiller, DistillStep, Ready, Wanting
from qnode.stack.effects import Tell
from qnode.wire.stack import NodeFacts, Parity, Scheme, Vector, decode_talk, encode_talk

IDEAL: Final = NodeFacts(16, inf, inf)
PERIOD_NS: Final = 1000
DELAY_NS: Final = 70


def half(pair: str, end: int) -> QubitId:
    return QubitId(f"{pair}@{end}")


class World:
    """Two `Distiller`s, the pairs that both have asked for, and what is under way.

    Args:
        labels: The Bell state of the nth pair.
        choose: From a number of things that could happen next, one.
        loses: Whether an end loses its half of a pair, now that it does something else with it.
    """

    def __init__(
        self,
        scheme: Scheme,
        labels: Callable[[int], BellState],
        choose: Callable[[int], int],
        *,
        method: str = "dejmps",
        vector: Vector = (1.0, 0.0, 0.0, 0.0),
        facts: NodeFacts = IDEAL,
        loses: Callable[[], bool] = lambda: False,
        coin: Callable[[str, int], float] = lambda name, nth: 0.0,
        draw: Callable[[], float] = lambda: 0.25,
    ) -> None:
        self.register = Register()
        self.labels, self.choose, self.loses, self.vector, self.draw = labels, choose, loses, vector, draw
        self.outs: list[list[DistillEffect]] = [[], []]
        self.ends = [
            Distiller(
                "alice>bob#0", NodeName("bob"), scheme, out, method=method, end=end, ends=(facts, facts),
                delay_ns=DELAY_NS, coin=coin,
            )
            for end, out in enumerate(self.outs)
        ]  # fmt: skip
        self.asked = [0, 0]
        self.ready: list[list[Ready]] = [[], []]
        self.told = 0
        self.made = 0
        self.halves: list[set[str]] = [set(), set()]  # that each end has in its memory
        self.pending: list[Callable[[], None]] = []

    def run(self, n: int = 1) -> None:
        """Both want so many pairs; until nothing can happen any more."""
        for end in self.ends:
            end.want(n)
        self.absorb()
        while self.pending:
            self.pending.pop(self.choose(len(self.pending)))()
            self.absorb()

    def absorb(self) -> None:
        for end, out in enumerate(self.outs):
            for effect in out:
                self.do(end, effect)
            out.clear()
        while self.made < min(self.asked):
            self.make(self.made)
            self.made += 1

    def make(self, number: int) -> None:
        pair = PairId(f"alice~bob#{10 * number}")  # others use the link, too
        self.register.create_pair(half(pair, 0), half(pair, 1), self.labels(number))
        for end in (0, 1):
            self.pending.append(lambda end=end: self.arrive(end, number, pair))  # type: ignore[misc]

    def arrive(self, end: int, number: int, pair: PairId) -> None:
        if self.loses():
            self.ends[end].lost(number)
            return
        self.halves[end].add(pair)
        self.ends[end].came(number, pair, self.vector, number * PERIOD_NS)
        if self.loses():
            self.pending.append(lambda: self.lose(end, number, pair))

    def lose(self, end: int, number: int, pair: str) -> None:
        self.halves[end].discard(pair)
        self.ends[end].lost(number)

    def do(self, end: int, effect: DistillEffect) -> None:
        match effect:
            case Wanting():
                self.asked[end] += effect.n
            case Tell():
                talk = decode_talk(encode_talk(effect.talk))
                assert isinstance(talk, Parity)
                self.told += 1
                self.pending.append(lambda: self.ends[1 - end].heard(talk))
            case DistillStep():
                self.pending.append(lambda: self.measure(end, effect))
            case Abandon():
                self.halves[end].remove(effect.pair)
            case Ready():
                self.ready[end].append(effect)

    def measure(self, end: int, step: DistillStep) -> None:
        pairs = (step.control, step.target)
        for name, sites in step.gates:
            self.register.apply(name, [half(pairs[site], end) for site in sites])
        outcome = self.register.measure(half(step.target, end), self.draw())
        bit: Literal[0, 1] = 1 if outcome else 0
        self.halves[end].discard(step.target)
        self.ends[end].measured(step.step, bit)

    def state_of(self, ready: Ready) -> BellState:
        rho = self.register.reduced_state((half(ready.pair, 0), half(ready.pair, 1)))
        return max(BELL_STATES, key=lambda bell: float((bell.ket() @ rho @ bell.ket()).real))


def at_random(seed: int) -> Callable[[int], int]:
    return Random(seed).randrange


def first(n: int) -> int:
    return 0
