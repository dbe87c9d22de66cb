"""What all tests share: how Hypothesis draws. The same examples in every run, unless a profile asks for fresh ones.

Linear algebra runs on one thread, as in the nodes: on small matrices several threads only wait for each other.

The tests start several hundred interpreters. Where Python may leave no bytecode beside the sources, each of them would
compile all of qnode anew, a quarter of a second; they get a folder for it that goes with the tests.

Where tests are about what nodes do, and not about how processes are started, forkservers come from a process that has
imported what they need (tests/warm), and the next test's is there while this test still runs, as the command line lets
it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from hypothesis import settings

from orchestrator.launch import early
from tests import tally
from tests.warm import commands as warm

STARTED_AHEAD: Final = ("api", "protocols", "runtime")  # none of these tests changes what children inherit
STARTED_AFRESH: Final = ("launch",)  # by Python, and not by one that has imported everything

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when NumPy is first imported, by a test module

if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
    BYTECODE = tempfile.TemporaryDirectory(prefix="qnode-bytecode-")
    os.environ["PYTHONPYCACHEPREFIX"] = BYTECODE.name

settings.register_profile("fixed", deadline=None, derandomize=True, max_examples=50)
settings.register_profile("fresh", deadline=None, max_examples=1000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))


def pytest_configure(config: pytest.Config) -> None:
    """Whoever starts the tests counts for all: workers find the folder in their environment."""
    if not hasattr(config, "workerinput"):
        os.environ[tally.FOLDER] = tempfile.mkdtemp(prefix="qnode-tally-")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
    """What was done to the emulator, and whether it was too much for it."""
    if line := tally.told(Path(os.environ[tally.FOLDER])):
        terminalreporter.write_line(f"{line}; lost: {'nothing' if exitstatus == 0 else 'see the failures'}")


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ.pop(tally.FOLDER), ignore_errors=True)


@pytest.fixture(autouse=True, scope="module")
def warm_forkservers(request: pytest.FixtureRequest) -> Iterator[None]:
    """They need not start, not for what the tests of a module share either."""
    if not warm.IS_THERE or request.path.parent.name in STARTED_AFRESH:
        yield
    else:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(early, "python", warm.words("", early.python))
            yield


@pytest.fixture(autouse=True)
def forkserver_ahead(request: pytest.FixtureRequest, warm_forkservers: None) -> Iterator[None]:
    """One is there for the next test, in these folders; everywhere else there is none but the test's own.

    Nor is there for a test that patches what it may inherit.
    """
    ahead = request.path.parent.name in STARTED_AHEAD and "monkeypatch" not in request.fixturenames
    if not ahead:
        early.forget()
    yield
    if ahead:
        early.start_early()
