"""`qnode replay` as people type it: what it shows, the debugger, exit codes."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.launch.early import ENVIRONMENT
from tests.cli.commands import DEADLINE_S, Done, command, environment, qnode, started
from tests.warm import commands as warm

TALK = """\
import asyncio
import sys

from qnode import Node


async def alice(node: Node, words=frozenset({"one", "two", "three", "four", "five"})) -> list[str]:
    print("in the order of a set:", *words)
    half = await node.entangle("bob")
    outcome = await half.measure()
    node.log.info("measured")
    await node.send("bob", outcome)
    await asyncio.sleep(1e-3)
    return list(words)


async def bob(node: Node) -> None:
    half = await node.entangle("alice")
    outcome = await half.measure()
    other = await node.receive("alice")
    print("both are", outcome, file=sys.stderr)
    await asyncio.sleep(1e-3)
    assert outcome != other, "they agree"
"""


@pytest.fixture(scope="module")
def talked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run in which bob fails."""
    folder = tmp_path_factory.mktemp("talked")
    (folder / "talk.py").write_text(TALK)
    done = qnode("run", "talk.py", "--seed", "3", "--set", "nodes.alice.program=talk.py:alice", cwd=folder)
    assert done.code == 1, done.err
    return folder


def typed(talked: Path, *arguments: str | Path, text: str = "", cwd: Path | None = None, afresh: bool = False) -> Done:
    """With something typed into it; started `afresh`, it has to make itself an environment such as nodes have."""
    done = subprocess.run(
        command("replay", *arguments) if afresh else warm.executes("replay", *arguments),
        cwd=cwd or talked,
        env=environment(COLUMNS="80", **({} if afresh else ENVIRONMENT)),
        input=text,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def lines_of(folder: Path, node: str) -> list[str]:
    log = (folder / ".qnode/runs/talk-1/log").read_text().splitlines()
    return [line for line in log if line.startswith(f"{node} | ")]


def test_it_prints_what_the_node_printed_and_how_it_ended(talked: Path) -> None:
    """Sets of text too are in the order that they had, whatever the shell's hash seed."""
    done = typed(talked, "alice", afresh=True)
    said = done.out.splitlines()
    assert (done.code, done.err) == (0, "")
    assert said[:2] == lines_of(talked, "alice")
    assert said[2] == "alice: 4 steps, the same as recorded, up to 1 ms"
    assert said[3:] == [f"  main returned {said[0].rpartition(': ')[2].split()}"]


def test_a_program_that_failed_is_shown_with_its_traceback(talked: Path) -> None:
    done = typed(talked, "bob", "talk-1")
    said = done.out.splitlines()
    assert done.code == 0
    assert said[0] == lines_of(talked, "bob")[0]
    assert said[1].startswith("bob: ")
    assert said[2] == "  main failed:"
    assert said[-1] == "    AssertionError: they agree"
    assert any(f'{talked}/talk.py", line 23, in bob' in line for line in said)


def test_until_shows_where_each_program_is(talked: Path) -> None:
    done = typed(talked, "bob", "--until", "1 us")
    assert done.out.splitlines() == [
        "bob | both are 1",
        "bob, stopped at 1 us: 4 steps, the same as recorded",
        "  main waits for sleep() at talk.py:22",
    ]


def test_another_program_is_refused_and_anyway_the_first_step_that_differs_is_told(
    talked: Path, tmp_path: Path
) -> None:
    shutil.copytree(talked, tmp_path / "other")
    folder = tmp_path / "other"
    (folder / "talk.py").write_text(TALK.replace('"bob", outcome', '"bob", 1 - outcome'))
    refused = typed(folder, "alice", "--base", ".")
    assert refused.code == 2
    assert "talk.py has changed since the run" in refused.err
    done = typed(folder, "alice", "--base", ".", "--anyway")
    assert done.code == 1
    assert done.err.startswith("note: talk.py has changed since the run")
    assert done.out.splitlines()[-3:] == [
        "alice: 2 steps, the same as recorded; step 3, at 0 ns, is not:",
        "  operation 1 (send): payload was 1, and now is 0",
        "  at talk.py:12",
    ]
    assert typed(folder, "alice", "--base", ".", "--saved").code == 0


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["alicia"], "no node 'alicia' (did you mean 'alice'?); there are: alice, bob"),
        (["alice", "tolk"], "there is no run 'tolk' (did you mean 'talk'?)"),
        (["alice", "--until", "3 m"], "network time"),
        (["alice", "--life", "2"], "--life: alice had 1 life"),
        (["alice", "--life", "0"], "'0' is not a whole number"),
        (["alice", "--base", "nowhere"], "'nowhere' is not a folder that is there"),
        ([], "NODE"),
    ],
)
def test_mistakes_are_told(arguments: list[str], what: str, talked: Path) -> None:
    done = typed(talked, *arguments)
    assert (done.code, done.out) == (2, "")
    assert what in done.err


# ---------------------------------------------------------------- the debugger


def test_pdb_stops_at_the_first_line_and_steps_over_what_takes_network_time(talked: Path) -> None:
    done = typed(talked, "bob", "--pdb", text="w\nn\nn\np half.pair\np other\nn\nn\nn\np (outcome, other)\nc\nq\n")
    assert f"> {talked}/talk.py(18)bob()\n-> half = await node.entangle" in done.out
    assert "host.py" not in done.out  # no frame of ours is on the way there
    assert "(Pdb) 'alice~bob#0'" in done.out
    assert "NameError: name 'other' is not defined" in done.out
    assert "(Pdb) (1, 1)" in done.out
    assert "main failed: AssertionError: they agree" in done.out
    assert "-> assert outcome != other" in done.out
    assert done.code == 0


def test_who_goes_on_stands_where_it_failed_with_all_that_was_there(talked: Path) -> None:
    done = typed(talked, "bob", "--pdb", text="c\np outcome + other\np half\nw\nq\n")
    assert f"main failed: AssertionError: they agree\n> {talked}/talk.py(23)bob()" in done.out
    assert "(Pdb) 2\n(Pdb) <Qubit" in done.out
    assert "host.py" not in done.out  # no frame of ours is on the way there
    assert "bob | both are 1\n" in done.out
    assert done.out.splitlines()[-1] == "    AssertionError: they agree"


def test_who_leaves_the_debugger_leaves_the_replay(talked: Path) -> None:
    done = typed(talked, "bob", "--pdb", text="n\nrestart\nq\n")
    assert done.out.splitlines()[-1].endswith("bob, left at 0 ns: 1 step, the same as recorded")
    assert "(Pdb) a replay begins again with its command" in done.out
    assert "both are" not in done.out


@pytest.mark.parametrize("how", ["breakpoint()", "import pdb; pdb.set_trace()"])
def test_a_breakpoint_in_the_program_stops_there_without_any_option(how: str, talked: Path, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    shutil.copytree(talked, folder)
    (folder / "talk.py").write_text(TALK.replace('    print("both', f'    {how}\n    print("both'))
    done = typed(folder, "bob", "--base", ".", "--anyway", text="p outcome, other\nc\n")
    assert "(Pdb) (1, 1)" in done.out
    assert "bob | both are 1" in done.out
    assert done.out.splitlines()[-1] == "    AssertionError: they agree"
    assert done.code == 0


def test_the_debugger_talks_to_a_terminal(talked: Path) -> None:
    """With its prompt and an editable line, while the program's own output has its name."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command("replay", "bob", "--pdb"), cwd=talked, env=environment(TERM="dumb"), stdin=theirs, stdout=theirs,
        stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    written = b""
    try:
        os.write(ours, b"b 23\nc\nprint('it is', outcome)\nq\n")
        while data := _read(ours):
            written += data
        assert process.wait(DEADLINE_S) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    said = written.decode().replace("\r\n", "\n")
    assert "bob | both are 1\n" in said
    assert "\nit is 1\n" in said


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # on Linux, the end of a terminal is an error
        return b""


def test_an_interruption_ends_a_program_that_computes_for_ever(talked: Path, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    shutil.copytree(talked, folder)
    (folder / "talk.py").write_text(
        TALK.replace('    print("both', '    print("now")\n    while True: pass\n    print("both')
    )
    with started("replay", "bob", "--base", ".", "--anyway", cwd=folder) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line == "bob | now\n":
                process.send_signal(2)
        assert process.wait(DEADLINE_S) == 130


# ---------------------------------------------------------------- alone


ALONE = """\
import os, socket, subprocess


def refuse(*arguments, **options):
    raise RuntimeError("not alone")


os.fork = subprocess.Popen.__init__ = socket.socket.connect = socket.socket.bind = refuse
"""


def test_a_run_that_failed_elsewhere_is_replayed_by_one_process_without_a_socket(talked: Path, tmp_path: Path) -> None:
    """Nothing but the run's folder, in a folder of its own; programs and record are in it."""
    shutil.copytree(talked / ".qnode/runs/talk-1", tmp_path / "came")
    (tmp_path / "sitecustomize.py").write_text(ALONE)
    alone = environment(PYTHONPATH=f"{tmp_path}{os.pathsep}{environment()['PYTHONPATH']}")

    def carried_out(*words: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, cwd=tmp_path, env=alone, capture_output=True, text=True, timeout=DEADLINE_S, check=False
        )

    done = carried_out(*command("replay", "bob", "came", "--saved"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "    AssertionError: they agree"
    assert f'{tmp_path}/came/programs/talk.py", line 23' in done.stdout
    shutil.copy(talked / "talk.py", tmp_path)
    assert "not alone" in carried_out(sys.executable, "-c", "import os; os.fork()").stderr  # so it would have shown
    assert "not alone" in carried_out(*command("run", "talk.py")).stderr
