"""Networks in tests: what the pytest plugin needs once a test has one."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NoReturn, Self

import pytest

from orchestrator import saved
from orchestrator.cluster import Cluster
from orchestrator.launch.warm import WarmLaunchers
from orchestrator.oracle.spec import events_path
from orchestrator.run import Run, Source
from orchestrator.sentences import last_events
from orchestrator.text import from_here
from qnode.errors import ConfigError, QnodeError
from qnode.runtime.logs import format_time

_LONGEST: Final = 80  # of the part of a run's name that comes from its test
_FORMS: Final = "write a file's path, a mapping as in such a file, or nodes={...}, links=[...]"


class Session:
    """What all tests of one pytest process share: its options, and launchers that stay warm.

    Args:
        config: Of pytest.
        surroundings: Those of a forkserver that was started early, if one was.
    """

    def __init__(self, config: pytest.Config, surroundings: object) -> None:
        self.seed: int | None = config.option.qnode_seed
        self.inline: bool = config.option.qnode_inline
        self.update: bool = config.option.qnode_update
        self.keep: bool = config.option.qnode_keep
        self.runs = config.rootpath / saved.RUNS_FOLDER
        self.launchers = WarmLaunchers(surroundings)

    def close(self) -> None:
        """End every process."""
        self.launchers.close()


class Case:
    """What one test has: its networks, and the folders of their runs.

    Attributes:
        failed: Whether the test has failed so far.
        folders: Those of all its runs, in the order in which they were started.
    """

    def __init__(self, item: pytest.Item, session: Session) -> None:
        self.session = session
        self.name = _stem(item.name)
        self.failed = False
        self.folders: list[Path] = []
        self._item = item

    def cluster(self, *given: object, **settings: Any) -> ClusterUnderTest:
        """A network of this test, from a file, a mapping or what `Cluster(...)` takes.

        Raises ConfigError.
        """
        place = dict(runs=self.session.runs)
        match given:
            case ():
                if "nodes" not in settings:
                    _refuse("qnode", f"it names no network; {_FORMS}")
                made = ClusterUnderTest(**{**settings, **place, "base": self._at(settings.get("base", "."))})
            case (str() | Path() as file,):
                overrides = [*settings.pop("set", ()), *(f"seed={settings.pop(key)}" for key in ("seed",) if key in settings)]
                if settings:
                    _refuse(str(file), f"beside a file there may be `set` and `seed`, and not {', '.join(settings)}")
                read = ClusterUnderTest.from_python if str(file).endswith(".py") else ClusterUnderTest.from_yaml
                made = read(self._at(file), set=overrides, **place)
            case (Mapping() as data,):
                made = self.cluster(**{**data, **settings})
            case _:
                _refuse("qnode", f"{', '.join(map(repr, given))} is no network; {_FORMS}")
        made.case = self
        return made

    def _at(self, path: object) -> Path:
        return self._item.path.parent / str(path)

    def new_folder(self, name: str | None) -> Path:
        """Where the test's next run is saved."""
        stem = self.name if name is None else f"{self.name}-{name}"
        folder = saved.new_folder(self.session.runs, stem)
        self.folders.append(folder)
        return folder

    def close(self) -> None:
        """The test is over: its runs stay only if somebody will want to look at them."""
        if not (self.failed or self.session.keep):
            for folder in self.folders:
                shutil.rmtree(folder, ignore_errors=True)

    def golden_path(self, name: str = "") -> Path:
        """Where a golden event log of this test is kept."""
        return self._at("golden") / f"{_stem(name) if name else self.name}.jsonl"

    def command(self, *options: str) -> str:
        """What to type to run this test again."""
        nodeid = self._item.config.cwd_relative_nodeid(self._item.nodeid)
        return shlex.join(["pytest", nodeid, *options])

    def told(self) -> str:
        """The last run, for whoever reads that the test has failed: how far it came, and what to type next."""
        try:
            run = saved.load(self.folders[-1]) if self.folders else None
        except ConfigError:  # it could not be saved, which somebody else has said
            run = None
        if run is None:
            return ""
        how = "" if run.network.clock != "virtual" else " --qnode-inline --pdb"
        line = f"seed {run.seed}, stopped at {format_time(run.summary.at_ns)}."
        events = last_events(events_path(str(run.folder)))
        if events:
            line += f" Last events: {' | '.join(events)}"
        lines = [line, f"repeat   {self.command('--qnode-seed', str(run.seed))}{how}"]
        lines.append(f"look     qnode events {shlex.quote(str(from_here(run.folder)))}")
        if len(self.folders) > 1:
            lines.append(f"         and {len(self.folders) - 1} runs before it, in {shlex.quote(str(from_here(run.folder.parent)))}")
        return "\n".join(lines)


class ClusterUnderTest(Cluster):
    """A network of a test: launchers are the session's, seeds and folders as its options and its test's name say."""

    case: Case

    async def __aenter__(self) -> Self:
        self._launcher = self.case.session.launchers.take()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        if self._launcher is not None:
            self.case.session.launchers.give_back(self._launcher)
            self._launcher = None

    async def run(self, *, inline: bool = False, **options: Any) -> Run:
        """The same as of any cluster; what pytest shows of a failure ends at the test's line."""
        __tracebackhide__ = True
        inline = inline or self.case.session.inline
        if inline and self.config.clock.mode != "virtual":
            pytest.skip("only the virtual clock can run in one process (--qnode-inline)")
        try:
            return await super().run(inline=inline, **options)
        except QnodeError as error:
            raise error.with_traceback(None) from error.__cause__

    def run_sync(self, **options: Any) -> Run:
        """`run` where no event loop is running."""
        __tracebackhide__ = True
        try:
            return super().run_sync(**options)
        except QnodeError as error:
            raise error.with_traceback(None) from error.__cause__

    def draw_seed(self, seed: int | None = None) -> int:
        """The seed of the next run: that of the command line before all others."""
        return super().draw_seed(seed if self.case.session.seed is None else self.case.session.seed)

    def _new_folder(self, source: Source, name: str | None) -> Path:
        return self.case.new_folder(name)


def _refuse(place: str, detail: str) -> NoReturn:
    raise ConfigError(place=place, detail=detail)


def _stem(name: str) -> str:
    """A test's name as that of a folder or file: whatever is in its parameters."""
    safe = "".join(char if char.isalnum() or char in "-_" else "-" for char in name)
    return safe.encode()[:_LONGEST].decode(errors="ignore").rstrip("-")
