"""What a node may name: every field of every operation, with what belongs to others, is on its way, gone or nobody's.

Each lie is refused with a typed error that the liar alone is told, counted and logged, and nothing else changes at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, get_args

import msgspec
import pytest

from qnode.errors import MalformedMessage, NoPhotons, NotANeighbour, NotOwner, UnknownQubit
from qnode.wire.items import Failed
from qnode.wire.operations import (
    Adopt,
    Apply,
    ApplyUnitary,
    Discard,
    Entangle,
    Executed,
    Expire,
    FixBases,
    Local,
    Mark,
    Measure,
    MeasureDirectly,
    Move,
    Note,
    Op,
    Receive,
    ReceivePulses,
    Reset,
    Send,
    SendPulses,
    Tamper,
    Told,
    Transfer,
    Withdraw,
)
from tests import tally
from tests.hostile.portrait import changes, portrait
from tests.hostile.worlds import (
    GONE,
    HADAMARD,
    HALF,
    LIGHT,
    MINE,
    NOBODYS,
    ON_ITS_WAY,
    OTHERS,
    SWAP,
    later,
    world,
    zero,
)
from tests.oracle.cores import ALICE, BOB, CAROL, Bench

NAMING: Final[Mapping[type, Sequence[str]]] = {
    Entangle: ("request", "peer"),
    Withdraw: ("request",),
    MeasureDirectly: ("wanted",),
    FixBases: ("request",),
    Adopt: ("qubits",),
    Apply: ("qubits",),
    ApplyUnitary: ("qubits",),
    Measure: ("qubits",),
    Reset: ("qubit",),
    Discard: ("qubits",),
    Transfer: ("qubit", "peer"),
    Move: ("qubit",),
    Expire: ("qubit",),
    Send: ("peer", "digest"),
    Receive: ("peer",),
    Mark: ("qubit", "state"),
    Note: (),
    Executed: (),
    Local: ("qubits",),
    Told: ("qubits",),
    SendPulses: ("request", "peer"),
    ReceivePulses: ("request", "peer"),
    Tamper: ("light",),
}
"""The fields that name something that could be another's, or must be there."""

VALUES: Final[Mapping[type, Sequence[str]]] = {
    Entangle: ("program", "tag", "n", "min_fidelity", "priority"),
    MeasureDirectly: ("basis", "bases"),
    FixBases: ("basis", "bases"),
    Adopt: ("formalism", "data", "clocks"),
    Apply: ("gate", "params", "start_ns"),
    ApplyUnitary: ("unitary", "start_ns"),
    Measure: ("request", "basis", "keep", "start_ns", "end_ns"),  # a request of one's own, whatever others call theirs
    Reset: ("start_ns",),
    Discard: ("start_ns",),
    Transfer: ("program", "start_ns"),
    Move: ("kind", "start_ns"),
    Expire: ("start_ns",),
    Send: ("program", "peer_program", "channel", "about", "payload", "size", "number", "sent_ns"),
    Receive: ("at_ns", "program", "channel", "about", "number", "size"),
    Mark: ("program", "label"),
    Note: ("program", "name", "value"),
    Executed: ("how", "result"),
    Local: ("event", "start_ns", "gate", "params", "outcomes"),
    Told: ("event", "program", "request", "pair", "peer", "n", "name", "detail"),
    SendPulses: ("program", "tag", "period_ps", "codes", "entangled"),
    ReceivePulses: ("program", "tag", "bases", "choice"),
    Tamper: ("request", "action", "value", "where", "codes", "numbers"),
}
"""All others: the node's own words, which name nothing, or only things that are its own whatever they are called.

`about` is such a word: it says which pair a message is about, and whoever reads it decides what that means.
"""


def test_every_field_of_every_operation_names_something_or_does_not() -> None:
    assert NAMING.keys() == set(get_args(Op))
    for kind in get_args(Op):
        said = [*NAMING[kind], *VALUES.get(kind, ())]
        assert sorted(said) == sorted(kind.__struct_fields__), kind


class Lie(NamedTuple):
    """An operation of alice's, what is wrong with it, and what she is told."""

    what: str
    op: Op
    errors: tuple[type[Exception], ...]


QUBIT: Final = (NotOwner, UnknownQubit)


def lies() -> Iterator[Lie]:
    """Every field, with everything that it must not name."""
    yield from _of_qubits()
    yield from _of_states()
    yield from _of_peers()
    yield from _of_requests()
    for light in (LIGHT, f"{LIGHT}/0", "bob>alice#0", "", "x" * 100_000):
        for action in ("count", "measure", "block", "forward", "drop", "take", "split", "replace"):
            yield Lie(f"light {light[:20]!r}", Tamper(20, light, action, codes=bytes(8), numbers=bytes(8)), ())
    for digest in (b"x", b"x" * 31, b"x" * 33, b"x" * 1000):
        yield Lie("a digest", Send("main", BOB, "main", "", "", b"", digest, 10), (MalformedMessage,))
    yield Lie("a digest besides", Send("main", BOB, "main", "", "", b"abc", b"x" * 32, 3), (MalformedMessage,))
    for size in (-1, 0, 2, 2**63):
        yield Lie("a size", Send("main", BOB, "main", "", "", b"abc", b"", size), (MalformedMessage,))
    yield Lie("what only real clocks know", Receive(0, BOB, "main", "", "", 0, 1), (MalformedMessage,))


def _of_qubits() -> Iterator[Lie]:
    on_one: list[Callable[[str], Op]] = [
        lambda name: Apply("h", (name,), (), 0),
        lambda name: Apply("rx", (name,), (0.3,), 0),
        lambda name: ApplyUnitary(HADAMARD, (name,), 0),
        lambda name: Measure(30, (name,), "x", True, 0, 0),
        lambda name: Measure(30, (name,), "z", False, 0, 0),
        lambda name: Reset(name, 0),
        lambda name: Discard((name,), 0),
        lambda name: Transfer("main", name, BOB, 0),
        lambda name: Move(name, 1, 0),
        lambda name: Expire(name, 0),
        lambda name: Local("lost", (name,), 0, "no free slot"),
        # beside one of her own, before and after it
        lambda name: Apply("cnot", (MINE, name), (), 0),
        lambda name: Apply("cnot", (name, HALF), (), 0),
        lambda name: ApplyUnitary(SWAP, (MINE, name), 0),
        lambda name: Measure(30, (MINE, HALF, name), "z", False, 0, 0),
        lambda name: Measure(30, (name, MINE), "y", True, 0, 0),
        lambda name: Discard((MINE, name), 0),
        lambda name: Discard((name, MINE), 0),
    ]
    for what, name in {**OTHERS, **ON_ITS_WAY, **NOBODYS, **GONE}.items():
        for make in on_one:
            yield Lie(what, make(name), QUBIT)
    for what, name in {**OTHERS, **ON_ITS_WAY, **NOBODYS}.items():
        yield Lie(what, Mark("main", "seen", name, None), QUBIT)
        yield Lie(what, Local("gate", (name,), 0, "h"), QUBIT)
        yield Lie(what, Local("measure", (NEVER_MADE, name), 0, outcomes=(0, 1)), QUBIT)
    yield Lie("one that the oracle has", Local("gate", (MINE,), 0, "h"), QUBIT)
    yield Lie("twice", Apply("cnot", (MINE, MINE), (), 0), ())
    yield Lie("twice", Measure(30, (MINE, MINE), "z", False, 0, 0), ())
    yield Lie("twice", Discard((HALF, HALF), 0), ())


NEVER_MADE: Final = "alice.98"


def _of_states() -> Iterator[Lie]:
    good = zero("alice.50", "alice.51")
    names = {**OTHERS, **ON_ITS_WAY, **NOBODYS, "one that the oracle has": MINE}
    for what, name in names.items():
        for qubits in ((name,), (name, "alice.51"), ("alice.50", name)):
            state = msgspec.structs.replace(zero("alice.50") if len(qubits) == 1 else good, qubits=qubits)
            state = msgspec.structs.replace(state, clocks=state.clocks[: len(qubits)])
            yield Lie(what, state, QUBIT)
            yield Lie(what, Mark("main", "seen", name, state), QUBIT)
            yield Lie(what, Mark("main", "seen", "alice.51", state), QUBIT)
    yield Lie("not in the state", Mark("main", "seen", "alice.52", good), QUBIT)
    broken: Mapping[str, Any] = {
        "no qubits": {"qubits": ()},
        "a qubit twice": {"qubits": ("alice.50", "alice.50")},
        "too few qubits": {"qubits": ("alice.50",), "clocks": ()},
        "no formalism": {"formalism": "", "data": b""},
        "another formalism": {"formalism": "density_matrix"},
        "no data": {"data": b""},
        "zeros": {"data": bytes(len(good.data))},
        "ones": {"data": b"\xff" * len(good.data)},
        "a vector of nothing": {"formalism": "state_vector", "data": bytes(64)},
        "a vector of tiny numbers": {"formalism": "state_vector", "data": (b"\x01" + bytes(7)) * 8},
        "a vector of huge numbers": {"formalism": "state_vector", "data": (b"\xff" * 6 + b"\xef\x7f") * 8},
        "a vector of infinities": {"formalism": "state_vector", "data": (bytes(6) + b"\xf0\x7f") * 8},
        "a vector of nothings": {"formalism": "state_vector", "data": b"\xff" * 64},
        "a longer vector": {"formalism": "state_vector", "data": bytes(6) + b"\xf0\x3f" + bytes(120)},
        "a clock too few": {"clocks": ((0, 0),)},
        "a clock before time": {"clocks": ((-2, 0), (0, 0))},
        "a clock at the end": {"clocks": ((2**63 - 1, 0), (0, 0))},
        "no kind of slot": {"clocks": ((0, 2), (0, 0))},
    }
    for what, change in broken.items():
        state = msgspec.structs.replace(good, **change)
        yield Lie(what, state, ())
        yield Lie(what, Mark("main", "seen", "alice.50", state), ())


def _of_peers() -> Iterator[Lie]:
    strangers = {"nobody": "mallory", "nothing": "", "myself": ALICE, "very long": "x" * 100_000}
    for what, peer in {**strangers, "not a neighbour": CAROL}.items():
        for op in (
            Entangle(20, "main", peer, "", 1, 0.0),
            MeasureDirectly(Entangle(20, "main", peer, "", 1, 0.0), "z"),
            Transfer("main", MINE, peer, 0),
            SendPulses(20, "main", peer, "", 1000, bytes(8)),
            ReceivePulses(20, "main", peer, "", bytes(8), ()),
        ):
            yield Lie(what, op, (NotANeighbour, NoPhotons))
        if peer not in (CAROL, ALICE):  # a message to oneself is an odd one, and no lie
            yield Lie(what, Send("main", peer, "main", "", "", b"x", b"", 1), (NotANeighbour,))


def _of_requests() -> Iterator[Lie]:
    """Requests of others cannot be named at all; her own open ones cannot be asked for again."""
    for op in (
        Entangle(4, "main", BOB, "", 1, 0.0),
        MeasureDirectly(Entangle(6, "main", BOB, "", 1, 0.0)),
        SendPulses(5, "main", BOB, "", 1000, bytes(8)),
        ReceivePulses(5, "main", BOB, "", bytes(8), ()),
    ):
        yield Lie("a request that is open", op, (MalformedMessage,))
    for n in (-(2**63), -1, 0, 10**6, 2**64 - 1):
        yield Lie("so many pairs", Entangle(20, "main", BOB, "", n, 0.0), (MalformedMessage,))
    for n in (-1, 0, 10**8, 2**64 - 1):
        yield Lie("so many outcomes", MeasureDirectly(Entangle(20, "main", BOB, "", n, 0.0)), (MalformedMessage,))
    yield Lie("what no stack does", Told("generate"), (MalformedMessage,))
    yield Lie("another's half", Told("network_deliver", qubits=("alice~bob#0@bob",)), (MalformedMessage,))
    for fidelity in (float("nan"), float("inf"), -0.1, 1.1):
        yield Lie("no fidelity", Entangle(20, "main", BOB, "", 1, fidelity), (MalformedMessage,))
    wanted = Entangle(20, "main", BOB, "", 8, 0.0)
    yield Lie("no basis", MeasureDirectly(wanted, "w"), (MalformedMessage,))
    yield Lie("too few bases", MeasureDirectly(wanted, "", b"\0"), (MalformedMessage,))
    yield Lie("no bases", MeasureDirectly(wanted, "", b"\xff\xff"), (MalformedMessage,))
    yield Lie("bases of another number", FixBases(6, "", b"\0"), (MalformedMessage,))
    yield from _of_trains()


def _of_trains() -> Iterator[Lie]:
    nan, inf = float("nan"), float("inf")
    for codes in (b"", b"\xff" * 8, b"\x06", b"\x08"):
        yield Lie("no codes", SendPulses(20, "main", BOB, "", 1000, codes), ())
    for period_ps in (-(2**63), -1, 0):
        yield Lie("no period", SendPulses(20, "main", BOB, "", period_ps, bytes(8)), ())
    yield Lie("no such source", SendPulses(20, "main", BOB, "", 1000, bytes(8), entangled=True), ())
    yield Lie("no bases", ReceivePulses(20, "main", BOB, "", b"\x03", ()), ())
    for choice in ((), (1.0,), (nan, 0.5, 0.5), (0.5, nan, 0.5), (inf, 0.0, 0.0), (-1.0, 1.0, 1.0), (0.5, 0.5, 0.5)):
        yield Lie("no probabilities", ReceivePulses(20, "main", BOB, "", b"", choice), ())


LIES: Final = tuple(lies())


def told(of: Bench, node: str) -> list[Failed]:
    """The errors on their way to a node."""
    return [one.item for one in sorted(of.core.time._deliveries) if one.node == node and isinstance(one.item, Failed)]


@pytest.mark.parametrize("kind", get_args(Op), ids=lambda kind: kind.__name__)
def test_a_lie_is_told_to_the_liar_alone_and_counted_and_logged_and_changes_nothing(kind: type[Op]) -> None:
    """All lies of one kind, one after the other, on the same world: none of them leaves a trace for the next."""
    of = world()
    before = portrait(of.core, ALICE)
    mine = [lie for lie in LIES if isinstance(lie.op, kind)]
    tally.bad_inputs("lies about others", len(mine))
    for nth, lie in enumerate(mine, 1):
        logged = len(of.events)
        of.core.operations.execute(ALICE, later(of, [lie.op]), 7, first=nth)
        assert (of.core.counts.refused, of.core.operations.unheard) == (nth, {ALICE: nth}), lie
        error = told(of, ALICE)[-1]
        assert (error.op, error.step) == (nth, 7), lie
        assert not lie.errors or error.code in [one.__name__ for one in lie.errors], (lie, error)
        assert [(one.event, one.node, one.name) for one in of.events[logged:]] == [("refused", ALICE, error.code)], lie
        assert len(msgspec.msgpack.encode(error)) < 30_000, lie
        assert changes(before, portrait(of.core, ALICE)) == [], lie
    assert told(of, BOB) == told(of, CAROL) == []
    of.core.operations.ledger.check_invariants()


def test_there_is_a_lie_for_every_field_that_names_something() -> None:
    assert {kind for kind in NAMING if NAMING[kind]} == {type(lie.op) for lie in LIES} | {Withdraw}
    assert len(LIES) > 500


@pytest.mark.parametrize("request_", [-1, 0, 2, 9, 10, 11, 12, 99, 2**64 - 1])
def test_requests_of_others_are_out_of_reach_whatever_number_is_named(request_: int) -> None:
    """Bob has requests of these numbers open, or nobody has: her own of that number is over, which is no error."""
    of = world()
    before = portrait(of.core, ALICE)
    of.core.operations.execute(ALICE, (Withdraw(request_), FixBases(request_, "z"), FixBases(request_)), 7)
    assert changes(before, portrait(of.core, ALICE)) == []
    assert of.core.counts.refused == 0


GOOD: Final[Sequence[Op]] = (
    Apply("h", (MINE,), (), 0),
    Apply("cnot", (MINE, HALF), (), 0),
    Measure(31, (MINE,), "z", True, 0, 0),
    Note("main", "n", b"\x01"),
    zero("alice.60"),
    Mark("main", "seen", "alice.60", None),
    Send("main", CAROL, "main", "", "", b"x", b"", 1),
    Entangle(32, "main", BOB, "t", 2, 0.0),
    Withdraw(6),
    Measure(33, (HALF, "alice.60"), "x", False, 0, 0),
    Executed(b"\xc0"),
)


@pytest.mark.parametrize("kind", get_args(Op), ids=lambda kind: kind.__name__)
def test_of_a_report_that_is_half_lies_the_truth_is_done_in_order_and_nothing_else(kind: type[Op]) -> None:
    """Each operation stands for itself: what is refused keeps nothing from being done before it or after it."""
    honest, liar = world(), world()
    honest.core.operations.execute(ALICE, later(honest, list(GOOD)), 7)
    mixed: list[Op] = []
    mine = [lie.op for lie in LIES if isinstance(lie.op, kind)]
    for nth, op in enumerate(GOOD):  # a few of the lies before each; one that names a name anew may be true later on
        mixed += [*mine[nth :: len(GOOD)][:3], op]
    mixed = [op for op in mixed if "alice.60" not in repr(op) or op in GOOD]
    liar.core.operations.execute(ALICE, later(liar, mixed), 7)
    assert liar.core.counts.refused == len(mixed) - len(GOOD)
    assert changes(portrait(honest.core, ALICE), portrait(liar.core, ALICE)) == []
    assert [one for one in honest.events if one.event != "refused"] == [
        one for one in liar.events if one.event != "refused"
    ]
