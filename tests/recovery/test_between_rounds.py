"""An oracle that is killed after it has done what a script says, and before anybody has reported again."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

from orchestrator import Cluster
from tests.launch.processes import watching
from tests.recovery.kills import PROGRAMS, told


def network(gate: Path) -> dict[str, Any]:
    return {
        "version": 1,
        "name": "gated",
        "seed": 5,
        "failures": {"detection_delay": "4 ms", "restart_delay": "5 ms", "restarts": 10},
        "nodes": {
            "alice": {"qubits": 4, "program": "gated.py:alice", "args": {"gate": str(gate)}},
            "bob": {"qubits": 4, "programs": {"main": {"run": "gated.py:bob", "service": True}}},
        },
        "links": {"ab": {"between": ["alice", "bob"], "length": "10 km"}},
        "faults": [{"at": "1 ms", "kill": "bob", "restart": "fresh"}],
    }


async def gated(folder: Path, *, stopped: bool | None = None) -> dict[str, object]:
    """The run. Its oracle is killed when bob's next process has been started and alice runs still.

    Args:
        stopped: Whether that process has not said anything by then, as it is stopped; None: nobody is killed.
    """
    os.mkdir(folder)
    gate = folder / "gate"
    os.mkfifo(gate)
    with gate.open("r+b", buffering=0) as opens:
        async with Cluster.from_dict(network(gate), base=PROGRAMS, runs=folder / "runs") as net:
            running = asyncio.ensure_future(net.run(timeout=60.0, on_output=None))

            async def another(name: str, old: int = 0) -> int:
                while (pid := net.pids.get(name, old)) == old:
                    assert not running.done()
                    await asyncio.sleep(0.0005)
                return pid

            if stopped is not None:
                bob = await another("bob", await another("bob"))
                if stopped:
                    os.kill(bob, signal.SIGSTOP)
                oracle = net.pids["oracle"]
                with watching([oracle]) as watch:
                    os.kill(oracle, signal.SIGKILL)
                    assert watch.left() == []
                await another("oracle", oracle)
                os.kill(bob, signal.SIGCONT)
            opens.write(b".")
            return dict(told(await running))


async def test_what_a_script_did_after_the_last_round_is_done_again_before_anybody_is_let_in(tmp_path: Path) -> None:
    undisturbed = await gated(tmp_path / "undisturbed")
    assert await gated(tmp_path / "stopped", stopped=True) == undisturbed
    assert await gated(tmp_path / "killed", stopped=False) == undisturbed
