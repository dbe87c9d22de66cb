"""Trains of pulses at the oracle: what a node may ask for, and what one that lies gets."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import pytest

from orchestrator.oracle.limits import Limits
from orchestrator.oracle.spec import LinkSpec
from qnode.ids import NodeName
from qnode.photons.detection import BASES
from qnode.photons.hardware import PhotonLink, Source
from qnode.photons.packing import CLICKED, MOST_PULSES, unpack_clicks
from qnode.wire.items import Clicked, Emitted, Failed, Item, Tampered, Tapped
from qnode.wire.messages import NEVER_NS, error_of
from qnode.wire.operations import Op, ReceivePulses, SendPulses, Tamper, Withdraw
from tests.oracle.cores import ALICE, BOB, CAROL, LINK_NS, Bench, spec

N = 16
CODES = bytes(nth % 6 for nth in range(N))
TRAIN = "alice>bob#0"


def bench(photons: PhotonLink | None = PhotonLink(), pulses: int = 10**6) -> Bench:  # noqa: B008  it is frozen
    """A link with perfect light between alice and bob; carol is bob's neighbour, without any."""
    links = (LinkSpec(ALICE, BOB, LINK_NS, photons=photons), LinkSpec(BOB, CAROL, LINK_NS))
    return Bench(spec(links=links, limits=Limits(pulses=pulses)))


def sends(
    request: int = 1, codes: bytes = CODES, *, peer: str = BOB, period_ps: int = 1000, tag: str = ""
) -> SendPulses:
    return SendPulses(request, "main", peer, tag, period_ps, codes)


def receives(request: int = 1, bases: bytes = b"", *, peer: str = ALICE, tag: str = "") -> ReceivePulses:
    return ReceivePulses(request, "main", peer, tag, bases, (1.0, 0.0, 0.0))


def tapped(source: Source = Source(), pulses: int = 10**6) -> Bench:  # noqa: B008  it is frozen
    return bench(PhotonLink(source, tap=CAROL, first=ALICE), pulses)


def to_the_end(of: Bench, **ops: Sequence[Op]) -> dict[str, list[Item]]:
    """Let everybody report nothing more; what each of them was given, in order."""
    given: dict[str, list[Item]] = {name: [] for name in (ALICE, BOB, CAROL)}
    named = {NodeName(name): list(some) for name, some in ops.items()}
    for _ in range(20):
        granted = of.round({node: some for node, some in named.items() if node in of.core.time.awaited})
        named = {}
        for node, grant in granted.items():
            given[node] += grant.items
        if not granted:
            break
    return given


def test_a_train_meets_its_receiver_and_both_are_told_when_it_is_over() -> None:
    given = to_the_end(bench(), alice=[sends()], bob=[receives()])
    (emitted,), (clicked,) = given[ALICE], given[BOB]
    assert emitted == Emitted(1, 0, 1000)
    assert isinstance(clicked, Clicked)
    assert (clicked.request, clicked.peer, clicked.n, clicked.first_ns) == (1, ALICE, N, LINK_NS)
    gates, marks = unpack_clicks(clicked.sparse, clicked.marks)
    assert gates.tolist() == list(range(N))
    in_z = np.array([code >> 1 == BASES["z"] for code in CODES])
    assert (marks[in_z] & 1).tolist() == [code & 1 for code in CODES if code >> 1 == 0]
    assert (marks & CLICKED > 0).all()


def test_times_are_those_of_the_last_gate() -> None:
    of = bench()
    of.round({ALICE: [sends()], BOB: [receives()]})
    assert (of.core.time.now_ns, list(of.granted)) == (N, [ALICE])
    of.round()
    assert (of.core.time.now_ns, list(of.granted)) == (N + LINK_NS, [BOB])


@pytest.mark.parametrize(
    ("op", "what"),
    [
        (sends(codes=b""), "a train has 1 to"),
        (sends(codes=bytes([6])), "no basis that there is"),
        (sends(codes=bytes([8])), "has 1 intensities"),
        (sends(period_ps=0), "needs a rate"),
        (sends(period_ps=-5), "needs a rate"),
        (sends(peer=CAROL), "no link to 'carol'"),
        (sends(peer="nobody"), "no link to 'nobody'"),
        (msgspec.structs.replace(sends(), entangled=True), "use send_pulses()"),
        (receives(bases=bytes([3]), peer=BOB), "are not one below 3"),
        (msgspec.structs.replace(receives(peer=BOB), choice=(0.5, 0.6, 0.0)), "no three probabilities"),
        (msgspec.structs.replace(receives(peer=BOB), choice=(2.0, -1.0, 0.0)), "no three probabilities"),
        (msgspec.structs.replace(receives(peer=BOB), choice=(float("nan"), 0.0, 0.0)), "no three probabilities"),
        (msgspec.structs.replace(receives(peer=BOB), choice=()), "no three probabilities"),
        (Tamper(1, TRAIN, "count"), "no light"),
    ],
)
def test_what_makes_no_sense_is_refused_to_who_asked_and_to_nobody_else(op: Op, what: str) -> None:
    given = to_the_end(bench(), alice=[op])
    (failed,) = given[ALICE]
    assert isinstance(failed, Failed)
    assert (failed.op, failed.request) == (0, 1)
    assert what in str(error_of(failed))
    assert given[BOB] == given[CAROL] == []


def test_a_train_that_is_too_long_is_refused() -> None:
    given = to_the_end(bench(), alice=[sends(codes=bytes(MOST_PULSES + 1))])
    assert [type(item) for item in given[ALICE]] == [Failed]


def test_trains_that_nobody_receives_do_not_fill_the_memory() -> None:
    assert Limits().pulses >= 4 * MOST_PULSES
    given = to_the_end(bench(pulses=3 * N), alice=[sends(nth) for nth in range(1, 6)])
    assert [(item.request, item.fields["limit"]) for item in given[ALICE]] == [(4, "pulses"), (5, "pulses")]  # type: ignore[union-attr]


def test_readiness_that_nobody_sends_to_does_not_fill_the_memory_and_what_is_taken_back_does_not_count() -> None:
    three = [receives(nth, bytes(N), tag=str(nth)) for nth in (1, 2, 3)]
    ops: list[Op] = [*three, Withdraw(2), receives(4, bytes(N)), receives(5, bytes(N))]
    given = to_the_end(bench(pulses=3 * N), bob=ops)
    assert [(item.request, item.code) for item in given[BOB]] == [(5, "LimitExceeded")]  # type: ignore[union-attr]


def test_a_train_that_would_never_end_is_refused_to_both() -> None:
    given = to_the_end(bench(), alice=[sends(codes=bytes(2000), period_ps=NEVER_NS)], bob=[receives()])
    for node in (ALICE, BOB):
        (failed,) = given[node]
        assert isinstance(failed, Failed)
        assert "would never end" in str(failed.fields["detail"])


def test_a_request_number_is_used_once() -> None:
    given = to_the_end(bench(), alice=[sends(1), sends(1)])
    (failed,) = given[ALICE]
    assert isinstance(failed, Failed)
    assert failed.op == 1


def test_a_withdrawn_request_meets_nothing_and_one_that_has_met_is_not_told() -> None:
    of = bench()
    of.round({BOB: [receives(1), Withdraw(1), receives(2)]}, alice=5)
    given = to_the_end(of, alice=[sends()])
    assert [(type(item), item.request) for item in given[BOB]] == [(Clicked, 2)]  # type: ignore[union-attr]
    of = bench()
    of.round({ALICE: [sends()], BOB: [receives()]})
    given = to_the_end(of, alice=[Withdraw(1)])
    assert [type(item) for item in given[BOB]] == [Clicked]


def test_what_a_receiver_gets_depends_on_nothing_but_its_own_train() -> None:
    """With trains of the other direction and of other tags under way, the same bytes; and no two trains are alike."""
    light = PhotonLink(Source("weak_coherent", (1.0,)))
    (alone,) = to_the_end(bench(light), alice=[sends()], bob=[receives()])[BOB]
    among = to_the_end(
        bench(light),
        alice=[receives(9, peer=BOB), sends(1), sends(2, tag="t")],
        bob=[sends(8, peer=ALICE), receives(1), receives(3, tag="t")],
    )
    found = {item.request: item for item in among[BOB] if isinstance(item, Clicked)}
    assert found[1] == alone
    assert isinstance(alone, Clicked)
    others = [found[3].marks, *(item.marks for item in among[ALICE] if isinstance(item, Clicked))]
    assert len({alone.marks, *others}) == 3


# --- who sits on the link --------------------------------------------------------------------------------------------


def at_carol(of: Bench) -> Bench:
    """A train of alice has come to carol, who runs."""
    of.round({ALICE: [sends()], BOB: [receives()]})
    while CAROL not in of.granted:
        of.round()
    (train,) = of.items(CAROL)
    assert train == Tapped(TRAIN, ALICE, BOB, N, 0, 1000)
    return of


def test_only_who_sits_on_the_link_touches_a_train() -> None:
    of = bench(PhotonLink(tap=CAROL, first=ALICE))
    of.round({ALICE: [sends()], BOB: [receives()]})
    given = to_the_end(of, alice=[Tamper(2, TRAIN, "count")])
    assert [type(item) for item in given[ALICE]] == [Failed]
    assert given[BOB] == []  # nobody has forwarded it


def test_light_is_counted_kept_and_measured_once() -> None:
    of = at_carol(tapped())
    where = np.packbits(np.arange(N) < 4).tobytes()
    ops = [
        Tamper(1, TRAIN, "count"),
        Tamper(2, TRAIN, "take", value=1, where=where),
        Tamper(3, TRAIN, "count"),
        Tamper(4, f"{TRAIN}/1", "measure", codes=bytes(N)),
        Tamper(5, f"{TRAIN}/1", "measure", codes=bytes(N)),
        Tamper(6, TRAIN, "forward"),
        Tamper(7, TRAIN, "count"),
    ]
    given = to_the_end(of, carol=ops)
    answers = {item.request: item for item in given[CAROL]}  # type: ignore[union-attr]
    assert answers[1].data == bytes([1] * N)  # type: ignore[union-attr]
    assert answers[2] == Tampered(2, f"{TRAIN}/1")
    assert answers[3].data == bytes([0] * 4 + [1] * (N - 4))  # type: ignore[union-attr]
    gates, marks = unpack_clicks(answers[4].sparse, answers[4].data)  # type: ignore[union-attr]
    assert gates.tolist() == [0, 1, 2, 3]
    assert (marks[:2] & 1).tolist() == [0, 1]  # these are in z
    again, _ = unpack_clicks(answers[5].sparse, answers[5].data)  # type: ignore[union-attr]
    assert again.tolist() == []
    assert isinstance(answers[7], Failed)
    (clicked,) = given[BOB]
    seen, _ = unpack_clicks(clicked.sparse, clicked.marks)  # type: ignore[union-attr]
    assert seen.tolist() == list(range(4, N))


@pytest.mark.parametrize(
    "op",
    [
        Tamper(1, TRAIN, "steal"),
        Tamper(1, TRAIN, "split", value=1.5),
        Tamper(1, TRAIN, "split", value=float("nan")),
        Tamper(1, TRAIN, "take", value=-1.0),
        Tamper(1, TRAIN, "take", value=float("nan")),
        Tamper(1, TRAIN, "drop"),
        Tamper(1, TRAIN, "block", where=b"\0"),
        Tamper(1, TRAIN, "measure"),
        Tamper(1, TRAIN, "measure", codes=bytes([3] * N)),
        Tamper(1, TRAIN, "replace", codes=bytes(N)),
        Tamper(1, TRAIN, "replace", codes=bytes([6] * N), numbers=bytes(N)),
    ],
)
def test_what_cannot_be_done_to_light_is_refused_and_the_train_goes_on(op: Tamper) -> None:
    given = to_the_end(at_carol(tapped()), carol=[op, Tamper(2, TRAIN, "forward")])
    assert [type(item) for item in given[CAROL]] == [Failed, Tampered]
    assert [type(item) for item in given[BOB]] == [Clicked]


def test_light_that_is_kept_does_not_fill_the_memory() -> None:
    keep = [Tamper(nth, TRAIN, "split", value=0.1) for nth in (1, 2, 3)]
    few = tapped(pulses=2 * N)
    given = to_the_end(at_carol(few), carol=[*keep, Tamper(4, f"{TRAIN}/0", "drop"), Tamper(5, TRAIN, "split")])
    assert [type(item) for item in given[CAROL]] == [Tampered, Tampered, Failed, Tampered, Tampered]


def test_what_she_does_has_a_stream_of_its_own() -> None:
    """Looking at a train changes nothing that is drawn for it elsewhere."""
    source = Source("weak_coherent", (2.0,))
    seen = []
    nothing: list[Op] = []
    for ops in (nothing, [Tamper(1, TRAIN, "count"), Tamper(2, TRAIN, "count")]):
        of = at_carol(tapped(source=source))
        given = to_the_end(of, carol=[*ops, Tamper(9, TRAIN, "forward")])
        seen.append(given[BOB])
    assert seen[0] == seen[1]
