"""How every socket of ours is set up, said once."""

from __future__ import annotations

from typing import Final

import zmq

from qnode.wire.messages import MAX_FRAME_BYTES

LINGER_MS: Final = 1_000  # what a last message has, to get out
RECONNECT_MS: Final = 2  # whoever is bound second should not make the first wait


def make_socket(context: zmq.Context[zmq.Socket[bytes]], kind: int) -> zmq.Socket[bytes]:
    """A socket with explicit limits.

    High-water marks are off: a ROUTER drops silently at its mark, and on the virtual clock a peer has at most one
    message under way. What a stranger may make us hold is bounded by the size of a frame, above which the socket
    itself ends the connection.
    """
    socket = context.socket(kind)
    socket.setsockopt(zmq.LINGER, LINGER_MS)
    socket.setsockopt(zmq.SNDHWM, 0)
    socket.setsockopt(zmq.RCVHWM, 0)
    socket.setsockopt(zmq.MAXMSGSIZE, MAX_FRAME_BYTES)
    socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, 200)
    socket.setsockopt(zmq.BACKLOG, 4096)
    if kind == zmq.ROUTER:
        socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
    return socket
