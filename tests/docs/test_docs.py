"""Every command and code block of the documents is executed, in order, one folder for each document.

The convention, as a reader sees it:

- a `python` or `yaml` block that begins with `# name.ext` is that file; every file must be used or loadable;
- any other `python` block is executed as it stands (`await` at its top level as in a notebook);
- a `console` block holds commands after `$ ` and what they print. `...` stands for anything; seconds of wall time are
  not compared;
- an `sh` block holds commands that must succeed. Those that cannot run here stand in NOT_RUN, with the reason.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from docs.pictures import DOCS, pictures
from orchestrator import loader
from tests.warm import commands as warm

ROOT: Final = Path(__file__).parents[2]
DOCUMENTS: Final = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

NOT_RUN: Final = {
    "make demo     # sets up ./.venv, then teleports a qubit between two processes": "sets up an environment",
    "make test     # sets up ./.venv, then runs all tests": "would run this test",
    "python -m pip install .     # in this folder; installs the command `qnode`": "changes the environment",
    "python -m pip install .     # in the folder of qnode": "the same",
    "pip install 'qnode[mqtt,prometheus]'": "the same",
    "docker build --file docker/Dockerfile --tag qnode:0.1.0 .     # in the folder of qnode": "tests/containers does",
    "docker compose up": "the same",
    "docker compose cp oracle:/runs/. .qnode/runs": "the same",
    "docker compose down --volumes": "the same",
    "sudo chown -R 10001:10001 keys     # only if root has made them": "the same",
    "kubectl apply --filename coin.k8s.yaml": "there is no Kubernetes",
    "sbatch job.sh": "tests/slurm does",
    "qnode run coin.yaml --on slurm --hosts 3": "the same",
    'qnode run coin.yaml --on slurm --hosts 3 --slurm="--partition=long --time=1:00:00"': "the same",
}
ELSEWHERE: Final = {
    "benchmarks.md": "measures for minutes; tests/test_benchmarks.py runs every measurement small",
    "machines.md": "needs two machines; tests/machines/test_docs.py has two hosts of its own",
    "configuration.md": "generated from the models; its blocks are executed by tests/config",
}
NEEDS: Final = {"README.md": ("configs",)}  # what a document's reader has there: a clone
PORTS: Final = {"telemetry.md": "18831"}  # somebody else may have it here: another is read instead

_BLOCK: Final = re.compile(r"^```(?P<info>[^\n]*)\n(?P<text>.*?)^```[ ]*$", re.MULTILINE | re.DOTALL)
_FILE: Final = re.compile(r"# (?P<name>[\w./-]+\.(?:py|yaml))\n")
_WALL: Final = re.compile(r"\bin [0-9.]+ ?s\b")
_TEXT: Final = ("", "text", "json")  # nothing to execute


class Block(NamedTuple):
    """A fenced block of a document."""

    line: int
    kind: str
    text: str


def blocks(document: str) -> Iterator[Block]:
    """All fenced blocks in order, each with the line of its fence."""
    for found in _BLOCK.finditer(document):
        yield Block(document.count("\n", 0, found.start()) + 1, found["info"].strip(), found["text"])


class Reader:
    """Somebody who follows a document in a folder of their own."""

    def __init__(self, folder: Path, commands: Path) -> None:
        self.folder = folder
        bin_folder = str(Path(sys.executable).parent)
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")},
            "PATH": os.pathsep.join([str(commands), bin_folder, os.environ["PATH"]]),
            **warm.surroundings(ROOT),
            "NO_COLOR": "1",
            "COLUMNS": "80",
        }

    def follow(self, block: Block) -> None:
        """Do what a block says. Raises AssertionError if the outcome is another one."""
        file = _FILE.match(block.text)
        match block.kind:
            case "python" | "yaml" if file:
                path = self.folder / file["name"]
                path.write_text(block.text)
                self._check_file(path)
            case "python":
                self._run_python(block.text)
            case "yaml":
                loader.loads(block.text)
            case "sh":
                for command in filter(None, map(str.strip, block.text.splitlines())):
                    if command not in NOT_RUN:
                        ended = self._run(command)
                        assert ended.returncode == 0, f"{command}\n{ended.stdout}"
            case "console":
                for command, expected in typed(block.text):
                    self._run_and_compare(command, expected)
            case kind:
                assert kind in _TEXT, f"a block of kind {kind!r}: say in this test how it is executed"

    def _check_file(self, path: Path) -> None:
        if path.suffix == ".yaml":
            loader.load(path, programs=True)
        else:
            compile(path.read_text(), str(path), "exec")

    def _run_python(self, text: str) -> None:
        runner = (
            "import ast, asyncio, inspect, sys\n"
            "code = compile(sys.stdin.read(), '<block>', 'exec', ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)\n"
            "result = eval(code, {'__name__': '__main__'})\n"
            "if inspect.iscoroutine(result):\n"
            "    async def main(): await result\n"
            "    asyncio.run(main())\n"
        )
        ended = subprocess.run(
            warm.python(runner),
            input=text,
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout

    def _run_and_compare(self, command: str, expected: str) -> None:
        ended = self._run(command)
        assert ended.returncode == 0, f"$ {command}\n{ended.stdout}"
        assert matches(ended.stdout, expected), (
            f"$ {command}\nprints\n{ended.stdout}\nand the document says\n{expected}"
        )

    def _run(self, command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", f"set -o pipefail; {command}"],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )


def typed(console: str) -> Iterator[tuple[str, str]]:
    """Each command of a console block, with what it prints."""
    first, *rest = re.split(r"^\$ ", console, flags=re.MULTILINE)
    assert not first.strip(), "a console block begins with `$ `"
    for part in rest:
        command, _, output = part.partition("\n")
        yield command, output


def matches(printed: str, expected: str) -> bool:
    """Whether what was printed is what was expected, but for wall time; `...` stands for anything, lines included."""
    parts = [re.escape(part) for part in _WALL.sub("in # s", expected.strip()).split("...")]
    return re.fullmatch(".*".join(parts), _WALL.sub("in # s", printed.strip()), re.DOTALL) is not None


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a `qnode` that need not start Python."""
    folder = tmp_path_factory.mktemp("commands")
    path = folder / "qnode"
    path.write_text(f'#!/bin/sh\nexec {shlex.join(warm.qnode())} "$@"\n')
    path.chmod(0o755)
    return folder


@contextmanager
def port() -> Iterator[str]:
    """A port of this machine at which nobody listens, and that nobody else is given meanwhile."""
    with socket.socket() as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as asyncio's servers: one may listen there
        kept.bind(("127.0.0.1", 0))
        yield str(kept.getsockname()[1])


# --- the documents -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "document", [path for path in DOCUMENTS if path.name not in ELSEWHERE], ids=lambda path: path.name
)
def test_what_a_document_says_is_so(document: Path, tmp_path: Path, commands: Path) -> None:
    for name in NEEDS.get(document.name, ()):
        shutil.copytree(ROOT / name, tmp_path / name)
    reader = Reader(tmp_path, commands)
    text = document.read_text()
    with port() as free:
        if written := PORTS.get(document.name):
            assert written in text
            text = text.replace(written, free)
        for block in blocks(text):
            try:
                reader.follow(block)
            except AssertionError as error:
                raise AssertionError(f"{document.name}, line {block.line}: {error}") from None


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text())
    missing = [target for target in targets if "://" not in target and not (document.parent / target).exists()]
    assert missing == []


def test_what_is_not_run_is_still_in_a_document() -> None:
    everything = "\n".join(path.read_text() for path in DOCUMENTS)
    assert [command for command in NOT_RUN if command not in everything] == []
    assert all((ROOT / "docs" / name).exists() for name in ELSEWHERE)


async def test_the_pictures_are_those_of_today() -> None:
    for name, text in (await pictures()).items():
        assert (DOCS / name).read_text() == text, f"docs/{name} is old; run `python docs/pictures.py`"


# --- the checker itself, so that it can fail -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("printed", "expected", "same"),
    [
        ("a\nb\n", "a\nb", True),
        ("a\nb\nc", "a\n...\nc", True),
        ("key: odd (x)", "key: ...", True),
        ("done in 0.31 s: 5 steps", "done in 12.00 s: 5 steps", True),
        ("2 passed in 0.72s", "2 passed in 1.5s", True),
        ("done in 0.31 s: 6 steps", "done in 0.31 s: 5 steps", False),
        ("100.07 us", "100.08 us", False),
        ("a\nb", "a", False),
        ("xa", "a...", False),
    ],
)
def test_wall_time_and_elisions_match_and_nothing_else_does(printed: str, expected: str, same: bool) -> None:
    assert matches(printed, expected) is same


@pytest.mark.parametrize(
    "block",
    [
        Block(1, "python", "assert 1 == 2"),
        Block(1, "python", "import asyncio\nawait asyncio.sleep(0)\nraise SystemExit(1)"),
        Block(1, "console", "python broken.py"),
        Block(1, "console", "$ python broken.py"),
        Block(1, "console", "$ echo one\ntwo"),
        Block(1, "console", "$ false | cat"),
        Block(1, "sh", "true\nfalse"),
        Block(1, "ruby", "puts 1"),
    ],
)
def test_a_block_that_is_wrong_is_found(block: Block, tmp_path: Path, commands: Path) -> None:
    (tmp_path / "broken.py").write_text("raise SystemExit(1)")
    with pytest.raises(AssertionError):
        Reader(tmp_path, commands).follow(block)


def test_blocks_are_found_with_their_lines() -> None:
    text = "one\n```python\na\n```\n\n```text\nb\nc\n```\n"
    assert list(blocks(text)) == [Block(2, "python", "a\n"), Block(6, "text", "b\nc\n")]
