"""A real Jupyter kernel: cells are programs, what they print is in the cell, and an interrupt leaves nothing behind."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from tests.launch.processes import children, directories, family, linux_only, watching

ROOT = Path(__file__).parents[2]
WAIT_S = 60

pytestmark = linux_only


class Kernel:
    """A kernel and its client; `run` executes a cell and returns what came of it."""

    def __init__(self, folder: Path) -> None:
        self._manager = KernelManager(kernel_name="python3")
        self._manager.start_kernel(cwd=str(folder), env={**os.environ, "PYTHONPATH": str(ROOT)})
        self.client: BlockingKernelClient = self._manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=WAIT_S)
        answer = self.run("import os\nos.getpid()")
        self.pid = int(answer["text/plain"])

    def run(self, code: str) -> dict[str, Any]:
        """What a cell printed ("out"), its last value by type ("text/html", ...), the error it raised ("error")."""
        self.execute(code)
        return self.result()

    def execute(self, code: str) -> None:
        self._cell = self.client.execute(code, stop_on_error=False)  # else a cell right after an error is skipped

    def result(self, **so_far: Any) -> dict[str, Any]:
        found: dict[str, Any] = {"out": "", "error": ""} | so_far
        for kind, content in iter(self.message, ("status", {"execution_state": "idle"})):
            match kind:
                case "stream":
                    found["out"] += content["text"]
                case "execute_result":
                    found.update(content["data"])
                case "error":
                    found["error"] = f"{content['ename']}: {content['evalue']}"
        return found

    def message(self) -> tuple[str, Any]:
        """The next message about the latest cell; those about the client's greetings may still be under way."""
        while True:
            message = self.client.get_iopub_msg(timeout=WAIT_S)
            if message["parent_header"].get("msg_id") == self._cell:
                return message["msg_type"], message["content"]

    def interrupt(self) -> None:
        self._manager.interrupt_kernel()

    def close(self) -> None:
        self.client.stop_channels()
        self._manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    folder = tmp_path_factory.mktemp("notebook")
    (folder / "beside.py").write_text("WORD = 'beside'\n")
    with tempfile.TemporaryDirectory(prefix="qn-", dir="/tmp") as temporary, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", temporary)  # the kernel's: sockets of others are not taken for its own
        patch.setattr(tempfile, "tempdir", None)
        yield from _started(folder)


def _started(folder: Path) -> Iterator[Kernel]:
    one = Kernel(folder)
    try:
        first = one.run("import asyncio, sys\nimport beside\nfrom orchestrator import Cluster\nfrom qnode import Node")
        assert first["error"] == ""
        yield one
    finally:
        one.close()


def test_cells_run_as_programs_and_what_they_print_is_in_the_cell(kernel: Kernel) -> None:
    kernel.run(
        "TOSSES = 3\n"
        "async def toss(node, peer):\n"
        "    return [await (await node.entangle(peer)).measure() for _ in range(TOSSES)]\n"
        "async def alice(node: Node):\n"
        "    print(beside.WORD, node.name)\n"
        "    return await toss(node, 'bob')"
    )
    kernel.run("async def bob(node: Node):\n    return await toss(node, 'alice')")
    built = kernel.run("net = Cluster(nodes={'alice': alice, 'bob': bob}, links=[('alice', 'bob')], seed=1)\nnet")
    assert built["text/html"].startswith("<figure><svg ")
    ran = kernel.run("run = await net.run()\nrun")
    assert (ran["out"], ran["error"]) == ("alice | beside alice\n", "")
    assert ">_cells.py:alice</td>" in ran["text/html"]
    assert kernel.run("run['alice'] == run['bob'], len(run['bob'])")["text/plain"] == "(True, 3)"

    async_with = kernel.run(
        "async with net:\n    runs = [await net.run(on_output=None) for _ in range(2)]\n"
        "[one.events_bytes == run.events_bytes for one in runs]"
    )
    assert async_with["text/plain"] == "[True, True]"
    again = kernel.run(
        "repeated = await Cluster.from_yaml(run.folder / 'config.yaml').run(on_output=None)\n"
        "repeated.events_bytes == run.events_bytes"
    )
    assert again["text/plain"] == "True"
    assert children(kernel.pid) == []


def test_a_cell_that_uses_what_cannot_travel_is_told_all_of_it(kernel: Kernel) -> None:
    told = kernel.run(
        "class Model: ...\nmodel = Model()\n"
        "async def eve(node):\n    return model, mistyped\n"
        "Cluster(nodes={'eve': eve})"
    )
    assert told["error"].startswith("ConfigError: nodes.eve: eve was typed in")
    assert "\n  model: a Model, which is neither" in told["error"]
    assert "\n  mistyped: not defined\n" in told["error"]


def test_run_sync_in_a_cell_says_what_to_write(kernel: Kernel) -> None:
    told = kernel.run("async def idle(node): ...\nCluster(nodes={'a': idle}).run_sync()")
    assert told["error"] == "ConfigError: run_sync: an event loop is running here; use `await net.run()`"


def test_an_error_in_a_cells_program_shows_its_line(kernel: Kernel) -> None:
    told = kernel.run("async def wrong(node):\n    return 1 / 0\nawait Cluster(nodes={'a': wrong}).run()")
    assert told["error"].startswith("ProgramFailed: program main of node a failed")
    assert "_cells.py" in told["error"]
    assert "return 1 / 0" in told["error"]


@pytest.mark.parametrize("inside", ["await net.run()", "async with net:\n    await net.run()"])
def test_an_interrupt_ends_every_process_and_leaves_the_kernel_usable(inside: str, kernel: Kernel) -> None:
    kernel.run(
        "async def busy(node):\n"
        "    print('goes on')\n"
        "    while True:\n"
        "        await asyncio.sleep(1)\n"
        "net = Cluster(nodes={'a': busy, 'b': busy}, seed=1)"
    )
    before = directories()
    kernel.execute(inside)
    out = ""
    while out.count("goes on") < 2:  # both are under way, and seen in the cell
        kind, content = kernel.message()
        out += content["text"] if kind == "stream" else ""
        assert kind != "error", content
    started = family(kernel.pid)
    assert len(started) >= 3  # two nodes and the oracle, and what started them
    with watching(started) as watch:
        kernel.interrupt()
        told = kernel.result(out=out)
        assert told["error"].startswith(("KeyboardInterrupt", "CancelledError"))
        assert watch.left() == []
    assert directories() <= before
    ended = kernel.run("from orchestrator import folders, saved\nprint(saved.listing(folders.RUNS_FOLDER)[-1].ended)")
    assert ended["out"] == "interrupted\n"
    run = kernel.run("async def idle(node): return 7\nprint((await Cluster(nodes={'a': idle}).run())['a'])")
    assert (run["out"], run["error"]) == ("7\n", "")
    assert children(kernel.pid) == []
