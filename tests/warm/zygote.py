"""Forks a process for every command that `typist.py` is asked to carry out; all that it needs is imported here.

What a command costs is then what it does, and not half a second of Python's start. Arguments: the address, what its
processes are, where their forkservers come from, and a word on its own environment. Ends with its standard input.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import io
import marshal
import os
import resource
import select
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import Final

from orchestrator.cli.commands import COMMANDS
from orchestrator.launch import early
from tests.warm.commands import ROOT, words

ALSO: Final = ("orchestrator.cli.arguments", "orchestrator.cli.endings", "orchestrator.cli.loading")


def main(address: str, kind: str, forkservers: str = "", environment: str = "") -> None:
    search = [folder for folder in sys.path if folder != str(ROOT)]
    if kind == "qnode":
        early.python = words(forkservers, early.python)
        for name in (*(command.module for command in COMMANDS.values()), *ALSO):
            import_module(name)
    else:
        import_module("orchestrator.launch.forkserver")
        import_module("orchestrator.launch.forking").rehearse()
    gc.collect()
    gc.freeze()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        door.bind(address)
        door.listen(64)
        os.write(1, b"ready\n")
        while True:
            ready, _, _ = select.select([door.fileno(), 0], [], [])
            with contextlib.suppress(ChildProcessError):  # there is none
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            if 0 in ready:
                return
            connection, _ = door.accept()
            if os.fork() == 0:
                door.close()
                attend(connection, search)
                os._exit(0)
            connection.close()


def attend(connection: socket.socket, search: Sequence[str]) -> None:
    """Have a command carried out, and tell how it ended; pass signals on to it. Without a typist it ends."""
    size, passed, _, _ = socket.recv_fds(connection, 8, 4)
    length = int.from_bytes(size, "big")
    asked = connection.recv(length, socket.MSG_WAITALL) if length else b""
    if not length or len(asked) < length:
        return  # a typist that was killed while it asked wants nothing any more
    kind, arguments, folder, environment, limits = marshal.loads(asked)  # by ourselves
    pid = os.fork()
    if pid == 0:
        connection.close()
        become(kind, arguments, passed, folder, environment, limits, search)
    for stream in passed:
        os.close(stream)
    ended = os.pidfd_open(pid)
    typed = [connection.fileno()]
    while ended not in select.select([ended, *typed], [], [])[0]:
        number = connection.recv(1)
        if not number:
            typed.clear()
        signal.pidfd_send_signal(ended, number[0] if number else END_OF[kind])
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(BrokenPipeError):  # the typist may just be gone
        if typed:
            connection.sendall(os.waitstatus_to_exitcode(status).to_bytes(4, "big", signed=True))


END_OF: Final = {"qnode": signal.SIGKILL, "python": signal.SIGKILL, "forkserver": signal.SIGTERM}
"""What ends a process if its typist is killed."""


def become(
    kind: str,
    arguments: Sequence[str],
    passed: Sequence[int],
    folder: str,
    environment: Mapping[str, str],
    limits: Mapping[int, tuple[int, int]],
    search: Sequence[str],
) -> None:
    """Be what was asked for, as if Python had just started it where it was typed; never returns."""
    code = 1
    try:
        for number, stream in enumerate(passed[:3]):
            os.dup2(stream, number)
            os.close(stream)
        sys.stdin = open(0, closefd=False)  # noqa: SIM115  # as Python has them
        sys.stdout = standard(1, at_once=bool(environment.get("PYTHONUNBUFFERED")))
        sys.stderr = standard(2, at_once=True, errors="backslashreplace")
        for number, limit in limits.items():
            resource.setrlimit(number, limit)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        path = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
        sys.path[:] = [*(() if kind == "forkserver" else [folder]), *path, *search]
        sys.path += [] if str(ROOT) in sys.path else [str(ROOT)]
        if kind == "forkserver":
            vars(import_module("orchestrator.launch.forking"))["rehearse"] = lambda: None  # it was done
            sys.argv = ["-c", *map(str, passed[3:])]
            import_module("orchestrator.launch.forkserver").main()
            code = 0
        elif kind == "python":
            sys.argv = ["-c", *arguments[1:]]
            begun = sys.modules["__main__"] = ModuleType("__main__")
            exec(compile(arguments[0], "<string>", "exec"), vars(begun))  # as `python -c` does
            code = 0
        else:
            sys.argv = ["qnode", *arguments]
            code = import_module("orchestrator.cli").main()
        threading._shutdown()  # type: ignore[attr-defined]  # in Python's order: threads, then what is done at exit
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        sys.stdout.flush()
    except BaseException:  # noqa: BLE001  # is told, as Python does
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def standard(number: int, *, at_once: bool, errors: str = "strict") -> io.TextIOWrapper:
    raw = open(number, "wb", buffering=0 if at_once else -1, closefd=False)  # noqa: SIM115  # for as long as it lives
    return io.TextIOWrapper(raw, errors=errors, write_through=at_once, line_buffering=at_once or os.isatty(number))


if __name__ == "__main__":
    main(*sys.argv[1:])
