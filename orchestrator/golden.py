"""Golden event logs: what a run should do, kept beside its test, and the first thing that it does otherwise."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Final

from orchestrator.eventlog import told
from orchestrator.oracle.events import Event, decode_event
from orchestrator.run import Run
from orchestrator.text import from_here
from qnode.wire.unreadable import UNREADABLE

_BEFORE: Final = 2  # events that are shown before the first difference


class Golden:
    """A golden event log.

    Args:
        path: Where it is kept.
        command: What runs the test, without options.
    """

    def __init__(self, path: Path, command: str) -> None:
        self.path = path
        self._update = f"{command} --qnode-update"

    def compare(self, run: Run, *, update: bool) -> None:
        """Compare a run's event log with it, or write it. Raises AssertionError that tells the first difference."""
        __tracebackhide__ = True
        where = from_here(self.path)
        if not run.summary.reproducible:
            raise AssertionError(
                f"this run cannot be compared with {where}: something from outside entered it, or its clock was real,"
                " so that another run of the same seed may be another one"
            )
        log = run.events_bytes.splitlines(keepends=True)
        if update:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_bytes(b"".join(log))
            return
        if not self.path.exists():
            look = shlex.quote(str(from_here(run.folder)))
            raise AssertionError(
                f"there is no golden event log {where} yet\nlook at this run:   qnode events {look}\n"
                f"if it is right:     {self._update}"
            )
        kept = self.path.read_bytes().splitlines(keepends=True)
        if kept != log:
            raise AssertionError(
                f"the event log is another one than {where}, from {_difference(kept, log)}\n"
                f"if the new one is right:   {self._update}"
            )


def _difference(kept: list[bytes], new: list[bytes]) -> str:
    """Where two logs part, in words."""
    at = next((nth for nth, (one, other) in enumerate(zip(kept, new, strict=False)) if one != other), None)
    at = min(len(kept), len(new)) if at is None else at
    golden, now = (_event(log[at]) if at < len(log) else None for log in (kept, new))
    lines = [f"           {_said(_event(line))}" for line in new[max(0, at - _BEFORE) : at]]
    lines += [f"- golden   {_said(golden)}", f"+ now      {_said(now)}"]
    lines += [f"           {field}" for field in _fields(golden, now)]
    if golden == now:  # line ends, say, or the order of the fields
        lines += [f"           the same event, in other bytes: {kept[at]!r}, now {new[at]!r}"]
    return "\n".join([f"event {at + 1} on ({len(kept)} events in the golden log, {len(new)} now):", *lines])


def _event(line: bytes) -> Event | str:
    try:
        return decode_event(line)
    except UNREADABLE:
        return line.decode(errors="replace").rstrip("\r\n")


def _said(event: Event | str | None) -> str:
    if event is None:
        return "(the log ends)"
    return event if isinstance(event, str) else told(event)


def _fields(golden: Event | str | None, now: Event | str | None) -> list[str]:
    """The fields in which two events differ, for what words leave out."""
    if not (isinstance(golden, Event) and isinstance(now, Event)):
        return []
    pairs = ((name, getattr(golden, name), getattr(now, name)) for name in Event.__struct_fields__)
    return [f"{name}: {one!r}, now {other!r}" for name, one, other in pairs if one != other]
