"""Hosts of our own: network namespaces that a switch joins, as machines on a LAN are joined."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.cli.commands import command, started

_HOSTS_FILES: Final = Path("/etc/netns")
_LISTENS: Final = """
import select, socket, sys

packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3))
packets.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**26)
print("listening", flush=True)
with open(sys.argv[1], "wb") as file:
    while True:
        ready, _, _ = select.select([packets, sys.stdin], [], [])
        if packets in ready:
            file.write(packets.recv(2**17))
        elif sys.stdin in ready:
            break
"""


def why_not() -> str:
    """Why there can be no such hosts here; "" if there can."""
    for program, package in (("ip", "iproute2"), ("iptables", "iptables")):
        if shutil.which(program) is None:
            return f"needs `{program}` (Debian: {package})"
    if os.geteuid() != 0:
        return "needs root, for network namespaces"
    name = f"qnK{secrets.token_hex(3)}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode:
        return f"network namespaces cannot be made here: {made.stderr.strip()}"
    subprocess.run(["ip", "netns", "del", name], check=True)
    return ""


class Lan:
    """So many hosts, `lab1` and up, which know each other by these names; `lab1` has 10.77.0.1."""

    def __init__(self, hosts: int) -> None:
        self._id = secrets.token_hex(3)
        self._switch = f"qnK{self._id}s"
        self.hosts = [f"lab{number}" for number in range(1, hosts + 1)]

    def space(self, host: str) -> str:
        """The namespace of a host."""
        return f"qnK{self._id}{host}"

    def address(self, host: str) -> str:
        return f"10.77.0.{host.removeprefix('lab')}"

    def words(self, host: str, *arguments: str | Path) -> list[str]:
        """The command line of `qnode` on a host."""
        return ["ip", "netns", "exec", self.space(host), *command(*arguments)]

    @contextlib.contextmanager
    def started(self, host: str, *arguments: str | Path, cwd: Path, **changes: str) -> Iterator[subprocess.Popen[str]]:
        """`qnode` on a host, as `commands.started` has it on this one."""
        with started(*arguments, cwd=cwd, words=self.words(host, *arguments), afresh=False, **changes) as process:
            yield process

    def cut(self, host: str) -> None:
        """Pull a host's cable."""
        _ip("-n", self._switch, "link", "set", host, "down")

    def heal(self, host: str) -> None:
        _ip("-n", self._switch, "link", "set", host, "up")

    @contextlib.contextmanager
    def facing_elsewhere(self, host: str) -> Iterator[None]:
        """A host that is on another network too, by which it reaches whatever it knows nothing of. Nobody is there."""
        space, other = self.space(host), f"10.88.{host.removeprefix('lab')}"
        _ip("-n", space, "link", "add", "eth1", "type", "veth", "peer", "name", "eth1far")
        try:
            _ip("-n", space, "address", "add", f"{other}.2/24", "dev", "eth1")
            for end in ("eth1", "eth1far"):
                _ip("-n", space, "link", "set", end, "up")
            _ip("-n", space, "route", "add", "default", "via", f"{other}.1")
            yield
        finally:
            _ip("-n", space, "link", "del", "eth1")

    @contextlib.contextmanager
    def overheard(self, into: Path) -> Iterator[None]:
        """All packets that the switch passes on are in this file at the end, as they are on the wire."""
        words = ["ip", "netns", "exec", self._switch, sys.executable, "-c", _LISTENS, str(into)]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            if process.stdout.readline() != b"listening\n":
                raise RuntimeError("nobody listens at the switch")
            yield
            process.stdin.close()  # then it is enough

    def block(self, host: str, source: str) -> None:
        """Let nothing that comes from one host reach another; what goes the other way still does."""
        for flags in (["-p", "tcp", "--tcp-flags", "SYN", "SYN"], []):  # attempts to connect are counted by themselves
            self._iptables(host, "-A", "INPUT", "-s", self.address(source), *flags, "-j", "DROP")

    def blocked(self, host: str) -> tuple[int, int]:
        """How many packets a host has not been given, and how many of these were of attempts to connect."""
        lines = [line.split() for line in self._iptables(host, "-L", "INPUT", "-v", "-x", "-n").splitlines()]
        dropped = [(int(words[0]), "flags:" in " ".join(words)) for words in lines if words[2:3] == ["DROP"]]
        return sum(n for n, _ in dropped), sum(n for n, is_attempt in dropped if is_attempt)

    def unblock(self, *hosts: str) -> None:
        """Everything that was blocked at these hosts reaches them again."""
        for host in hosts or self.hosts:
            self._iptables(host, "-F", "INPUT")

    def _iptables(self, host: str, *words: str) -> str:
        done = subprocess.run(
            ["ip", "netns", "exec", self.space(host), "iptables", "-w", *words],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"iptables {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def open(self) -> None:
        _ip("netns", "add", self._switch)
        _ip("-n", self._switch, "link", "add", "switch", "type", "bridge")
        _ip("-n", self._switch, "link", "set", "switch", "up")
        names = "".join(f"{self.address(host)} {host}\n" for host in self.hosts)
        for host in self.hosts:
            space = self.space(host)
            _ip("netns", "add", space)
            _ip("-n", self._switch, "link", "add", host, "type", "veth", "peer", "name", "eth0", "netns", space)
            _ip("-n", self._switch, "link", "set", host, "master", "switch", "up")
            _ip("-n", space, "address", "add", f"{self.address(host)}/24", "dev", "eth0")
            _ip("-n", space, "link", "set", "eth0", "up")
            _ip("-n", space, "link", "set", "lo", "up")
            folder = _HOSTS_FILES / space
            folder.mkdir(parents=True)
            (folder / "hosts").write_text(f"127.0.0.1 localhost\n{names}")

    def close(self) -> None:
        for space in (*map(self.space, self.hosts), self._switch):
            subprocess.run(["ip", "netns", "del", space], capture_output=True, check=False)
            shutil.rmtree(_HOSTS_FILES / space, ignore_errors=True)
        with contextlib.suppress(OSError):
            _HOSTS_FILES.rmdir()  # unless others are in it

    def __enter__(self) -> Lan:
        try:
            self.open()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")
