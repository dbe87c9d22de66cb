"""A broker in a process of its own, on this machine: Mosquitto where it is installed, or amqtt. Tests use it too."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import IO, Final, Self

_ROOT: Final = Path(__file__).resolve().parents[1]
KINDS: Final = ("mosquitto", "amqtt")
_RUNNING: Final = "running"  # how the line ends that either says when it listens

_WELCOME: Final = b"\x20\x02\x00\x00"  # CONNACK of MQTT 3.1.1: accepted


def is_installed(kind: str) -> bool:
    """Whether there can be such a broker here; amqtt comes with the tests."""
    return kind == "amqtt" or _mosquitto() is not None


class Broker:
    """Listens on a port of its own until it is closed; may be started again on the same one.

    Args:
        kind: One of KINDS; left out: the first that is installed.

    Attributes:
        port: Where.
    """

    def __init__(self, kind: str = "") -> None:
        self._kind = kind or next(filter(is_installed, KINDS))
        with socket.create_server(("127.0.0.1", 0)) as sock:
            self.port: int = sock.getsockname()[1]
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """As a configuration has it."""
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Returns once it listens."""
        self._process = subprocess.Popen(
            _command(self._kind, self.port), cwd=_ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self._process.stdout is not None
        said = []
        for line in self._process.stdout:
            said.append(line)
            if line.rstrip().endswith(_RUNNING):
                Thread(target=_read, args=(self._process.stdout,), daemon=True).start()
                return self
        raise RuntimeError(f"the broker did not start:\n{''.join(said)}")

    def kill(self) -> None:
        """End it as kill -9 does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.kill()


class SilentServer:
    """What listens and lets one connect, and then neither reads nor says anything: the slowest broker there can be.

    Args:
        greets: Whether it says that whoever connects is welcome, before it falls silent.
    """

    def __init__(self, *, greets: bool = False) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"mqtt://127.0.0.1:{self._socket.getsockname()[1]}"
        self._guests: list[socket.socket] = []
        if greets:
            Thread(target=self._greet, daemon=True).start()

    def _greet(self) -> None:
        while True:
            try:
                guest, _ = self._socket.accept()
            except OSError:  # closed
                return
            self._guests.append(guest)
            guest.recv(1024)
            guest.sendall(_WELCOME)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        with suppress(OSError):  # it wakes whoever greets; not every system lets one
            self._socket.shutdown(socket.SHUT_RDWR)
        for one in (self._socket, *self._guests):
            one.close()


def _read(output: IO[str]) -> None:
    """A pipe that nobody reads would fill, and hold the broker up."""
    with output:
        for _ in output:
            pass


def _mosquitto() -> str | None:
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def _command(kind: str, port: int) -> list[str]:
    if kind == "mosquitto":
        return [_mosquitto() or kind, "-p", str(port)]
    return [sys.executable, "-m", "benchmarks.broker", str(port)]


async def _serve(port: int) -> None:
    from amqtt.broker import Broker as Amqtt  # the process beside is the only one that needs it

    plugins = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    listeners = {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}}
    await Amqtt({"listeners": listeners, "plugins": plugins}).start()
    print(_RUNNING, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
