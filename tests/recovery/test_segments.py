"""The files of a record: wherever its writer is killed, all that was appended is read again, and nothing else."""

from __future__ import annotations

import asyncio
import gzip
import os
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator import Cluster
from orchestrator.oracle import records, segments
from orchestrator.oracle.record import MAGIC, RecordReader, RecordWriter
from orchestrator.oracle.spec import SEGMENT_BYTES, record_path
from qnode import Node
from qnode.errors import MalformedMessage
from qnode.wire.messages import Hold, Report, encode
from tests import tally
from tests.full import at_most, file_system, fill
from tests.oracle.cores import spec

DESCRIPTION = b"what the run is"
FRAME = encode(Report("alice", 0, 1, None, None, 0, ()))


@contextmanager
def writing(path: Path, segment_bytes: int = 150, after: RecordReader | None = None) -> Iterator[RecordWriter]:
    with RecordWriter(path, DESCRIPTION, segment_bytes=segment_bytes, after=after) as record:
        yield record


def append(record: RecordWriter, *times: int) -> None:
    for now_ns in times:
        record.granted(b"grant")
        record.append(now_ns, (), [FRAME] * (now_ns % 3 + 1))


def times(path: Path) -> list[int]:
    reader = RecordReader(path)
    assert reader.description == DESCRIPTION
    return [one.now_ns for one in reader.rounds()]


def read_to_its_end(path: Path) -> RecordReader:
    reader = RecordReader(path)
    for _ in reader.rounds():
        pass
    return reader


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@settings(max_examples=30)
@given(st.integers(1, 40), st.integers(40, 2_000), st.lists(st.integers(0, 39), max_size=4))
def test_what_was_appended_is_read_again_however_long_files_are_and_however_often_the_writer_is_another(
    tmp_path_factory: pytest.TempPathFactory, n: int, segment_bytes: int, stops: list[int]
) -> None:
    path = tmp_path_factory.mktemp("segments") / "record"
    after, start = None, 0
    for stop in sorted({*(stop for stop in stops if stop < n), n}):
        with writing(path, segment_bytes, after) as record:
            append(record, *range(start, stop))
        assert times(path) == list(range(stop))
        after, start = read_to_its_end(path), stop
    if after is not None and after.last:
        names = files(path.parent)
        assert names == sorted(
            [*(segments.packed(segments.segment(path, nth)).name for nth in range(after.last)), f"record.{after.last}"]
        )


def test_full_files_are_compressed_and_hold_the_same(tmp_path: Path) -> None:
    path, whole = tmp_path / "record", tmp_path / "whole"
    for one, length in ((path, 4_096), (whole, 2**30)):
        with writing(one, length) as record:
            append(record, *range(300))
    assert files(tmp_path)[:2] == ["record.1.gz", "record.2.gz"]
    plain = gzip.decompress((tmp_path / "record.gz").read_bytes())
    assert whole.read_bytes().startswith(plain)
    assert (tmp_path / "record.gz").stat().st_size < len(plain) / 5
    assert times(path) == times(whole) == list(range(300))
    assert {file.stat().st_mode & 0o077 for file in tmp_path.iterdir()} == {0}


def test_a_change_is_in_the_file_at_once(tmp_path: Path) -> None:
    with writing(tmp_path / "record") as record:
        record.changed(5, Hold("alice"))
        (one,) = RecordReader(tmp_path / "record").rounds()
    assert one.is_change
    assert one.changes[0].change == Hold("alice")


def test_a_writer_that_can_begin_no_further_file_says_so_and_is_closed_like_any_other(tmp_path: Path) -> None:
    """It once closed a descriptor twice, which may have become another's, and said nothing but that."""
    record = RecordWriter(tmp_path / "record", DESCRIPTION, segment_bytes=1)
    segments.segment(tmp_path / "record", 1).mkdir()
    with pytest.raises(FileExistsError):
        append(record, 0)
    record.close()


# ---------------------------------------------------------------- where the writer was killed


def test_a_torn_end_of_the_last_file_is_cut_off_at_every_length(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    sizes = []
    with writing(source / "record") as record:
        for now_ns in range(8):
            append(record, now_ns)
            sizes.append((record._number, record._size))
    last = sizes[-1][0]
    assert last >= 2
    earlier = [now_ns for now_ns, (number, _) in enumerate(sizes) if number < last]
    data = (source / f"record.{last}").read_bytes()
    tally.count("torn records", len(data))
    for length in range(len(data) + 1):
        folder = tmp_path / "torn"
        shutil.copytree(source, folder)
        torn = folder / f"record.{last}"
        torn.write_bytes(data[:length])
        expected = [*earlier, *(nth for nth, (number, size) in enumerate(sizes) if number == last and size <= length)]
        assert times(folder / "record") == expected
        with writing(folder / "record", after=read_to_its_end(folder / "record")) as record:
            append(record, 100)
        assert times(folder / "record") == [*expected, 100]
        shutil.rmtree(folder)


def test_a_file_that_is_not_the_last_must_be_whole(tmp_path: Path) -> None:
    path = tmp_path / "record"
    with writing(path) as record:
        append(record, *range(8))
    data = gzip.decompress((tmp_path / "record.gz").read_bytes())
    (tmp_path / "record.gz").unlink()
    tally.bad_inputs("damaged records", len(data) - len(MAGIC))
    for length in range(len(MAGIC), len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(
            MalformedMessage, match=r"record(\.1)? (is damaged at|goes on behind|holds no)|holds no run"
        ):
            times(path)
    path.write_bytes(data)
    assert times(path) == list(range(8))


def test_a_file_in_the_place_of_another_is_found(tmp_path: Path) -> None:
    path = tmp_path / "record"
    with writing(path) as record:
        append(record, *range(12))
    one, two = tmp_path / "record.1.gz", tmp_path / "record.2.gz"
    data = one.read_bytes(), two.read_bytes()
    one.write_bytes(data[1])
    with pytest.raises(MalformedMessage, match=r"record\.1 goes on behind byte \d+ of segment 1"):
        times(path)


def test_every_damaged_byte_of_a_compressed_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "record"
    with writing(path, 2_000) as record:
        append(record, *range(60))
    packed = tmp_path / "record.gz"
    data = packed.read_bytes()
    expected, sentences = list(range(60)), []
    for place in random.Random(5).sample(range(len(data)), 100):
        packed.write_bytes(data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :])
        try:
            assert times(path) == expected  # a byte of gzip's head that means nothing
        except MalformedMessage as error:
            sentences.append(str(error))
    tally.bad_inputs("damaged records", len(sentences))
    assert len(sentences) >= 85
    assert all("damaged" in one and "byte" in one for one in sentences if "not a record" not in one)


@pytest.mark.parametrize("left", ["part of it", "all of it and the plain one"])
def test_a_compression_that_was_cut_off_leaves_the_one_file_or_the_other(left: str, tmp_path: Path) -> None:
    path = tmp_path / "record"
    with writing(path) as record:
        append(record, *range(8))
    packed = tmp_path / "record.gz"
    plain = gzip.decompress(packed.read_bytes())
    path.write_bytes(plain)
    if left == "part of it":
        packed.rename(tmp_path / "record.gz.part")
        os.truncate(tmp_path / "record.gz.part", 20)
    assert times(path) == list(range(8))
    with writing(path, after=read_to_its_end(path)) as record:
        append(record, 8)
    assert times(path) == list(range(9))
    assert not path.exists()
    assert "record.gz" in files(tmp_path)
    assert "record.gz.part" not in files(tmp_path)


@pytest.mark.parametrize("what", ["nothing", "compressed", "begun", "cut off", "cut off before others", "damaged"])
def test_an_oracle_that_comes_back_goes_on_with_what_there_is_and_writes_over_nothing(
    what: str, tmp_path: Path
) -> None:
    """Only a record whose writer did not get as far as its first entry is begun anew: nobody was granted anything."""
    path, many = record_path(tmp_path), what in ("compressed", "cut off before others", "damaged")
    of = msgspec.structs.replace(
        spec(), folder=str(tmp_path), resume=True, segment_bytes=150 if many else SEGMENT_BYTES
    )
    if what != "nothing":
        with records.writer(of, None) as record:
            append(record, *range(50 if many else 1))
    packed = segments.packed(path)
    match what:
        case "cut off":
            os.truncate(path, 40)
        case "cut off before others":
            path.write_bytes(gzip.decompress(packed.read_bytes())[:40])
            packed.unlink()
        case "damaged":
            os.truncate(packed, 40)
    before = sorted((file.name, file.read_bytes()) for file in tmp_path.iterdir())
    assert not many or not segments.segment(path, 1).exists()
    if what in ("damaged", "cut off before others"):
        with pytest.raises(MalformedMessage, match=r"record(\.gz)? is damaged (at|behind) byte"):
            records.before(of)
    else:
        reader = records.before(of)
        found = None if reader is None else [one.now_ns for one in reader.rounds()]
        assert found == {"begun": [0], "compressed": list(range(50))}.get(what)
    if what != "cut off":
        assert sorted((file.name, file.read_bytes()) for file in tmp_path.iterdir()) == before


# ---------------------------------------------------------------- no room


def test_without_room_for_a_new_file_nothing_is_lost(tmp_path: Path) -> None:
    with file_system(tmp_path / "small", "64k") as folder:
        path = folder / "record"
        with writing(path, 4_096) as record:
            append(record, *range(20))
            fill(folder)
            with pytest.raises(OSError, match="No space left"):
                append(record, *range(20, 100_000))
        written = times(path)
        assert written == list(range(len(written)))
        (folder / "filler").unlink()
        with writing(path, 4_096, read_to_its_end(path)) as record:
            append(record, len(written))
        assert times(path) == [*written, len(written)]


@pytest.mark.parametrize("size", [400, 1_000, 1_001, 1_017])
def test_an_append_that_does_not_fit_can_be_gone_on_from(size: int, tmp_path: Path) -> None:
    path = tmp_path / "record"
    with writing(path, 2**20) as record, at_most(size), pytest.raises(OSError, match="too large"):
        append(record, *range(1_000))
    written = times(path)
    assert written == list(range(len(written)))
    with writing(path, 2**20, read_to_its_end(path)) as record:
        append(record, len(written))
    assert times(path) == [*written, len(written)]


def test_a_disk_that_is_waited_for_has_each_round(tmp_path: Path) -> None:
    """Seen is only that it is asked: nobody can cut the power here."""
    asked: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fdatasync", asked.append)
        for synced, expected in ((False, 0), (True, 11)):
            asked.clear()
            with RecordWriter(tmp_path / f"record-{synced}", DESCRIPTION, synced=synced) as record:
                append(record, *range(10))
            assert len(asked) == expected


ASKED = "QNODE_TEST_DISK_ASKED"  # in the environment: what the disk has been asked so far, for a program to see


async def looks_at_the_disk(node: Node) -> list[int]:
    seen = []
    for _ in range(6):
        seen.append(int(os.environ[ASKED]))
        await asyncio.sleep(1e-3)
    return seen


@pytest.mark.parametrize(("fsync", "seen"), [("never", [0] * 6), ("instant", [1, 2, 3, 4, 5, 6])])
async def test_whoever_wants_it_waits_for_the_disk_before_anybody_is_granted_anything(
    fsync: str, seen: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the configuration says reaches the disk: at each step it has been asked for all steps before."""
    monkeypatch.setenv(ASKED, "0")
    monkeypatch.setattr(os, "fdatasync", lambda fd: os.environ.update({ASKED: str(int(os.environ[ASKED]) + 1)}))
    run = await Cluster({"alice": looks_at_the_disk}, seed=1, runs=tmp_path, record={"fsync": fsync}).run(inline=True)
    assert run["alice"] == seen
