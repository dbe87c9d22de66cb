"""What all tests share: how Hypothesis draws. The same examples in every run, unless a profile asks for fresh ones.

Linear algebra runs on one thread, as in the nodes: on small matrices several threads only wait for each other.

The tests start several hundred interpreters. Where Python may leave no bytecode beside the sources, each of them would
compile all of qnode anew, a quarter of a second; they get a folder for it that goes with the tests. Every worker
imports all tests: every other one begins with the last, so that it finds half of them compiled. The files of tests that
take longest are begun first, so that no worker waits in the end for one of them.

Where tests are about what nodes do, and not about how processes are started, forkservers come from a process that has
imported what they need (tests/warm), and the next test's is there while this test still runs, as the command line lets
it.
"""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Final

import pytest
from hypothesis import settings

from orchestrator.launch import early
from tests import tally
from tests.warm import commands as warm

HERE: Final = Path(__file__).parent
STARTED_AHEAD: Final = ("api", "protocols", "runtime")  # none of these tests changes what children inherit
STARTED_AFRESH: Final = ("launch",)  # by Python, and not by one that has imported everything

LONGEST: Final = (
    "docs/test_docs.py",
    "launch/test_commands.py",
    "physics/test_through_the_api.py",
    "launch/test_programs_end.py",
    "recovery/test_killed.py",
    "config/test_typos.py",
    "hostile/test_live.py",
    "telemetry/test_mqtt.py",
    "replay/test_command.py",
    "wire/test_messages.py",
    "plugin/test_reports.py",
    "cli/test_background.py",
    "quantum/test_circuits_agree.py",
    "machines/test_kept.py",
    "protocols/test_protocols.py",
    "launch/test_endings.py",
    "protocols/test_anonymous.py",
    "runs/test_same_run.py",
    "cli/test_streams_and_signals.py",
    "test_benchmarks.py",
)
RANKS: Final = {HERE / name: rank for rank, name in enumerate(LONGEST)}

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
    config.option.loadscopereorder = False  # xdist's: files with many tests first, which are not those that take long
    if missing := [path for path in RANKS if not path.exists()]:
        raise pytest.UsageError(f"{HERE / 'conftest.py'}: there is no {missing[0]}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: RANKS.get(item.path, len(RANKS)))


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    """What is collected stays until the end: it is not garbage, and nobody need look at it again."""
    gc.disable()
    try:
        if session.config.args_source is pytest.Config.ArgsSource.TESTPATHS and _begins_with_the_last(session.config):
            _import_from_the_end()
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def _begins_with_the_last(config: pytest.Config) -> bool:
    worker: str = getattr(config, "workerinput", {}).get("workerid", "gw0")
    return int(worker.removeprefix("gw")) % 2 == 1


def _import_from_the_end() -> None:
    for path in sorted(HERE.rglob("test_*.py"), reverse=True):
        with suppress(Exception, pytest.skip.Exception):  # it is told when the test is collected
            import_module(".".join(path.relative_to(HERE.parent).with_suffix("").parts))


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
