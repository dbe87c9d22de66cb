"""Long payloads: they go from node to node ahead of the header that announces them, and are kept by digest.

The header counts only once the oracle has it, and then the payload is already where it must be: a sender that dies
in between takes nothing with it that somebody was promised.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from qnode.errors import MalformedMessage
from qnode.transport.peers import Key, Peers
from qnode.wire.messages import INLINE_PAYLOAD_BYTES, Parcel
from qnode.wire.operations import Op, Send


def digest_of(payload: bytes) -> bytes:
    return blake2b(payload, digest_size=32).digest()


class ParcelStore:
    """Payloads by digest, as files of the run. Storing the same twice is storing it once."""

    def __init__(self, folder: str | Path) -> None:
        self._folder = folder

    def put(self, digest: bytes, payload: bytes) -> None:
        """Raises MalformedMessage if the payload is not what the digest says."""
        if digest_of(payload) != digest:
            raise MalformedMessage(detail="a payload does not match its digest")
        path = self._path(digest)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # like the record: whoever runs it reads it
        part = path.with_suffix(".part")
        part.write_bytes(payload)
        part.replace(path)

    def get(self, digest: bytes) -> bytes:
        """Raises MalformedMessage if there is no such payload."""
        try:
            return self._path(digest).read_bytes()
        except FileNotFoundError:
            raise MalformedMessage(detail=f"payload {digest.hex()} was announced and is not here") from None

    def _path(self, digest: bytes) -> Path:
        return Path(self._folder, digest.hex())


_LOOK_MS: Final = 100  # wall time; hardly anybody waits as long for a payload to arrive


class Parting(NamedTuple):
    """A long payload that has to be at its receiver before the header that announces it counts."""

    peer: str
    digest: bytes
    payload: bytes


def by_digest(ops: tuple[Op, ...]) -> tuple[tuple[Op, ...], list[Parting]]:
    """Operations with digests in the place of long payloads, and these."""
    partings: list[Parting] = []
    if not any(isinstance(op, Send) and len(op.payload) > INLINE_PAYLOAD_BYTES for op in ops):
        return ops, partings
    slim: list[Op] = []
    for op in ops:
        if isinstance(op, Send) and len(op.payload) > INLINE_PAYLOAD_BYTES:
            digest = digest_of(op.payload)
            partings.append(Parting(op.peer, digest, op.payload))
            slim.append(msgspec.structs.replace(op, payload=b"", digest=digest))
        else:
            slim.append(op)
    return tuple(slim), partings


def send_ahead(
    source: str,
    ops: tuple[Op, ...],
    peers: Peers,
    token: bytes,
    look: Callable[[], None] | None = None,
) -> tuple[Op, ...]:
    """Send the long payloads of a report to their receivers and wait until they have them; then digests.

    Everybody who waits here also takes in what others send, so that two nodes can do this to each other.

    Args:
        look: Called now and then while waiting: whoever it lets the peers give up is not waited for.
    """
    slim, partings = by_digest(ops)
    if not partings:
        return ops
    sent: set[Key] = {peers.send(Parcel(token, source, one.peer, one.digest, one.payload)) for one in partings}
    while not sent.isdisjoint(peers.unacknowledged):  # other messages are not waited for: their receiver may be gone
        peers.serve(_LOOK_MS)
        if look is not None:
            look()
    return slim
