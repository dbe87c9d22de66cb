"""Runs once more from their records: the same results, the same bytes; a record that does not follow says where."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from orchestrator import Cluster
from orchestrator.oracle.events import Event, encode_events
from orchestrator.oracle.losses import Loss
from orchestrator.oracle.record import MAGIC, NOTHING_GRANTED, Round, entry_of, read_record
from orchestrator.oracle.replay import Divergence, Replay, replay
from orchestrator.oracle.spec import OracleSpec, decode_oracle, encode_oracle, record_path
from orchestrator.run import Run
from qnode.errors import MalformedMessage
from qnode.ids import NodeName, QubitId
from qnode.quantum.dense import DenseRegister
from qnode.quantum.noisy import SeenAt
from qnode.wire.messages import Report, ToOracle, Wake, decode_to_oracle, encode
from qnode.wire.operations import Send

PROGRAMS = Path(__file__).parents[1] / "programs_api"
LABELS = ("own", "joined", "after", "swapped", "came", "rest", "late", "alone")


async def recorded(runs: Path, programs: dict[str, Any], *, inline: bool, door: str = "", **settings: Any) -> Run:
    """A run of alice - bob - carol."""
    lossy = settings.get("formalism") == "density_matrix"
    nodes = {}
    for name, program in programs.items():
        args = {"lossy": lossy} if program in ("alice", "bob") else {"path": door} if door else {}
        nodes[name] = {"program": f"recorded.py:{program}", "args": args, "qubits": 8}
    config = {
        "version": 1,
        "seed": 3,
        "nodes": nodes,
        "links": {"all": {"chain": list(nodes), "length": "10 km"}},
        **settings,
    }
    async with Cluster.from_dict(config, base=PROGRAMS, runs=runs) as net:
        return await net.run(inline=inline, check=False, timeout=40)


EVERYTHING = {"alice": "alice", "bob": "bob", "carol": "carol"}
LIGHT_NS = 50_035  # over 10 km
OBSERVE = {label: ["fidelity"] for label in LABELS}


def again(run: Run) -> tuple[Replay, bytes]:
    events: list[Event] = []
    return replay(record_path(run.folder), emit=events.append), encode_events(events)


def assert_same(run: Run) -> None:
    """Everything that the record tells is what the run told."""
    replayed, events = again(run)
    summary = run.summary
    assert replayed.divergence is None
    assert events == run.events_bytes
    assert replayed.outcome is not None
    assert (replayed.outcome.how, replayed.outcome.at_ns) == (summary.how, summary.at_ns)
    assert [
        (one.node, one.program, one.at_ns, one.ended.result) for one in replayed.results if not one.ended.failed
    ] == [(one.node, one.program, one.at_ns, one.packed) for one in summary.results]
    assert [one.ended.traceback for one in replayed.results if one.ended.failed] == [
        one.traceback for one in summary.failures
    ]
    assert [(*key, value) for key, value in replayed.notes.items()] == list(summary.notes)
    assert replayed.observed == summary.observed
    assert vars(replayed.counts) == summary.counts
    assert (replayed.reproducible, replayed.resumable) == (summary.reproducible, summary.resumable)


# ---------------------------------------------------------------- the same again


@pytest.mark.parametrize("inline", [False, True], ids=["processes", "inline"])
@pytest.mark.parametrize("formalism", ["auto", "density_matrix"])
async def test_a_replay_gives_the_event_log_and_the_results_byte_for_byte(
    inline: bool, formalism: str, tmp_path: Path
) -> None:
    run = await recorded(tmp_path, EVERYTHING, inline=inline, formalism=formalism, observe=OBSERVE)
    assert run.summary.how == "done"
    assert run.summary.counts["refused"] == 0
    kinds = {event.event for event in run.events}
    assert kinds >= {
        "create",
        "gate",
        "measure",
        "adopt",
        "withdraw",
        "send_qubit",
        "receive",
        "mark",
        "note",
        "executed",
    }
    assert_same(run)


@pytest.mark.parametrize("inline", [False, True], ids=["processes", "inline"])
async def test_what_came_from_outside_is_replayed_where_it_entered(inline: bool, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="qn-", dir="/tmp") as folder:  # a socket's path must be short
        run = await recorded(tmp_path, {"alice": "hears", "bob": "knocks"}, inline=inline, door=f"{folder}/door")
    assert run["alice"] == [0, 1, 2, 3, 4]
    _, rounds = read_record(record_path(run.folder))
    assert sum(one.woken == ("alice",) for one in rounds) >= 5
    assert not run.summary.reproducible
    assert_same(run)


@pytest.mark.parametrize(
    ("programs", "settings", "how"),
    [
        ({"alice": "fails", "bob": "half_only"}, {}, "failed"),
        ({"alice": "waits_for_nobody", "bob": "waits_for_nobody"}, {}, "deadlock"),
        ({"alice": "sleeps_for_ever", "bob": "waits_for_nobody"}, {"until": "1 ms"}, "until"),
    ],
)
async def test_every_ending_is_replayed(
    programs: dict[str, Any], settings: dict[str, Any], how: str, tmp_path: Path
) -> None:
    run = await recorded(tmp_path, programs, inline=True, **settings)
    assert run.summary.how == how
    assert_same(run)


@pytest.mark.parametrize(
    ("programs", "settings"),
    [
        (EVERYTHING, {}),
        ({"alice": "sleeps_for_ever", "bob": "waits_for_nobody"}, {"until": "1 ms"}),
    ],
)
async def test_a_run_on_the_real_clock_is_replayed_as_it_went(
    programs: dict[str, Any], settings: dict[str, Any], tmp_path: Path
) -> None:
    clock = {"mode": "real", "speed": 0.01}
    run = await recorded(tmp_path, programs, inline=False, clock=clock, observe=OBSERVE, **settings)
    assert run.summary.how == ("until" if settings else "done")
    assert_same(run)


async def test_a_record_that_ends_early_is_replayed_as_far_as_it_goes(tmp_path: Path) -> None:
    """What the oracle's end left behind at any moment."""
    run = await recorded(tmp_path, EVERYTHING, inline=True)
    whole, _ = again(run)
    data, path = record_path(run.folder).read_bytes(), tmp_path / "torn"
    last = 0
    for length in range(len(data) // 3, len(data), 97):
        path.write_bytes(data[:length])
        events: list[Event] = []
        replayed = replay(path, emit=events.append)
        assert replayed.divergence is None
        assert replayed.outcome is None
        assert last <= replayed.rounds < whole.rounds
        assert run.events_bytes.startswith(encode_events(events))
        last = replayed.rounds
    assert last > 3


async def test_a_record_has_no_secrets_and_no_paths_of_this_machine(tmp_path: Path) -> None:
    run = await recorded(tmp_path, EVERYTHING, inline=False)
    told = decode_oracle(read_record(record_path(run.folder))[0])
    assert (told.token, told.address, told.folder) == (b"", "", "")
    assert str(tmp_path).encode() not in record_path(run.folder).read_bytes()


# ---------------------------------------------------------------- the same physics


class Reference:
    """Follows the event log with one dense density matrix, and compares it with the ledger at every mark."""

    def __init__(self) -> None:
        self.dense = DenseRegister()
        self.marks = 0
        self.largest = 0

    def follow(self, event: Event) -> None:
        qubits = [QubitId(qubit) for qubit in event.qubits]
        match event.event:
            case "create":
                self.dense.create(qubits[0])
            case "generate":
                self.dense.create_pair(qubits[0], qubits[1])
            case "gate" if event.gate == "unitary":
                self.dense.apply_unitary(np.eye(2, dtype=np.complex128), qubits)  # the only one that the programs use
            case "gate":
                self.dense.apply(event.gate, qubits, event.params)
            case "measure":
                for qubit, outcome in zip(qubits, event.outcomes, strict=True):
                    self.measured(qubit, outcome, event)
            case "discard":
                for qubit in qubits:
                    self.dense.trace_out(qubit)
            case "reset":
                self.dense.trace_out(qubits[0])
                self.dense.create(qubits[0])
        self.largest = max(self.largest, len(self.dense.names))

    def measured(self, qubit: QubitId, outcome: int, event: Event) -> None:
        """Every qubit is kept here: one that was measured is in a product with the rest, and disturbs nobody."""
        p_zero = self.dense.probability(qubit, 0, event.gate)
        assert (p_zero if outcome == 0 else 1 - p_zero) > 1e-12, f"impossible outcome: {event}"
        assert self.dense.measure(qubit, 0.0 if outcome == 0 else 1 - 1e-9, event.gate, keep=True) == outcome

    def swapped(self, one: QubitId, other: QubitId) -> None:
        raise AssertionError("no stack is at work here")

    def owes(self, half: QubitId, frame: int) -> None:
        raise AssertionError("nor here")

    def corrected(self, half: QubitId) -> None:
        raise AssertionError("nor here")

    def at_mark(self, label: str, node: NodeName, qubit: QubitId, states: SeenAt) -> None:
        """Called before the mark is executed and after everything before it was: what the ledger holds, all of it."""
        self.marks += 1
        register = states.register
        names = register.qubits()
        assert qubit in names
        difference = register.reduced_state(names) - self.dense.reduced_state(names)
        assert np.abs(difference).max() < 1e-10, label


@pytest.mark.parametrize("formalism", ["auto", "density_matrix"])
async def test_the_states_of_a_real_run_agree_with_one_dense_density_matrix(formalism: str, tmp_path: Path) -> None:
    """From the event log alone; with `density_matrix` resets and losses are exact, so the programs have some."""
    run = await recorded(tmp_path, EVERYTHING, inline=False, formalism=formalism, observe=OBSERVE)
    reference = Reference()
    replayed = replay(record_path(run.folder), emit=reference.follow, observer=reference)
    assert replayed.divergence is None
    assert reference.marks == len(LABELS)
    assert 7 <= reference.largest <= 8
    assert not replayed.observed


# ---------------------------------------------------------------- a record that does not follow


Tampered = tuple[OracleSpec, list[Round]]


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> tuple[OracleSpec, list[Round]]:
    run = asyncio.run(recorded(tmp_path_factory.mktemp("honest"), EVERYTHING, inline=True))
    description, rounds = read_record(record_path(run.folder))
    return decode_oracle(description), list(rounds)


def write(path: Path, of: OracleSpec, rounds: Sequence[Round]) -> Path:
    entries = [encode_oracle(of), *map(msgspec.msgpack.encode, rounds)]
    path.write_bytes(MAGIC + b"".join(map(entry_of, entries)))
    return path


def reports_of(one: Round) -> list[Report]:
    reports = [decode_to_oracle(bytes(frame)) for frame in one.reports]
    return [report for report in reports if isinstance(report, Report)]


def with_reports(one: Round, reports: Sequence[ToOracle]) -> Round:
    return msgspec.structs.replace(one, reports=tuple(msgspec.Raw(encode(report)) for report in reports))


def senders(one: Round) -> list[str]:
    return [report.node for report in reports_of(one)]


def round_of(rounds: list[Round], *nodes: str) -> int:
    """The first round after the first in which just these nodes ran."""
    return next(n for n, one in enumerate(rounds) if n and senders(one) == list(nodes))


def changed(rounds: list[Round], number: int, **fields: Any) -> None:
    """Change the first report of a round."""
    first, *others = reports_of(rounds[number])
    rounds[number] = with_reports(rounds[number], [msgspec.structs.replace(first, **fields), *others])


def diverges(honest: Tampered, path: Path, tamper: Callable[[list[Round]], None], **of: Any) -> Divergence:
    description, rounds = honest[0], list(honest[1])
    tamper(rounds)
    replayed = replay(write(path, msgspec.structs.replace(description, **of), rounds))
    assert replayed.divergence is not None
    assert replayed.rounds == replayed.divergence.round
    assert str(replayed.divergence).startswith(f"round {replayed.rounds}")
    return replayed.divergence


def test_an_honest_record_written_again_does_not_diverge(honest: Tampered, tmp_path: Path) -> None:
    replayed = replay(write(tmp_path / "record", *honest))
    assert replayed.divergence is None
    assert replayed.rounds == len(honest[1])


def test_every_changed_time_is_named(honest: Tampered, tmp_path: Path) -> None:
    for number, one in enumerate(honest[1]):

        def later(rounds: list[Round], number: int = number, one: Round = one) -> None:
            rounds[number] = msgspec.structs.replace(one, now_ns=one.now_ns + 1)

        found = diverges(honest, tmp_path / "record", later)
        assert found == (number, "", f"executed at {one.now_ns + 1} ns, but it is {one.now_ns} ns")


def test_every_changed_digest_is_named(honest: Tampered, tmp_path: Path) -> None:
    for number, one in enumerate(honest[1]):

        def other(rounds: list[Round], number: int = number, one: Round = one) -> None:
            rounds[number] = msgspec.structs.replace(one, granted=bytes(8))

        found = diverges(honest, tmp_path / "record", other)
        assert (found.round, found.node) == (number, "")
        assert "granted" in found.what


def test_every_missing_report_is_named(honest: Tampered, tmp_path: Path) -> None:
    for number, one in enumerate(honest[1]):
        for index, report in enumerate(reports_of(one)):

            def without(rounds: list[Round], number: int = number, one: Round = one, index: int = index) -> None:
                rest = [report for nth, report in enumerate(reports_of(one)) if nth != index]
                rounds[number] = with_reports(one, rest)

            found = diverges(honest, tmp_path / "record", without)
            assert found == (number, report.node, "was granted this round, and its report is missing")


def test_a_missing_round_is_named(honest: Tampered, tmp_path: Path) -> None:
    for number in range(len(honest[1]) - 1):

        def without(rounds: list[Round], number: int = number) -> None:
            del rounds[number]

        assert diverges(honest, tmp_path / "record", without).round == number


def test_a_repeated_round_is_named(honest: Tampered, tmp_path: Path) -> None:
    for number, one in enumerate(honest[1]):

        def twice(rounds: list[Round], number: int = number, one: Round = one) -> None:
            rounds.insert(number, one)

        assert diverges(honest, tmp_path / "record", twice).round == number + 1


def test_a_round_after_the_end_is_named(honest: Tampered, tmp_path: Path) -> None:
    found = diverges(honest, tmp_path / "record", lambda rounds: rounds.append(rounds[-1]))
    assert (found.round, found.what) == (len(honest[1]), "the run was over (done), and this round follows")


def test_losses_before_the_beginning_are_named_where_the_run_had_begun(honest: Tampered, tmp_path: Path) -> None:
    early = Round(0, (), NOTHING_GRANTED, (), over=True, losses=(Loss("alice", "killed", fresh=False),))
    found = diverges(honest, tmp_path / "record", lambda rounds: rounds.insert(1, early))
    assert found == (1, "", "nodes were lost before the run began, and it had begun")


@pytest.mark.parametrize(
    ("fields", "node", "what"),
    [
        ({"step": 7}, "alice", "alice reported step 7; expected 2"),
        ({"step": 1}, "alice", "step 1 was reported before"),
        ({"step": 0}, "alice", "alice reported step 0; expected 2"),
        ({"incarnation": 1}, "alice", "reported as incarnation 1, which it is not in"),
        ({"node": "nobody"}, "nobody", "reported, and there is no such node"),
        ({"node": "carol"}, "carol", "reported, and was not granted this round"),
    ],
)
def test_a_report_of_somebody_else_or_of_another_step_is_named(
    honest: Tampered, fields: dict[str, Any], node: str, what: str, tmp_path: Path
) -> None:
    number = round_of(honest[1], "alice", "bob")
    assert reports_of(honest[1][number])[0].step == 2
    found = diverges(honest, tmp_path / "record", lambda rounds: changed(rounds, number, **fields))
    assert found == (number, node, what)


def test_reports_out_of_execution_order_are_named(honest: Tampered, tmp_path: Path) -> None:
    number = round_of(honest[1], "alice", "bob")

    def swapped(rounds: list[Round]) -> None:
        rounds[number] = with_reports(rounds[number], reports_of(rounds[number])[::-1])

    found = diverges(honest, tmp_path / "record", swapped)
    assert found == (number, "", "executed in the order bob, alice, not alice, bob")


@pytest.mark.parametrize("frame", [b"\xc0", b"\x93\x2a\xa5alice\x00", encode(Wake("alice", 0))])
def test_what_is_no_report_is_named(honest: Tampered, frame: bytes, tmp_path: Path) -> None:
    number = round_of(honest[1], "alice", "bob")

    def another(rounds: list[Round]) -> None:
        rounds[number] = msgspec.structs.replace(rounds[number], reports=(msgspec.Raw(frame),))

    assert diverges(honest, tmp_path / "record", another).round == number


@pytest.mark.parametrize(("woken", "node"), [("nobody", "nobody"), ("carol", "")])
def test_a_wake_that_was_not_is_named(honest: Tampered, woken: str, node: str, tmp_path: Path) -> None:
    number = round_of(honest[1], "alice", "bob")

    def roused(rounds: list[Round]) -> None:
        rounds[number] = msgspec.structs.replace(rounds[number], woken=(woken,))

    found = diverges(honest, tmp_path / "record", roused)
    assert (found.round, found.node) == (number, node)


def test_another_payload_shows_where_it_was_granted(honest: Tampered, tmp_path: Path) -> None:
    """Everything fits but what came of it."""
    number, index = next(
        (number, index)
        for number, one in enumerate(honest[1])
        for index, op in enumerate(reports_of(one)[0].ops)
        if isinstance(op, Send)
    )

    def another(rounds: list[Round]) -> None:
        ops = list(reports_of(rounds[number])[0].ops)
        sent = ops[index]
        assert isinstance(sent, Send)
        ops[index] = msgspec.structs.replace(sent, payload=sent.payload[:-1] + b"\x05")
        changed(rounds, number, ops=tuple(ops))

    found = diverges(honest, tmp_path / "record", another)
    arrival = next(
        nth
        for nth, one in enumerate(honest[1])
        if nth > number and one.now_ns == honest[1][number].now_ns + LIGHT_NS and "bob" in senders(one)
    )
    assert found == (arrival, "", "what was granted before it is not what follows from the rounds before")


@pytest.mark.parametrize("of", [{"seed": 4}, {"links": ()}, {"tick_ns": 1000}, {"programs": {"alice": ("main",)}}])
def test_the_rounds_of_another_run_are_named(honest: Tampered, of: dict[str, Any], tmp_path: Path) -> None:
    diverges(honest, tmp_path / "record", lambda rounds: None, **of)


def test_a_file_that_describes_no_run_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "record"
    path.write_bytes(MAGIC + entry_of(b"\xc0"))
    with pytest.raises(MalformedMessage, match="describes no run"):
        replay(path)
