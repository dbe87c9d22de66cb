"""Saved runs: what is in a folder can be shown again and run again; runs are found, listed and pruned."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import Cluster, Run, loader, saved, saving
from orchestrator.dumping import dump
from orchestrator.oracle.spec import Result, Summary, cut_short
from orchestrator.plain import plain
from orchestrator.run import Source
from orchestrator.telemetry.orders import Outcome, write_outcome
from qnode.errors import ConfigError, Deadlock, Interrupted, ProcessLost, ProgramFailed, TimedOut
from qnode.wire.payload import pack
from tests.full import at_most, file_system, fill
from tests.warm import commands as warm

HERE = Path(__file__).parent
ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs"


def cluster(runs: Path, **changes: Any) -> Cluster:
    data = {
        "version": 1,
        "name": "coin",
        "nodes": {"alice": {"program": "coin.py:alice"}, "bob": {"program": "coin.py:bob"}},
        "links": {"short": {"between": ["alice", "bob"], "length": "10 km"}},
        "observe": {"received": ["fidelity"]},
    }
    return Cluster.from_dict({**data, **changes}, base=HERE / "programs", runs=runs)


# --- one run -------------------------------------------------------------------------------------------------------


async def test_a_run_is_saved_with_all_that_shows_and_repeats_it(tmp_path: Path) -> None:
    runs = tmp_path / ".qnode" / "runs"
    lines: list[str] = []
    run = await cluster(runs).run(on_output=lines.append)

    head = json.loads((run.folder / "run.json").read_text())
    assert {key: head[key] for key in ("format", "id", "name", "ended", "exit_code", "error")} == {
        "format": 1,
        "id": "coin-1",
        "name": "coin",
        "ended": "done",
        "exit_code": 0,
        "error": None,
    }
    assert head["results"] == {"alice": {"main": run["alice"]}, "bob": {"main": run["alice"]}}
    assert head["records"] == {"alice": {"tosses": 3}}
    assert [one["value"] for one in head["observed"]] == pytest.approx([1, 1, 1])
    assert {"qnode", "python", "numpy", "stim"} <= set(head["versions"])
    assert head["seed"] == run.seed == loader.load(run.folder / "config.yaml").seed
    assert (run.folder / "record").stat().st_size > 0
    assert lines == ["alice | tossed 3"]
    assert (run.folder / "log").read_text() == "alice | tossed 3\n"
    assert (runs.parent / ".gitignore").read_text() == "*\n"
    assert not list(run.folder.glob(".*"))  # nothing half written

    again = saved.load(run.folder)
    assert again.summary == run.summary
    assert again.as_data() == run.as_data()
    assert again.events_bytes == run.events_bytes
    assert (again.network.nodes, again.network.links) == (run.network.nodes, run.network.links)

    repeated = await Cluster.from_yaml(run.folder / "config.yaml", runs=runs).run(on_output=None)
    assert repeated.id == "coin-2"
    assert repeated.events_bytes == run.events_bytes
    assert repeated.results == run.results


async def test_a_run_that_failed_is_saved_and_raises_the_same_again(tmp_path: Path) -> None:
    lost = {"alice": {"program": "coin.py:alice", "args": {"tosses": 1}}, "bob": {"program": "coin.py:Tools.idle"}}
    net = cluster(tmp_path, nodes=lost)
    with pytest.raises(Deadlock) as caught:
        await net.run()
    again = saved.load(saved.find(tmp_path))
    assert (again.summary.how, again.exit_code, again["bob"]) == ("deadlock", 3, "bob idle")
    with pytest.raises(Deadlock) as same:
        again.raise_failure()
    assert str(same.value) == str(caught.value)


async def test_a_program_that_raises_is_saved_with_its_traceback(tmp_path: Path) -> None:
    run = await cluster(tmp_path, nodes={"alice": {"program": "coin.py:_helper"}}, links={}).run(check=False)
    again = saved.load(run.folder)
    assert isinstance(again.failure, ProgramFailed)
    assert "is not a node of this file" in str(again.failure)
    assert json.loads((run.folder / "run.json").read_text())["exit_code"] == 1


@pytest.mark.parametrize(
    ("how", "failure", "exit_code"),
    [
        ("timed_out", TimedOut(timeout="3.0"), 3),
        ("lost", ProcessLost(name="node bob", reason="killed by signal 9"), 4),
        ("interrupted", None, 130),
    ],
)
def test_what_cut_a_run_short_is_kept(how: str, failure: Any, exit_code: int, tmp_path: Path) -> None:
    summary = cut_short(how, at_ns=5, steps=7)
    run = written(tmp_path, "coin", summary=summary, failure=failure)
    again = saved.load(run.folder)
    assert (again.summary.how, again.summary.at_ns, again.summary.counts["steps"]) == (how, 5, 7)
    assert (again.exit_code, str(again.failure)) == (exit_code, str(failure or Interrupted(time="5 ns")))


async def test_a_run_may_be_given_a_name_that_is_free(tmp_path: Path) -> None:
    net = cluster(tmp_path)
    run = await net.run(inline=True, name="first try")
    assert (run.id, run.folder) == ("first-try", tmp_path / "first-try")
    with pytest.raises(ConfigError, match="a run of this name is there"):
        await net.run(inline=True, name="first try")


async def test_a_folder_that_takes_no_runs_is_refused_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="a run cannot be saved here: Not a directory; choose another folder"):
        await cluster(tmp_path / "file" / "runs").run()


async def test_a_name_that_is_too_long_is_no_matter_of_room(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a run cannot be saved here: File name too long; give it a shorter name"):
        await cluster(tmp_path).run(inline=True, name="n" * 300)


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A file system of one page."""
    with file_system(tmp_path / "full", "4k") as folder:
        yield folder


async def test_where_there_is_no_room_a_run_says_so_and_leaves_no_folder(full: Path) -> None:
    with pytest.raises(ConfigError, match="No space left on device; make room, or choose another folder"):
        await cluster(full).run(inline=True)
    assert saved.listing(full) == []
    assert os.listdir(full) == []


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system that is soon full."""
    with file_system(tmp_path / "small", "256k") as folder:
        yield folder


ENDS: list[tuple[str, Any, type[Exception], int]] = [
    ("done", None, ConfigError, 2),
    ("failed", ProgramFailed(program="main", node="a", time="1 ns", traceback="x" * 100_000), ProgramFailed, 1),
    ("timed_out", TimedOut(timeout="3.0"), TimedOut, 3),
    ("interrupted", None, Interrupted, 130),
]


@pytest.mark.parametrize(("how", "failure", "kind", "exit_code"), ENDS)
def test_how_a_run_ended_is_kept_on_a_disk_that_has_become_full(
    how: str, failure: Any, kind: type[Exception], exit_code: int, small: Path
) -> None:
    with pytest.raises(kind) as caught:
        written(small, "coin", summary=cut_short(how), failure=failure, before_end=lambda: fill(small))
    told = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", ())])
    assert "a run cannot be saved here: No space left on device; make room, or choose another folder" in told
    assert_unsaved(small, how, exit_code, "No space left on device")


def test_how_a_run_ended_is_kept_where_what_came_of_it_is_too_large(tmp_path: Path) -> None:
    with at_most(4096), pytest.raises(ConfigError, match="File too large"):
        written(tmp_path, "coin", summary=much())
    assert_unsaved(tmp_path, "done", 2, "File too large")


def much() -> Summary:
    return msgspec.structs.replace(cut_short("done"), results=(Result("a", "main", 5, pack("x" * 10_000)),))


def assert_unsaved(runs: Path, how: str, exit_code: int, why: str) -> None:
    (entry,) = saved.listing(runs)
    assert (entry.ended, entry.exit_code, entry.wall_s, entry.is_saved) == (how, exit_code, 0.5, False)
    with pytest.raises(ConfigError) as caught:
        saved.load(entry.folder)
    shown = how.replace("_", " ")
    assert str(caught.value).endswith(f"this run ended ({shown}, exit code {exit_code}), and was not saved: {why}")
    assert not [name for name in os.listdir(entry.folder) if name.endswith(".new")]
    assert not saved.is_under_way(entry.folder)
    assert saved.load_source(entry.folder).seed == 7  # it can be repeated
    assert saved.prune(runs, keep=0) == [entry]


def test_there_is_room_for_the_end_however_much_a_run_says_at_its_start(tmp_path: Path) -> None:
    """run.json has blanks at its end that are enough for all that is written over them."""
    for length in range(0, 4096, 64):
        run = written(tmp_path, "coin", summary=much(), ended=False, base="d" * length)
        before = (run.folder / "run.json").stat().st_size
        with at_most(before), pytest.raises(ConfigError, match="File too large"):
            saving.save(run)
        head = (run.folder / "run.json").read_bytes()
        assert len(head) == before
        assert json.loads(head)["unsaved"] == "File too large"


# --- the configuration ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.yaml")), ids=lambda file: file.name)
def test_a_saved_configuration_means_the_same(file: Path) -> None:
    config = loader.load(file)
    assert loader.loads(dump(config)) == config


EVERYTHING = """
version: 1
name: "all: of #it"
seed: 12
clock: {mode: virtual, tick: 2.5 ns}
until: 0.1 us
kinds: {end: {qubits: 3, t1: 10 s, t2: 333 ms, gates: {measure: {duration: 7 ns, readout: {p01: 0.1}}}}}
nodes:
  no: {kind: end, program: "my programs/a.py:B.c", args: {x: [1, 2.5, "1e3", null, true, "0o17", "~", ""]}}
  1e3: {programs: {main: {run: "a.b:c", service: true}}}
  r[00..09]: {}
links:
  l: {chain: [no, "1e3", "r[00..09]"], length: 25 km, attenuation: 0.2 dB/km}
  m: {between: [no, r00], source: {model: single_click, bright_state: 0.1, phase_noise: 3 deg}, delay: 1 ms}
classical: {delay: 3 us}
observe: {m: [fidelity, {fidelity: 0}]}
"""


def test_everything_that_a_configuration_can_say_is_saved() -> None:
    config = loader.loads(EVERYTHING)
    assert loader.loads(dump(config)) == config


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
LIKE_SCALARS = st.from_regex(r"\A[-+]?[0-9][0-9_.eExob:+-]{0,6}\Z") | st.sampled_from(
    ["no", "True", "~", "null", ".inf", "-.Inf", ".NaN", "=", "<<", "0o7", "1e3", "1_000", "12:30", "2001-01-01", "+1"]
)


@given(st.dictionaries(st.sampled_from(["a", "b", "theta"]), JSON | LIKE_SCALARS, max_size=3))
def test_any_arguments_are_saved_as_they_were(args: dict[str, object]) -> None:
    data = {"version": 1, "nodes": {"a": {"program": "a.py:b", "args": args}}}
    try:
        config = loader.from_mapping(data)
    except ConfigError:  # text that no file can hold, say
        return
    again = loader.loads(dump(config)).nodes["a"].args
    assert again == config.nodes["a"].args
    assert repr(again) == repr(config.nodes["a"].args)  # 1 == 1.0 == True, and they are not the same


def test_values_are_told_in_the_words_of_json() -> None:
    value = {
        1: (1, 2.5, 1 - 2j),
        "array": np.array([[1, 2], [3, 4]]),
        "complex": np.array([1j]),
        "bytes": b"\x00\xff",
        "odd": [float("nan"), float("-inf"), 2**70, None, True],
    }
    told = json.loads(json.dumps(plain(value), allow_nan=False))
    assert told == {
        "1": [1, 2.5, [1.0, -2.0]],
        "array": [[1, 2], [3, 4]],
        "complex": [[0.0, 1.0]],
        "bytes": "00ff",
        "odd": ["nan", "-inf", 2**70, None, True],
    }


# --- many runs -----------------------------------------------------------------------------------------------------

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def written(
    runs: Path,
    name: str,
    *,
    started: datetime = LONG_AGO,
    summary: Any = None,
    failure: Any = None,
    ended: bool = True,
    base: str = "",
    before_end: Callable[[], object] = lambda: None,
) -> Run:
    """A run as it is saved, without having run."""
    config = loader.from_mapping({"version": 1, "name": name, "seed": 7, "nodes": {"a": {}}})
    source = Source(config, runs / base)
    folder = saving.new_folder(runs, name)
    summary = cut_short("done") if summary is None else summary
    run = Run(source, summary, folder=folder, started=started, wall_s=0.5, failure=failure)
    with saving.begin(folder, source, started):
        if ended:
            before_end()
            saving.save(run)
    return run


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """coin-1, other-1 and coin-2, a day between them, the last of them 10 days ago."""
    last = datetime.now(UTC) - timedelta(days=10)
    for days, name in enumerate(("coin", "other", "coin")):
        written(tmp_path, name, started=last + timedelta(days=days - 2))
    return tmp_path


def test_runs_are_listed_the_latest_last(three: Path) -> None:
    (three / "not-a-run").mkdir()
    shutil.copytree(three / "coin-1", three / "newer")
    (three / "newer" / "run.json").write_text('{"format": 99}')
    entries = saved.listing(three)
    assert [(entry.id, entry.name, entry.ended, entry.seed) for entry in entries] == [
        ("coin-1", "coin", "done", 7),
        ("other-1", "other", "done", 7),
        ("coin-2", "coin", "done", 7),
    ]
    assert (entries[0].exit_code, entries[0].wall_s) == (0, 0.5)
    assert saved.listing(three / "nowhere") == []


@pytest.mark.parametrize(
    ("which", "found"), [(None, "coin-2"), ("coin", "coin-2"), ("coin-1", "coin-1"), ("other", "other-1")]
)
def test_a_run_is_found_by_id_by_name_or_as_the_latest(which: str | None, found: str, three: Path) -> None:
    assert saved.find(three, which) == three / found


def test_a_run_is_found_by_its_folder_wherever_that_is(three: Path, tmp_path: Path) -> None:
    assert saved.find(tmp_path / "elsewhere", three / "other-1") == three / "other-1"


def test_a_run_that_is_not_there_is_told_with_the_nearest(three: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no run 'othr-1' \(did you mean 'other-1'\?\)"):
        saved.find(three, "othr-1")
    with pytest.raises(ConfigError, match="no run is saved here; make one with `qnode run CONFIG`"):
        saved.find(three / "nowhere")
    with pytest.raises(ConfigError, match="this is no saved run"):
        saved.load(three)


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({"keep": 1}, ["coin-2"]),
        ({"keep": 0}, []),
        ({"keep": 5}, ["coin-1", "other-1", "coin-2"]),
        ({"older_than": timedelta(days=10, hours=1)}, ["coin-2"]),
        ({"keep": 2, "older_than": timedelta(days=11, hours=1)}, ["other-1", "coin-2"]),
        ({"keep": 2, "older_than": timedelta(days=99)}, ["coin-1", "other-1", "coin-2"]),
    ],
)
def test_runs_are_pruned_by_number_and_by_age(options: Any, left: list[str], three: Path) -> None:
    gone = saved.prune(three, **options)
    assert [entry.id for entry in saved.listing(three)] == left
    assert {entry.id for entry in gone} | set(left) == {"coin-1", "other-1", "coin-2"}
    assert not any(entry.folder.exists() for entry in gone)


def test_pruning_a_link_leaves_the_run_that_it_leads_to(three: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "kept"
    shutil.move(three / "coin-1", elsewhere)
    (three / "coin-1").symlink_to(elsewhere)
    assert "coin-1" in {entry.id for entry in saved.prune(three, keep=0)}
    assert not (three / "coin-1").is_symlink()
    assert saved.is_run(elsewhere)


def test_a_run_that_starts_is_locked_before_it_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else somebody could find it running and not locked, which is what a run looks like that was killed."""
    lock = fcntl.flock

    def prune_first(file: Any, operation: int) -> None:
        if operation == fcntl.LOCK_EX:
            saved.prune(tmp_path, keep=0)
        lock(file, operation)

    monkeypatch.setattr(fcntl, "flock", prune_first)
    config = loader.from_mapping({"version": 1, "name": "coin", "seed": 7, "nodes": {"a": {}}})
    folder = saving.new_folder(tmp_path, "coin")
    with saving.begin(folder, Source(config, tmp_path), LONG_AGO):
        assert [entry.ended for entry in saved.listing(tmp_path)] == ["running"]


def test_two_may_prune_at_once(tmp_path: Path) -> None:
    written(tmp_path, "coin")
    for number in range(2, 300):
        shutil.copytree(tmp_path / "coin-1", tmp_path / f"coin-{number}")
    code = (
        "import sys; from pathlib import Path; from orchestrator import saved\n"
        "print('ready', flush=True); sys.stdin.read(1)\n"
        "saved.prune(Path(sys.argv[1]), keep=0)"
    )
    command = warm.python(code, str(tmp_path))
    pipe = subprocess.PIPE
    pruners = [subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, cwd=ROOT) for _ in range(2)]
    for pruner in pruners:
        assert pruner.stdout is not None
        assert pruner.stdout.readline() == "ready\n"
    for pruner in pruners:
        assert pruner.stdin is not None
        pruner.stdin.write("!")
        pruner.stdin.flush()
    assert [pruner.communicate(timeout=60) for pruner in pruners] == [("", ""), ("", "")]
    assert not list(tmp_path.iterdir())


def test_pruning_without_a_rule_is_refused(three: Path) -> None:
    with pytest.raises(ConfigError, match="say which runs may go"):
        saved.prune(three)


def test_a_run_under_way_is_listed_and_neither_loaded_nor_pruned(tmp_path: Path) -> None:
    config = loader.from_mapping({"version": 1, "name": "busy", "seed": 7, "nodes": {"a": {}}})
    folder = saving.new_folder(tmp_path, "busy")
    with saving.begin(folder, Source(config, tmp_path), LONG_AGO):
        assert [(entry.ended, entry.exit_code) for entry in saved.listing(tmp_path)] == [("running", None)]
        assert saved.prune(tmp_path, keep=0) == []
        with pytest.raises(ConfigError, match="has not ended yet"):
            saved.load(folder)
        assert saved.load_source(folder).seed == 7


def test_a_run_whose_orchestrator_was_killed_says_so(tmp_path: Path) -> None:
    run = written(tmp_path, "coin", ended=False)
    assert [(entry.ended, entry.exit_code) for entry in saved.listing(tmp_path)] == [("killed", 4)]
    again = saved.load(run.folder)
    assert (again.summary.how, again.exit_code) == ("killed", 4)
    assert [entry.id for entry in saved.prune(tmp_path, keep=0)] == ["coin-1"]


def test_a_run_of_another_format_is_refused_with_the_remedy(three: Path) -> None:
    file = three / "coin-1" / "run.json"
    head = json.loads(file.read_text())
    file.write_text(json.dumps({**head, "format": 2}))
    with pytest.raises(ConfigError, match="saved in format 2, and this version of qnode reads 1; use the version that"):
        saved.load(three / "coin-1")
    summary = three / "coin-2" / "summary"
    for damaged in (b"\x90", summary.read_bytes().replace(b"done", b"\xff\xff\xff\xff")):
        summary.write_bytes(damaged)
        with pytest.raises(ConfigError, match="another version saved it"):
            saved.load(three / "coin-2")


@pytest.mark.parametrize("damaged", [b"", b'{"offered":3}', b'{"problem":"\xff"}', b"\xff"])
def test_what_became_of_the_events_is_nothing_or_whole_or_said_to_be_damaged(damaged: bytes, tmp_path: Path) -> None:
    run = written(tmp_path, "coin")
    assert saved.load(run.folder).telemetry is None
    outcome = Outcome(offered=3, published=1, dropped=2, problem="it was slow")
    write_outcome(run.folder, outcome)
    assert saved.load(run.folder).telemetry == outcome
    (run.folder / "telemetry.json").write_bytes(damaged)
    with pytest.raises(ConfigError, match=r"telemetry\.json: this is not what telemetry leaves behind: "):
        _ = saved.load(run.folder).telemetry


def test_runs_that_start_together_get_folders_of_their_own(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from orchestrator import saving\n"
        "for _ in range(20): print(saving.new_folder(Path(sys.argv[1]), 'coin'))"
    )
    racers = [
        subprocess.Popen(warm.python(code, str(tmp_path)), stdout=subprocess.PIPE, text=True, cwd=HERE.parents[1])
        for _ in range(2)
    ]
    made = [line for racer in racers for line in racer.communicate(timeout=60)[0].split()]
    assert len(made) == len(set(made)) == 40
