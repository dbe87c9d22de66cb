"""The event log: what happened in the network, one JSON object a line, in execution order.

The log is a view of the record: executing the same reports gives the same bytes. It holds network time and names
only; no wall time, process id, port or unrounded float ever enters it. docs/events.md documents the fields.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Final

import msgspec

SCHEMA_VERSION: Final = 1


def _is(description: str, ge: int | None = None) -> msgspec.Meta:
    return msgspec.Meta(description=description, ge=ge)


class Event(msgspec.Struct, omit_defaults=True, frozen=True, gc=False):
    """One thing that happened. Fields that do not apply are left out of the line."""

    t: Annotated[int, _is("network time in nanoseconds at which it takes effect; of a gate, its start", ge=0)]
    round: Annotated[int, _is("the round within the instant in which it was executed", ge=0)]
    node: Annotated[str, _is("where it happened; empty for the run as a whole")]
    event: Annotated[str, _is("what happened: one of the kinds below")]
    program: Annotated[str, _is("the program that did it")] = ""
    qubits: Annotated[tuple[str, ...], _is("the qubits concerned, in the operation's order")] = ()
    pair: Annotated[str, _is("the Bell pair concerned")] = ""
    request: Annotated[int, _is("the node's number for a request for pairs or for outcomes")] = 0
    n: Annotated[
        int,
        _is("how many pairs, attempts that a pair takes, pulses sent, clicks seen, messages, slots; an incarnation"),
    ] = 0
    peer: Annotated[str, _is("the other node")] = ""
    gate: Annotated[str, _is("the gate, or the basis of a measurement")] = ""
    params: Annotated[tuple[float, ...], _is("angles in radians, rounded to 9 decimals")] = ()
    outcomes: Annotated[tuple[int, ...], _is("measured bits, in the order of `qubits`")] = ()
    message: Annotated[str, _is("the classical message; its `send` and its `receive` have the same")] = ""
    channel: Annotated[str, _is("of a classical message; the tag of a request")] = ""
    bytes: Annotated[int, _is("the size of a payload")] = 0
    name: Annotated[str, _is("the label of a mark, the name of a recorded value, the code of an error")] = ""
    detail: Annotated[str, _is("a sentence")] = ""
    local: Annotated[bool, _is("true if the node computed it by itself")] = False


KINDS: Final = {
    "run_started": "the first line; detail holds the network's name, the seed and the schema version",
    "run_ended": "the last line; name holds how it ended",
    "program_returned": "a program's main returned",
    "program_started": "a program begins while the network runs",
    "program_stopped": "a program was stopped and is over; n is how many messages nobody read, detail what it left",
    "program_failed": "a program's main raised; detail holds the error's last line",
    "create": "a qubit in |0> in a memory slot",
    "gate": "a gate was applied",
    "measure": "qubits were measured",
    "reset": "a qubit was returned to |0>",
    "discard": "qubits were traced out",
    "move": "a qubit went into a slot of another kind",
    "expire": "a half of a pair was discarded at its cut-off",
    "adopt": "a component moved from its node to the oracle",
    "request": "a node asked for pairs",
    "request_failed": "a request will not be served; name holds the error's code",
    "withdraw": "a node took its request back",
    "generate": "a pair is made; node asked first, peer second; n is how many attempts it takes, where one can fail",
    "deliver": "a half of a pair reached its node",
    "measure_directly": "outcomes of a batch of n pairs that were measured at birth reached the node",
    "send_qubit": "a qubit left over the quantum link",
    "receive_qubit": "a qubit arrived over the quantum link",
    "lost": "a qubit did not arrive, or found no place; detail holds the reason",
    "send": "a classical message left",
    "receive": "a classical message arrived",
    "drop": "a test or a fault script lost the message that has just left",
    "delay": "a test or a fault script delayed the message that has just left",
    "duplicate": "a fault script repeated the message that has just left",
    "hold": "a test held the node: it runs no more",
    "release": "a test released the node",
    "send_pulses": "a train of n pulses left; name holds that of the train",
    "receive_pulses": "a train was detected, with n clicks; name holds that of the train",
    "tap": "who sits on a link did something, which gate names, to the n pulses of the light that name names",
    "mark": "the observer was allowed to look at a qubit",
    "note": "a program recorded a value",
    "executed": "a function outside the loop returned, for which the virtual clock was held",
    "refused": "an operation was refused; name holds the error's code",
    "omitted": "a node did more with its own qubits at one instant than it logs",
    "node_lost": "a node is gone; qubits are those that were traced out, n its incarnation, detail the reason",
    "node_restarted": "a node that was lost has begun again; n is its incarnation",
    "network_request": "a program asked for n pairs with any node, with the tag that name holds",
    "network_queued": "the request waits for memory at the node peer; name holds its circuit",
    "network_reserved": "all nodes on the route, in detail, have memory for it in its time; name holds the circuit",
    "network_slots": "n memory slots are taken for the circuit that name holds, or given back if n is below 0",
    "network_accepted": "all nodes on the route, which detail lists, take part; name holds the circuit",
    "network_broken": "the circuit that name holds is broken, for the reason that detail tells; it goes another way",
    "swap": "a repeater joined two link pairs, which pair names",
    "distil": "two nodes made one better pair of two, which pair names; detail tells if it was kept or is lost",
    "network_deliver": "a program has its half, qubits, of the pair that pair names; n: 2 z + x that the peer corrects",
    "network_measure": "a program has the outcome of its half, qubits, of the end-to-end pair that pair names",
    "network_correct": "the far end of a pair corrects its half by the frame n, 2 z + x",
    "network_served": "all pairs of the request are at this end, and its program has them",
    "network_refused": "the request will not be served; name holds the error's code",
    "network_withdrawn": "the program gave the request up",
    "network_expired": "the request was not served in the time that its program gave it",
    "fault": "a fault script acts; name holds what it does, detail tells of whom",
}

LOCAL_KINDS: Final = frozenset({"create", "gate", "measure", "move", "reset", "discard", "lost", "omitted"})
"""What a node may tell of itself; everything else the oracle knows better."""

STACK_KINDS: Final = frozenset({"swap", "distil", *(kind for kind in KINDS if kind.startswith("network_"))})
"""What the network stack of a node tells of."""

encode_events = msgspec.json.Encoder().encode_lines
"""JSON Lines of a list of events."""

_decoder = msgspec.json.Decoder(Event)
_decode = _decoder.decode_lines

decode_event = _decoder.decode
"""The event behind one line. Raises one of UNREADABLE for anything else."""


def decode_events(data: bytes) -> list[Event]:
    """The events behind JSON Lines. Raises one of UNREADABLE for anything else."""
    lines: list[Event] = _decode(data)
    return lines


def rounded(params: tuple[float, ...]) -> tuple[float, ...]:
    """Angles as they enter the log: a last bit that differs between machines must not."""
    return tuple([round(param, 9) + 0.0 for param in params]) if params else params


def schema() -> dict[str, Any]:
    """The JSON Schema of a line."""
    line = msgspec.json.schema(Event)["$defs"]["Event"]
    for one in line["properties"].values():
        one.pop("default", None)  # a field with its default is left out; no reader need be told more
    kinds = [{"const": kind, "description": meaning} for kind, meaning in KINDS.items()]
    line["properties"]["event"] = {"description": line["properties"]["event"]["description"], "oneOf": kinds}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **line,
        "title": f"A line of qnode's event log, version {SCHEMA_VERSION}",
        "additionalProperties": False,
    }


def schema_text() -> str:
    """As it stands in docs/events.schema.json."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"
