"""A cluster, from YAML to a clean exit: `async with Cluster.from_yaml(path) as net: run = await net.run()`."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, closing, nullcontext
from dataclasses import replace
from math import comb
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import msgspec

from orchestrator import faults, loader, saved, saving
from orchestrator.attempt import Attempt
from orchestrator.config import Config
from orchestrator.folders import RUNS_FOLDER
from orchestrator.follow import LogFollower, show
from orchestrator.launch.launcher import ORACLE, Launcher
from orchestrator.launch.preload import modules_of
from orchestrator.near import nearest
from orchestrator.oracle.spec import Summary
from orchestrator.plan import LaunchPlan, plan
from orchestrator.programs import LinkLike, NodeLike, ProgramLike, build, network_of, of_running
from orchestrator.run import Run, Source
from orchestrator.steering import RunOver, Steering
from orchestrator.stepping import Inline, Steerable, Stepping, to_ns
from orchestrator.supervision import follow
from orchestrator.telemetry.beside import require
from qnode.errors import ConfigError, RunFailed, TimedOut
from qnode.ids import NodeName
from qnode.runtime.loop import NodeLoop
from qnode.wire.items import Newcomer
from qnode.wire.messages import Hold, Meddle, Progress, Release, Staging, StartProgram, StopProgram
from qnode.wire.payload import pack
from qnode.wire.plan import BLOCKED_S

if TYPE_CHECKING:
    from orchestrator.view import View


class Cluster:
    """A network that can be run, again and again, each time in fresh processes.

    `Cluster(nodes={"alice": alice, "bob": bob}, links=[("alice", "bob", "10 km")], seed=1)` builds one in code;
    `from_yaml`, `from_python` and `from_dict` take it from elsewhere.

    Args:
        nodes: By name: a function, `Program(function, theta=0.3)`, `"file.py:function"`, what a configuration says of a
            node, or None for a node without a program.
        links: Pairs of names, each with a length or what a configuration says of a link if wanted; or a mapping as in
            a configuration.
        base: The folder that program paths are relative to.
        runs: Where runs are saved; each gets a folder of its own.
        settings: Everything else that a configuration may say, such as seed, clock, until, kinds, observe.
    Raises:
        ConfigError: If it is no network, or a function cannot be a program of another process.
    """

    def __init__(
        self,
        nodes: Mapping[str, NodeLike],
        links: Iterable[LinkLike] | Mapping[str, object] = (),
        *,
        base: str | Path = ".",
        runs: Path = RUNS_FOLDER,
        **settings: object,
    ) -> None:
        built = build(nodes, links, settings, Path(base))
        self._hold(Source(loader.from_mapping(built.data, "Cluster"), Path(base), built.path, built.files), runs)

    @classmethod
    def from_source(cls, source: Source, *, runs: Path = RUNS_FOLDER) -> Self:
        """A cluster of what was loaded before."""
        cluster = cls.__new__(cls)
        cluster._hold(source, runs)
        return cluster

    @classmethod
    def from_yaml(cls, path: str | Path, *, set: Sequence[str] = (), runs: Path = RUNS_FOLDER) -> Self:
        """A cluster as a file describes it; `set=["links.short.length=25km"]` overrides it. Raises ConfigError.

        The programs are read too, and not executed here. The configuration of a saved run is such a file as well, and
        repeats it.
        """
        file = Path(path)
        if saved.is_run(file.parent):
            source = replace(saved.load_source(file.parent), config=loader.load(file, set))
        else:
            source = Source(loader.load(file, set, programs=True), file.parent)
        return cls.from_source(source, runs=runs)

    @classmethod
    def from_dict(cls, data: Mapping[str, object], base: str | Path = ".", *, runs: Path = RUNS_FOLDER) -> Self:
        """A cluster as a mapping of the file's form describes it. Raises ConfigError."""
        config = loader.from_mapping(dict(data), "the configuration", base=Path(base))
        return cls.from_source(Source(config, Path(base)), runs=runs)

    @classmethod
    def from_python(cls, path: str | Path, *, set: Sequence[str] = (), runs: Path = RUNS_FOLDER) -> Self:
        """A cluster out of a file with programs alone: every top-level async function that takes a node is one.

        They are joined by perfect links of length 0, each with each; `set` overrides that. The file is read and not
        executed here. Raises ConfigError.
        """
        file = Path(path)
        config = loader.from_mapping(network_of(file), str(file), set, base=file.parent, programs=True)
        return cls.from_source(Source(config, file.parent), runs=runs)

    def _hold(self, source: Source, runs: Path) -> None:
        self.source = replace(source, base=source.base.resolve())
        self._runs = runs
        self._entered = False
        self._launcher: Launcher | None = None
        self._plan: LaunchPlan | None = None
        self._busy = False
        self._running: asyncio.Future[tuple[str, bytes]]  # of the run under way, once it can be spoken to
        self._stepping: Stepping | None = None
        self._staging: set[Steering] = set()
        self.inline = False

    @property
    def config(self) -> Config:
        """The configuration as it was given; a run's has a seed besides."""
        return self.source.config

    @property
    def base(self) -> Path:
        """The folder that program paths are relative to."""
        return self.source.base

    async def __aenter__(self) -> Self:
        self._entered = True
        self._launcher = Launcher()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._entered = False
        if self._stepping is not None:
            stepping, self._stepping = self._stepping, None
            await stepping.end()
        if self._launcher is not None:
            self._launcher.close()
            self._launcher = None

    @property
    def pids(self) -> Mapping[str, int]:
        """The process ids of the run under way, by node, as far as they have started; "oracle" is the oracle's."""
        if self._launcher is None or self._plan is None:
            return {}
        numbers = {**self._plan.run.processes, "oracle": ORACLE}
        started = self._launcher.pids
        return {name: started[number] for name, number in numbers.items() if number in started}

    @property
    def launch(self) -> LaunchPlan | None:
        """What the processes of the run under way were told, or None."""
        return self._plan

    async def run(
        self,
        *,
        seed: int | None = None,
        name: str | None = None,
        inline: bool | None = None,
        timeout: float | None = None,
        check: bool = True,
        blocked_s: float = BLOCKED_S,
        on_start: Callable[[], None] | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        on_output: Callable[[str], None] | None = show,
    ) -> Run:
        """Start all processes, wait for the end of the run, see that they are gone, and save it.

        Inside `async with` one launcher serves run after run; without it, a run starts and ends its own. A run that
        `run_until` began goes on to its end; how it is run was said there.

        Args:
            seed: Overrides the configuration's; if neither is given one is drawn.
            name: What the saved run is called; if not given, the network's name and a number.
            inline: Run everything in this process, for debugging; on the virtual clock the outcome is the same. If not
                given, the cluster's attribute `inline` decides.
            timeout: Seconds of wall time after which the run is ended.
            check: Raise if the run did not end well; otherwise look at `run.failure`.
            blocked_s: Wall time after which a program that blocks its loop is named in a warning.
            on_start: Called when all processes have been started.
            on_progress: Told now and then how far the run is.
            on_output: Called with each line that processes print, `alice | text`; None leaves them in the run's log.
        Raises:
            ConfigError, ProgramFailed, Deadlock, Livelock, Stall, TimedOut, ProcessLost.
        """
        _refuse_inside_a_node()
        if self._stepping is not None:
            given = (seed, name, inline, timeout, on_start, on_progress)
            if given != (None,) * 6 or on_output is not show or blocked_s != BLOCKED_S:
                raise ConfigError(place="run", detail="a run is under way, and its options were given to run_until")
            run = await self._to_the_end(self._stepping)
        else:
            options = _Options(self.inline if inline is None else inline, timeout, blocked_s, on_start, on_output)
            run = await self._run(self._begin(seed, name, on_progress), options)
        if check:
            run.raise_failure()
        return run

    async def run_until(
        self,
        time: str | float,
        *,
        seed: int | None = None,
        timeout: float | None = None,
        on_output: Callable[[str], None] | None = show,
    ) -> View | None:
        """Let network time go on to a moment, and stand still there, after all that is due by then has happened.

        The first call begins a run, and its options are the run's, as `run` has them; `run` goes on to the end. On the
        virtual clock only, and inside `async with`.

        Args:
            time: Text with a unit, or seconds.
        Returns:
            What there is to see at that moment; None if the run ended before it.
        Raises:
            InvalidOperation: If it is later than that already, or only nodes that are held could go on.
        """
        until_ns = to_ns(time)
        stepping = self._steps(seed, timeout, on_output)
        if await stepping.go(until_ns) is None:
            (await self._to_the_end(stepping, over=True)).raise_failure()
            return None
        return await stepping.view()

    async def hold(self, node: str, *, step: int = 0) -> None:
        """Let a node run no more from now on, or from the end of its step `step` on, while time goes on for others.

        All that reaches it, and all that it waits for, is kept until `release`. Like every change of a run it is made
        before its beginning, or between `run_until` and what comes next, and a replay of the run repeats it.
        """
        await self._steps().change(Hold(node, step))

    async def release(self, node: str) -> None:
        """Let a node that is held run again: what has come meanwhile reaches it now."""
        await self._steps().change(Release(node))

    async def drop_next(self, source: str, target: str, *, channel: str = "") -> None:
        """Lose the next classical message from one node to another on a channel."""
        await self._steps().change(Meddle(source, target, channel, None))

    async def delay_next(self, source: str, target: str, by: str | float, *, channel: str = "") -> None:
        """Let the next classical message from one node to another on a channel take so much longer.

        Args:
            by: Text with a unit, or seconds.
        """
        await self._steps().change(Meddle(source, target, channel, to_ns(by)))

    async def strike(self, fault: Mapping[str, object]) -> None:
        """Let a fault happen now: one of `orchestrator.faults`, such as `faults.lose("alice", "bob", probability=0.1)`.

        Like `hold`: before a run begins, or between `run_until` and what comes next.
        """
        config = self.config.model_dump(mode="json", exclude_unset=True, by_alias=True)
        checked = loader.from_mapping({**config, "faults": [{"at": 0, **fault}]}, "the fault", base=self.base)
        source = replace(self.source, config=checked.model_copy(update={"seed": 0}))
        for one in source.network.faults:
            await self._steps().change(one)

    async def start(
        self,
        node: str,
        program: str,
        *,
        run: ProgramLike | None = None,
        args: Mapping[str, object] | None = None,
        service: bool = False,
        memories: int = 0,
    ) -> None:
        """Start a program at a node, while the network runs.

        Before a run begins, between `run_until` and what comes next, or while `run` goes on in another task: then it
        begins as soon as the instant is over, and only a replay repeats that exactly. Messages that were sent to its
        name before are there.

        Args:
            program: Its name; it talks to those of its name.
            run: A function, `Program(function, theta=0.3)` or `"file.py:function"`; left out: what it was before, or
                what the configuration says of the program of this name, arguments and all.
            args: Keyword arguments of the function.
            service: The run does not wait for its end.
            memories: How many memory slots are its own; it waits for them before it begins.
        Raises:
            ConfigError: If it is no program; InvalidOperation: if it runs already, or the node or the run is gone.
        """
        spec = self._program_to_start(node, program, run, dict(args or {}), service, memories)
        await self._stage(StartProgram(node, spec))

    async def stop(self, node: str, program: str) -> None:
        """Stop a program of a node, while the network runs; as for `start`.

        Its tasks are cancelled. What it returns all the same is its result; its qubits, requests, reservations and the
        messages that it has not read are gone.
        """
        await self._stage(StopProgram(node, program))

    async def _stage(self, change: Staging) -> None:
        _refuse_inside_a_node()
        if self._stepping is not None or not self._busy:
            await self._steps().change(change)
            return
        address, token = await asyncio.shield(self._running)
        async with Steering(address, token) as steering:
            self._staging.add(steering)
            try:
                await steering.change(change)
            finally:
                self._staging.discard(steering)

    def _program_to_start(
        self, node: str, program: str, run: ProgramLike | None, args: dict[str, object], service: bool, memories: int
    ) -> Newcomer:
        place, network = f"start {program}", self.set_up(self.config.seed or 0).network
        described = network.nodes.get(NodeName(node))
        if described is None:
            raise ConfigError(place=place, detail=f"there is no node {node!r}{nearest(node, network.nodes)}")
        if run is None:
            if args or service or memories:
                raise ConfigError(place=place, detail="without `run` it is as the configuration says, all of it")
            known = [one for one in described.programs if one.name == program]
            return Newcomer(program, service=any(one.service for one in known))
        named = of_running(place, run, self.base, self.source.path)
        written = {**named, "args": {**named.get("args", {}), **args}, "memories": memories}
        if service:
            written["service"] = True
        small: dict[str, Any] = {"qubits": described.hardware.memory.size, "programs": {program: written}}
        data = {"version": 1, "seed": 0, "nodes": {node: small}}
        config = loader.from_mapping(data, place, base=self.base, path=self.source.path, programs=True)
        (one,) = replace(self.source, config=config).network.nodes[NodeName(node)].programs
        return Newcomer(one.name, one.run, pack(dict(one.args)), one.service, one.memories)

    async def kill(self, *nodes: str, fresh: bool = False) -> None:
        """Kill the processes of nodes, now; with `fresh`, each begins again."""
        await self.strike(faults.kill(*nodes, fresh=fresh))

    async def cut(self, one: str, other: str, *, both: bool = True, lasting: str | float | None = None) -> None:
        """Lose all classical messages between two nodes from now on; only those from one to the other if not `both`."""
        when = {} if lasting is None else {"lasting": lasting}
        await self.strike(faults.cut(one, other, both=both, **when))

    async def heal(self, *what: str) -> None:
        """End what faults do to nodes and links of these names, or to everything: `*`."""
        await self.strike(faults.heal(*what or ("*",)))

    def _steps(
        self,
        seed: int | None = None,
        timeout: float | None = None,
        on_output: Callable[[str], None] | None = show,
    ) -> Stepping:
        """The run that is gone through by hand; begun now, if it is not under way."""
        _refuse_inside_a_node()
        if self._stepping is not None:
            if (seed, timeout) != (None, None) or on_output is not show:
                raise ConfigError(place="run_until", detail="a run is under way; only the first call has options")
            return self._stepping
        if self.config.clock.mode != "virtual":
            raise ConfigError(place="clock", detail="only the virtual clock can be stopped; this network's is real")
        if not self._entered:
            raise ConfigError(place="run_until", detail="goes inside `async with` of the cluster")
        attempt = self._begin(seed, None, None)
        live: asyncio.Future[Steerable] = asyncio.get_running_loop().create_future()
        options = _Options(self.inline, timeout, BLOCKED_S, None, on_output, live)
        task = asyncio.create_task(self._run(attempt, options), name=f"run of {self.config.name}")
        self._stepping = Stepping(
            task, live, lambda: self._plan_for(attempt.source, attempt.folder, "", BLOCKED_S).oracle, attempt.stands
        )
        return self._stepping

    async def _to_the_end(self, stepping: Stepping, *, over: bool = False) -> Run:
        try:
            if not over:
                await stepping.go()
            return await stepping.task
        finally:
            if stepping.task.done():
                self._stepping = None

    def _begin(self, seed: int | None, name: str | None, on_progress: Callable[[Progress], None] | None) -> Attempt:
        if self._busy:
            raise ConfigError(
                place="Cluster", detail="a run of it is under way; make a second Cluster to run beside it"
            )
        source = self.set_up(seed)
        source.network  # noqa: B018  raises what is wrong with it before anything is written or started
        attempt = Attempt(source, self._new_folder(source, name), on_progress)
        self._busy = True
        self._running = asyncio.get_running_loop().create_future()
        return attempt

    async def _run(self, attempt: Attempt, options: _Options) -> Run:
        """The run that was begun, saved, however it ends."""
        try:
            if options.inline:
                async with attempt.watched():
                    summary = await self._run_inline(attempt, options)
            else:
                async with self._launching() as launcher:
                    with _following(attempt.log, options.on_output):
                        async with attempt.watched():
                            summary = await self._run_processes(launcher, attempt, options)
                            attempt.telemetry.reached(summary.at_ns, summary.counts["steps"])
        except BaseException as error:
            run = attempt.cut_short(error)
            if not isinstance(error, RunFailed):
                raise
        else:
            run = attempt.ended(summary)
        finally:
            self._busy = False
            if not self._running.done():
                self._running.set_exception(RunOver())
            self._running.exception()  # whoever waits is told; nobody need
        return run

    async def _run_inline(self, attempt: Attempt, options: _Options) -> Summary:
        from orchestrator.inline import InlineRun  # lazy: the oracle and the nodes, 0.1 s, for debugging only

        launch = self._plan_for(attempt.source, attempt.folder, "", options.blocked_s)
        with closing(InlineRun(launch, options.timeout, attempt.progress)) as run:
            if options.live is None:
                run.go()
            else:
                inline = Inline(run)
                options.live.set_result(inline)
                await inline.over
            attempt.failed = run.failed
            return run.summary()

    def run_sync(self, **options: Any) -> Run:
        """`run` where no event loop is running: in a script, at a prompt. The same options and errors."""
        _refuse_inside_a_node()
        if asyncio._get_running_loop() is not None:
            raise ConfigError(place="run_sync", detail="an event loop is running here; use `await net.run()`")
        return asyncio.run(self.run(**options))

    def set_up(self, seed: int | None = None) -> Source:
        """What the next run is, with a seed: the one given, the configuration's, or a new one. Raises ConfigError."""
        require(self.config.telemetry)
        return replace(self.source, config=self.config.model_copy(update={"seed": self.draw_seed(seed)}))

    def _new_folder(self, source: Source, name: str | None) -> Path:
        return saving.new_folder(self._runs, source.name, name)

    def _plan_for(self, source: Source, folder: Path, directory: str, blocked_s: float) -> LaunchPlan:
        return plan(
            source.network,
            run_id=folder.name,
            token=secrets.token_bytes(32),
            directory=directory,
            folder=str(folder),
            path=(*([str(folder)] if source.files else []), *source.path),
            blocked_s=blocked_s,
        )

    @asynccontextmanager
    async def _launching(self) -> AsyncIterator[Launcher]:
        if self._launcher is not None:
            yield self._launcher
        else:
            async with self, self._launching() as launcher:
                yield launcher

    async def _run_processes(
        self,
        launcher: Launcher,
        attempt: Attempt,
        options: _Options,
    ) -> Summary:
        timeout = options.timeout
        deadline = None if timeout is None else asyncio.get_running_loop().time() + timeout
        try:
            async with asyncio.timeout_at(deadline):
                directory = await launcher.open(_modules(attempt.source, attempt.folder))
        except TimeoutError:
            raise TimedOut(timeout=str(timeout)) from None
        launch = self._plan_for(attempt.source, attempt.folder, directory, options.blocked_s)
        if options.live is not None:
            launch = replace(launch, oracle=msgspec.structs.replace(launch.oracle, paused=True))
        self._plan = launch
        attempt.telemetry.steer(launch.oracle.address, launch.oracle.token)
        steering: Steering | None = None

        def started() -> None:
            nonlocal steering
            if options.live is not None:
                steering = Steering(launch.oracle.address, launch.oracle.token)
                options.live.set_result(steering)
            self._running.set_result((launch.oracle.address, launch.oracle.token))
            if options.on_start is not None:
                options.on_start()

        try:
            summary = await follow(
                launcher,
                launch,
                deadline=deadline,
                on_start=started,
                on_progress=attempt.progress,
                keep=attempt.keep,
            )
            attempt.keep(summary)  # whatever comes of showing the last lines of output
            return summary
        except TimeoutError:
            raise TimedOut(timeout=str(timeout)) from None
        finally:
            if steering is not None:
                steering.close()
            for staging in self._staging:
                staging.over()
            self._plan = None
            await _to_its_end(launcher.end_run())

    def _repr_html_(self) -> str:
        from orchestrator import html  # lazy: only notebooks need it

        return html.of_network(self.set_up(self.config.seed or 0).network, self.config.seed)

    def __repr__(self) -> str:
        nodes = ", ".join(self.config.nodes)
        return f"<cluster {self.config.name}: {nodes if len(nodes) <= 60 else nodes[:57] + '...'}>"

    def draw_seed(self, seed: int | None = None) -> int:
        """The seed of the next run: the one given, the configuration's, or a new one."""
        if seed is not None:
            return seed
        return secrets.randbits(32) if self.config.seed is None else self.config.seed


def _following(log: Path, on_output: Callable[[str], None] | None) -> AbstractContextManager[object]:
    return nullcontext() if on_output is None else LogFollower(log, on_output)


def _refuse_inside_a_node() -> None:
    loop = asyncio._get_running_loop()
    if isinstance(loop, NodeLoop):
        detail = (
            "a node loads this file to find its program, and a node cannot start a network. Put what starts the network"
            ' under `if __name__ == "__main__":`'
        )
        raise ConfigError(place=f"node {loop.name}", detail=detail)


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Also if it is cancelled meanwhile: that is passed on when the work is done."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


def _modules(source: Source, folder: Path) -> Sequence[str]:
    """What the programs of a run will import: a launcher that forks has it ready for all of them."""
    network = source.network
    programs = {program.run for node in network.nodes.values() for program in node.programs}
    modules = modules_of(sorted(programs), (source.base, folder, *map(Path, source.path)))
    far = len(network.links) < comb(len(network.nodes), 2)  # then nodes that are no neighbours may ask for pairs
    return (*modules, "qnode.runtime.stack") if network.links and far else modules


class _Options(NamedTuple):
    """How a run is run; `live` is told how to steer it, if somebody goes through it by hand."""

    inline: bool
    timeout: float | None
    blocked_s: float
    on_start: Callable[[], None] | None
    on_output: Callable[[str], None] | None
    live: asyncio.Future[Steerable] | None = None
