"""A run whose oracle's process was lost: the next one executes the record, and goes on with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import msgspec

from orchestrator.oracle.core import OracleCore
from orchestrator.oracle.record import RecordReader, RecordWriter, is_torn_start
from orchestrator.oracle.regrant import Regrants
from orchestrator.oracle.replay import Again
from orchestrator.oracle.segments import is_there
from orchestrator.oracle.spec import OracleSpec, decode_oracle, encode_oracle, record_path
from qnode.errors import MalformedMessage
from qnode.wire.grants import CUT_BYTES
from qnode.wire.messages import Past, Step, encode
from qnode.wire.unreadable import UNREADABLE

_SETTLED: Final = 256  # rounds, after which what they led to goes to the event log


def before(spec: OracleSpec) -> RecordReader | None:
    """The record that there is of a run, if it is to be gone on with; None if it has not got as far as that.

    Raises MalformedMessage, with the offset, for one that is damaged, or that is of another run.
    """
    if not spec.resume:
        return None
    path = record_path(spec.folder)
    is_followed = is_there(path, 1)
    if not is_there(path, 0) and not is_followed:
        return None
    try:
        reader = RecordReader(path)
    except MalformedMessage:
        if is_followed or not path.exists() or not is_torn_start(path):
            raise
        path.unlink()  # nobody was granted anything before it had its first entry
        return None
    try:
        told = decode_oracle(reader.description)
    except UNREADABLE as error:
        raise MalformedMessage(detail=f"{path} describes no run: {error}") from None
    if _without_patience(told) != _without_patience(spec.without_secrets()):
        raise MalformedMessage(detail=f"{path} is the record of another run, or of another configuration")
    return reader


def _without_patience(spec: OracleSpec) -> OracleSpec:
    """Without what may be another at every start of the oracle."""
    return msgspec.structs.replace(spec, join_timeout_s=0.0, patience_s=0.0, restarts=0, synced=False, segment_bytes=0)


def writer(spec: OracleSpec, after: RecordReader | None) -> RecordWriter:
    """Of a run that has a folder."""
    return RecordWriter(
        record_path(spec.folder),
        encode_oracle(spec.without_secrets()),
        synced=spec.synced,
        segment_bytes=spec.segment_bytes,
        after=after,
    )


def catch_up(spec: OracleSpec, core: OracleCore, reader: RecordReader, settle: Callable[[], None]) -> Again:
    """Execute a record, and leave the core as its last entry left it.

    Args:
        settle: Called now and then: all that was emitted is in the record.
    Raises:
        MalformedMessage: If it is damaged, or does not follow from itself.
    """
    again = Again(spec, core)
    for followed in again.catch_up(reader.rounds()):
        if not followed.number % _SETTLED:
            settle()
    if again.divergence is not None:
        raise MalformedMessage(detail=f"{record_path(spec.folder)} does not follow from itself: {again.divergence}")
    return again


def past_of(spec: OracleSpec, lives: Mapping[str, int]) -> Iterator[tuple[str, list[bytes]]]:
    """Each step of some nodes that is in the record, in the order in which they went through them: whose, and frames.

    Args:
        lives: Which life each of them is in; what came before it is left out.
    Raises MalformedMessage if the record is damaged or does not follow from itself.
    """
    regrants = Regrants(spec)
    begun = {node: spec.incarnations[node] - 1 for node in lives}
    for answered in regrants.of(lives, RecordReader(record_path(spec.folder)).rounds()):
        begun[answered.grant.node] += answered.grant.step == 0
        if answered.is_whole and begun[answered.grant.node] == lives[answered.grant.node]:
            content = encode(Step(encode(answered.grant), answered.frames))
            parts = [content[start : start + CUT_BYTES] for start in range(0, len(content), CUT_BYTES)]
            node = answered.grant.node
            yield node, [encode(Past(node, part, more=n < len(parts))) for n, part in enumerate(parts, 1)]
    if regrants.divergence is not None:
        raise MalformedMessage(detail=f"{record_path(spec.folder)} does not follow from itself: {regrants.divergence}")
