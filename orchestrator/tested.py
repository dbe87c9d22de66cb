"""Networks in tests: what the pytest plugin needs once a test has one."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, NoReturn, Self

import pytest

from orchestrator import saved, saving
from orchestrator.cluster import Cluster
from orchestrator.eventlog import last_events, told
from orchestrator.folders import RUNS_FOLDER, as_file_name
from orchestrator.launch.launcher import Launcher
from orchestrator.launch.warm import WarmLaunchers
from orchestrator.oracle.spec import events_path
from orchestrator.run import Run, Source
from orchestrator.text import from_here
from qnode.errors import ConfigError
from qnode.runtime.logs import format_time

_NO_NEWS: Final = ("run_started", "run_ended", "program_returned")
_LONGEST: Final = 80  # of the part of a run's name that comes from its test
_FORMS: Final = "write a file's path, a mapping as in such a file, or nodes={...}, links=[...]"


class Session:
    """What all tests of one pytest process share: its options, and launchers that stay warm.

    Args:
        config: Of pytest.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.seed: int | None = config.option.qnode_seed
        self.inline: bool = config.option.qnode_inline
        self.update: bool = config.option.qnode_update
        self.keep: bool = config.option.qnode_keep
        self.runs = config.rootpath / RUNS_FOLDER
        self.launchers = WarmLaunchers()
        self.golden: dict[Path, str] = {}  # whose each golden log is

    def close(self) -> None:
        """End every process."""
        self.launchers.close()


class Case:
    """What one test has: its networks, and the folders of their runs.

    Attributes:
        failed: Whether the test, or a subtest of it, has failed so far.
        is_told: Whether its report has what `told` says.
    """

    def __init__(self, item: pytest.Item, session: Session) -> None:
        self.session = session
        self.failed = False
        self.is_told = False
        self._item = item
        self._name = _stem(item.name)
        self._folders: list[Path] = []
        self._seeds: list[int] = []  # those that the command line may set
        self._compared: set[Path] = set()
        self._clusters: list[ClusterUnderTest] = []

    def cluster(self, *given: object, **settings: Any) -> ClusterUnderTest:
        """A network of this test, from a file, a mapping or what `Cluster(...)` takes, ready to run.

        Raises ConfigError.
        """
        made = self._made(given, settings)
        made.belongs_to(self)
        self._clusters.append(made)
        return made

    def cluster_of_marker(self, *given: object, **settings: Any) -> ClusterUnderTest:
        """The same, of the test's marker: its seed is not the test's own, and gives way to that of the command line."""
        made = self.cluster(*given, **settings)
        made.gives_way = True
        return made

    def _made(self, given: tuple[object, ...], settings: dict[str, Any]) -> ClusterUnderTest:
        runs = self.session.runs
        match given:
            case (str() | Path() as file,):
                seed = settings.pop("seed", None)
                overrides = [*_overrides(settings.pop("set", ())), *([] if seed is None else [f"seed={seed}"])]
                if settings:
                    _refuse(str(file), f"beside a file there may be `set` and `seed`, and not {', '.join(settings)}")
                is_python = Path(file).suffix == ".py"
                read = ClusterUnderTest.from_python if is_python else ClusterUnderTest.from_yaml
                return read(self._beside_test(file), set=overrides, runs=runs)
            case (Mapping() as data,):
                return self._made((), {**data, **settings})
            case () if "nodes" in settings:
                base = self._beside_test(settings.get("base", "."))
                return ClusterUnderTest(**{**settings, "base": base, "runs": runs})
        _refuse("qnode", f"{', '.join(map(repr, given)) or 'this'} is no network; {_FORMS}")

    def _beside_test(self, path: object) -> Path:
        return self._item.path.parent / str(path)

    def new_folder(self, name: str | None) -> Path:
        """Where the test's next run is saved."""
        folder = saving.new_folder(self.session.runs, self._name if name is None else f"{self._name}-{name}")
        self._folders.append(folder)
        return folder

    def golden_path(self, name: str = "") -> Path:
        """Where a golden event log of this test is kept. Raises ConfigError if another test has one of that name."""
        path = self._beside_test("golden") / f"{_stem(name) if name else self._whole_name()}.jsonl"
        whose = self.session.golden.setdefault(path, self._item.nodeid)
        if path in self._compared or (whose != self._item.nodeid and not name):
            whose = "another run of this test" if path in self._compared else whose
            detail = f'it is the golden event log of {whose} already; give this one a name: golden(run, "name")'
            _refuse(str(from_here(path)), detail)
        self._compared.add(path)
        return path

    def _whole_name(self) -> str:
        """The test's name within its folder: with its file and its classes, joined by what none of them has."""
        classes = (node.name for node in self._item.listchain() if isinstance(node, pytest.Class))
        return ".".join(map(_stem, (self._item.path.stem, *classes, self._item.name)))

    def command(self, *options: str) -> str:
        """What to type to run this test again."""
        file = os.path.relpath(self._item.path, self._item.config.invocation_params.dir)
        _, separator, rest = self._item.nodeid.partition("::")
        return shlex.join(["pytest", f"{file}{separator}{rest}", *options])

    def stop(self) -> None:
        """End the runs that are under way, where no event loop is running."""
        if asyncio._get_running_loop() is not None:
            return
        for cluster in self._clusters:
            cluster.let_go()

    def close(self) -> None:
        """The test is over, and reported: its runs stay only if somebody will want to look at them."""
        self.stop()
        if not (self.failed or self.session.keep):
            for folder in self._folders:
                shutil.rmtree(folder, ignore_errors=True)

    def told(self) -> str:
        """The last run, for whoever reads that the test has failed: how far it came, and what to type next."""
        try:
            self.stop()
            return self._told_of(self._folders[-1]) if self._folders else ""
        except ConfigError as error:  # it could not be saved
            return str(error)
        except Exception as error:  # noqa: BLE001  # whatever it is, it must not hide why the test has failed
            return f"nothing can be said of its last run: {type(error).__name__}: {error}"

    def _told_of(self, folder: Path) -> str:
        run = saved.load(folder)
        first = f"seed {run.seed}, stopped at {format_time(run.summary.at_ns)}."
        events = last_events(events_path(run.folder), 3, but=_NO_NEWS)
        if events:
            first += f" Last events: {' | '.join(map(told, events))}"
        seed = ["--qnode-seed", str(self._seeds[-1])] if self._seeds else []  # else the test has said them all
        debugger = ["--qnode-inline", "--pdb"] if run.network.clock == "virtual" else []
        repeat = self.command(*seed, *debugger)
        lines = [first, f"repeat   {repeat}", f"look     qnode events {shlex.quote(str(from_here(run.folder)))}"]
        if len(self._folders) > 1:
            lines.append(f"         (the last of {len(self._folders)} runs of this test)")
        return "\n".join(lines)

    def has_drawn(self, seed: int) -> None:
        """A run has a seed that the command line may set."""
        self._seeds.append(seed)


class ClusterUnderTest(Cluster):
    """A network of a test: launchers are the session's, seeds and folders as its options and its test's name say.

    Attributes:
        gives_way: Whether its own seed does, to that of the command line.
    """

    _case: Case
    gives_way = False

    def belongs_to(self, case: Case) -> None:
        """Say whose it is, before anything else."""
        self._case = case
        self._entered = True
        self.inline = case.session.inline

    async def __aenter__(self) -> Self:
        return self

    def let_go(self) -> None:
        """End a run that was gone through by hand and left standing, if its event loop has not done so."""
        stepping, self._stepping = self._stepping, None
        if stepping is not None and not (loop := stepping.task.get_loop()).is_closed():
            loop.run_until_complete(stepping.end())

    async def run(self, *, inline: bool | None = None, check: bool = True, **options: Any) -> Run:
        """The same as of any cluster; what pytest shows of a failure are the test's line and the program's."""
        __tracebackhide__ = True
        if (self.inline if inline is None else inline) and self.config.clock.mode != "virtual":
            pytest.skip("only the virtual clock can run in one process (--qnode-inline)")
        run = await super().run(inline=inline, check=False, **options)
        if check:
            run.raise_failure()
        return run

    def run_sync(self, *, check: bool = True, **options: Any) -> Run:
        """`run` where no event loop is running."""
        __tracebackhide__ = True
        run = super().run_sync(check=False, **options)
        if check:
            run.raise_failure()
        return run

    def draw_seed(self, seed: int | None = None) -> int:
        """The seed of the next run: that of the command line, unless the test says one."""
        if seed is not None or not (self.gives_way or self.config.seed is None):
            return super().draw_seed(seed)
        drawn = super().draw_seed(self._case.session.seed)
        self._case.has_drawn(drawn)
        return drawn

    def _new_folder(self, source: Source, name: str | None) -> Path:
        return self._case.new_folder(name)

    @asynccontextmanager
    async def _launching(self) -> AsyncIterator[Launcher]:
        launchers = self._case.session.launchers
        self._launcher = launcher = launchers.take()
        try:
            yield launcher
        finally:
            self._launcher = None
            launchers.give_back(launcher)


def _refuse(place: str, detail: str) -> NoReturn:
    raise ConfigError(place=place, detail=detail)


def _overrides(given: object) -> Sequence[str]:
    """What stands in `set`: one override, or several."""
    overrides = [given] if isinstance(given, str) else given
    if isinstance(overrides, Sequence) and all(isinstance(override, str) for override in overrides):
        return overrides
    _refuse("set", f'{given!r} is no override; write set="links.*.length=5km", or a list of such')


def _stem(name: str) -> str:
    """A test's name as that of a folder or file: whatever is in its parameters."""
    return as_file_name(name).encode()[:_LONGEST].decode(errors="ignore").rstrip("-")
