"""What the event log says, counted and sorted by node, and what it makes of the status of each node. Pure.

Lines are looked at and not decoded: what is published is what stands in the log, byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from orchestrator.telemetry.backlog import Batch
from orchestrator.telemetry.topics import Topics

STARTING: Final = "starting"
RUNNING: Final = "running"
PAUSED: Final = "paused"
DONE: Final = "done"
FAILED: Final = "failed"
STOPPED: Final = "stopped"  # the run ended otherwise than it should, and before the node's programs did
LOST: Final = "lost"

_MOST_BYTES: Final = 64 * 1024  # of a message; some brokers refuse larger ones
_WHAT: Final = re.compile(rb'"node":"([^"\\]*)","event":"([^"\\]*)"')
_QUANTUM: Final = frozenset({"create", "gate", "measure", "reset", "discard"})


class _Line(msgspec.Struct):
    """What is read of the few lines that are decoded."""

    t: int = 0
    node: str = ""
    program: str = ""
    name: str = ""


_decode = msgspec.json.Decoder(_Line).decode


class Tally:
    """The run as far as its event log tells.

    Args:
        programs: Of each node, those that the run waits for.

    Attributes:
        events: How many of each kind, by node and kind; the node is "" for those of the run as a whole.
        status: Of each node.
        how: How the run ended, or "".
        now_ns, steps: How far the run is; told from elsewhere.
    """

    def __init__(self, programs: Mapping[str, Sequence[str]]) -> None:
        self.events: dict[tuple[str, str], int] = {}
        self.status = dict.fromkeys(programs, STARTING)
        self.how = ""
        self.now_ns = 0
        self.steps = 0
        self._programs = programs
        self._unreturned = {node: set(names) for node, names in programs.items()}

    def take(self, chunk: bytes) -> dict[str, list[bytes]]:
        """Count whole lines; the same lines by node, in their order."""
        found: dict[str, list[bytes]] = {}
        events = self.events
        names: dict[tuple[bytes, bytes], tuple[str, str]] = {}
        for line in chunk.splitlines():
            match = _WHAT.search(line)
            raw = (match[1], match[2]) if match else (b"", b"?")
            what = names.get(raw)
            if what is None:
                what = names[raw] = (raw[0].decode(), raw[1].decode())
            events[what] = events.get(what, 0) + 1
            if what[0] in found:
                found[what[0]].append(line)
            else:
                found[what[0]] = [line]
            if what[1].startswith(("program_", "run_", "node_")):
                self._follow(what[1], _decode(line))
        return found

    def _follow(self, event: str, line: _Line) -> None:
        match event:
            case "program_failed":
                self.status[line.node] = FAILED
            case "program_returned" | "program_stopped":
                left = self._unreturned.get(line.node, set())
                left.discard(line.program)
                if not left and self.status.get(line.node) == RUNNING:
                    self.status[line.node] = DONE
            case "node_lost":
                self.status[line.node] = LOST
            case "node_restarted":
                self.status[line.node] = RUNNING
                self._unreturned[line.node] = set(self._programs[line.node])
            case "run_started":
                self.started()
            case "run_ended":
                self.how = line.name
                self.now_ns = line.t

    def started(self) -> None:
        """All nodes are there."""
        for node, status in self.status.items():
            if status == STARTING:
                self.status[node] = RUNNING

    def ended(self, lost: Sequence[str]) -> None:
        """The run is over; what its log does not tell: how it ended if nobody could write it, and who was lost."""
        self.how = self.how or LOST
        for node, status in self.status.items():
            if node in lost:
                self.status[node] = LOST
            elif status in (STARTING, RUNNING):
                self.status[node] = DONE if self.how == "done" else STOPPED

    def totals(self) -> dict[str, int]:
        """Events by kind, over all nodes."""
        found: dict[str, int] = {}
        for (_, kind), n in list(self.events.items()):
            found[kind] = found.get(kind, 0) + n
        return found

    def counts(self) -> dict[str, int]:
        """The sums that the log tells: pairs, messages and refusals are also in a run's summary."""
        totals = self.totals()
        return {
            "pairs": totals.get("generate", 0),
            "messages": totals.get("send", 0),
            "quantum_operations": sum(totals.get(kind, 0) for kind in _QUANTUM),
            "refused": totals.get("refused", 0),
        }


def batches(by_node: Mapping[str, Sequence[bytes]], topics: Topics) -> Iterator[Batch]:
    """As few messages as can be: JSON Lines of one node each, too large for a broker only if a single line is."""
    for node, lines in by_node.items():
        topic = topics.events(node)
        first = size = 0
        for nth, line in enumerate(lines):
            if size and size + len(line) + 1 > _MOST_BYTES:
                yield _batch(topic, lines[first:nth])
                first, size = nth, 0
            size += len(line) + 1
        yield _batch(topic, lines[first:])


def _batch(topic: str, lines: Sequence[bytes]) -> Batch:
    return Batch(topic, b"\n".join(lines) + b"\n", len(lines))
