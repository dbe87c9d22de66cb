"""A network in the middle of its work: everything that a liar could name exists, and somebody else has it.

Alice is the liar. She and bob, and bob and carol, share a pair; one more of alice and bob is on its way, and so is a
qubit in each direction. Bob waits for carol, and carol sits on the link with a train of alice's in her hands.
"""

from __future__ import annotations

from typing import Final

from orchestrator.inspect import MarkObserver
from orchestrator.oracle.spec import LinkSpec
from qnode.ids import QubitId
from qnode.photons.hardware import PhotonLink
from qnode.quantum.gates import GATES
from qnode.quantum.hardware import ErrorModel, Hardware, Slots, Timing
from qnode.quantum.register import Register
from qnode.wire.operations import (
    Adopt,
    Entangle,
    Measure,
    MeasureDirectly,
    Op,
    ReceivePulses,
    SendPulses,
    Transfer,
)
from tests.oracle.cores import ALICE, BOB, CAROL, LINK_NS, NAMES, Bench, entangle, not_before, send, spec

MINE: Final = "alice.0"
HALF: Final = "alice~bob#0@alice"
LIGHT: Final = "alice>bob#0"
DEAD: Final = "alice.1"
SENT: Final = "alice.2"
NEVER: Final = "alice.99"

OTHERS: Final = {
    "another's own": "bob.0",
    "the other half": "alice~bob#0@bob",
    "a half of a pair of others": "bob~carol#0@carol",
}
ON_ITS_WAY: Final = {
    "a half that comes to me": "alice~bob#1@alice",
    "a half that goes to another": "alice~bob#1@bob",
    "one that was sent to me": "bob.1",
    "one that I sent": SENT,
}
NOBODYS: Final = {
    "one that bob has at home": "bob.7",
    "a pair not made yet": "alice~bob#2@alice",
    "a pair of strangers": "mallory~bob#0@mallory",
    "nothing": "",
    "a node": BOB,
    "a pair": "alice~bob#0",
    "no UTF-8 elsewhere": "alice.\ufffd",
    "very long": "x" * 100_000,
    "another's, cleverly": "alice!x~bob#0@bob.0",
    "a foreign digit": "alice.\u0663",
}
GONE: Final = {"one that I measured": DEAD, "one that I never had": NEVER}

HADAMARD: Final = GATES["h"].unitary().astype("<c16").tobytes()
SWAP: Final = GATES["swap"].unitary().astype("<c16").tobytes()

NOISY: Final = Hardware(
    Slots(16, 10**6, 10**6),
    single=Timing(5, ErrorModel(depolarise=0.1)),
    two=Timing(20, ErrorModel(depolarise=0.1)),
    measure=Timing(30, ErrorModel(depolarise=0.1)),
)


def zero(*names: str) -> Adopt:
    """Qubits in |0> that a node computed so far, each entangled with none."""
    register = Register("stabilizer")
    for name in names:
        register.create(QubitId(name))
    for name in names[1:]:
        register.apply("cnot", (QubitId(names[0]), QubitId(name)))
    return Adopt(*register.export(QubitId(names[0])), tuple((0, 0) for _ in names))


def world() -> Bench:
    """Everything under way, and everybody awaited."""
    photons = PhotonLink(tap=CAROL, first=ALICE)
    links = (LinkSpec(ALICE, BOB, LINK_NS, photons=photons), LinkSpec(BOB, CAROL, LINK_NS))
    noisy = spec(links=links, hardware=(NOISY,), hardware_of=dict.fromkeys(NAMES, 0), observe={"seen": ("0",)})
    of = Bench(noisy, MarkObserver(noisy.observe))
    meets: dict[str, list[Op]] = {
        ALICE: [entangle(1, BOB)],
        BOB: [entangle(1, ALICE), entangle(2, CAROL)],
        CAROL: [entangle(2, BOB)],
    }
    of.round(meets)  # type: ignore[arg-type]
    assert of.core.time.now_ns == LINK_NS
    of.round(
        {
            ALICE: [zero(MINE), zero(DEAD), Measure(3, (DEAD,), "z", False, 0, 0), zero(SENT)],
            BOB: [zero("bob.0"), zero("bob.1")],
            CAROL: [zero("carol.0")],
        },
        **dict.fromkeys(NAMES, LINK_NS + 1),
    )
    while of.core.time.awaited != set(NAMES):
        of.round(dict.fromkeys((), ()), **{name: of.core.time.now_ns + 1 for name in of.core.time.awaited})
    of.core.operations.execute(ALICE, later(of, _of_alice()))
    of.core.operations.execute(BOB, later(of, _of_bob()))
    of.core.operations.execute(CAROL, ())
    assert of.core.counts.refused == 0
    return of


def _of_alice() -> list[Op]:
    return [
        entangle(4, BOB),
        Transfer("main", SENT, BOB, 0),
        SendPulses(5, "main", BOB, "", 1000, bytes(8)),
        MeasureDirectly(Entangle(6, "main", BOB, "", 100, 0.0)),
        send(BOB),
    ]


def _of_bob() -> list[Op]:
    return [
        entangle(4, ALICE),
        Transfer("main", "bob.1", ALICE, 0),
        ReceivePulses(5, "main", ALICE, "", bytes(8), ()),
        entangle(9, CAROL),
        MeasureDirectly(Entangle(10, "main", CAROL, "", 100, 0.0), "z"),
        MeasureDirectly(Entangle(11, "main", ALICE, "", 100, 0.0)),
        ReceivePulses(12, "main", ALICE, "other", bytes(8), ()),
    ]


def later(of: Bench, ops: list[Op]) -> tuple[Op, ...]:
    return tuple(not_before(of.core.time.now_ns, op) for op in ops)
