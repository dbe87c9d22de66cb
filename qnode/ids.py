"""The names of things, as distinct types: a pair's id cannot be passed where a qubit's is wanted.

All are short text, because they appear in logs, events and messages as they are:

    node    "alice"            as the configuration calls it
    qubit   "alice.4"          the fifth qubit that alice made herself
            "alice~bob#2@bob"  bob's half of the third pair of alice and bob
    pair    "alice~bob#2"      names sorted, so both ends agree
    message "alice:bob#2"      the third classical message from alice to bob
A node that was restarted afresh names its own qubits "alice!1.4", and its messages "alice!1:bob#0": an older
incarnation's names never come back.
"""

from __future__ import annotations

import re
from typing import Final, NewType

NodeName = NewType("NodeName", str)
ProgramName = NewType("ProgramName", str)
QubitId = NewType("QubitId", str)
PairId = NewType("PairId", str)
MessageId = NewType("MessageId", str)
RequestId = NewType("RequestId", int)

_OWN: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9_-]{0,63})(?:![1-9][0-9]{0,18})?\.(?:0|[1-9][0-9]{0,18})")

MAIN = ProgramName("main")

NUMBERS_OF_A_LIFE: Final = 2**40
"""Each incarnation of a node numbers its messages from a multiple of it on."""


def life_of(node: str, incarnation: int) -> str:
    """What an incarnation of a node is called where its qubits and messages are named."""
    return f"{node}!{incarnation}" if incarnation else node


def local_qubit_id(node: NodeName, incarnation: int, nth: int) -> QubitId:
    """The name of the nth qubit (from 0) that this incarnation of a node made."""
    return QubitId(f"{life_of(node, incarnation)}.{nth}")


def maker_of(qubit: str) -> NodeName | None:
    """The node that alone makes qubits of this name, whatever its incarnation. None if no node names its own so."""
    found = _OWN.fullmatch(qubit)
    return NodeName(found[1]) if found else None


def pair_id(one: NodeName, other: NodeName, nth: int) -> PairId:
    """The name of the nth Bell pair (from 0) between two nodes; the order of the two does not matter."""
    first, second = (one, other) if one < other else (other, one)
    return PairId(f"{first}~{second}#{nth}")


def half_id(pair: PairId, end: NodeName) -> QubitId:
    """The name of the half of a pair that is born at one end (it keeps it wherever it travels)."""
    return QubitId(f"{pair}@{end}")


def other_half(half: QubitId) -> tuple[PairId, NodeName, QubitId] | None:
    """Of a half: its pair, the node of the other end, and the other half. None if the qubit is no half of a pair."""
    pair, at, end = half.rpartition("@")
    if not at:
        return None
    one, _, other = pair.partition("#")[0].partition("~")
    peer = NodeName(other if end == one else one)
    return PairId(pair), peer, half_id(PairId(pair), peer)


def message_id(sender: str, receiver: str, number: int) -> MessageId:
    """The name of a classical message from one node to another; its number tells the sender's life, too."""
    life, nth = divmod(number, NUMBERS_OF_A_LIFE) if number >= 0 else (0, number)
    return MessageId(f"{life_of(sender, life)}:{receiver}#{nth}")
