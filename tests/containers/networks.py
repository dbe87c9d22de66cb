"""A network in containers, as somebody deploys it by the commands that the file's head tells."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from orchestrator.oracle.spec import decode_summary
from tests.cli.commands import qnode
from tests.containers.engine import IMAGE, Engine
from tests.engines.needs import wait_for

USER: Final = 10001  # the image's

# Each round takes some wall time, so that there is a midst of the run to do something in.
LASTING: Final = """
import time

from qnode import Node

ROUNDS = 60


async def alice(node: Node) -> list[int]:
    outcomes = []
    for nth in range(ROUNDS):
        outcomes.append(await (await node.entangle("bob")).measure())
        await node.send("bob", nth)
        print("round", nth, flush=True)
        time.sleep(0.05)
    return outcomes


async def bob(node: Node) -> list[int]:
    outcomes = []
    for _ in range(ROUNDS):
        outcomes.append(await (await node.entangle("alice")).measure())
        await node.receive("alice")
    return outcomes
"""

CONFIG: Final = """\
version: 1
name: lasting
seed: 7
nodes:
  alice: {program: "net.py:alice"}
  bob: {program: "net.py:bob"}
links: {fibre: {between: [alice, bob], length: 10 km}}
"""


@dataclass
class Deployed:
    """One; `compose.yaml` and keys are in its folder."""

    engine: Engine
    folder: Path

    def write(self, config: str = CONFIG, program: str = LASTING, *, patience_s: int = 0) -> None:
        """All its files; the keys belong to the image's user. An oracle's patience is what people change by hand."""
        (self.folder / "net.yaml").write_text(config)
        (self.folder / "net.py").write_text(program)
        made = qnode("compose", "net.yaml", "--image", IMAGE, cwd=self.folder)
        assert made.code == 0, made.err
        less = made.out.replace('"--listen"', f'"--patience", "{patience_s}", "--listen"') if patience_s else made.out
        (self.folder / "compose.yaml").write_text(less)
        assert qnode("keys", "net.yaml", "keys", cwd=self.folder).code == 0
        for path in (self.folder / "keys", *(self.folder / "keys").iterdir()):
            os.chown(path, USER, USER)

    def compose(self, *words: str) -> str:
        return self.engine.compose(self.folder, *words)

    def up(self) -> str:
        """`docker compose up`, to the end of all its containers: what it prints."""
        return self.engine.compose(self.folder, "up", "--no-color", check=False)

    def down(self) -> None:
        if (self.folder / "compose.yaml").exists():
            self.compose("down", "--volumes", "--timeout", "5")

    def state(self, service: str) -> dict[str, Any]:
        """What the engine says of a service's container."""
        (found,) = json.loads(self.engine.docker("inspect", self.container(service)))
        state: dict[str, Any] = {**found["State"], "RestartCount": found["RestartCount"]}
        return state

    def container(self, service: str) -> str:
        return self.compose("ps", "--all", "--quiet", service).strip()

    def exit_codes(self) -> dict[str, int]:
        """Of all services."""
        services = self.compose("config", "--services").split()
        return {service: self.state(service)["ExitCode"] for service in sorted(services)}

    def logs(self, service: str) -> str:
        return self.compose("logs", "--no-color", "--no-log-prefix", service)

    def wait_for_line(self, service: str, line: str) -> None:
        """Until a service has said it."""
        wait_for(lambda: line in self.logs(service).splitlines(), f"{line!r} of {service}")

    def wait_for_end(self) -> None:
        """Until no container runs any more."""
        wait_for(lambda: not self.compose("ps", "--quiet").strip(), "the end of all containers")

    def crash(self, service: str) -> None:
        """Kill -9 of a service's process, as the kernel does it; `docker kill` would count as somebody's wish."""
        os.kill(self.state(service)["Pid"], signal.SIGKILL)

    def result(self) -> Path:
        """The folder of the only run, out of its volume."""
        runs = self.folder / "runs"
        self.compose("cp", "oracle:/runs/.", str(runs))
        (run,) = runs.iterdir()
        return run

    def run_here(self) -> Path:
        """The same network on this machine: the run's folder."""
        assert qnode("run", "net.yaml", "--quiet", "--name", "here", cwd=self.folder).code == 0
        return self.folder / ".qnode" / "runs" / "here"


def same_run(one: Path, other: Path) -> bool:
    """Whether two runs have the same event log, byte for byte, and the same results.

    What was sent to somebody who was not there just then is counted, and may differ.
    """
    summaries = (decode_summary((run / "summary").read_bytes()) for run in (one, other))
    first, second = (msgspec.structs.replace(summary, frames_refused={}) for summary in summaries)
    return first == second and (one / "events.jsonl").read_bytes() == (other / "events.jsonl").read_bytes()
