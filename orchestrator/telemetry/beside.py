"""Telemetry, as whoever starts a run has it: a process beside the run that is told how far it is, and that it ended."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from orchestrator.launch.companion import start_companion
from orchestrator.oracle.spec import log_path
from orchestrator.telemetry.orders import End, Mqtt, Order, Prometheus, Reached, Spec, Steer, encode_order
from orchestrator.telemetry.settings import MqttConfig, TelemetryConfig, address_of
from qnode import __version__
from qnode.errors import ConfigError, ProcessLost
from qnode.wire.keys import Keys

if TYPE_CHECKING:  # a run knows of its telemetry
    from orchestrator.launch.companion import Companion
    from orchestrator.run import Source

_HASTE_S: Final = 0.4  # wall time in which the broker may still be told where somebody waits for the end
_GRACE_S: Final = 4.0  # for a process that has hardly begun, on a machine that is busy
_HASTY_GRACE_S: Final = 0.4
_MOST_UNSENT: Final = 1 << 20  # bytes; a process that does not read for so long need not know how far the run is


def require(telemetry: TelemetryConfig) -> None:
    """Raises ConfigError if a package is missing for what is asked for."""
    for key, asked, module in (
        ("mqtt", telemetry.mqtt, "aiomqtt"),
        ("prometheus", telemetry.prometheus, "prometheus_client"),
    ):
        if asked is not None and find_spec(module) is None:
            detail = f"{module} is needed for it, and is not installed: pip install 'qnode[{key}]'"
            raise ConfigError(place=f"telemetry.{key}", detail=detail)


class Telemetry:
    """Beside one run, for as long as it is entered; without telemetry in the configuration, nothing at all.

    However the block is left, the process is gone then, and nothing of it raises or waits for long.

    Args:
        source: What is run.
        folder: Where the run is saved.
    """

    def __init__(self, source: Source, folder: Path) -> None:
        self._source = source
        self._folder = folder
        self._started: Companion | None = None
        self._unsent = bytearray()
        self._steer: Steer | None = None

    def __enter__(self) -> Self:
        asked = self._source.config.telemetry
        if asked.mqtt is not None or asked.prometheus is not None:
            self._started = start_companion("orchestrator.telemetry.process", log_path(self._folder))
            self._started.socket.setblocking(False)
            self._tell(Order(spec=_spec(self._source, self._folder)))
        return self

    def reached(self, now_ns: int, steps: int) -> None:
        """How far the run is; the first time, all nodes are there."""
        if len(self._unsent) < _MOST_UNSENT:
            self._tell(Order(reached=Reached(now_ns, steps), steer=self._steer))
            self._steer = None
        else:
            self._send()

    def steer(self, address: str, token: bytes, keys: Keys | None = None) -> None:
        """Where commands from the broker go, as soon as the run has begun."""
        self._steer = Steer(address, token, keys)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._started is None:
            return
        sock = self._started.socket
        try:
            sock.settimeout(self._end(error))
            sock.sendall(self._unsent)
            sock.recv(1)  # it says nothing: this is its end
        except OSError:  # it does not listen, or is gone already
            pass
        finally:
            self._close()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        if self._started is None:
            return
        sock, loop = self._started.socket, asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._end(error)):
                await loop.sock_sendall(sock, self._unsent)
                await loop.sock_recv(sock, 1)
        except OSError:  # the same; TimeoutError is one
            pass
        finally:
            self._close()

    def _end(self, error: BaseException | None) -> float:
        """Say that the run is over; how long to wait for the end of the process."""
        hasty = error is not None and not isinstance(error, Exception)
        mqtt = self._source.config.telemetry.mqtt
        limit_s = 0.0 if mqtt is None else min(mqtt.linger, _HASTE_S) if hasty else mqtt.linger
        lost = error.nodes if isinstance(error, ProcessLost) else ()
        self._unsent += encode_order(Order(end=End(lost, limit_s)))
        return limit_s + (_HASTY_GRACE_S if hasty else _GRACE_S)

    def _close(self) -> None:
        if self._started is not None:
            self._started.socket.close()
            self._started.process.kill()
            self._started.process.wait()
            self._started = None

    def _tell(self, order: Order) -> None:
        if self._started is not None:
            self._unsent += encode_order(order)
            self._send()

    def _send(self) -> None:
        """Whatever it can take at once."""
        if self._started is not None:
            with suppress(OSError):  # it takes no more now, or is gone
                del self._unsent[: self._started.socket.send(self._unsent)]


def _spec(source: Source, folder: Path) -> Spec:
    asked = source.config.telemetry
    where = asked.prometheus
    return Spec(
        run=folder.name,
        name=source.name,
        seed=source.seed,
        clock=source.config.clock.mode,
        version=__version__,
        folder=str(folder),
        programs={
            name: tuple(program.name for program in node.programs if not program.service)
            for name, node in source.network.nodes.items()
        },
        mqtt=None if asked.mqtt is None else _mqtt(asked.mqtt),
        prometheus=None if where is None else Prometheus(where.host, where.port),
    )


def _mqtt(asked: MqttConfig) -> Mqtt:
    host, port, tls = address_of(asked.broker)
    return Mqtt(
        host=host,
        port=port,
        tls=tls,
        topic=asked.topic,
        qos=asked.qos,
        every_s=asked.every,
        queue=asked.queue,
        commands=asked.commands,
        clear=asked.clear,
    )
