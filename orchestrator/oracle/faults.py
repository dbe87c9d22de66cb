"""What scripts do to a run: each fault at its network time or once something has happened, and for as long as it lasts.

Faults act between rounds, so what was granted before is done, and nothing of it is later than the fault. Classical
messages are only ever lost, repeated or later than they would be: nothing outruns light.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from orchestrator.failures import KILLED
from orchestrator.oracle.events import KINDS, Event
from qnode.core.coins import Coins
from qnode.errors import MalformedMessage
from qnode.ids import NodeName
from qnode.wire.faults import Fault, Trigger, Way
from qnode.wire.messages import NEVER_NS

if TYPE_CHECKING:  # it makes one of these when it needs it
    from orchestrator.oracle.core import OracleCore

OF_MESSAGES: Final = ("cut", "slow", "lose", "duplicate", "reorder")
CONCERNS: Final[Mapping[str, tuple[str, ...]]] = {
    "kill": ("nodes",),
    "pause": ("nodes",),
    **dict.fromkeys(OF_MESSAGES, ("ways",)),
    "break": ("links",),
    "heal": ("nodes", "ways", "links"),
}


class Watch:
    """The event log on its way, with somebody beside it who waits for something to happen."""

    def __init__(self, emit: Callable[[Event], None] | None) -> None:
        self._next = emit
        self._waiting: list[tuple[Trigger, list[int], Callable[[Event], None]]] = []

    def emit(self, event: Event) -> None:
        """Take an event, and pass it on."""
        if self._next is not None:
            self._next(event)
        for entry in list(self._waiting):
            trigger, seen, act = entry
            if event.event == trigger.event and _fits(trigger, event):
                seen[0] += 1
                if seen[0] == trigger.nth:
                    self._waiting.remove(entry)
                    act(event)

    def add(self, trigger: Trigger, act: Callable[[Event], None]) -> None:
        """Tell of the nth event that fits, from now on."""
        self._waiting.append((trigger, [0], act))


def _fits(trigger: Trigger, event: Event) -> bool:
    wanted = (trigger.node, trigger.peer, trigger.program, trigger.name, trigger.channel)
    given = (event.node, event.peer, event.program, event.name, event.channel)
    return all(not one or one == other for one, other in zip(wanted, given, strict=True))


class _Lasting:
    """A fault that goes on."""

    def __init__(self, nth: int, fault: Fault) -> None:
        self.nth = nth
        self.fault = fault
        self.nodes = [NodeName(node) for node in fault.nodes]
        self.links = [ends_of(link) for link in fault.links]
        self.healed: list[Way] = []

    def concerns(self, way: Way) -> bool:
        """Whether messages that go this way are subject to it."""
        return _covers(self.fault.ways, way) and not _covers(self.healed, way)


class Faults:
    """All faults of a run."""

    def __init__(self, core: OracleCore, key: bytes) -> None:
        self._core = core
        self._time = core.time
        self._operations = core.operations
        self._coins = Coins(key)
        self._planned = 0
        self._lasting: list[_Lasting] = []

    @property
    def paused(self) -> set[NodeName]:
        """The nodes that run no more because of a script."""
        return {node for one in self._lasting for node in one.nodes}

    def plan(self, faults: Iterable[Fault], *, now: bool = False) -> None:
        """Each at its time from now on. Raises MalformedMessage for one that cannot be; then none is planned.

        `now`: one whose time it is acts at once, for nobody runs.
        """
        planned = list(faults)
        for fault in planned:
            self._check(fault)
        for fault in planned:
            nth, self._planned = self._planned, self._planned + 1
            if fault.on is not None and self._core.watch is not None:
                self._core.watch.add(fault.on, self._upon(nth, fault))
            elif now and not fault.at_ns:
                self.strike(nth, fault)
            else:
                self._appoint(self._time.now_ns, nth, fault)

    def strike(self, nth: int, fault: Fault) -> None:
        """Now."""
        self._tell(fault, words(fault))
        if fault.action == "kill":
            for node in fault.nodes:
                self._core.lose(NodeName(node), KILLED, fresh=fault.fresh)
            return
        if fault.action == "heal":
            self._heal(fault)
            return
        lasting = _Lasting(nth, fault)
        for node in lasting.nodes:
            self._time.hold(node)
        for ends in lasting.links:
            if not self._broken(ends):
                self._operations.cut_link(ends)
                self._core.tell_of_link(ends, whole=False)
        self._lasting.append(lasting)
        self._operations.weather = self
        if fault.for_ns is not None:
            self._time.appoint(self._time.now_ns + fault.for_ns, lambda: self._end(lasting))

    # ------------------------------------------------------------ what becomes of a message

    def fates(self, node: NodeName, peer: NodeName, message: str, delay_ns: int) -> list[tuple[str, int | None]]:
        """What becomes of a message and of its copies: an event of the log, or none, and how late it is; None: lost."""
        late_ns, copies = 0, []
        for one in self._lasting:
            fault = one.fault
            if fault.action not in OF_MESSAGES or not one.concerns((node, peer)):
                continue
            if fault.probability < 1.0 and self._coins(f"{one.nth} {message}") >= fault.probability:
                continue
            by_ns = int(self._coins(f"{one.nth} {message} by") * fault.by_ns) if fault.action != "slow" else 0
            match fault.action:
                case "cut" | "lose":
                    return [("drop", None)]
                case "slow":
                    late_ns += fault.by_ns
                case "reorder":
                    late_ns += 1 + by_ns
                case "duplicate":
                    copies.append(by_ns)
        return [("delay" if late_ns else "", late_ns), *(("duplicate", late_ns + by_ns) for by_ns in copies)]

    # ------------------------------------------------------------ inside

    def _check(self, fault: Fault) -> None:
        nodes, times = self._core.lives.current, (fault.at_ns, fault.for_ns or 0, fault.by_ns)
        named = [*fault.nodes, *(name for way in fault.ways for name in way if name)]
        unknown = next((name for name in named if name not in nodes), None)
        concerned = {"nodes": fault.nodes, "ways": fault.ways, "links": fault.links}
        allowed = set(CONCERNS.get(fault.action, ()))
        detail = ""
        if not allowed:
            detail = f"there is no fault {fault.action!r}"
        elif unknown is not None:
            detail = f"there is no node {unknown!r}; there are: {', '.join(sorted(nodes))}"
        elif not 0 <= min(times) <= max(times) < NEVER_NS:
            detail = f"times of a fault are from 0 to {NEVER_NS - 1} ns"
        elif not 0.0 <= fault.probability <= 1.0:
            detail = f"a probability of {fault.probability} is outside [0, 1]"
        elif not {name for name, one in concerned.items() if one} <= allowed or not any(concerned.values()):
            detail = f"{fault.action} needs {' or '.join(sorted(allowed))}, and nothing else"
        elif fault.on is not None and (fault.on.event not in KINDS or fault.on.nth < 1 or self._core.watch is None):
            detail = f"nobody can wait for event {fault.on.event!r}, number {fault.on.nth}"
        else:
            for link in fault.links:
                if link[0] not in nodes or self._core.delays.quantum_ns(*map(NodeName, link)) is None:
                    detail = f"there is no link between {link[0]!r} and {link[1]!r}"
        if detail:
            raise MalformedMessage(detail=detail)

    def _appoint(self, from_ns: int, nth: int, fault: Fault) -> None:
        self._time.appoint(from_ns + fault.at_ns, lambda: self.strike(nth, fault))

    def _upon(self, nth: int, fault: Fault) -> Callable[[Event], None]:
        return lambda event: self._appoint(max(event.t, self._time.now_ns), nth, fault)

    def _heal(self, heal: Fault) -> None:
        links = {ends_of(link) for link in heal.links}
        for one in list(self._lasting):
            nodes = [node for node in one.nodes if node in heal.nodes]
            ends = [link for link in one.links if link in links]
            one.nodes = [node for node in one.nodes if node not in nodes]
            one.links = [link for link in one.links if link not in ends]
            one.healed += heal.ways
            if not one.nodes and not one.links and all(_covers(heal.ways, way) for way in one.fault.ways):
                self._lasting.remove(one)
            self._let_go(nodes, ends)

    def _end(self, lasting: _Lasting) -> None:
        if lasting in self._lasting:
            self._lasting.remove(lasting)
            self._tell(lasting.fault, f"{words(lasting.fault, lasts=False)} is over")
            self._let_go(lasting.nodes, lasting.links)

    def _let_go(self, nodes: Sequence[NodeName], links: Sequence[tuple[NodeName, NodeName]]) -> None:
        """Of a fault that is over: unless another one does the same."""
        for node in nodes:
            if node not in self.paused:
                self._time.release(node)
        for ends in links:
            if not self._broken(ends):
                self._operations.mend_link(ends)
                self._core.tell_of_link(ends, whole=True)
        if not self._lasting:
            self._operations.weather = None

    def _broken(self, ends: tuple[NodeName, NodeName]) -> bool:
        return any(ends in one.links for one in self._lasting)

    def _tell(self, fault: Fault, detail: str) -> None:
        node = fault.nodes[0] if len(fault.nodes) == 1 else ""
        self._operations.log("fault", NodeName(node), name=fault.action, detail=detail)


def words(fault: Fault, *, lasts: bool = True) -> str:
    """What a fault does, in the event log."""
    ways = [f"{one or '*'} to {other or '*'}" for one, other in fault.ways]
    links = ["~".join(ends_of(link)) for link in fault.links]
    parts = [fault.action, ", ".join([*fault.nodes, *ways, *links])]
    if fault.by_ns:
        parts.append(f"by {'' if fault.action == 'slow' else 'up to '}{fault.by_ns} ns")
    if fault.probability < 1.0:
        parts.append(f"with probability {fault.probability:g}")
    if lasts and fault.for_ns is not None:
        parts.append(f"for {fault.for_ns} ns")
    if fault.fresh:
        parts.append("and begin again")
    return " ".join(parts)


def ends_of(link: Way) -> tuple[NodeName, NodeName]:
    """The ends of a link, sorted."""
    one, other = map(NodeName, link)
    return (one, other) if one < other else (other, one)


def _covers(ways: Iterable[Way], way: Way) -> bool:
    return any(one in ("", way[0]) and other in ("", way[1]) for one, other in ways)
