"""The record and the event log: what was written is read again, and whatever is not whole is noticed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator import Cluster
from orchestrator.oracle.events import Event, decode_events, encode_events, rounded
from orchestrator.oracle.record import MAGIC, GrantDigest, RecordWriter, Round, entry_of, read_record
from orchestrator.oracle.spec import record_path
from qnode.errors import MalformedMessage, ProcessLost
from qnode.wire.messages import Report, decode_to_oracle, encode
from tests.full import at_most
from tests.wire.messages import message_of

PROGRAMS = Path(__file__).parents[1] / "programs_api"

Written = tuple[int, tuple[str, ...], list[bytes], list[bytes]]  # when, who was woken, grants before it, reports

reports = message_of(Report).map(encode)
rounds = st.tuples(
    st.integers(0, 2**63),
    st.lists(st.text(max_size=8), max_size=2).map(tuple),
    st.lists(st.binary(max_size=20), max_size=2),
    st.lists(reports, max_size=3),
)
DESCRIPTION = b"what the run is"


def write(path: Path, written: list[Written], description: bytes = DESCRIPTION) -> list[int]:
    """A record; the sizes of the file after the description and after each round."""
    path.unlink(missing_ok=True)
    with RecordWriter(path, description) as record:
        return [path.stat().st_size, *(append(record, path, one) for one in written)]


def append(record: RecordWriter, path: Path, one: Written) -> int:
    now_ns, woken, grants, frames = one
    for frame in grants:
        record.granted(frame)
    record.append(now_ns, woken, frames)
    return path.stat().st_size


def append_all(record: RecordWriter, path: Path, written: list[Written]) -> None:
    for one in written:
        append(record, path, one)


def read(path: Path) -> tuple[bytes, list[Round]]:
    description, entries = read_record(path)
    return description, list(entries)


def some_rounds() -> list[Written]:
    frames = [encode(Report(node, 0, 1, None, None, 0, ())) for node in ("alice", "bob")]
    return [(10 * nth, ("bob",) * (nth % 2), [b"grant"], frames[: nth % 3]) for nth in range(5)]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("record") / "record"


# ---------------------------------------------------------------- what is whole


@settings(max_examples=40)
@given(st.binary(max_size=50), st.lists(rounds, max_size=4))
def test_what_was_appended_is_read_again(path: Path, description: bytes, written: list[Written]) -> None:
    write(path, written, description)
    told, found = read(path)
    assert told == description
    assert [(one.now_ns, one.woken, [bytes(frame) for frame in one.reports]) for one in found] == [
        (now_ns, woken, frames) for now_ns, woken, _, frames in written
    ]
    digest = GrantDigest()
    for one, (_, _, grants, _) in zip(found, written, strict=True):
        for grant in grants:
            digest.add(grant)
        assert one.granted == digest.take()


def test_reports_are_kept_byte_by_byte_as_they_came(path: Path) -> None:
    odd = b"\x98\x29\xd9\x05alice\xcd\x00\x00\x01\xc0\xc0\x00\x90"  # long forms of short text and of a small number
    assert isinstance(decode_to_oracle(odd), Report)
    write(path, [(0, (), [], [odd])])
    assert bytes(read(path)[1][0].reports[0]) == odd


def test_the_digest_tells_other_grants_and_another_order_apart() -> None:
    def digest_of(*frames: bytes) -> bytes:
        digest = GrantDigest()
        for frame in frames:
            digest.add(frame)
        return digest.take()

    ways = [(b"a", b"b"), (b"b", b"a"), (b"a",), (b"a", b"b", b"b"), ()]
    assert len({digest_of(*way) for way in ways}) == len(ways)
    assert digest_of(b"a", b"b") == digest_of(b"a", b"b")


def test_each_round_is_in_the_file_when_append_returns(path: Path) -> None:
    """What a kill leaves behind is all that was appended: nothing is kept back in a buffer."""
    sizes = write(path, some_rounds())
    data = path.read_bytes()
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == len(data)


def test_a_record_is_never_written_over(path: Path) -> None:
    write(path, some_rounds())
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        RecordWriter(path, DESCRIPTION)
    assert path.read_bytes() == before


def test_others_cannot_read_a_record(path: Path) -> None:
    write(path, [])
    assert path.stat().st_mode & 0o077 == 0


# ---------------------------------------------------------------- what is not


def test_a_torn_last_entry_is_left_out_at_every_length(path: Path) -> None:
    sizes = write(path, some_rounds())
    whole, (_, found) = path.read_bytes(), read(path)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        complete = sum(size <= length for size in sizes) - 1
        if complete < 0:
            with pytest.raises(MalformedMessage, match="is not a record" if length < len(MAGIC) else "holds no run"):
                read_record(path)
        else:
            assert read(path) == (DESCRIPTION, found[:complete])


def test_every_damaged_byte_is_found_and_its_entry_is_named(path: Path) -> None:
    sizes = write(path, some_rounds())
    starts = [len(MAGIC), *sizes[:-1]]
    whole = path.read_bytes()
    for place in range(len(whole)):
        for bit in (0x01, 0x80):
            damaged = bytearray(whole)
            damaged[place] ^= bit
            path.write_bytes(damaged)
            with pytest.raises(MalformedMessage) as caught:
                read(path)
            if place < len(MAGIC):
                assert "is not a record" in str(caught.value)
            else:
                entry = max(start for start in starts if start <= place)
                assert str(caught.value) == f"{path} is damaged at byte {entry}"


def test_rounds_before_a_damaged_one_can_be_read(path: Path) -> None:
    sizes = write(path, some_rounds())
    data = bytearray(path.read_bytes())
    data[sizes[2] + 20] ^= 1
    path.write_bytes(data)
    _, entries = read_record(path)
    assert [next(entries).now_ns for _ in range(2)] == [0, 10]
    with pytest.raises(MalformedMessage, match=f"at byte {sizes[2]}"):
        next(entries)


@pytest.mark.parametrize("content", [b"", b"qnode-record-0\n", b"{}\n", MAGIC[:-1]])
def test_another_file_is_not_a_record(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(MalformedMessage, match="is not a record of this version of qnode"):
        read_record(path)


@pytest.mark.parametrize("content", [b"", b"\xc0", b"\x90", b"\x94\x00\x90\xc4\x00\x01", b"\x94\x01\x90\x01\x90"])
def test_an_entry_that_is_no_round_is_refused_with_its_offset(path: Path, content: bytes) -> None:
    (start,) = write(path, [])
    with path.open("ab") as file:
        file.write(entry_of(content))
    _, entries = read_record(path)
    with pytest.raises(MalformedMessage, match=f"holds no round at byte {start}"):
        next(entries)


# ---------------------------------------------------------------- no space left


def test_without_space_append_raises_and_what_was_appended_before_is_whole(path: Path) -> None:
    sizes = write(path, some_rounds())
    for size in range(sizes[1], sizes[-1]):
        path.unlink()
        with RecordWriter(path, DESCRIPTION) as record, at_most(size), pytest.raises(OSError, match="too large"):
            append_all(record, path, some_rounds())
        assert len(read(path)[1]) == sum(one <= size for one in sizes) - 1


async def test_nobody_is_granted_anything_that_is_not_in_the_record(tmp_path: Path) -> None:
    """The disk is full in the middle of a run: no node has run further than the first round that is not recorded."""
    diary = tmp_path / "diary"
    config = {
        "version": 1,
        "seed": 1,
        "events": False,
        "nodes": {"alice": {"program": "recorded.py:counts", "args": {"path": str(diary)}}},
    }
    with at_most(50_000):  # processes inherit it
        async with Cluster.from_dict(config, base=PROGRAMS, runs=tmp_path / "runs") as net:
            with pytest.raises(ProcessLost, match="the oracle"):
                await net.run(timeout=40)
    (folder,) = (one for one in (tmp_path / "runs").iterdir() if one.is_dir())
    _, found = read(record_path(folder))
    assert len(found) > 50
    assert diary.stat().st_size == len(found) + 1


# ---------------------------------------------------------------- the event log


events = st.builds(
    Event,
    t=st.integers(0, 2**63 - 1),
    round=st.integers(0, 2**31),
    node=st.text(max_size=8),
    event=st.sampled_from(("gate", "measure", "send")),
    qubits=st.lists(st.text(max_size=8), max_size=2).map(tuple),
    params=st.lists(st.floats(-10, 10), max_size=3).map(tuple).map(rounded),
    outcomes=st.lists(st.integers(0, 1), max_size=3).map(tuple),
    detail=st.text(max_size=30),
    local=st.booleans(),
)


@given(st.lists(events, max_size=5))
def test_events_are_one_line_each_and_come_back(several: list[Event]) -> None:
    data = encode_events(several)
    assert data.count(b"\n") == len(several)
    assert decode_events(data) == several


@given(st.lists(events, max_size=6), st.integers(0, 6))
def test_the_log_of_two_parts_is_the_two_logs(several: list[Event], cut: int) -> None:
    """Where the writer happened to flush does not show."""
    assert encode_events(several) == encode_events(several[:cut]) + encode_events(several[cut:])


def test_the_bytes_of_an_event_are_these() -> None:
    """They are compared between machines and versions: a change here is a new schema version."""
    event = Event(50_035, 1, "alice", "gate", qubits=("alice.0",), gate="rx", params=rounded((0.1 + 0.2, -1e-12)))
    assert encode_events([event]) == (
        b'{"t":50035,"round":1,"node":"alice","event":"gate","qubits":["alice.0"],"gate":"rx","params":[0.3,0.0]}\n'
    )


@given(st.floats(-100, 100))
def test_a_last_bit_that_differs_between_machines_does_not_show(angle: float) -> None:
    (one,) = rounded((angle,))
    assert abs(one - angle) < 1e-9
    assert str(one) != "-0.0"


def test_what_is_no_event_is_not_decoded() -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_events(b'{"t":1}\n')
