"""Makes the pictures of the documents anew, from real runs:   python docs/pictures.py

A picture is drawn from a run's event log alone, so the same seed gives the same picture.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Final

from orchestrator import Cluster, Run
from orchestrator.oracle.events import Event
from qnode.runtime.logs import format_time

DOCS: Final = Path(__file__).parent
ROOT: Final = DOCS.parent

_LEFT, _WIDTH, _RIGHT = 110.0, 460.0, 170.0
_LANE: Final = {"alice": 84.0, "bob": 236.0}
_HEIGHT: Final = 350.0
_LINE: Final = 15.0  # pixels between lines of text

_IN_WORDS: Final = (
    "Teleportation over network time: a Bell pair reaches alice and bob after 50 us; alice measures and sends two bits,"
    " which reach bob after 100 us; bob corrects and has the state."
)

Point = tuple[float, float]


def timeline(events: Sequence[Event], lanes: Mapping[str, float] = _LANE) -> str:
    """Two nodes over network time: what each did, the pair on its way, and messages, as an SVG document."""
    last = max(event.t for event in events)
    at = {event.t: _LEFT + _WIDTH * event.t / last for event in events}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {_LEFT + _WIDTH + _RIGHT:.0f} {_HEIGHT:.0f}"'
        ' font-family="sans-serif" font-size="12" stroke="none" fill="none"'
        f' aria-label="{_IN_WORDS}">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        *_lanes(lanes, at[last]),
        *_pairs(events, lanes, at),
        *_messages(events, lanes, at),
        *_instants(events, lanes, at),
        *_ticks(at),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _lanes(lanes: Mapping[str, float], end: float) -> Iterator[str]:
    for name, y in lanes.items():
        yield _line((_LEFT, y), (end + 20, y), "#888888", 1.5)
        yield _text(_LEFT - 16, y + 4, name, "end", weight="bold")


def _pairs(events: Sequence[Event], lanes: Mapping[str, float], at: Mapping[int, float]) -> Iterator[str]:
    middle = sum(lanes.values()) / len(lanes)
    made = {event.pair: at[event.t] for event in events if event.event == "generate"}
    for event in events:
        if event.event == "deliver":
            yield _line((made[event.pair], middle), (at[event.t], lanes[event.node]), "#4e79a7", 2, "7 5")
    for x in made.values():
        yield f'<circle cx="{x:.1f}" cy="{middle:.1f}" r="6" fill="#4e79a7"/>'
        yield _text(x - 14, middle + 4, "Bell pair", "end", "#4e79a7")


def _messages(events: Sequence[Event], lanes: Mapping[str, float], at: Mapping[int, float]) -> Iterator[str]:
    sent: dict[tuple[str, str], deque[float]] = {}
    for event in events:
        if event.event == "send":
            sent.setdefault((event.node, event.peer), deque()).append(at[event.t])
        elif event.event == "receive":
            start, end = sent[event.peer, event.node].popleft(), at[event.t]
            y1, y2 = lanes[event.peer], lanes[event.node]
            yield _line((start, y1), (end, y2), "#d1700e", 2)
            yield _text((start + end) / 2 + 10, (y1 + y2) / 2, "two classical bits", "start", "#d1700e")


def _instants(events: Sequence[Event], lanes: Mapping[str, float], at: Mapping[int, float]) -> Iterator[str]:
    found: dict[tuple[str, int], list[str]] = {}
    for event in events:
        words = _words(event)
        if words and event.node in lanes:
            found.setdefault((event.node, event.t), []).append(words)
    for (node, t), lines in found.items():
        x, y = at[t], lanes[node]
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#222222"/>'
        top = y - 12 - _LINE * (len(lines) - 1) if y == min(lanes.values()) else y + 22
        for nth, line in enumerate(lines):
            yield _text(x, top + nth * _LINE, line, "start" if x > _LEFT else "middle")


def _words(event: Event) -> str:
    """What an event is called in the picture; nothing for those that its lines show."""
    match event.event:
        case "gate":
            angles = ", ".join(f"{angle:g}" for angle in event.params)
            return f"{event.gate}({angles})" if angles else event.gate
        case "measure":
            return f"measure: {' '.join(map(str, event.outcomes))}"
        case "mark":
            return f"mark {event.name!r}"
    return ""


def _ticks(at: Mapping[int, float]) -> Iterator[str]:
    for t, x in at.items():
        yield _line((x, 312), (x, 318), "#888888", 1)
        yield _text(x, 334, format_time(t), "middle", "#555555")
    yield _text(_LEFT - 24, 334, "network time", "end", "#555555")


def _line(start: Point, end: Point, colour: str, width: float, dashes: str = "") -> str:
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    (x1, y1), (x2, y2) = start, end
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{colour}" stroke-width="{width}"{dashed}/>'


def _text(x: float, y: float, text: str, anchor: str, colour: str = "#222222", weight: str = "normal") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" font-weight="{weight}">'
        f"{escape(text)}</text>"
    )


async def pictures() -> Mapping[str, str]:
    """Every picture of the documents by its file's name."""
    with tempfile.TemporaryDirectory() as folder:
        run: Run = await Cluster.from_yaml(ROOT / "configs" / "teleportation.yaml", runs=Path(folder)).run()
        return {"teleportation.svg": timeline(run.events)}


def main() -> None:
    for name, text in asyncio.run(pictures()).items():
        (DOCS / name).write_text(text, encoding="utf-8")
        sys.stdout.write(f"{DOCS / name}\n")


if __name__ == "__main__":
    main()
