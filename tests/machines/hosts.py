"""Hosts with their files, keys and processes; and what came of a run on them."""

from __future__ import annotations

import json
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from tests.cli.commands import Done, err, qnode
from tests.machines.lan import Lan
from tests.machines.networks import NETWORK, PROGRAMS, write

AT: Final = "tcp://lab1:5700"


class Machines:
    """The hosts of a LAN, each with the files and the keys that belong there."""

    def __init__(self, lan: Lan, folder: Path, network: str = NETWORK, programs: str = PROGRAMS) -> None:
        self.network = network
        self.lan = lan
        self._programs = programs
        self._folder = folder
        self._stack = ExitStack()
        made = write(folder / "author", network, programs)
        assert qnode("keys", "net.yaml", "keys", cwd=made).code == 0
        self.keys = made / "keys"

    def folder(self, host: str) -> Path:
        return write(self._folder / host, self.network, self._programs)

    def start(self, host: str, *arguments: str | Path, **changes: str) -> subprocess.Popen[str]:
        return self._stack.enter_context(self.lan.started(host, *arguments, cwd=self.folder(host), **changes))

    def oracle(
        self, *options: str | Path, listen: str = "tcp://0.0.0.0:5700", host: str = "lab1"
    ) -> subprocess.Popen[str]:
        words = ("oracle", "net.yaml", "--listen", listen, "--keys", self.keys / "oracle.key")
        return self.start(host, *words, "--wait", "100", *options)

    def node(
        self, host: str, name: str, *options: str | Path, oracle: str = AT, keys: str = "", **changes: str
    ) -> subprocess.Popen[str]:
        words = ("node", "net.yaml", name, "--oracle", oracle, "--keys", self.keys / f"{keys or name}.key")
        return self.start(host, *words, *(() if "--wait" in options else ("--wait", "100")), *options, **changes)

    def __enter__(self) -> Machines:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def outcome(done: Done) -> tuple[object, bytes]:
    assert done.code == 0, done.err
    told = json.loads(done.out)
    return told["results"], (Path(told["folder"]) / "events.jsonl").read_bytes()


def said(process: subprocess.Popen[str], what: str) -> None:
    """Wait until it says so."""
    while (line := err(process).readline()) and what not in line:
        pass
    assert line, f"it ended, and never said {what!r}"
