"""A pytest inside a test: what it is run on, and how."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

import pytest

import orchestrator.golden  # pytester forgets what is first imported inside, and some of it cannot be imported twice
import orchestrator.inline
import orchestrator.tested  # noqa: F401

ALICE_AND_BOB: Final = """\
import os

from qnode import Node


async def alice(node: Node, tosses: int = 4) -> list[int]:
    print("alice tosses", tosses)
    return [await (await node.entangle("bob")).measure() for _ in range(tosses)]


async def bob(node: Node, tosses: int = 4) -> list[int]:
    return [await (await node.entangle("alice")).measure() for _ in range(tosses)]
"""
PROGRAMS: Final = f"""{ALICE_AND_BOB}

async def failing(node: Node) -> None:
    await node.entangle("alice")
    raise ValueError("on purpose")


async def numbers(node: Node) -> tuple[int, int]:
    return os.getpid(), os.getppid()
"""
COINS: Final = '@pytest.mark.qnode(nodes={"alice": alice, "bob": bob}, links=[("alice", "bob", "10 km")], seed=1)\n'
_INI: Final = "[pytest]\nasyncio_default_fixture_loop_scope = function\nasyncio_mode = strict\n"
_QUICK: Final = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest")


class Inside:
    """A folder with tests, and pytest in it."""

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pytester = pytester
        self.folder = pytester.path
        monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
        monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
        pytester.makeini(_INI)

    def write(self, text: str, name: str = "test_it.py") -> None:
        """A test file that begins with the programs."""
        self.file(name, f"import pytest\n{PROGRAMS}\n\n{text}")

    def file(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run(self, *options: str) -> pytest.RunResult:
        """In this process: quick, with all that it has imported."""
        return self.pytester.runpytest_inprocess(*_QUICK, *options)

    def command(self, *options: str, stdin: bytes = b"") -> pytest.RunResult:
        """As a person types it."""
        return self.pytester.run("pytest", *_QUICK, *options, stdin=stdin)

    def passes(self, n: int, *options: str) -> None:
        self.run(*options).assert_outcomes(passed=n)

    def shell(self, line: str) -> pytest.RunResult:
        """A line that a report offers."""
        return self.pytester.run("bash", "-c", line, stdin=b"")

    def kept(self) -> list[str]:
        """The runs that are still there."""
        runs = self.folder / ".qnode" / "runs"
        return sorted(path.name for path in runs.iterdir()) if runs.exists() else []
