"""CURVE off loopback: every socket encrypts, every server knows whom it talks to, every client pins its server's key.

Where there are no keys (ipc, loopback) nothing here is called, and a token in each greeting does instead.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

import zmq
from zmq.utils import z85

from qnode.errors import TransportError
from qnode.wire.keys import ORACLE, Keys

Context = zmq.Context[zmq.Socket[bytes]]

_log: Final = logging.getLogger(__name__)
_ZAP: Final = "inproc://zeromq.zap.01"  # where libzmq asks, by RFC 27
_USER: Final = "User-Id"
_PEER: Final = "Peer-Address"
_KEY_BYTES: Final = 32


def new_pair() -> tuple[bytes, bytes]:
    """A new public and a new secret key, in Z85: 40 characters each."""
    public, secret = zmq.curve_keypair()
    return public, secret


def public_of(secret: bytes) -> bytes:
    """The public key that belongs to a secret one."""
    public: bytes = zmq.curve_public(secret)
    return public


def serve_with(socket: zmq.Socket[bytes], keys: Keys) -> None:
    """Before a socket is bound: whoever connects must have one of the keys that the socket's Doorkeeper knows."""
    socket.setsockopt(zmq.CURVE_SERVER, 1)
    socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret)
    socket.setsockopt(zmq.CURVE_PUBLICKEY, keys.public[keys.name])


def connect_with(socket: zmq.Socket[bytes], keys: Keys, to: str) -> None:
    """Before a socket is connected: whoever answers must have the key of `to`. Raises TransportError."""
    server = keys.public.get(to)
    if server is None:
        raise TransportError(detail=f"the keys of {keys.name} have none of {to}; make all keys anew by `qnode keys`")
    socket.setsockopt(zmq.CURVE_SERVERKEY, server)
    socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret)
    socket.setsockopt(zmq.CURVE_PUBLICKEY, keys.public[keys.name])


def speaker_of(frame: zmq.Frame) -> tuple[str, str]:
    """Who sent a frame, by the key of its connection ("" where there are no keys), and from which address."""
    return _told(frame, _USER), _told(frame, _PEER)


def _told(frame: zmq.Frame, what: str) -> str:
    try:
        return str(frame.get(what))
    except zmq.ZMQError:  # libzmq knows nothing of that kind
        return ""


class Doorkeeper:
    """Tells libzmq whose keys are known, in a thread of its own: a program that computes for long keeps nobody out.

    What a connection's frames then have for a User-Id is the name that its key belongs to. The thread ends with its
    context.
    """

    def __init__(self, context: Context, keys: Keys, refused: Complaints) -> None:
        self._name_of: Mapping[bytes, str] = {key: name for name, key in keys.public.items()}
        self._refused = refused
        # A context of its own for the same sockets' world: whoever destroys the other one must not close this socket
        # while the thread waits on it.
        shadow: Context = zmq.Context.shadow(context.underlying)
        self._socket = shadow.socket(zmq.REP)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind(_ZAP)
        threading.Thread(target=self._serve, name="doorkeeper", daemon=True).start()

    def _serve(self) -> None:
        try:
            while True:
                self._socket.send_multipart(self._answer(self._socket.recv_multipart()))
        except zmq.ContextTerminated:
            pass
        finally:
            self._socket.close(linger=0)

    def _answer(self, frames: list[bytes]) -> list[bytes]:
        version, request, _, address, _, mechanism, *credentials = frames
        name = self._name_of.get(_text(credentials[0])) if mechanism == b"CURVE" and credentials else None
        if name is None:
            where = address.decode(errors="replace")
            self._refused.say(f"refused a connection from {where}: its key is none of this network's")
            return [version, request, b"400", b"unknown key", b"", b""]
        return [version, request, b"200", b"OK", name.encode(), b""]


def _text(key: bytes) -> bytes:
    return z85.encode(key) if len(key) == _KEY_BYTES else b""


class Complaints:
    """Lines for the log about what was refused: a few at once, then one now and then that counts the others.

    Whoever knocks without end fills no disk. Several threads may speak.

    Args:
        write: Where a line goes.
        at_once: So many lines may come one after another.
        every_s: Wall time after which one more may.
    """

    def __init__(
        self,
        write: Callable[[str], None] = _log.warning,
        *,
        at_once: int = 10,
        every_s: float = 10.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write = write
        self._at_once = at_once
        self._every_s = every_s
        self._now = now
        self._left = float(at_once)
        self._last = now()
        self._unsaid = 0
        self._lock = threading.Lock()

    def say(self, text: str) -> None:
        """Write it, or count it."""
        with self._lock:
            now = self._now()
            self._left = min(self._at_once, self._left + (now - self._last) / self._every_s)
            self._last = now
            if self._left < 1:
                self._unsaid += 1
                return
            self._left -= 1
            unsaid, self._unsaid = self._unsaid, 0
        self._write(text + (f" (and {unsaid} more since the last such line)" if unsaid else ""))


def is_named(speaker: str, names: frozenset[str], role: str) -> bool:
    """Whether who a key says somebody is may be who they say they are.

    A node's process speaks for that node alone; what follows and steers a run has the oracle's own key.
    """
    return names == {speaker} if role == "node" else speaker == ORACLE
