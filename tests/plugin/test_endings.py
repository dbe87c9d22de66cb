"""However pytest ends, nothing that it started is left; and what does not use a network pays nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.launch.processes import GONE_S, children, directories, family, linux_only, watching
from tests.oracle.strangers import gate_at
from tests.plugin.inside import Inside

pytest_plugins = ["pytester"]

WAITS = """
import asyncio


async def waits(node: Node) -> None:
    async with node.outside():
        reader, writer = await asyncio.open_unix_connection({door!r})
        await reader.read()
        writer.close()


@pytest.mark.qnode(nodes={{"alice": waits, "bob": None}}, seed=1)
{kind}def test_waits(net):
    {call}


def test_never_begins():
    pass
"""


@linux_only
@pytest.mark.parametrize(
    ("how", "kind"),
    [(signal.SIGINT, "async "), (signal.SIGINT, ""), (signal.SIGTERM, "async "), (signal.SIGKILL, "")],
)
async def test_a_signal_leaves_nothing(inside: Inside, temporary: Path, how: signal.Signals, kind: str) -> None:
    door = temporary / "door"
    call = "await net.run()" if kind else "net.run_sync()"
    inside.write(WAITS.format(door=str(door), kind=kind, call=call))
    before = directories()
    async with gate_at(door) as gate:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"),
            cwd=inside.folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(60):
            await gate.reached.wait()
        with watching(family(process.pid)) as watch:
            process.send_signal(how)
            async with asyncio.timeout(GONE_S):
                told, _ = await process.communicate()
            assert watch.left() == []
            assert directories() == before
    if how == signal.SIGINT:
        assert process.returncode == pytest.ExitCode.INTERRUPTED
        assert "KeyboardInterrupt" in told.decode()


STOPS = """
@pytest.mark.qnode(nodes={"alice": numbers}, seed=1)
def test_stops(net, request):
    with open("server", "w") as file:
        print(net.run_sync()["alice"][1], file=file)
    request.session.shouldstop = "enough"
    raise AssertionError


def test_never_begins():
    pass
"""


@pytest.mark.parametrize("options", [("-x",), ()])
def test_a_session_that_stops_early_leaves_nothing(inside: Inside, options: tuple[str, ...]) -> None:
    inside.write(STOPS)
    inside.run(*options).assert_outcomes(failed=1)
    with pytest.raises(ProcessLookupError):
        os.kill(int((inside.folder / "server").read_text()), 0)


@linux_only
def test_a_program_that_embeds_pytest_keeps_no_process_of_it(inside: Inside) -> None:
    """Also where no test has wanted the one that was started early."""
    inside.write("@pytest.mark.skip\ndef test_it(net):\n    pass\n")
    before = children(os.getpid())
    inside.run().assert_outcomes(skipped=1)
    assert set(children(os.getpid())) <= set(before)


LIGHT = """
import sys

import pytest


class Sees:
    def pytest_unconfigure(self):
        heavy = {"numpy", "pydantic", "asyncio", "msgspec", "yaml", "zmq", "orchestrator.cluster", "qnode.errors"}
        print("HEAVY", sorted(heavy & set(sys.modules)))


others = [f"-pno:{name}" for name in ("hypothesispytest", "asyncio", "xdist")]
sys.exit(pytest.main(["-q", *others, *sys.argv[1:]], [Sees()]))
"""


def test_a_suite_without_networks_imports_nothing_for_them(inside: Inside) -> None:
    inside.file("test_it.py", "def test_it():\n    pass\n")
    inside.file("light.py", LIGHT)
    inside.pytester.makeini("[pytest]\n")
    result = inside.pytester.run(sys.executable, "light.py", "--qnode-keep")
    result.stdout.fnmatch_lines(["HEAVY []"])
