"""The oracle's shell: a blocking poll loop around the core. No physics here, and no asyncio."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Final, get_args

from orchestrator.failures import FRESH
from orchestrator.inspect import MarkObserver
from orchestrator.oracle import records
from orchestrator.oracle.absences import Absences
from orchestrator.oracle.core import OracleCore
from orchestrator.oracle.event_writer import EventWriter
from orchestrator.oracle.handing import Handing
from orchestrator.oracle.helm import Helm
from orchestrator.oracle.losses import Loss
from orchestrator.oracle.network import build_core, run_event
from orchestrator.oracle.returning import Returning
from orchestrator.oracle.spec import (
    OracleSpec,
    Summary,
    encode_summary,
    events_path,
    log_path,
)
from orchestrator.oracle.summary import summarise
from qnode.errors import InvalidOperation, MalformedMessage, NotOwner, ProcessLost, QnodeError
from qnode.ids import NodeName
from qnode.runtime.logs import set_up_logging
from qnode.runtime.output import Output
from qnode.runtime.watchdog import hold
from qnode.transport.server import Server
from qnode.wire.grants import CUT_BYTES, frames_of
from qnode.wire.messages import (
    MAX_FRAME_BYTES,
    Book,
    Change,
    Farewell,
    Finish,
    Gone,
    Goodbye,
    Grant,
    Part,
    Paused,
    Ping,
    Pong,
    Progress,
    Replace,
    Report,
    RunEnded,
    Show,
    Shown,
    StartProgram,
    Steer,
    Steered,
    Stop,
    StopProgram,
    Wake,
    count_operations,
    decode_to_oracle,
    encode,
    fields_of,
)

FAREWELL_S: Final = 5.0  # wall time that programs have to clean up, and nodes to say what they were waiting for
HASTY_FAREWELL_S: Final = 0.3  # the same, where somebody waits for the end
LOST_FAREWELL_S: Final = 2.0  # the same, where a process was lost
PROGRESS_S: Final = 0.25
LONG_FRAME_BYTES: Final = 2**20
MOST_EARLY: Final = 1_000  # frames that are kept until the run begins
REPEATED_BYTES: Final = 10_000  # of a grant that is given again count like a message that is refused
_CONTROLLERS: Final = frozenset({"cluster", "steering"})  # roles of whoever is no node
_NOBODY: Final = b""  # no connection is called so


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
        self._absences = Absences(spec.patience_s)
        self._server = server
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
        self._restarted: Counter[str] = Counter()
        self._losses: list[Loss] = []
        self._kept: dict[NodeName, list[tuple[bytes, ...]]] = {}  # on the real clock: for processes that are to come
        self._frames: dict[NodeName, list[bytes]] = {}
        self._early: list[tuple[bytes, bytes]] = []
        self._stop = b""
        self._returning = Returning(spec, self._core, server)
        self._handing = Handing(server.send, server.hellos)
        self._left: dict[str, str] = {}  # nodes for which another process has come, and what that tells of theirs
        server.knocks = self._knocked
        self._command = b""  # that is carried out
        self._between_rounds: list[tuple[bytes, Steer, bytes]] = []  # commands, and what each is known by
        self._is_begun = False
        self._until_they_stand: deque[tuple[bytes, Steer, bytes]] = deque()  # of a paused run, where nodes run still
        self._commands: set[bytes] = set() if self._before is None else self._before.commands  # that changed the run
        self._farewells: dict[str, Farewell] = {}
        self._gone: Mapping[str, str] = {}  # before the run has begun, or as whoever ends it says; and why
        self._farewell_s = FAREWELL_S
        self._next_progress = 0.0
        for node, life in self._core.replaced.items():
            self._replace(node, life)
        self._core.on_replace = self._replace

    def serve(self) -> Summary:
        """From the first greeting to the last farewell."""
        if self._before is None:
            self._await_members()
            run_event(self._core, self._spec)
            self._lose_early()
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

    def dismiss(self, reason: str) -> None:
        """Let every node end, and wait for none: whoever started the oracle wants it to end now."""
        for connection in set(self._server.connection_of.values()):
            for message in (Stop(reason, self._core.time.now_ns), Goodbye()):
                self._server.send(connection, [encode(message)])

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
                missing -= self._take_early(connection, frames)
                if self._gone:
                    return
                continue
            followed = followed or self._server.roles[connection] == "cluster"
            self._welcome(connection)
            if self._before is not None:
                self._returning.come(connection)
            came = self._server.nodes_of[connection]
            missing -= came
            if self._on_joined is not None and came and missing:  # whoever only follows the run brings none
                self._on_joined(came, [node for node in self._spec.programs if node in missing])
            if not missing and not self._spec.followed:  # else whoever started them would know
                missing |= self._gone_again()
        self._returning.begun = True
        self._tell_addresses()

    def _gone_again(self) -> set[str]:
        """Nodes that were here while others were waited for, and are not any more."""
        gone = {node for node in self._server.connection_of if not self._returning.is_there(node)}
        for node in gone:
            self._server.let_go(node)
        if gone and self._on_joined is not None:
            self._on_joined(frozenset(), sorted(gone))
        return gone

    def _controls(self, connection: bytes) -> bool:
        return self._server.roles.get(connection) in _CONTROLLERS

    @property
    def _controllers(self) -> list[bytes]:
        return [connection for connection in self._server.roles if self._controls(connection)]

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
        if self._before.rounds and not self._farewells:
            # What was done after the last round may be known: the next life of a node that was killed may be there.
            self._core.keep_appointments_between_rounds()
        self._await_members(self._spec.programs.keys() - self._farewells.keys() - self._core.lives.gone.keys())

    def _settled(self) -> None:
        self._settle_events()
        self._flush_events()

    def _welcome(self, connection: bytes) -> None:
        if self._controls(connection):
            self._tell_replaced(self._core.replaced, (connection,))
            return
        gone = {node: why for node, why in self._core.lives.gone.items() if self._core.replaced[node] < 0}
        if gone:
            self._server.send(connection, [encode(Gone(dict(gone.items())))])
        if self._losses:
            lost = {loss.node: self._core.lives.current[NodeName(loss.node)] for loss in self._losses}
            self._server.send(connection, [encode(Gone({loss.node: loss.reason for loss in self._losses}, lost))])
        if self._stop:
            self._server.send(connection, [self._stop])
        elif self._told_addresses:  # it is back, or another in its place, which knows nobody
            self._tell_addresses_to(connection)
            self._tell_addresses()

    def _take_early(self, connection: bytes, frames: list[bytes]) -> set[str]:
        """Keep what can only be taken once the run goes on; the nodes that are not to be waited for, it says."""
        gone: set[str] = set()
        for frame in frames:
            message = self._decoded(connection, frame)
            steers = isinstance(message, Steer) and self._controls(connection)
            if (steers or (self._before is not None and message is not None)) and len(self._early) < MOST_EARLY:
                self._early.append((connection, frame))
                if isinstance(message, Gone) and self._controls(connection):
                    gone |= self._lost_with(message)
            elif isinstance(message, Gone) and self._controls(connection):
                self._gone, self._farewell_s = message.nodes, HASTY_FAREWELL_S
            elif message is not None:
                self._server.refuse(connection, MalformedMessage(detail="the run has not begun"))
        return gone

    def _lose_early(self) -> None:
        """Whoever is lost before the run has begun ends it."""
        losses = [Loss(node, reason, fresh=False) for node, reason in self._gone.items()]
        if losses and self._record is not None:
            self._record.end(self._core.time.now_ns, (), (), losses)
        self._core.lose_early(losses)

    def _lost_with(self, gone: Gone) -> set[str]:
        """Nodes that were in the life which ended: an oracle that was lost as well may have it told again."""
        lives = self._core.lives.current
        return {node for node in gone.nodes if gone.lives.get(node) == lives.get(NodeName(node))}

    # ------------------------------------------------------------ the virtual clock

    def _serve_virtual(self) -> None:
        core = self._core
        early = [(connection, frame) for connection, frame in self._early if connection in self._server.nodes_of]
        steers = deque(one for one in early if self._controls(one[0]))
        while core.outcome is None and (self._helm.paused or (steers and not self._before)):
            connection, frames = (steers[0][0], [steers.popleft()[1]]) if steers else self._receive()
            for frame in frames:
                if self._before is not None and isinstance(self._decoded(connection, frame), Report | Part | Wake):
                    early.append((connection, frame))  # of a node that ran before the oracle was lost
                else:
                    self._take(connection, frame)
        if core.outcome is None:
            self._is_begun = True
            self._begin()
        for connection, frame in [*steers, *(one for one in early if not self._controls(one[0]))]:
            if core.outcome is None and connection in self._server.nodes_of:  # not replaced while the run was paused
                self._take_all(connection, [frame])
        while core.outcome is None:
            connection, frames = self._receive()
            self._take_all(connection, frames)
            self._flush_events()  # now the nodes have something to do: they do not wait for it
            if core.outcome is None:
                self._lose_absent()  # the others may leave the network no moment to be idle in

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
        if self._between_rounds:
            self._stage()
        grants = self._core.grants()
        while not grants:
            self._helm.stands(self._core.standing)
            if not self._change():
                break
            grants = self._core.grants()
        if grants:
            self._scatter(grants)
        self._settle_events()

    def _receive(self) -> tuple[bytes, list[bytes]]:
        clock = self._core.time
        running = len(clock.last_active) if clock.awaited else 0
        while (received := self._server.receive(running=running)) is None:
            self._flush_events()  # the network is idle, and somebody may be reading
            if self._lose_absent():
                return _NOBODY, []
        connection, frames = received
        if not frames:
            self._welcome(connection)  # one more who wants to know, or to steer
            self._helm.back(lambda show: self._server.send(connection, [encode(show)]))
            self._returning.go_on(connection, self._returning.come(connection))
        return received

    def _lose_absent(self) -> bool:
        """Whether nodes of other machines were gone for too long, and the run has gone on without them."""
        if not self._left and not self._told_addresses:
            return False
        overdue, self._left = self._left, {}
        if self._told_addresses:  # else all are here, and whoever started them tells
            nodes = (node for node in self._spec.programs if node not in self._core.lives.gone)
            overdue |= self._absences.overdue(nodes, self._returning.is_there, time.monotonic())
        if self._lose(overdue) and self._spec.clock == "virtual":
            self._execute()
            self._go_on()
        elif overdue and self._spec.clock != "virtual":
            self._execute()
        return bool(overdue)

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
                        self._core.operations.usage.report(NodeName(message.node), len(frame))
                        self._frames.setdefault(NodeName(message.node), []).append(frame)
                        return self._core.report(message)
                    if again.step >= 0:
                        whole = encode(again)
                        self._server.blame(connection, 1 + len(whole) // REPEATED_BYTES)
                        self._server.send(connection, frames_of(again, whole))
                    else:
                        self._returning.repeated(connection, message, frame, self._frames)
                case Part():
                    self._check_sender(connection, message.node, message.incarnation)
                    if self._core.check_part(message):
                        self._core.operations.usage.report(NodeName(message.node), len(frame))
                        self._frames.setdefault(NodeName(message.node), []).append(frame)
                        self._core.part(message)
                    else:
                        self._returning.repeated(connection, message, frame, self._frames)
                case Wake():
                    self._check_sender(connection, message.node, message.incarnation)
                    self._server.blame(connection)  # beyond what a sound process says of the outside
                    self._core.wake(message)
                case Farewell():
                    self._check_sender(connection, message.node, message.incarnation)
                    self._farewells[message.node] = message
                case Steer() if self._controls(connection):
                    self._steer(connection, message)
                case Shown():
                    if NodeName(message.node) not in self._core.lives.gone:  # else its next life has not begun
                        self._check_sender(connection, message.node, message.incarnation)
                        self._helm.shown(message)
                case Gone() if self._controls(connection):
                    return self._lose(message.nodes, message.lives)
                case Finish() if self._controls(connection):
                    self._core.end(message.how)
                    self._gone = message.without
                    self._farewell_s = LOST_FAREWELL_S if self._gone else HASTY_FAREWELL_S
                case _:
                    raise MalformedMessage(detail=f"{type(message).__name__} does not belong here")
        except QnodeError as error:
            self._server.refuse(connection, error)
        return False

    def _steer(self, connection: bytes, steer: Steer) -> None:
        stages = isinstance(steer.command, StartProgram | StopProgram)
        if self._spec.clock != "virtual" and not stages:
            error = InvalidOperation(detail="network time cannot be stopped on the real clock; a run can only be ended")
            self._server.send(connection, [encode(Steered(steer.number, error.code, fields_of(error)))])
            return
        self._command = self._server.hellos[connection].session + steer.number.to_bytes(8, "little", signed=True)
        if self._command in self._commands:
            self._answer(connection, Steered(steer.number))  # it was done, and the answer lost
            return
        if stages and self._spec.clock == "virtual" and not self._helm.paused:
            self._between_rounds.append((connection, steer, self._command))  # when nobody runs
        elif self._nodes_run_though_paused() and isinstance(steer.command, get_args(Change)):
            # What was changed before lets nodes run; the record says what is changed between rounds.
            waiting = [one for one in self._until_they_stand if one[2] != self._command]  # it may have come before
            self._until_they_stand = deque([*waiting, (connection, steer, self._command)])
        else:
            self._helm.take(steer, lambda answer: self._answer(connection, answer))

    def _nodes_run_though_paused(self) -> bool:
        return self._is_begun and self._helm.paused and bool(self._core.time.awaited)

    def _change(self) -> bool:
        """Nobody can run: make the next of the changes that have waited for that. False if there is none."""
        if not self._until_they_stand or self._core.outcome is not None:
            return False
        connection, steer, self._command = self._until_they_stand.popleft()
        self._helm.take(steer, partial(self._answer, connection))
        return True

    def _stage(self) -> None:
        """Nobody runs: start and stop the programs that somebody wants started and stopped."""
        waiting, self._between_rounds = self._between_rounds, []
        for connection, steer, self._command in waiting:
            if self._core.outcome is None:
                self._core.reproducible = False  # when it came is nothing that the seed decides
                self._helm.take(steer, partial(self._answer, connection))

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

    # ------------------------------------------------------------ nodes that are lost

    def _lose(self, nodes: Mapping[str, str], lives: Mapping[str, int] = {}) -> bool:
        """Processes are gone, and whoever watches over them says so. True if that completes the round."""
        complete = False
        for node, reason in nodes.items():
            if node in self._core.lives.gone and lives.get(node) == self._core.replaced.get(NodeName(node)):
                self._core.lives.gone[NodeName(node)] = self._core.missing[NodeName(node)] = reason
                self._core.end("lost")  # its next process is gone before its life has begun: nobody else would come
                continue
            now = self._core.lives.current.get(NodeName(node))
            known = node in self._core.lives.gone or any(node == loss.node for loss in self._losses)
            if now is None or lives.get(node, now) != now or known:
                continue
            fresh = self._is_fresh(node)
            if fresh:
                self._server.leaving.add(node)
            self._restarted[node] += fresh
            self._server.let_go(node)
            self._tell_gone({node: reason}, {node: now})  # else who has a long message for it waits, and we for them
            loss = Loss(node, reason, fresh)
            self._losses.append(loss)
            complete = self._core.losing(loss)
        return complete

    def _knocked(self, nodes: frozenset[str]) -> None:
        """Another process has come for nodes whose own is gone, as it seems: so they are lost, and begin afresh."""
        if self._returning.begun and not any(map(self._returning.is_there, nodes)):
            lost = [node for node in nodes if self._is_fresh(node)]
            self._left |= dict.fromkeys(lost, "its process is gone, and another one has come")
            self._server.leaving.update(lost)

    def _is_fresh(self, node: str) -> bool:
        """Whether a node that is lost now begins again."""
        return self._spec.restart.get(node) == FRESH and self._restarted[node] < self._spec.restarts

    def _tell_gone(self, nodes: Mapping[str, str], lives: Mapping[str, int] = {}) -> None:
        frame = encode(Gone(dict(nodes), dict(lives)))
        for connection in set(self._server.connection_of.values()):
            self._server.send(connection, [frame])

    def _replace(self, node: NodeName, life: int) -> None:
        """A node is lost, by a script or not: its process is ended, and the next one started, by who started it."""
        self._server.let_go(node)
        self._kept.pop(node, None)
        self._server.incarnations = {**self._server.incarnations, node: max(life, self._core.lives.current[node])}
        self._tell_replaced({node: life}, self._controllers)
        self._server.open_to(node)
        if life < 0:
            self._server.lost[node] = self._core.lives.gone[node]
            self._tell_gone({node: self._core.lives.gone[node]})

    def _tell_replaced(self, lives: Mapping[NodeName, int], connections: Iterable[bytes]) -> None:
        frame = encode(Replace(dict(lives.items())))
        for connection in connections:
            if lives and self._server.roles[connection] == "cluster":
                self._server.send(connection, [frame])

    def _changed(self, at_ns: int, change: Change) -> None:
        if self._record is not None:
            self._record.changed(at_ns, change, self._command)
            self._commands.add(self._command)

    def _ask_nodes(self, show: Show) -> None:
        for connection in set(self._server.connection_of.values()):
            self._server.send(connection, [encode(show)])

    def _decoded(self, connection: bytes, frame: bytes) -> object:
        try:
            if len(frame) > LONG_FRAME_BYTES:
                self._check_long(connection, frame)
            return decode_to_oracle(frame)
        except QnodeError as error:
            self._server.refuse(connection, error)
            return None

    def _check_long(self, connection: bytes, frame: bytes) -> None:
        """Before a long frame is read: a few bytes of it may be an operation, which takes many times as much."""
        n = count_operations(frame)
        for node in self._server.nodes_of.get(connection, ()):
            self._core.operations.usage.check(NodeName(node), "operations", n)

    def _check_sender(self, connection: bytes, node: str, incarnation: int) -> None:
        if node not in self._server.nodes_of[connection]:
            raise NotOwner(caller="a connection", qubit=f"(a report of {node})", owner="another connection")
        expected = self._core.lives.current.get(NodeName(node))
        if incarnation != expected:
            raise MalformedMessage(detail=f"{node} is in incarnation {expected}, not {incarnation}")

    def _execute(self) -> None:
        core = self._core
        if self._record is not None:
            frames = [frame for node in sorted(self._frames) for frame in self._frames[node]]
            self._record.append(core.time.now_ns, core.time.last_woken, frames, self._losses)
        self._frames.clear()
        self._losses.clear()
        core.execute()
        now = time.monotonic()
        if now >= self._next_progress:
            self._next_progress = now + PROGRESS_S
            self._tell_progress()

    def _scatter(self, grants: Mapping[NodeName, Grant]) -> None:
        connection_of = self._server.connection_of
        batches: dict[bytes, list[bytes]] = {}
        for node, grant in grants.items():
            granted = self._granted(grant)
            connection = connection_of.get(node)
            if connection is None:  # its next life is still to come, and is told then
                continue
            if len(grants) == 1:
                self._server.send(connection, granted)
                return
            batches.setdefault(connection, []).extend(granted)
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

        if core.outcome is None:
            self._scatter(core.first_grants())
        for connection, frame in self._early:
            self._take_real(connection, frame, network_ns)
        while core.outcome is None:
            received = self._server.receive(self._until_ms(network_ns()))
            now_ns = network_ns()
            due_ns = core.next_due_ns
            core.keep_appointments(now_ns)
            core.time.go_to(now_ns)
            if due_ns is not None and due_ns <= now_ns:
                self._execute()  # nothing, but a replay is told when it was
                self._hand_out()
            if spec.until_ns is not None and core.time.now_ns >= spec.until_ns:
                self._execute()  # nothing: an empty round tells a replay when it was over
                core.end("until")
            elif received is not None:
                connection, frames = received
                if not frames:
                    self._welcome(connection)
                    self._returning.begin_again(connection)
                    for node in sorted(map(NodeName, self._server.nodes_of[connection])):
                        for granted in self._kept.pop(node, ()):
                            self._handing.give(connection, granted)
                for frame in frames:
                    if core.outcome is None:
                        self._take_real(connection, frame, network_ns)
            if self._lose_absent():
                self._hand_out()
            self._settle_events()
            self._flush_events()

    def _until_ms(self, now_ns: int) -> int:
        known = [at for at in (self._spec.until_ns, self._core.next_due_ns) if at is not None]
        return max(0, min([250, *(int((at_ns - now_ns) / self._spec.speed / 1e6) + 1 for at_ns in known)]))

    def _take_real(self, connection: bytes, frame: bytes, network_ns: Callable[[], int]) -> None:
        message = self._decoded(connection, frame)
        if isinstance(message, Ping):
            self._server.blame(connection)
            self._server.send(connection, [encode(Pong(message.sent_ns, network_ns()))])
            try:
                self._handing.has(connection, message.taken)
            except MalformedMessage as error:
                self._server.refuse(connection, error)
            return
        self._take(connection, frame)
        if self._frames or self._losses or isinstance(message, Steer):
            self._execute()
            self._hand_out()

    def _hand_out(self) -> None:
        for grant in self._core.scheduled_grants():
            node = NodeName(grant.node)
            connection = self._server.connection_of.get(node)
            if not grant.items:  # a life begins
                self._scatter({node: grant})
            elif connection is None:  # and its process has not come yet
                self._kept.setdefault(node, []).append(self._granted(grant))
            else:
                self._handing.give(connection, self._granted(grant))

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
        awaited = set(self._server.connection_of) - self._gone.keys()
        while not awaited - self._server.unheard <= self._farewells.keys() and time.monotonic() < deadline:
            received = self._server.receive(100)
            if received is None:
                continue
            connection, frames = received
            if not frames:
                self._returning.come(connection)
                self._welcome(connection)  # just in time to hear of the end
            for frame in frames:
                awaited -= self._take_farewell(connection, frame)
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

    def _take_farewell(self, connection: bytes, frame: bytes) -> set[str]:
        """The nodes of which no farewell will come any more."""
        message = self._decoded(connection, frame)
        if isinstance(message, Farewell) and message.node in self._server.nodes_of[connection]:
            self._farewells[message.node] = message
        return self._lost_with(message) if isinstance(message, Gone) and self._controls(connection) else set()


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
    connections, refusals = spec.strangers
    server = Server(spec.address, spec.token, keys=spec.keys, most_connections=connections, most_refusals=refusals)
    service = OracleService(spec, server)
    try:
        service.serve()
    finally:
        service.close()
    return 0
