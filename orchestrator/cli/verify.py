"""`qnode verify [RUN]`: whether what must hold in every run holds in this one, by its event log."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from orchestrator import saved
from orchestrator.cli.screen import Screen
from orchestrator.eventlog import EventLog, told
from orchestrator.oracle.events import Event
from orchestrator.oracle.spec import events_path
from orchestrator.text import columns, count, from_here
from orchestrator.verification.checker import Checker
from orchestrator.verification.facts import INVARIANTS, Facts
from qnode.errors import ConfigError
from qnode.exits import EXIT_DONE, EXIT_FAILED
from qnode.quantum.hardware import Hardware

_MOST_OPEN = 20


def run(options: argparse.Namespace, screen: Screen) -> int:
    """Carry out the command; the exit code: 1 if something does not hold."""
    folder = saved.find(options.runs_folder, options.which)
    checker, shown = check(folder)
    screen.say("\n".join(_report(folder, checker)))
    if checker.torn:
        screen.tell("the log stops before the end of the run: what would have come is not held against it")
    place = from_here(events_path(folder))
    for one in checker.violations:
        screen.say(f"{place}:{one.line}: {one.invariant}: {one.what}")
        screen.say(f"    {told(shown[one.line])}")
    return EXIT_FAILED if checker.violations else EXIT_DONE


def check(folder: Path) -> tuple[Checker, dict[int, Event]]:
    """Check the log of a saved run. Also the lines at which something does not hold, by their numbers.

    Raises ConfigError if there is no log, or a line of it is no event.
    """
    log = events_path(folder)
    network = saved.load_source(folder).network
    if not log.is_file():
        raise ConfigError(place=str(from_here(folder)), detail="this run has no event log, so nothing can be verified")
    slots = {node: of.hardware.qubits for node, of in network.nodes.items()}
    busy_ns = {node: _operations_ns(of.hardware) for node, of in network.nodes.items()}
    delay_ns, ordered = network.delays.delay_ns, network.clock == "virtual"
    checker = Checker(Facts(slots, delay_ns, busy_ns, ordered))  # type: ignore[arg-type]
    shown: dict[int, Event] = {}
    last: Event | None = None
    for block in EventLog(log).blocks():
        for line in block:
            before, last = len(checker.violations), line.event
            checker.see(line.event)
            if len(checker.violations) > before:
                shown[checker.events] = line.event
    checker.end()
    if last is not None:
        shown[checker.events] = last
    return checker, shown


def _operations_ns(hardware: Hardware) -> int:
    """A gate of each kind and a measurement: the most that a stack does with its qubits at a time."""
    return 2 * hardware.two.duration_ns + 2 * hardware.single.duration_ns + hardware.measure.duration_ns


def _report(folder: Path, checker: Checker) -> Iterator[str]:
    requests, opened = checker.requests, checker.open()
    rows = [["events", f"{checker.events:,}, with {count(checker.messages.sent, 'message')}"]]
    if requests.asked:
        ends = [f"{n:,} {how}" for how, n in sorted(checker.endings().items())]
        rows.append(["requests", ", ".join([*ends, *([f"{len(opened):,} open"] if opened else [])])])
    pairs = count(checker.qubits.pairs, "link pair")
    rows.append(["pairs", f"{len(requests.pairs):,} end to end, {pairs}" if requests.asked else pairs])
    rows.append(["qubits", f"{checker.qubits.held:,} held at the end"])
    broken = {one.invariant for one in checker.violations}
    yield f"{folder.name}:"
    yield columns(rows)
    for request, why in list(opened.items())[:_MOST_OPEN]:
        asked = requests.asked[request]
        tag = f", tag {asked.tag}" if asked.tag else ""
        yield f"  {request}, with {asked.peer}{tag}, has {asked.delivered} of {count(asked.n, 'pair')}: {why}"
    if broken:
        yield f"{count(len(broken), 'invariant')} of {len(INVARIANTS)} broken, {count(len(checker.violations), 'time')}"
    else:
        yield f"all {len(INVARIANTS)} invariants hold"
