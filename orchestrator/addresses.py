"""Where an oracle listens and how nodes reach it: addresses as people write them, and what they mean here."""

from __future__ import annotations

import ipaddress
import re
import socket
from pathlib import Path
from typing import Final, NamedTuple

from qnode.errors import ConfigError
from qnode.transport.peers import ORACLE_HOST

LONGEST_IPC: Final = 103  # bytes of a socket's path that every system takes
ANYWHERE: Final = ("*", "0.0.0.0", "[::]", "::")
_FREE: Final = "*"
_PORT: Final = "{port}"  # in what is advertised: the port that the socket got
_HOST: Final = re.compile(r"[\w.:%-]+|\[[\w.:%]+\]", re.ASCII)


class Endpoint(NamedTuple):
    """An address as ZeroMQ takes it, and whether other machines are concerned.

    Attributes:
        nearby: The address by which this machine itself reaches what listens there.
    """

    address: str
    is_open: bool
    nearby: str


class Own(NamedTuple):
    """Where a node's process listens for the others, and what these are told of it; "" where a pattern says."""

    listen: str = ""
    advertise: str = ""


def listening(text: str, *, n_nodes: int = 0, option: str = "--listen") -> Endpoint:
    """Where a server is to listen. Port 0 stands for any free one. Raises ConfigError."""
    kind, host, port = _parts(text, n_nodes, option, least_port=0)
    if kind == "ipc":
        return Endpoint(text, False, text)
    at = str(port) if port else _FREE
    if host in ANYWHERE:
        here = "[::1]" if ":" in host else "127.0.0.1"
        return Endpoint(f"tcp://{'0.0.0.0' if host == '*' else _bracketed(host)}:{at}", True, f"tcp://{here}:{at}")
    numeric = _resolved(host, option)
    address = f"tcp://{_bracketed(numeric)}:{at}"
    return Endpoint(address, not _is_loopback(numeric), address)


def reaching(text: str, *, n_nodes: int = 0, option: str = "--oracle") -> Endpoint:
    """Where a client finds its server. Raises ConfigError, also for a name that does not resolve."""
    kind, host, port = _parts(text, n_nodes, option, least_port=1)
    if kind == "ipc":
        return Endpoint(text, False, text)
    if host in ANYWHERE:
        raise _refused(option, f"{host} is where an oracle listens; give the address or name of its machine")
    numeric = _resolved(host, option)
    # A name stays a name: whoever connects again looks it up again, and it may have moved. Only ZeroMQ prefers
    # addresses of version 4, and has to be told of others.
    address = f"tcp://{_bracketed(numeric) if ':' in numeric else host}:{port}"
    return Endpoint(address, not _is_loopback(numeric), address)


def own_address(oracle: Endpoint, *, listen: str = "", advertise: str = "", has_keys: bool) -> Own:
    """Where a node listens for the others, so that they reach it: at the interface by which it reaches the oracle.

    Args:
        oracle: As `reaching` tells it.
        listen: Another place, tcp://HOST:PORT; "" leaves it to us.
        advertise: What others are told instead, HOST or HOST:PORT; "" leaves it to us.
        has_keys: Whether messages may leave the machine.
    Raises:
        ConfigError: If the oracle's machine cannot be reached at all, or an address cannot be.
    """
    if not oracle.address.startswith("tcp://"):
        for text, option in ((listen, "--listen"), (advertise, "--advertise")):
            if text:
                raise _refused(option, "goes with an oracle at tcp://HOST:PORT; with ipc a node listens beside it")
        return Own()
    mine = _facing(oracle.address)
    is_near = _is_loopback(mine)
    if listen:
        where = listening(listen)
        if where.is_open and not has_keys:
            raise needs_keys("--listen", listen)
        bind = where.address
        bound = _host_of(bind)
        told = _told(mine) if bound in ANYWHERE else _bracketed(bound)
    else:
        six = ":" in mine
        everywhere = "[::]" if six else "0.0.0.0"
        bind = f"tcp://{everywhere if is_near and has_keys else _bracketed(mine)}:{_FREE}"
        told = _told(mine)
    return Own(bind, f"tcp://{_advertised(advertise)}" if advertise else f"tcp://{told}:{_PORT}")


def at_port(listen: str, nth: int) -> str:
    """The address of the nth process of several that listen one port after another; port 0 is any for all of them."""
    _, _, port = _parts(listen, 0, "--listen", least_port=0)
    before = listen.rpartition(":")[0]
    if port and port + nth > 65535:
        raise _refused("--listen", f"{listen!r} has no room for {nth + 1} ports; begin lower")
    return f"{before}:{port + nth if port else 0}"


def needs_keys(option: str, text: str) -> ConfigError:
    """The error of an address beyond this machine where there are no keys."""
    return _refused(
        option,
        f"{text} reaches beyond this machine: make keys by `qnode keys CONFIG DIR` and give each process its own by"
        " --keys, so that nobody else takes part or listens; or stay at tcp://127.0.0.1:PORT",
    )


def socket_file(address: str) -> Path | None:
    """The file that whoever listens at an address leaves behind, if it leaves one."""
    kind, _, path = address.partition("://")
    return Path(path) if kind == "ipc" else None


def _parts(text: str, n_nodes: int, option: str, *, least_port: int) -> tuple[str, str, int]:
    kind, _, rest = text.partition("://")
    if kind == "ipc":
        longest = len(f"{rest}.{n_nodes}".encode())
        if not rest or longest > LONGEST_IPC:
            what = f"a path of {longest} bytes" if rest else "no path"
            raise _refused(
                option, f"{text!r} has {what}; the system takes up to {LONGEST_IPC}: choose one such as ipc:///tmp/run"
            )
        return kind, "", 0
    host, _, port = rest.rpartition(":")
    number = int(port) if port.isascii() and port.isdecimal() and len(port) <= 5 else -1
    if kind != "tcp" or not (host in ANYWHERE or _HOST.fullmatch(host)) or not least_port <= number < 65536:
        raise _refused(option, f"{text!r} is no address; write tcp://HOST:PORT or ipc://PATH")
    return kind, host, number


def _resolved(host: str, option: str) -> str:
    """A name's address, of version 4 if it has one."""
    bare = host.strip("[]")
    try:
        found = [str(entry[4][0]) for entry in socket.getaddrinfo(bare, None, type=socket.SOCK_STREAM)]
    except (socket.gaierror, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _refused(
            option,
            f"this machine knows no {bare!r}: {reason}; check it, or give the address, such as 192.168.1.5",
        ) from None
    return next((one for one in found if ":" not in one), found[0])


def _facing(address: str) -> str:
    """The address of this machine's interface that faces another machine. Nothing is sent."""
    host = _resolved(_host_of(address), "--oracle")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, 9))
        except OSError as error:
            raise _refused("--oracle", f"no way from this machine to {host}: {error.strerror}") from None
        return str(probe.getsockname()[0])


def _told(mine: str) -> str:
    """What others are told of us: whoever is with the oracle is where they find the oracle."""
    return ORACLE_HOST if _is_loopback(mine) else _bracketed(mine)


def _advertised(text: str) -> str:
    host, colon, port = text.rpartition(":") if text.count(":") == 1 or "]:" in text else (text, "", "")
    if not _HOST.fullmatch(host) or (colon and not 0 < int(port if port.isdecimal() else 0) < 65536):
        raise _refused("--advertise", f"{text!r} is no HOST or HOST:PORT under which others reach this node")
    return f"{_bracketed(host)}:{port or _PORT}"


def _host_of(address: str) -> str:
    return address.partition("://")[2].rpartition(":")[0].strip("[]")


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _is_loopback(numeric: str) -> bool:
    return ipaddress.ip_address(numeric.partition("%")[0]).is_loopback


def _refused(option: str, detail: str) -> ConfigError:
    return ConfigError(place=option, detail=detail)
