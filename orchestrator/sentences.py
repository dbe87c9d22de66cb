"""Events in words: `alice measured alice~bob#3@alice in z: 0`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from orchestrator.oracle.events import Event, decode_events
from orchestrator.text import count
from qnode.runtime.logs import format_time

_TAIL: Final = 1 << 15  # bytes of a log, enough for its last events
_NO_NEWS: Final = ("run_started", "run_ended", "program_returned")


def in_words(event: Event) -> str:
    """What happened, without when."""
    return f"{event.node} {_did(event)}".strip()


def at_time(event: Event) -> str:
    """The same, with its time."""
    return f"{format_time(event.t)} {in_words(event)}"


def last_events(log: Path, n: int = 3) -> list[str]:
    """The last things that happened in a run, in words; of a log that was torn off, what is whole."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - _TAIL))
            data = file.read()
    except FileNotFoundError:
        return []  # the run kept none
    start = data.find(b"\n") + 1 if len(data) == _TAIL else 0
    try:
        events = decode_events(data[start : data.rfind(b"\n") + 1])
    except msgspec.DecodeError:
        return []  # of another version
    return [at_time(event) for event in events if event.event not in _NO_NEWS][-n:]


def _did(event: Event) -> str:
    qubits = ", ".join(event.qubits)
    channel = f" on channel {event.channel}" if event.channel else ""
    match event.event:
        case "run_started":
            return f"the run started: {event.detail}"
        case "run_ended":
            return f"the run ended: {event.name}"
        case "program_returned":
            return f"program {event.program} returned"
        case "program_failed":
            return f"program {event.program} failed: {event.detail}"
        case "gate":
            params = f"({', '.join(f'{param:g}' for param in event.params)})" if event.params else ""
            return f"applied {event.gate}{params} to {qubits}"
        case "measure":
            return f"measured {qubits} in {event.gate or 'z'}: {', '.join(map(str, event.outcomes))}"
        case "adopt":
            return f"handed {qubits} to the oracle"
        case "request":
            return f"asked {event.peer} for entanglement"
        case "withdraw":
            return f"withdrew its request to {event.peer}"
        case "generate":
            return f"and {event.peer} were given pair {event.pair}"
        case "deliver":
            return f"received its half {qubits}"
        case "send_qubit":
            return f"sent {qubits} to {event.peer}"
        case "receive_qubit":
            return f"received {qubits} from {event.peer}"
        case "lost":
            return f"lost {qubits}: {event.gate}"
        case "send":
            return f"sent {count(event.bytes, 'byte')} to {event.peer}{channel}"
        case "receive":
            return f"received {count(event.bytes, 'byte')} from {event.peer}{channel}"
        case "mark":
            return f"marked {qubits} as {event.name!r}"
        case "note":
            return f"recorded {event.name}"
        case "refused":
            return f"was refused an operation: {event.name}"
        case "drop":
            return f"had its message to {event.peer}{channel} lost by the test"
        case "delay":
            return f"had its message to {event.peer}{channel} delayed by the test: {event.detail}"
        case "hold" | "release":
            return "was held by the test" if event.event == "hold" else "was released by the test"
        case "create" | "reset" | "discard":
            return f"{_PAST[event.event]} {qubits}"
    return " ".join(filter(None, (event.event.replace("_", " "), qubits, event.name, event.detail)))


_PAST: Final = {"create": "made", "reset": "reset", "discard": "discarded"}
