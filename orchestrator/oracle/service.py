"""The oracle's shell: a blocking poll loop around the core. No physics here, and no asyncio."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import Final

from orchestrator.inspect import MarkObserver
from orchestrator.oracle import records
from orchestrator.oracle.core import OracleCore
from orchestrator.oracle.event_writer import EventWriter
from orchestrator.oracle.helm import Helm
from orchestrator.oracle.network import build_core, run_event
from orchestrator.oracle.spec import (
    OracleSpec,
    Summary,
    encode_summary,
    events_path,
    log_path,
)
from orchestrator.oracle.summary import summarise
from qnode.errors import InvalidOperation, MalformedMessage, NotOwner, NotTheSame, ProcessLost, QnodeError
from qnode.ids import NodeName
from qnode.runtime.logs import format_time, set_up_logging
from qnode.runtime.output import Output
from qnode.runtime.watchdog import hold
from qnode.transport.server import Server
from qnode.wire.grants import CUT_BYTES, frames_of
from qnode.wire.messages import (
    MAX_FRAME_BYTES,
    TO_BE_TOLD,
    Book,
    Change,
    Farewell,
    Finish,
    Goodbye,
    Grant,
    Part,
    Paused,
    Ping,
    Pong,
    Progress,
    Report,
    RunEnded,
    Show,
    Shown,
    Steer,
    Steered,
    Stop,
    Wake,
    decode_to_oracle,
    encode,
    fields_of,
)

FAREWELL_S: Final = 5.0  # wall time that programs have to clean up, and nodes to say what they were waiting for
HASTY_FAREWELL_S: Final = 0.3  # the same, where somebody waits for the end
LOST_FAREWELL_S: Final = 2.0  # the same, where a process was lost
PROGRESS_S: Final = 0.25


class OracleService:
    """Serves one run: gathers reports, records them, executes them, scatters grants.

    Args:
        on_progress: Told how far it is, like every cluster that is connected: first when all nodes are there.
        on_joined: Told, before that, who has come and who is still missing, in the network's order.
    """

    def __init__(
        self,
        spec: OracleSpec,
        server: Server,
        on_progress: Callable[[Progress], None] | None = None,
        on_joined: Callable[[frozenset[str], list[str]], None] | None = None,
    ) -> None:
        self._spec = spec
        self._on_progress = on_progress
        self._on_joined = on_joined
        self._told_addresses: dict[str, str] = {}
        self._server = server
        server.incarnations = spec.incarnations
        server.admits = self._admits
        before = records.before(spec)
        self._writer = EventWriter(events_path(spec.folder), again=spec.resume) if spec.folder and spec.events else None
        self._observer = MarkObserver(spec.observe)
        self._core: OracleCore = build_core(spec, self._writer.emit if self._writer else None, self._observer)
        self._before = None if before is None else records.catch_up(spec, self._core, before, self._settled)
        self._record = records.writer(spec, before) if spec.folder else None
        self._helm = Helm(
            self._core,
            spec.programs,
            changed=self._changed,
            everybody=self._tell_controllers,
            ask_nodes=self._ask_nodes,
            paused=spec.paused,
        )
        self._frames: dict[NodeName, list[bytes]] = {}
        self._early: list[tuple[bytes, bytes]] = []
        self._stop = b""
        self._returned: set[bytes] = set()
        self._farewells: dict[str, Farewell] = {}
        self._controllers: set[bytes] = set()
        self._gone: Mapping[str, str] = {}
        self._farewell_s = FAREWELL_S
        self._next_progress = 0.0

    def serve(self) -> Summary:
        """From the first greeting to the last farewell."""
        if self._before is None:
            self._await_members()
            run_event(self._core, self._spec)
        else:
            self._catch_up()
        self._settle_events()
        self._flush_events()
        self._tell_progress()
        if self._spec.clock == "virtual":
            self._serve_virtual()
        else:
            self._serve_real()
        summary = self._finish()
        if self._writer is not None:
            self._writer.flush()  # whoever hears of the end may read the log, and end this process
        ended = ended_frames(encode_summary(summary))
        # Whoever started the run hears of it last: after that, this process may be killed at any moment.
        for connection in sorted(self._controllers, key=lambda one: self._server.roles[one] == "cluster"):
            self._server.send(connection, ended)
        for connection in set(self._server.connection_of.values()):
            self._server.send(connection, [encode(Goodbye())])
        return summary

    def close(self) -> None:
        if self._record is not None:
            self._record.close()
        if self._writer is not None:
            self._writer.close()
        self._server.close()

    # ------------------------------------------------------------ who is there

    def _await_members(self, missing: Collection[str] | None = None) -> None:
        missing = set(self._spec.programs if missing is None else missing)
        deadline = time.monotonic() + self._spec.join_timeout_s
        followed = not self._spec.followed
        while missing or not followed:
            left_ms = int((deadline - time.monotonic()) * 1000)
            received = self._server.receive(max(0, left_ms))
            if received is None:
                nodes = tuple(sorted(missing))
                names = ", ".join(nodes) or "whoever started the run"
                raise ProcessLost(nodes=nodes, name=names, reason=f"not here after {self._spec.join_timeout_s} s")
            connection, frames = received
            if frames:
                self._take_early(connection, frames)
                continue
            followed = followed or self._server.roles[connection] == "cluster"
            self._welcome(connection)
            if self._before is not None:
                self._bring_up_to_date(connection, begun=False)
            missing -= self._server.nodes_of[connection]
            if self._on_joined is not None and missing:
                left = [node for node in self._spec.programs if node in missing]
                self._on_joined(self._server.nodes_of[connection], left)
        self._tell_addresses()

    def _tell_addresses(self) -> None:
        """Let all processes know where the others are, if that is not where a pattern says, and has changed."""
        if self._server.addresses != self._told_addresses:
            self._told_addresses = self._server.addresses
            for connection in set(self._server.connection_of.values()):
                self._tell_addresses_to(connection)

    def _tell_addresses_to(self, connection: bytes) -> None:
        self._server.send(connection, [encode(Book(self._told_addresses))])

    def _catch_up(self) -> None:
        """All that the record has been executed again: now everybody comes back and is told where the run is."""
        assert self._before is not None  # whoever calls this has looked
        if self._writer is not None:
            self._writer.caught_up()
        kept = [decode_to_oracle(bytes(frame)) for frame in self._before.farewells]
        self._farewells.update((one.node, one) for one in kept if isinstance(one, Farewell))
        if self._before.over or self._farewells:
            self._helm.let_end()
        if self._before.over and self._core.outcome is None:  # in the middle of a round, so by somebody
            self._core.end("interrupted")
        self._await_members(self._spec.programs.keys() - self._farewells.keys())

    def _settled(self) -> None:
        self._settle_events()
        self._flush_events()

    def _admits(self, nodes: frozenset[str]) -> bool:
        """Whether another process may take the place of the one that had these nodes."""
        return self._spec.clock == "virtual" and all(self._spec.restart.get(node) == "resume" for node in nodes)

    def _welcome(self, connection: bytes) -> None:
        if self._server.roles[connection] in ("cluster", "steering"):
            self._controllers.add(connection)
        elif self._stop:
            self._server.send(connection, [self._stop])
        elif self._told_addresses:  # it is back, or another in its place, which knows nobody
            self._tell_addresses_to(connection)
            self._tell_addresses()

    def _take_early(self, connection: bytes, frames: list[bytes]) -> None:
        for frame in frames:
            message = self._decoded(connection, frame)
            steers = isinstance(message, Steer) and connection in self._controllers
            if steers or (self._before is not None and message is not None):
                self._early.append((connection, frame))
            elif message is not None:
                self._server.refuse(connection, MalformedMessage(detail="the run has not begun"))

    # ------------------------------------------------------------ the virtual clock

    def _serve_virtual(self) -> None:
        core = self._core
        early = [(connection, frame) for connection, frame in self._early if connection in self._server.nodes_of]
        for connection, frame in early:
            if connection in self._controllers:
                self._take(connection, frame)
        while self._helm.paused and core.outcome is None:
            connection, frames = self._receive()
            for frame in frames:
                self._take(connection, frame)
        if core.outcome is None:
            self._begin()
        for connection, frame in early:
            if connection not in self._controllers:
                self._take_all(connection, [frame])
        while core.outcome is None:
            connection, frames = self._receive()
            self._take_all(connection, frames)
            self._flush_events()  # now the nodes have something to do: they do not wait for it

    def _begin(self) -> None:
        """The first grants, or those that the record leads to."""
        if self._before is None or not self._before.rounds:
            self._scatter(self._core.first_grants())
        else:
            self._go_on()

    def _take_all(self, connection: bytes, frames: list[bytes]) -> None:
        complete = False
        for frame in frames:
            complete = self._take(connection, frame) or complete
        if complete:
            self._execute()
            self._go_on()
        elif not self._core.time.awaited:  # everybody waits for the outside or is paused, and something came
            self._go_on()

    def _go_on(self) -> None:
        grants = self._core.grants()
        if grants:
            self._scatter(grants)
        else:
            self._helm.stands(self._core.standing)
        self._settle_events()

    def _receive(self) -> tuple[bytes, list[bytes]]:
        clock = self._core.time
        running = len(clock.last_active) if clock.awaited else 0
        while (received := self._server.receive(running=running)) is None:
            self._flush_events()  # the network is idle, and somebody may be reading
        connection, frames = received
        if not frames:
            self._welcome(connection)  # one more who wants to know, or to steer
            self._bring_up_to_date(connection)
        return received

    def _bring_up_to_date(self, connection: bytes, *, begun: bool = True) -> None:
        """What was sent to these nodes over a connection that they have no more may be lost, and they with it."""
        nodes = sorted(map(NodeName, self._server.nodes_of[connection]))
        if not nodes:
            return
        self._returned.add(connection)
        core, lived = self._core, {node: self._core.step_of(node) for node in nodes}
        if any(incarnation == TO_BE_TOLD for _, incarnation in self._server.hellos[connection].nodes) and any(
            lived.values()
        ):
            try:
                lived = self._resume(connection, nodes)
            except QnodeError as error:
                self._server.refuse(connection, error)
                return
        if not begun:
            return
        self._helm.back(lambda show: self._server.send(connection, [encode(show)]))
        for node in nodes:
            grant = core.granted_to(node)
            if grant is not None and grant.step == lived[node]:
                self._server.send(connection, frames_of(grant, encode(grant)))

    def _resume(self, connection: bytes, nodes: Collection[NodeName]) -> dict[NodeName, int]:
        """Let a new process go through all that the record has of these nodes; how many steps of each that is."""
        for node in nodes:
            if self._spec.restart.get(node) != "resume":
                raise InvalidOperation(detail=f"node {node} is not to be resumed: that is `restart: resume`")
        why = [
            *([] if self._core.reproducible else ["something from outside has entered the run, and cannot be had again"]),
            *([] if self._core.resumable else ["a function outside the loop returned what the record cannot hold"]),
        ]
        if why:
            raise InvalidOperation(detail=f"the process was lost and cannot be resumed: {'; '.join(why)}")
        lived = dict.fromkeys(nodes, 0)
        for node, frames in records.past_of(self._spec, nodes):
            lived[NodeName(node)] += 1
            self._server.send(connection, frames)
        return lived

    def _settle_events(self) -> None:
        if self._writer is not None:
            self._writer.settle()

    def _flush_events(self) -> None:
        if self._writer is not None:
            self._writer.flush_if_due()

    def _take(self, connection: bytes, frame: bytes) -> bool:
        """One frame of a connection. True if it completes the round."""
        message = self._decoded(connection, frame)
        if message is None:
            return False
        try:
            match message:
                case Report():
                    self._check_sender(connection, message.node, message.incarnation)
                    again = self._core.check(message)
                    if again is None:
                        self._frames.setdefault(NodeName(message.node), []).append(frame)
                        return self._core.report(message)
                    if again.step >= 0:
                        self._server.send(connection, frames_of(again, encode(again)))
                    else:
                        self._check_same(message, frame)
                        self._count_repeated(connection, "a report that came before")  # not answered: nothing is wrong
                case Part():
                    self._check_sender(connection, message.node, message.incarnation)
                    if self._core.check_part(message):
                        self._frames.setdefault(NodeName(message.node), []).append(frame)
                        self._core.part(message)
                    else:
                        self._count_repeated(connection, "a part that came before")
                case Wake():
                    self._check_sender(connection, message.node, message.incarnation)
                    self._core.wake(message)
                case Farewell():
                    self._check_sender(connection, message.node, message.incarnation)
                    self._farewells[message.node] = message
                case Steer() if connection in self._controllers:
                    self._steer(connection, message)
                case Shown():
                    self._check_sender(connection, message.node, message.incarnation)
                    self._helm.shown(message)
                case Finish() if connection in self._controllers:
                    self._core.end(message.how)
                    self._gone = message.without
                    self._farewell_s = LOST_FAREWELL_S if self._gone else HASTY_FAREWELL_S
                case _:
                    raise MalformedMessage(detail=f"{type(message).__name__} does not belong here")
        except QnodeError as error:
            self._server.refuse(connection, error)
        return False

    def _check_same(self, report: Report, frame: bytes) -> None:
        """What a node has said in this round is what counts: another process of it must not go on from something else."""
        frames = self._frames.get(NodeName(report.node))
        if frames and report.step == self._core.step_of(NodeName(report.node)) and frame != frames[-1]:
            raise NotTheSame(node=report.node, step=report.step, time=format_time(self._core.time.now_ns))

    def _count_repeated(self, connection: bytes, what: str) -> None:
        """Whoever has had to connect again cannot know what had come."""
        if connection not in self._returned:
            self._server.refused[what] += 1

    def _steer(self, connection: bytes, steer: Steer) -> None:
        if self._spec.clock != "virtual":
            error = InvalidOperation(detail="network time cannot be stopped on the real clock; a run can only be ended")
            self._server.send(connection, [encode(Steered(steer.number, error.code, fields_of(error)))])
            return
        self._helm.take(steer, lambda answer: self._answer(connection, answer))

    def _answer(self, connection: bytes, answer: Steered) -> None:
        frame = encode(answer)
        if len(frame) > MAX_FRAME_BYTES:
            error = InvalidOperation(
                detail=f"all states together take {len(frame)} bytes, and {MAX_FRAME_BYTES} can be shown"
            )
            frame = encode(Steered(answer.number, error.code, fields_of(error)))
        self._server.send(connection, [frame])

    def _tell_controllers(self, news: Paused | Progress) -> None:
        frame = encode(news)
        for connection in self._controllers:
            self._server.send(connection, [frame])

    def _changed(self, at_ns: int, change: Change) -> None:
        if self._record is not None:
            self._record.changed(at_ns, change)

    def _ask_nodes(self, show: Show) -> None:
        for connection in {self._server.connection_of[node] for node in self._spec.programs}:
            self._server.send(connection, [encode(show)])

    def _decoded(self, connection: bytes, frame: bytes) -> object:
        try:
            return decode_to_oracle(frame)
        except MalformedMessage as error:
            self._server.refuse(connection, error)
            return None

    def _check_sender(self, connection: bytes, node: str, incarnation: int) -> None:
        if node not in self._server.nodes_of[connection]:
            raise NotOwner(caller="a connection", qubit=f"(a report of {node})", owner="another connection")
        expected = self._spec.incarnations.get(node)
        if incarnation != expected:
            raise MalformedMessage(detail=f"{node} is in incarnation {expected}, not {incarnation}")

    def _execute(self) -> None:
        core = self._core
        if self._record is not None:
            frames = [frame for node in sorted(self._frames) for frame in self._frames[node]]
            self._record.append(core.time.now_ns, core.time.last_woken, frames)
        self._frames.clear()
        core.execute()
        now = time.monotonic()
        if now >= self._next_progress:
            self._next_progress = now + PROGRESS_S
            self._tell_progress()

    def _scatter(self, grants: Mapping[NodeName, Grant]) -> None:
        connection_of = self._server.connection_of
        if len(grants) == 1:
            ((node, grant),) = grants.items()
            self._server.send(connection_of[node], self._granted(grant))
            return
        batches: dict[bytes, list[bytes]] = {}
        for node, grant in grants.items():
            batches.setdefault(connection_of[node], []).extend(self._granted(grant))
        for connection, frames in batches.items():
            self._server.send(connection, frames)

    def _granted(self, grant: Grant) -> tuple[bytes, ...]:
        frame = encode(grant)
        if self._record is not None:
            self._record.granted(frame)  # in one piece, however it travels
        return frames_of(grant, frame)

    def _tell_progress(self) -> None:
        progress = Progress(self._core.time.now_ns, self._core.counts.steps)
        if self._on_progress is not None:
            self._on_progress(progress)
        self._tell_controllers(progress)

    # ------------------------------------------------------------ the real clock

    def _serve_real(self) -> None:
        core, spec = self._core, self._spec
        started_ns = time.monotonic_ns()

        def network_ns() -> int:
            return round((time.monotonic_ns() - started_ns) * spec.speed)

        self._scatter(core.first_grants())
        for connection, frame in self._early:
            self._take(connection, frame)
        while core.outcome is None:
            received = self._server.receive(self._until_ms(network_ns()))
            core.time.go_to(network_ns())
            if spec.until_ns is not None and core.time.now_ns >= spec.until_ns:
                self._execute()  # nothing: an empty round tells a replay when it was over
                core.end("until")
            elif received is not None:
                connection, frames = received
                if not frames:
                    self._welcome(connection)
                for frame in frames:
                    self._take_real(connection, frame, network_ns)
            self._settle_events()
            self._flush_events()

    def _until_ms(self, now_ns: int) -> int:
        if self._spec.until_ns is None:
            return 250
        return max(0, min(250, int((self._spec.until_ns - now_ns) / self._spec.speed / 1e6) + 1))

    def _take_real(self, connection: bytes, frame: bytes, network_ns: Callable[[], int]) -> None:
        message = self._decoded(connection, frame)
        if isinstance(message, Ping):
            self._server.send(connection, [encode(Pong(message.sent_ns, network_ns()))])
            return
        reports = len(self._frames)
        self._take(connection, frame)
        if len(self._frames) == reports:
            return
        self._execute()
        for delivery in self._core.take_scheduled():
            if self._core.operations.deliver(delivery):
                grant = Grant(delivery.node, 0, delivery.at_ns, (delivery.item,))
                self._scatter({delivery.node: grant})

    # ------------------------------------------------------------ the end

    def _finish(self) -> Summary:
        outcome = self._core.outcome
        assert outcome is not None  # both clocks run until there is one
        self._record_unfinished()
        run_event(self._core, self._spec, ended=outcome.how)
        self._settle_events()
        if self._writer is not None:
            self._writer.flush()  # farewells may take a while
        self._stop = encode(Stop(outcome.how, outcome.at_ns, {**self._core.why_failed, **self._gone}))
        for connection in set(self._server.connection_of.values()):
            self._server.send(connection, [self._stop])
        deadline = time.monotonic() + self._farewell_s
        awaited = self._spec.programs.keys() - self._gone.keys()
        while not awaited <= self._farewells.keys() and time.monotonic() < deadline:
            received = self._server.receive(100)
            if received is None:
                continue
            connection, frames = received
            if not frames:
                self._welcome(connection)  # just in time to hear of the end
            for frame in frames:
                self._take_farewell(connection, frame)
        self._record_farewells(outcome.at_ns)
        return summarise(
            self._core,
            self._observer.evaluate(),
            self._farewells,
            self._server.refusals(),
            virtual=self._spec.clock == "virtual",
        )

    def _record_unfinished(self) -> None:
        """What was executed of a round that somebody's end of the run has cut short."""
        if self._record is None or self._spec.clock != "virtual" or (self._before is not None and self._before.over):
            return
        executed = self._core.executed() if self._core.time.awaited else {}
        frames = [frame for node in sorted(self._frames) for frame in self._frames[node][: executed.get(node, 0)]]
        self._record.end(self._core.time.now_ns, self._core.time.last_woken, frames)

    def _record_farewells(self, at_ns: int) -> None:
        """From now on no node is needed to tell of the end."""
        if self._record is None or self._spec.clock != "virtual" or not self._farewells:
            return
        if self._before is None or not self._before.farewells:
            self._record.farewells(at_ns, [encode(one) for _, one in sorted(self._farewells.items())])

    def _take_farewell(self, connection: bytes, frame: bytes) -> None:
        message = self._decoded(connection, frame)
        if isinstance(message, Farewell) and message.node in self._server.nodes_of[connection]:
            self._farewells[message.node] = message


def ended_frames(summary: bytes, cut_bytes: int = CUT_BYTES) -> list[bytes]:
    """The frames that tell of the end: results of many programs together may be longer than one."""
    parts = [summary[start : start + cut_bytes] for start in range(0, len(summary), cut_bytes)]
    return [encode(RunEnded(part, more=number < len(parts))) for number, part in enumerate(parts, 1)]


def run_oracle(spec: OracleSpec, lifeline: int | None = None) -> int:
    """Be the oracle of a run; the exit code.

    `lifeline` is a pipe that ends when whoever started us is gone: then so are we.

    Raises QnodeError if it cannot listen or a node never came; OSError if record or event log cannot be written.
    """
    if lifeline is not None:
        hold(lifeline)
    if spec.folder:
        Output(str(log_path(spec.folder)), "oracle")
    set_up_logging()
    service = OracleService(spec, Server(spec.address, spec.token, keys=spec.keys))
    try:
        service.serve()
    finally:
        service.close()
    return 0
