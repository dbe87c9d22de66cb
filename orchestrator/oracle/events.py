"""The event log: what happened in the network, one JSON object a line, in execution order.

The log is a view of the record: executing the same reports gives the same bytes. It holds network time and names
only; no wall time, process id, port or unrounded float ever enters it. docs/events.md documents the fields.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

SCHEMA_VERSION: Final = 1


class Event(msgspec.Struct, omit_defaults=True, frozen=True):
    """One thing that happened. Fields that do not apply are left out of the line.

    Attributes:
        t: Network time in nanoseconds at which it takes effect (of a gate: its start on the timeline).
        round: The round within the instant in which it was executed.
        node: Where it happened; "" for the run as a whole.
        event: What: see KINDS.
        program: The program that did it.
        qubits: The qubits concerned, in the operation's order.
        pair: The Bell pair concerned.
        request: The node's number for a request.
        peer: The other node.
        gate: The gate, or the basis of a measurement.
        params: Angles in radians, rounded to 9 decimals.
        outcomes: Measured bits, in the order of `qubits`.
        channel: Of a classical message.
        bytes: The size of a payload.
        name: The label of a mark, the name of a recorded value, the code of an error.
        detail: A sentence.
        local: True if the node computed it by itself.
    """

    t: int
    round: int
    node: str
    event: str
    program: str = ""
    qubits: tuple[str, ...] = ()
    pair: str = ""
    request: int = 0
    peer: str = ""
    gate: str = ""
    params: tuple[float, ...] = ()
    outcomes: tuple[int, ...] = ()
    channel: str = ""
    bytes: int = 0
    name: str = ""
    detail: str = ""
    local: bool = False


KINDS: Final = {
    "run_started": "the first line; detail holds the network's name, the seed and the schema version",
    "run_ended": "the last line; name holds how it ended",
    "program_returned": "a program's main returned",
    "program_failed": "a program's main raised; detail holds the error's last line",
    "create": "a qubit in |0> in a memory slot",
    "gate": "a gate was applied",
    "measure": "qubits were measured",
    "reset": "a qubit was returned to |0>",
    "discard": "qubits were traced out",
    "adopt": "a component moved from its node to the oracle",
    "request": "a node asked for pairs",
    "withdraw": "a node took its request back",
    "generate": "a Bell pair was made; node asked first, peer second",
    "deliver": "a half of a pair reached its node",
    "send_qubit": "a qubit left over the quantum link",
    "receive_qubit": "a qubit arrived over the quantum link",
    "lost": "a qubit arrived and found no place; gate holds the reason",
    "send": "a classical message left",
    "receive": "a classical message arrived",
    "drop": "a test lost the message that has just left",
    "delay": "a test delayed the message that has just left; detail says by how much",
    "hold": "a test held the node: it runs no more",
    "release": "a test released the node",
    "mark": "the observer was allowed to look at a qubit",
    "note": "a program recorded a value",
    "executed": "a function outside the loop returned",
    "refused": "an operation was refused; name holds the error's code",
    "omitted": "a node did more with its own qubits at one instant than it logs",
}

_encode = msgspec.json.Encoder().encode_lines
_decode = msgspec.json.Decoder(Event).decode_lines


def encode_events(events: Iterable[Event]) -> bytes:
    """JSON Lines."""
    return _encode(list(events))


def decode_events(data: bytes) -> list[Event]:
    """The events behind JSON Lines. Raises msgspec.DecodeError for anything else."""
    lines: list[Event] = _decode(data)
    return lines


def rounded(params: tuple[float, ...]) -> tuple[float, ...]:
    """Angles as they enter the log: a last bit that differs between machines must not."""
    return tuple([round(param, 9) + 0.0 for param in params])
