"""Typed in place of a command of ours: a process in which all is imported does the work, with this one's streams.

Starts in a hundredth of a second, because it imports nothing that Python has not imported already. Arguments: where to
ask for it, what to be ("qnode" or "forkserver"), and the arguments of that; a forkserver's is the number of a socket.
"""

import _signal  # type: ignore[import-not-found]  # not `signal` nor `socket`: they take as long as Python itself
import _socket
import marshal
import os
import resource
import sys

LIMITS = [getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")]


def main(address: str, kind: str, arguments: list[str]) -> None:
    """Exits as the command does, by the same signal if that is its end."""
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    connection.connect(address)
    passed = [0, 1, 2, *map(int, arguments if kind == "forkserver" else ())]
    limits = {number: resource.getrlimit(number) for number in LIMITS}
    asked = marshal.dumps((kind, arguments, os.getcwd(), dict(os.environ), limits))
    numbers = b"".join(number.to_bytes(4, sys.byteorder) for number in passed)
    connection.sendmsg([len(asked).to_bytes(8, "big")], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, numbers)])
    sent = 0
    while sent < len(asked):
        sent += connection.send(asked[sent:])
    for number in (_signal.SIGINT, _signal.SIGHUP, _signal.SIGTERM):
        _signal.signal(number, lambda number, _: connection.send(bytes([number])))
    for number in passed:
        os.close(number)  # who reads them learns of their end when the command ends
    ended = int.from_bytes(connection.recv(4), "big", signed=True)
    if ended < 0:
        _signal.signal(-ended, _signal.SIG_DFL)
        os.kill(os.getpid(), -ended)
    os._exit(ended)


main(sys.argv[1], sys.argv[2], sys.argv[3:])
