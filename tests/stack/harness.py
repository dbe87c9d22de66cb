"""The network layers of a whole network, joined by lists: no processes, no oracle, and pairs that are bookkeeping.

Time is a queue of things that are to happen; all delays are drawn, so that messages of different pairs of nodes
overtake each other, while those from one node to another never do. A pair is a frame and the names of its two ends.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from math import inf
from random import Random
from typing import Any, Final, get_args

from qnode.core.memory import Memory
from qnode.ids import NodeName, PairId, QubitId
from qnode.stack.discovery import Discovery
from qnode.stack.effects import (
    Closed,
    Correct,
    Distil,
    Drop,
    Effect,
    Freed,
    GiveBack,
    Half,
    Make,
    Read,
    Refuse,
    SetAside,
    Swap,
    Tell,
    Unmake,
    WakeAt,
    Whole,
)
from qnode.stack.network import ANY, NetworkLayer
from qnode.stack.routing import LinkStates
from qnode.wire.items import Back, LinkDown, LinkUp, Lost
from qnode.wire.operations import Told
from qnode.wire.stack import (
    LinkFacts,
    NodeFacts,
    StackSpec,
    Talk,
    Terms,
    decode_talk,
    encode_talk,
)

Edge = tuple[str, str]
Change = Lost | Back | LinkDown | LinkUp
ALL_TALKS: Final[tuple[type, ...]] = get_args(Talk)
FAILING: Final = 0.2
"""How often a step of a distillation does not keep its pair."""


class Bell:
    """Two halves that are entangled, and in which Bell state; an end that is None is gone."""

    def __init__(self, one: QubitId, other: QubitId, frame: int) -> None:
        self.ends: list[QubitId | None] = [one, other]
        self.frame = frame

    def other(self, half: QubitId) -> QubitId | None:
        return self.ends[1 - self.ends.index(half)]


@dataclass
class Request:
    """What a program has asked for, and what came of it."""

    node: str
    life: int
    peer: str
    tag: str
    n: int
    number: int
    at_once: int
    kind: str = "keep"
    ended: str = ""
    reason: str = ""
    halves: list[QubitId] = field(default_factory=list)  # that its program keeps
    pairs: list[tuple[str, int]] = field(default_factory=list)
    nths: dict[tuple[str, int], int] = field(default_factory=dict)  # of outcomes, among all, by pair

    def __str__(self) -> str:
        return f"{self.node}.{self.life} request {self.number}: {self.n} with {self.peer}, tag {self.tag!r}"


class Turn:
    """A circuit whose time has come, and whether the slots that were booked for it are set aside."""

    def __init__(self, circuit: str) -> None:
        self.circuit = circuit
        self.served = False


class Member:
    """One life of a node: its layer, its memory, and what a shell would keep."""

    def __init__(self, world: World, name: str, life: int) -> None:
        self.world, self.name, self.life = world, NodeName(name), life
        self.memory: Memory[Turn] = Memory(world.slots[name])
        links, facts = world.links_of(name), NodeFacts(world.slots[name], inf, inf)
        routing = LinkStates if world.spec.flood else Discovery
        self.layer = NetworkLayer(
            self.name, life, world.spec, facts, links, self.memory, routing(name, life, facts, links, world.spec.metric)
        )
        self.held: dict[QubitId, str] = {}  # halves of the stack, and of which circuit
        self.reading: dict[QubitId, str] = {}  # halves that are being measured: their slots are taken
        self.read: set[QubitId] = set()  # that are or were, and of which it is not known what became of their pairs
        self.requests: dict[int, Request] = {}
        self.turns: dict[str, Turn] = {}
        self.with_programs = 0  # slots
        self.busy = False
        self.telling = False
        self.lost: set[str] = set()
        self.lives: dict[str, int] = {}  # of others, as it knows them

    def call(self, method: Callable[..., Any], *args: Any) -> Any:
        self.layer.now_ns = self.world.now_ns
        result = method(*args)
        self.carry_out()
        return result

    def carry_out(self) -> None:
        """As the shell does."""
        if self.busy:
            return
        self.busy = True
        self.layer.slots_freed()
        while self.layer.out:
            effects, self.layer.out[:] = list(self.layer.out), []
            for effect in effects:
                self.do(effect)
            self.layer.slots_freed()
        self.busy = False
        due_ns = self.layer.routes_due_ns
        if due_ns is not None and not self.telling:
            self.telling = True
            self.world.at(due_ns, self, self.tell_routes)
        self.check()

    def tell_routes(self) -> None:
        self.telling = False
        self.layer.tell_routes()

    def check(self) -> None:
        """All slots that are taken are somebody's; no circuit has more halves here than slots."""
        reserved = sum(circuit.reserved for circuit in self.layer.circuits.values())
        owners = self.memory.own()
        unused = sum(self.memory.free_for(who) - self.memory.free for who in owners)
        taken = self.memory.slots - self.memory.free - unused
        late = sum(1 for whose in self.reading.values() if whose not in self.layer.circuits)
        assert taken == reserved + self.with_programs + late, (
            f"{self.name}: {taken} slots are taken, but circuits have {reserved} and programs {self.with_programs}"
        )
        assert self.memory.free >= 0
        for circuit in self.layer.circuits.values():
            here = sum(1 for whose in (*self.held.values(), *self.reading.values()) if whose == circuit.id)
            assert here <= circuit.reserved, f"{self.name}: {here} halves in {circuit.reserved} slots of {circuit.id}"
        for qubit, whose in self.held.items():
            assert whose in self.layer.circuits, f"{qubit} of {whose} has been forgotten"

    def happened(self, what: Change) -> None:
        """The oracle tells of a link or another node."""
        match what:
            case Lost():
                self.lost.add(what.peer)
                self.world.forsake(self, what.peer)
                self.call(self.layer.forsake, NodeName(what.peer), what.reason)
            case Back():
                self.lost.discard(what.peer)
                self.lives[what.peer] = what.incarnation
        self.call(self.layer.happened, what)

    def release(self, n: int, program: str = "main") -> None:
        self.serve(self.memory.release(n, program))
        if not self.busy:
            self.call(self.layer.slots_freed)

    def serve(self, turns: Iterable[Turn]) -> None:
        for turn in turns:
            turn.served = True
            self.world.at(self.world.now_ns, self, self.layer.slots_are_here, turn.circuit)

    def set_aside(self, effect: SetAside) -> None:
        turn = self.turns[effect.circuit] = Turn(effect.circuit)
        self.world.at(effect.booking.from_ns, self, self.stand_in_line, effect, turn)
        self.world.at(effect.booking.to_ns, self, self.layer.time_is_over, effect.circuit)

    def stand_in_line(self, effect: SetAside, turn: Turn) -> None:
        if self.turns.get(effect.circuit) is turn:
            self.serve(self.memory.wait_for_booked(turn, effect.booking))
            if not turn.served:
                self.layer.make_way(effect.circuit)

    def give_booking_back(self, effect: GiveBack) -> None:
        turn = self.turns.pop(effect.circuit, None)
        if turn is not None and not turn.served:
            self.serve(self.memory.forget(turn))
        self.serve(self.memory.give_up(effect.booking, was_set_aside=turn is not None and turn.served))

    def do(self, effect: Effect) -> None:
        world = self.world
        match effect:
            case Tell():
                world.send(self, effect.peer, effect.talk)
            case Make():
                world.ask_link(self, effect.peer, effect.circuit, effect.number)
            case Unmake():
                world.withdraw_from_link(self, effect.peer, effect.circuit)
            case Swap():
                world.swap(self, effect)
            case Distil():
                world.distil(self, effect)
            case Correct():
                world.turn(effect.half.qubit, effect.frame)
            case Read():
                qubit = effect.half.qubit
                self.reading[qubit] = self.held.pop(qubit)
                self.read.add(qubit)
                world.after(self, self.was_read, effect)
            case Drop():
                self.drop(effect.half.qubit)
            case Whole():
                self.whole(effect)
            case WakeAt():
                world.at(effect.at_ns, self, self.layer.cut_off, effect.circuit, effect.pair)
            case Closed() | Freed():
                self.release(effect.slots, effect.program)
            case SetAside():
                self.set_aside(effect)
            case GiveBack():
                self.give_booking_back(effect)
            case Told():
                world.log.append((world.now_ns, self.name, effect))
            case Refuse():
                request = self.requests[effect.request]
                assert not request.ended
                request.reason = effect.code
                self.end(request, "refused")

    def was_read(self, read: Read) -> None:
        del self.reading[read.half.qubit]
        if not self.layer.read(read.circuit, read.half.pair):
            self.release(1)

    def drop(self, qubit: QubitId) -> None:
        if qubit in self.read:
            self.read.remove(qubit)
        else:
            del self.held[qubit]
        self.world.lose(qubit)

    def whole(self, whole: Whole) -> None:
        qubit = whole.half.qubit
        is_read = qubit in self.read
        if is_read:  # the outcome is corrected in place of the half: that commutes with measuring it
            self.read.remove(qubit)
        else:
            assert self.held.pop(qubit) == whole.circuit
        request = self.requests.get(whole.request)
        assert request is not None, f"{self.name} gets a pair of {whole.circuit} for no request"
        if request.ended:
            self.world.lose(qubit)
            if not is_read:
                self.release(1)
            return
        assert is_read == (request.kind == "measure")
        self.world.turn(qubit, whole.frame)
        request.pairs.append((whole.circuit, whole.number))
        if is_read:
            assert whole.nth not in request.nths.values(), f"{request}: there are two outcomes {whole.nth}"
            request.nths[whole.circuit, whole.number] = whole.nth
        else:
            self.with_programs += 1
            request.halves.append(qubit)
        self.world.made_whole(self, request, whole.circuit, whole.number, qubit)
        if len(request.pairs) == request.n:
            self.end(request, "served")
        elif request.at_once < request.n and not is_read:
            self.world.after(self, self.consume, request, qubit)

    def ask(
        self,
        peer: str,
        tag: str,
        n: int,
        at_once: int,
        kind: str = "keep",
        priority: int = 0,
        min_fidelity: float = 0.0,
        terms: Terms = ANY,
    ) -> None:
        if terms.to_ns and terms.from_ns < self.world.now_ns:  # the program is told so at once
            return
        if peer in self.lost:  # the program is told so at once
            return
        self.layer.now_ns = self.world.now_ns
        room = at_once if kind == "keep" else n
        by_number = at_once < n  # it does not matter otherwise
        number = self.layer.ask(
            "main",
            NodeName(peer),
            tag,
            n,
            min_fidelity,
            room,
            kind=kind,
            priority=priority,
            by_number=by_number,
            terms=terms,
        )
        request = self.requests[number] = Request(self.name, self.life, peer, tag, n, number, at_once, kind)
        self.world.requests.append(request)
        if terms.to_ns:
            self.world.at(terms.to_ns, self, self.expire, request)
        self.carry_out()

    def withdraw(self, request: Request) -> None:
        if not request.ended:
            self.call(self.layer.withdraw, request.number)
            self.end(request, "withdrawn")

    def expire(self, request: Request) -> None:
        """Its time is over."""
        if not request.ended:
            self.layer.withdraw(request.number, "expired")
            self.end(request, "withdrawn")

    def end(self, request: Request, how: str) -> None:
        assert not request.ended, f"{request} is {how} though it is {request.ended}"
        request.ended = how
        for qubit in request.halves:
            self.world.after(self, self.consume, request, qubit)

    def consume(self, request: Request, qubit: QubitId) -> None:
        """A program measures its half."""
        if qubit in request.halves:
            request.halves.remove(qubit)
            self.with_programs -= 1
            self.release(1)

    def take(self, n: int) -> None:
        """A program makes qubits of its own for a while."""
        if self.memory.take_in_turn(n):
            self.with_programs += n
            self.world.after(self, self.give_back, n)

    def give_back(self, n: int) -> None:
        self.with_programs -= n
        self.release(n, "")


class World:
    """A network, and all that is going to happen in it."""

    def __init__(
        self,
        edges: Iterable[Edge],
        slots: dict[str, int],
        seed: int,
        spec: StackSpec | None = None,
        *,
        longest_ns: int = 100,
        fidelity: float = 1.0,
        repeats: tuple[type, ...] = (),
    ) -> None:
        self.rng = Random(seed)
        self.now_ns = 0
        self.spec = spec or StackSpec()
        self.slots = slots
        self.longest_ns = longest_ns
        rest = (1.0 - fidelity) / 3.0
        self.vector = (fidelity, rest, rest, rest)  # of the links
        self.steps: dict[tuple[Bell, Bell], int] = {}  # of distillations, at one of their ends
        self.distilled = 0  # steps that both ends have made
        self.repeats = repeats  # these kinds of messages, now and then
        self.repeated: set[type] = set()
        self.edges = [frozenset(edge) for edge in edges]
        self.up = set(self.edges)
        self.log: list[tuple[int, NodeName, Told]] = []
        self.requests: list[Request] = []
        self.states: dict[QubitId, Bell] = {}
        self.wholes: dict[tuple[str, int], list[tuple[Request, QubitId]]] = {}
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._seq = 0
        self._last: dict[tuple[str, str], int] = {}
        self._made = 0
        # The numbers of pairs that each end waits for, unmatched; of those that are not born yet: link, circuit, and
        # the ends that want it.
        self.asked: dict[tuple[frozenset[str], str], dict[str, list[int]]] = {}
        self.making: dict[int, tuple[frozenset[str], str, dict[str, int]]] = {}
        self.coming: dict[tuple[str, str, str], dict[QubitId, PairId]] = {}  # born: end, peer, circuit
        self.lives: dict[str, int] = dict.fromkeys(slots, 0)
        self.members: dict[str, Member | None] = {name: Member(self, name, 0) for name in slots}

    def links_of(self, node: str) -> tuple[LinkFacts, ...]:
        return tuple(
            LinkFacts(next(iter(edge - {node})), 10, 0, 1.0, 20, self.vector) for edge in self.edges if node in edge
        )

    # ------------------------------------------------------------ time

    def delay(self) -> int:
        return self.rng.randrange(1, self.longest_ns)

    def schedule(self, at_ns: int, do: Callable[[], None]) -> None:
        self._seq += 1
        heapq.heappush(self._queue, (max(at_ns, self.now_ns), self._seq, do))

    def at(self, at_ns: int, member: Member, method: Callable[..., Any], *args: Any) -> None:
        """Something that this life of a node does then, if it is still there."""

        def do() -> None:
            if self.members.get(member.name) is member:
                member.call(method, *args)

        self.schedule(at_ns, do)

    def after(self, member: Member, method: Callable[..., Any], *args: Any) -> None:
        self.at(self.now_ns + self.delay(), member, method, *args)

    def run(self, most: int = 200_000) -> None:
        """Until nothing happens any more."""
        while self._queue:
            self.now_ns, _, do = heapq.heappop(self._queue)
            do()
            most -= 1
            assert most, "it goes on for ever"

    def ask_at(self, at_ns: int, node: str, peer: str, tag: str, n: int, *how: Any) -> None:
        def do() -> None:
            member = self.members[node]
            if member is not None:
                member.ask(peer, tag, n, *how)

        self.schedule(at_ns, do)

    def take_at(self, at_ns: int, node: str, n: int) -> None:
        def do() -> None:
            member = self.members[node]
            if member is not None:
                member.take(n)

        self.schedule(at_ns, do)

    # ------------------------------------------------------------ messages

    def send(self, sender: Member, peer: str, talk: Talk) -> None:
        assert peer != sender.name, f"{sender.name} tells itself {talk}"
        data, life = encode_talk(talk), sender.lives.get(peer, 0)
        at_ns = max(self.now_ns + self.delay(), self._last.get((sender.name, peer), 0))
        self._last[sender.name, peer] = at_ns

        def arrive() -> None:
            member = self.members.get(peer)
            if member is not None and member.life == life:
                member.call(member.layer.heard, sender.name, decode_talk(data))

        self.schedule(at_ns, arrive)
        while isinstance(talk, self.repeats) and self.rng.random() < 0.3:
            self.repeated.add(type(talk))
            self.schedule(at_ns + self.rng.randrange(20 * self.longest_ns), arrive)

    # ------------------------------------------------------------ links

    def ask_link(self, member: Member, peer: str, circuit: str, nth: int) -> None:
        link = frozenset((str(member.name), peer))
        assert link in self.edges, f"{member.name} asks for pairs with {peer}"
        waiting = self.asked.setdefault((link, circuit), {})
        waiting.setdefault(member.name, []).append(nth)
        self.match(link, circuit)

    def match(self, link: frozenset[str], circuit: str) -> None:
        waiting = self.asked.get((link, circuit), {})
        while link in self.up and len(waiting) == 2 and all(waiting.values()):
            self._made += 1
            number = self._made
            self.making[number] = (link, circuit, {end: nths.pop(0) for end, nths in waiting.items()})
            self.schedule(self.now_ns + self.delay(), partial(self.born, number))

    def born(self, number: int) -> None:
        if number not in self.making:
            return
        link, circuit, wanted = self.making.pop(number)
        one, other = sorted(link)
        pair = PairId(f"{one}~{other}#{number}")
        halves = {end: QubitId(f"{pair}@{end}") for end in (one, other)}
        state = Bell(halves[one], halves[other], 0)
        self.states.update(dict.fromkeys(halves.values(), state))
        for end in (one, other):
            peer = next(iter(link - {end}))
            if end not in wanted or self.members[end] is None:
                self.lose(halves[end])
                continue
            self.coming.setdefault((end, peer, circuit), {})[halves[end]] = pair
            self.schedule(
                self.now_ns + self.delay() // 2, partial(self.arrive, end, peer, circuit, halves[end], wanted[end])
            )

    def arrive(self, end: str, peer: str, circuit: str, qubit: QubitId, nth: int) -> None:
        pair = self.coming.get((end, peer, circuit), {}).pop(qubit, None)
        member = self.members[end]
        if pair is None or member is None:  # it is not wanted any more
            return
        member.layer.now_ns = self.now_ns
        member.held[qubit] = circuit
        if not member.layer.came(circuit, NodeName(peer), Half(pair, qubit, self.now_ns), nth):
            member.drop(qubit)
        member.carry_out()

    def withdraw_from_link(self, member: Member, peer: str, circuit: str) -> None:
        link = frozenset((str(member.name), peer))
        self.asked.get((link, circuit), {}).pop(member.name, None)
        for number, (of, whose, _) in list(self.making.items()):
            if (of, whose) == (link, circuit):
                self.unmake(number, {peer})
        for qubit in self.coming.pop((member.name, peer, circuit), {}):
            self.lose(qubit)
        self.match(link, circuit)

    # ------------------------------------------------------------ what breaks

    def tell(self, name: str, what: Change) -> None:
        """The oracle tells a node of a peer; after what it told it before, and after what the peer has sent it."""
        member = self.members.get(name)
        if member is not None:
            at_ns = max(self.now_ns + self.delay(), self._last.get(("", name), 0), self._last.get((what.peer, name), 0))
            self._last["", name] = self._last[what.peer, name] = at_ns
            self.at(at_ns, member, member.happened, what)

    def break_link(self, link: frozenset[str]) -> None:
        if link in self.up:
            self.up.discard(link)
            for number in [number for number, one in self.making.items() if one[0] == link]:
                self.unmake(number, set(link))
            self.tell_ends(link, LinkDown)

    def mend_link(self, link: frozenset[str]) -> None:
        if link not in self.up:
            self.up.add(link)
            self.tell_ends(link, LinkUp)
            for of, circuit in list(self.asked):
                if of == link:
                    self.match(link, circuit)

    def tell_ends(self, link: frozenset[str], what: type[LinkDown] | type[LinkUp]) -> None:
        one, other = sorted(link)
        self.tell(one, what(other))
        self.tell(other, what(one))

    def unmake(self, number: int, keep: set[str]) -> None:
        """A pair is not made; ends that wanted it go on to do so."""
        link, circuit, wanted = self.making.pop(number)
        waiting = self.asked.setdefault((link, circuit), {})
        for end in keep & set(wanted):
            waiting[end] = sorted([wanted[end], *waiting.get(end, [])])

    def kill(self, name: str) -> None:
        member = self.members[name]
        if member is None:
            return
        self.members[name] = None
        for number in [number for number, one in self.making.items() if name in one[0]]:
            self.unmake(number, set(self.making[number][0]) - {name})
        for waiting in self.asked.values():
            waiting.pop(name, None)
        for key in [key for key in self.coming if key[0] == name]:
            del self.coming[key]
        for qubit in [qubit for qubit in self.states if qubit.endswith(f"@{name}")]:
            self.lose(qubit)
        for other in self.members:
            self.tell(other, Lost(name, member.life, "killed"))

    def revive(self, name: str) -> None:
        if self.members[name] is not None:
            return
        self.lives[name] += 1
        life = self.lives[name]
        member = self.members[name] = Member(self, name, life)
        for other, one in self.members.items():
            if one is None:
                member.happened(Lost(other, self.lives[other], "killed"))
            elif other != name:
                member.lives[other] = one.life
                self.tell(other, Back(name, life))
        for link in self.edges:
            if name in link and link not in self.up:
                member.happened(LinkDown(next(iter(link - {name}))))

    def forsake(self, member: Member, peer: str) -> None:
        """A node has heard that another is gone: what it wanted with it is void."""
        link = frozenset((str(member.name), peer))
        for of, circuit in [key for key in self.asked if key[0] == link]:
            self.asked[of, circuit].pop(member.name, None)
        for key in [key for key in self.coming if key[:2] == (member.name, peer)]:
            for qubit in self.coming.pop(key):
                self.lose(qubit)

    # ------------------------------------------------------------ states

    def lose(self, qubit: QubitId) -> None:
        state = self.states.pop(qubit)
        state.ends[state.ends.index(qubit)] = None

    def turn(self, qubit: QubitId, frame: int) -> None:
        self.states[qubit].frame ^= frame

    def swap(self, member: Member, swap: Swap) -> None:
        for half in (swap.left, swap.right):
            assert member.held.pop(half.qubit) == swap.circuit
        left, right = self.states.pop(swap.left.qubit), self.states.pop(swap.right.qubit)
        assert left is not right
        ends = left.other(swap.left.qubit), right.other(swap.right.qubit)
        outcome = self.rng.randrange(4)
        joined = Bell(QubitId(""), QubitId(""), left.frame ^ right.frame ^ outcome)
        joined.ends = list(ends)
        for end in ends:
            if end is not None:
                self.states[end] = joined
        frame = outcome if self.rng.random() < self.spec.swap_success else None
        self.after(member, member.layer.swapped, swap.circuit, swap.left.pair, swap.right.pair, frame)

    def distil(self, member: Member, step: Distil) -> None:
        """A bilateral CNOT and measurements in Z, of which only the second end's outcome says something."""
        assert member.held.get(step.control.qubit) == step.circuit
        assert member.held.pop(step.target.qubit) == step.circuit
        control, target = (self.states[half.qubit] for half in (step.control, step.target))
        assert control is not target
        others = {state for steps in self.steps if steps != (control, target) for state in steps}
        assert not others & {control, target}, f"{member.name} pairs others than its peer"
        bit = self.steps.pop((control, target), None)
        if bit is None:
            bit = self.rng.randrange(2)
            self.steps[control, target] = bit
        else:
            assert control.frame == target.frame == 0, "what is distilled has not been corrected"
            self.distilled += 1
            if self.rng.random() < FAILING:
                bit ^= 1
        self.lose(step.target.qubit)
        self.after(member, member.layer.distilled, step.circuit, step.peer, step.step, bit)

    def made_whole(self, member: Member, request: Request, circuit: str, number: int, qubit: QubitId) -> None:
        """An end has a half. If the other one has its, too, they are each other's, and Phi+."""
        others = self.wholes.setdefault((circuit, number), [])
        assert all(other.node != member.name for other, _ in others), f"{circuit}.{number} is delivered twice"
        for other, half in others:
            assert (other.node, other.peer) == (request.peer, request.node)
            assert (other.n, other.tag, other.kind) == (request.n, request.tag, request.kind)
            assert other.nths.get((circuit, number)) == request.nths.get((circuit, number))
            if half not in self.states:
                assert self.may_lose(other), f"{circuit}.{number}: the half of {other} is lost"
                continue
            state = self.states[qubit]
            assert state.other(qubit) == half, f"{circuit}.{number}: {qubit} is with {state.other(qubit)}, not {half}"
            assert state.frame == 0, f"{circuit}.{number} has been corrected wrongly"
        others.append((request, qubit))

    def may_lose(self, request: Request) -> bool:
        """Whether a half may have been lost: its request was withdrawn or refused, or its node is gone."""
        member = self.members.get(request.node)
        return request.ended in ("withdrawn", "refused") or member is None or member.life != request.life

    # ------------------------------------------------------------ at the end

    def check(self) -> None:
        """What holds once nothing happens any more."""
        assert not self._queue
        for member in self.members.values():
            if member is None:
                continue
            member.check()
            assert not member.with_programs
            assert not member.reading
            assert not member.read
            for circuit in member.layer.circuits.values():
                raise AssertionError(f"{member.name} still has the circuit {circuit.id}, of {circuit.route}")
            assert member.memory.free == member.memory.slots, f"{member.name} keeps slots"
            assert not member.held
            assert all(one.mine or one.theirs for one in member.layer.meetings.values())
        for (name, number), ends in self.wholes.items():
            if len(ends) == 1 and ends[0][0].ended == "served":
                request = ends[0][0]
                peers = [other for other in self.requests if (other.node, other.peer) == (request.peer, request.node)]
                assert any(self.may_lose(other) for other in peers), f"{name}.{number} is half-delivered, to {request}"
            if len(ends) == 2 and ends[0][0].ended == ends[1][0].ended == "served":
                assert sorted(ends[0][0].pairs) == sorted(ends[1][0].pairs)
        for one, other in combinations([request for request in self.requests if self.is_open(request)], 2):
            assert (one.node, one.peer, one.tag, one.kind) != (other.peer, other.node, other.tag, other.kind), (
                f"nothing happens any more, though both wait: {one}; {other}"
            )
        assert not any(member is not None and member.layer.out for member in self.members.values())

    def is_open(self, request: Request) -> bool:
        member = self.members.get(request.node)
        return not request.ended and member is not None and member.life == request.life


def chain(n: int) -> list[Edge]:
    return [(f"n{i}", f"n{i + 1}") for i in range(n - 1)]


def ring(n: int) -> list[Edge]:
    return [*chain(n), (f"n{n - 1}", "n0")] if n > 2 else chain(n)


def star(n: int) -> list[Edge]:
    return [("n0", f"n{i}") for i in range(1, n)]


def grid(n: int) -> list[Edge]:
    """Rows of three."""
    return [(f"n{i}", f"n{i + 1}") for i in range(n - 1) if i % 3 < 2] + [(f"n{i}", f"n{i + 3}") for i in range(n - 3)]


def tree(n: int) -> list[Edge]:
    return [(f"n{(i - 1) // 2}", f"n{i}") for i in range(1, n)]


def at_random(n: int, rng: Random) -> list[Edge]:
    """Connected, with some more links."""
    edges = {(f"n{rng.randrange(i)}", f"n{i}") for i in range(1, n)}
    for _ in range(rng.randrange(n)):
        i, j = sorted(rng.sample(range(n), 2))
        edges.add((f"n{i}", f"n{j}"))
    return sorted(edges)
