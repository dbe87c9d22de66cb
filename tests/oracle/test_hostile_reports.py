"""A node of the run that reports what no node of ours would: the oracle and the others go on."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, get_args, get_type_hints

import msgpack
import msgspec
import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.oracle.spec import Summary
from qnode.errors import MalformedMessage
from qnode.quantum.gates import GATES
from qnode.wire.items import Failed
from qnode.wire.messages import NEVER_NS, Farewell, Grant, Report, Stop, Welcome, decode_to_node, encode
from qnode.wire.operations import Apply, ApplyUnitary, Discard, Local, Measure, Note, Op, Reset, Transfer
from tests.oracle.cores import ALICE, BOB, LINK_NS, NAMES, Bench, done, entangle, send, spec
from tests.oracle.strangers import ANSWER_MS, Stranger
from tests.oracle.test_service import Oracle, hello
from tests.wire.messages import anything_of

A: Final = "alice~bob#0@alice"
LATEST: Final = 2**64 - 1  # what MessagePack holds

# ---------------------------------------------------------------- times


def timed_ops(start_ns: int) -> list[Op]:
    return [
        Apply("x", (A,), (), start_ns),
        ApplyUnitary(bytes(64), (A,), start_ns),
        Measure(7, (A,), "z", False, start_ns, start_ns),
        Reset(A, start_ns),
        Transfer("main", A, BOB, start_ns),
        Local("gate", (A,), start_ns),
        Discard((A,), start_ns),
    ]


def refusals(bench: Bench) -> list[str]:
    return [item.code for item in bench.items(ALICE) if isinstance(item, Failed)]


@pytest.mark.parametrize("start_ns", [-(2**63), -1, LINK_NS - 1, NEVER_NS, LATEST])
@pytest.mark.parametrize("op", timed_ops(0), ids=lambda op: type(op).__name__)
def test_an_operation_before_now_or_at_a_time_that_never_comes_is_refused(op: Op, start_ns: int) -> None:
    bench = Bench()
    bench.round({ALICE: [entangle(1, BOB)], BOB: [entangle(1, ALICE)]})
    assert bench.core.time.now_ns == LINK_NS
    bench.round({ALICE: [msgspec.structs.replace(op, start_ns=start_ns)]})
    assert refusals(bench) == ["MalformedMessage"]
    assert A in bench.core.operations.ledger.owner


@pytest.mark.parametrize("end_ns", [LINK_NS, NEVER_NS, LATEST])
def test_a_measurement_that_ends_before_it_starts_or_never_is_refused(end_ns: int) -> None:
    bench = Bench()
    bench.round({ALICE: [entangle(1, BOB)], BOB: [entangle(1, ALICE)]})
    bench.round({ALICE: [Measure(7, (A,), "z", False, LINK_NS + 1, end_ns)]})
    assert refusals(bench) == ["MalformedMessage"]


def test_on_the_real_clock_an_operation_may_have_been_under_way_but_not_for_ever() -> None:
    bench = Bench(spec(clock="real"))
    for node, ops in ((ALICE, [entangle(1, BOB)]), (BOB, [entangle(1, ALICE)])):
        bench.core.report(bench.report(node, *ops))
        bench.execute()
    assert len(list(bench.core.scheduled_grants())) == 2
    bench.core.time.go_to(1_000)
    bench.core.report(bench.report(ALICE, Apply("x", (A,), (), 900), Apply("x", (A,), (), NEVER_NS)))
    bench.execute()
    assert bench.core.counts.refused == 1


@pytest.mark.parametrize("timer_ns", [-1, NEVER_NS, LATEST])
@pytest.mark.parametrize("which", ["timer_ns", "background_ns"])
def test_a_timer_that_no_loop_would_set_is_refused(which: str, timer_ns: int) -> None:
    bench = Bench()
    with pytest.raises(MalformedMessage, match="timer"):
        bench.core.check(bench.report(ALICE, **{which: timer_ns}))


def test_what_would_happen_after_the_end_of_time_never_happens() -> None:
    bench = Bench()
    bench.round({ALICE: [entangle(1, BOB)], BOB: [entangle(1, ALICE)]})
    bench.round({ALICE: [Transfer("main", A, BOB, NEVER_NS - 1)]}, bob=NEVER_NS - 1)
    assert bench.granted == {BOB: Grant(BOB, 2, NEVER_NS - 1, ())}
    bench.round({BOB: [send(ALICE)]})
    assert bench.granted == {}


# ---------------------------------------------------------------- anything at all, at a live oracle

names = st.sampled_from([A, "alice~bob#0@bob", "alice.0", "alice.1", "bob.0", *NAMES, "nobody", ""])
numbers = st.sampled_from([-(2**63), -1, 0, 1, 2, LINK_NS, 10**9, NEVER_NS - 1, NEVER_NS, LATEST])
SPECIAL: Final[Mapping[str, st.SearchStrategy[Any]]] = {
    "gate": st.sampled_from([*GATES, "none"]),
    "qubits": st.lists(names, max_size=3).map(tuple),
    "qubit": names,
    "peer": names,
    "basis": st.sampled_from(["x", "y", "z", "", "zz"]),
    "formalism": st.sampled_from(["stabilizer", "state_vector", "density_matrix", "auto", ""]),
    "params": st.lists(st.floats(), max_size=3).map(tuple),
    "start_ns": numbers,
    "end_ns": numbers,
    "request": numbers,
    "n": numbers,
}


def ops_of(kind: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    hints = get_type_hints(kind)
    fields = kind.__struct_fields__
    return st.builds(kind, **{name: SPECIAL[name] if name in SPECIAL else anything_of(hints[name]) for name in fields})


@st.composite
def hostile_frames(draw: st.DrawFn) -> bytes:
    """A report of alice: valid with strange contents, or with one of its fields or bytes exchanged."""
    timers = st.none() | numbers
    ops = tuple(draw(st.lists(st.one_of(*map(ops_of, get_args(Op))), max_size=5)))
    step = draw(st.sampled_from([2, 2, 2, 2, 1, 3, -1, LATEST]))
    frame = encode(Report(ALICE, draw(st.sampled_from([0, 0, 0, 1])), step, draw(timers), draw(timers), 0, ops))
    match draw(st.sampled_from(["as it is", "as it is", "a field", "a byte"])):
        case "a field":
            fields = msgpack.unpackb(frame, strict_map_key=False)
            target = draw(st.sampled_from([fields, *fields[7]]))
            target[draw(st.integers(1, len(target) - 1))] = draw(
                st.none() | numbers | st.floats() | st.binary(max_size=9) | st.text(max_size=9) | st.just([[]])
            )
            frame = msgpack.packb(fields)
        case "a byte":
            at = draw(st.integers(0, len(frame) - 1))
            frame = frame[:at] + draw(st.binary(min_size=1, max_size=1)) + frame[at + 1 :]
    return frame


class Members:
    """Alice and bob at an oracle, who always answer a grant; in step 2, alice does something first."""

    def __init__(self, alice: Stranger, bob: Stranger) -> None:
        self._of = {ALICE: alice, BOB: bob}
        self._poller = zmq.Poller()
        for one in self._of.values():
            self._poller.register(one.socket, zmq.POLLIN)

    def grants(self) -> list[Grant | Stop]:
        """What has come; waits for it."""
        ready = dict(self._poller.poll(ANSWER_MS))
        assert ready, "no answer"
        frames = [frame for one in self._of.values() if one.socket in ready for frame in one.hear()]
        return [one for one in map(decode_to_node, frames) if isinstance(one, Grant | Stop)]

    def say(self, grant: Grant, **fields: Any) -> None:
        plain = Report(grant.node, 0, grant.step + 1, None, None, 0, (), heard=1_000)  # whatever was refused
        self._of[ALICE if grant.node == ALICE else BOB].say(encode(msgspec.structs.replace(plain, **fields)))


def run_with(frames: list[bytes], address: str, folder: Path) -> Summary:
    """Both make a pair; then alice says all of the frames; bob finishes what he had to do.

    They stay until the oracle has gone: what they said last would else be lost with their sockets.
    """
    both = {ALICE: ("main",), BOB: ("main",)}
    oracle = Oracle(folder, address, programs=both, incarnations=dict.fromkeys(both, 0), links=spec().links[:1])
    with Stranger(address) as starter, Stranger(address) as alice, Stranger(address) as bob:
        assert isinstance(starter.ask(hello("cluster")), Welcome)
        assert isinstance(alice.ask(hello("node", (ALICE, 0))), Welcome)
        assert isinstance(bob.ask(hello("node", (BOB, 0))), Welcome)
        members = Members(alice, bob)
        hostile = list(frames)
        while True:
            for grant in members.grants():
                if isinstance(grant, Stop):
                    alice.say(encode(Farewell(ALICE, 0, (), 0, 0, 0)))
                    bob.say(encode(Farewell(BOB, 0, (), 0, 0, 0)))
                    return oracle.summary()
                peer = {ALICE: BOB, BOB: ALICE}.get(grant.node)  # type: ignore[call-overload]
                if grant.step == 0:
                    members.say(grant, ops=(entangle(1, peer),))
                elif grant.node == BOB:
                    last = grant.now_ns > 10**6
                    ops = (Note("main", "n", b"\x01"), send(ALICE))
                    timer_ns = None if last else grant.now_ns + 10**6
                    members.say(grant, ops=ops, timer_ns=timer_ns, ended=done() if last else ())
                else:
                    if grant.step == 1:
                        for frame in (*hostile, encode(Report(BOB, 0, 2, None, None, 0, ()))):
                            alice.say(frame)
                        hostile.clear()  # a grant may come twice
                    members.say(grant, ended=done() if grant.now_ns > 10**6 else ())


@settings(max_examples=80, deadline=None)
@given(st.lists(hostile_frames(), min_size=1, max_size=4))
def test_no_report_of_a_member_ends_the_oracle_or_the_others(frames: list[bytes]) -> None:
    with tempfile.TemporaryDirectory(prefix="qn-", dir="/tmp") as folder:
        summary = run_with(frames, f"ipc://{folder}/o", Path(folder))
    assert summary.how == "done"
    assert (BOB, "n", b"\x01") in summary.notes
    assert summary.frames_refused["NotOwner"] >= 1  # what she said in bob's name


@pytest.mark.parametrize("timer_ns", [-1, NEVER_NS, LATEST])
def test_an_absurd_timer_is_refused_by_a_live_oracle_which_goes_on(timer_ns: int) -> None:
    frame = encode(Report(ALICE, 0, 2, timer_ns, None, 0, ()))
    with tempfile.TemporaryDirectory(prefix="qn-", dir="/tmp") as folder:
        summary = run_with([frame], f"ipc://{folder}/o", Path(folder))
    assert summary.how == "done"
    assert summary.frames_refused == {"MalformedMessage": 1, "NotOwner": 1}


@pytest.mark.parametrize("op", timed_ops(LATEST), ids=lambda op: type(op).__name__)
def test_an_absurd_time_of_an_operation_is_refused_by_a_live_oracle_which_goes_on(op: Op) -> None:
    frame = encode(Report(ALICE, 0, 2, None, None, 0, (op,)))
    with tempfile.TemporaryDirectory(prefix="qn-", dir="/tmp") as folder:
        summary = run_with([frame], f"ipc://{folder}/o", Path(folder))
    assert (summary.how, summary.counts["refused"]) == ("done", 1)
