"""Figures: samples of the same thing taken several times, with what they are compared to and what they should reach."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final, Literal


class WrongResult(Exception):
    """A benchmark measured something that was not what it should have been."""


@dataclass(frozen=True)
class Effort:
    """How much is done: sizes that make a sample long enough to be a measurement, or short enough to be a test."""

    name: str
    repetitions: int
    steps: int
    echoes: int
    one_by_one: int
    in_flight: int
    spread: int
    pairs: int
    ghz_nodes: tuple[int, ...]
    local_gates: int
    sequences: int
    launch_nodes: tuple[int, ...]
    batch: int


EFFORTS: Final[Mapping[str, Effort]] = {
    effort.name: effort
    for effort in (
        Effort("tiny", 1, 20, 20, 4, 64, 64, 8, (3,), 120, 20, (2,), 10_000),
        Effort("quick", 3, 1_000, 1_000, 300, 3_200, 1_280, 600, (10,), 10_000, 2_000, (2, 10), 200_000),
        Effort(
            "normal", 5, 3_000, 3_000, 1_000, 12_800, 3_200, 2_000, (10, 100), 50_000, 5_000, (2, 10, 100), 1_000_000
        ),
        Effort(
            "full",
            7,
            5_000,
            5_000,
            2_000,
            25_600,
            6_400,
            5_000,
            (10, 100, 300, 1000),
            100_000,
            10_000,
            (2, 10, 100, 1000),
            1_000_000,
        ),
    )
}


@dataclass(frozen=True)
class Target:
    """What a figure should reach: its value, or its ratio to the yardstick, at most or at least a limit."""

    of: Literal["value", "ratio"]
    bound: Literal["at most", "at least"]
    limit: float

    def __str__(self) -> str:
        sign = "<=" if self.bound == "at most" else ">="
        return f"{self.of} {sign} {self.limit:,g}" if self.of == "ratio" else f"{sign} {self.limit:,g}"

    def met(self, value: float) -> bool:
        return value <= self.limit if self.bound == "at most" else value >= self.limit


@dataclass
class Figure:
    """One row of the table.

    Attributes:
        benchmark, case: What was measured.
        unit: Of the samples and of the yardstick.
        yardstick_name: What the yardstick is; "" if there is none.
        inverse: True if more is better, so that a ratio is yardstick / value and never less than 1 by merit.
        samples, yardstick: Taken alternately: the nth of one right beside the nth of the other.
    """

    benchmark: str
    case: str
    unit: str
    target: Target | None = None
    yardstick_name: str = ""
    inverse: bool = False
    samples: list[float] = field(default_factory=list)
    yardstick: list[float] = field(default_factory=list)

    def add(self, value: float, yardstick: float | None = None) -> None:
        self.samples.append(value)
        if yardstick is not None:
            self.yardstick.append(yardstick)

    @property
    def value(self) -> float:
        return median(self.samples)

    @property
    def ratio(self) -> float | None:
        """How many times the yardstick's cost this is: the median over samples taken side by side."""
        if not self.yardstick:
            return None
        pairs = zip(self.samples, self.yardstick, strict=True)
        return median([bar / one if self.inverse else one / bar for one, bar in pairs])

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None if there is none."""
        if self.target is None:
            return None
        value = self.value if self.target.of == "value" else self.ratio
        return None if value is None else self.target.met(value)

    def as_json(self) -> dict[str, object]:
        return {
            "benchmark": self.benchmark,
            "case": self.case,
            "unit": self.unit,
            "median": self.value,
            "min": min(self.samples),
            "max": max(self.samples),
            "samples": self.samples,
            "yardstick": None if not self.yardstick else self._yardstick_as_json(),
            "ratio": self.ratio,
            "target": None if self.target is None else {**vars(self.target), "text": str(self.target)},
            "met": self.met,
        }

    def _yardstick_as_json(self) -> dict[str, object]:
        return {
            "name": self.yardstick_name,
            "median": median(self.yardstick),
            "min": min(self.yardstick),
            "max": max(self.yardstick),
            "samples": self.yardstick,
        }


Sample = Callable[[], Awaitable[None]]


async def interleave(cases: Sequence[tuple[str, Sample]], repetitions: int, say: Callable[[str], None]) -> None:
    """Take one sample of every case, then the next of every case, and so on: a slow minute hits all of them alike."""
    for repetition in range(repetitions):
        for name, sample in cases:
            say(f"{name} ({repetition + 1} of {repetitions})")
            await sample()
