"""Tables, warnings and the forms that results are written in, without any process."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import loader, report
from orchestrator.cli.series import Series, seed_of, values_of
from orchestrator.oracle.spec import Failure, Observed, Result, Summary
from orchestrator.run import Run, Source
from orchestrator.text import ago, columns, shortened, span
from qnode.errors import TimedOut
from qnode.wire.payload import pack

COUNTS = {"steps": 5, "reports": 5, "operations": 1, "messages": 1, "pairs": 1, "transfers": 0, "absorbed": 0}


def run_of(
    results: Mapping[str, object],
    *,
    notes: dict[str, dict[str, object]] | None = None,
    observed: tuple[Observed, ...] = (),
    how: str = "done",
    **more: object,
) -> Run:
    """A run of nodes with one program each, in the order of their names' first appearance."""
    config = {
        "version": 1,
        "name": "made up",
        "seed": 1,
        "nodes": {name: {"program": "p.py:main"} for name in results},
        "observe": {"received": ["fidelity"]},
    }
    fields: dict[str, object] = {
        "failures": (),
        "frames_refused": {},
        "unread": {},
        "left_over": {},
        "reproducible": True,
        **more,
    }
    summary = Summary(
        how=how,
        at_ns=1500,
        nodes=(),
        results=tuple(Result(name, "main", 1000, pack(value)) for name, value in results.items() if value != "none"),
        notes=tuple((node, name, pack(value)) for node, all in (notes or {}).items() for name, value in all.items()),
        observed=observed,
        waits=(),
        counts=dict(COUNTS),
        lateness_ns={},
        clock_bound_ns={},
        resumable=True,
        **fields,  # type: ignore[arg-type]  # by name, and checked by msgspec's own constructor
    )
    source = Source(loader.from_mapping(config), Path("/base"))
    return Run(source, summary, folder=Path("/runs/made-up-1"), started=datetime.now(UTC), wall_s=0.5)


def seen(value: float | None, nth: int = 0) -> Observed:
    return Observed("received", nth, "b", "q", "fidelity", value)


# --- tables --------------------------------------------------------------------------------------------------------


def test_every_result_record_and_evaluation_has_a_row() -> None:
    run = run_of(
        {"a": [1, 0], "b": None, "c": "none"}, notes={"a": {"heads": 3}}, observed=(seen(0.25),), used={"a": 9}
    )
    assert report.rows(run) == [
        ("a", "p.py:main", "[1, 0]", "1 us", "9 used"),
        ("a", "heads", "3", "", ""),
        ("b", "p.py:main", "-", "1 us", ""),
        ("c", "p.py:main", "unfinished", "", ""),
        ("check", "fidelity at 'received'", "0.25", "observer only", ""),
    ]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((None,), "-"),
        ((None, None), "- (2 times)"),
        ((0.5, 0.5), "0.5 (all 2)"),
        ((0.25, 0.75), "0.5 (mean of 2, 0.25 to 0.75)"),
        ((0.25, 0.75, None), "0.5 (mean of 2, 0.25 to 0.75); 1 without a value"),
    ],
)
def test_evaluations_at_one_mark_share_a_row_unless_all_are_asked_for(
    values: tuple[float | None, ...], text: str
) -> None:
    run = run_of({"a": None}, observed=tuple(seen(value, nth) for nth, value in enumerate(values)))
    assert report.rows(run)[-1].value == text
    assert len(report.rows(run, whole=True)) == 1 + len(values)


def test_many_nodes_with_equal_rows_share_one_and_many_different_ones_are_left_out() -> None:
    equal = run_of({f"n{n:03}": 0 if n else 1 for n in range(1000)})
    assert [row[:3] for row in report.rows(equal)] == [
        ("n000", "p.py:main", "1"),
        ("n001 .. n999 (999 nodes)", "p.py:main", "0"),
    ]
    different = run_of({f"n{n:03}": n for n in range(1000)})
    rows = report.rows(different)
    assert len(rows) == 21
    assert rows[16] == ("...", "980 more rows of nodes", "--all shows them", "", "")
    assert len(report.rows(different, whole=True)) == 1000


def test_numbers_have_six_digits_in_the_table_and_all_of_them_elsewhere() -> None:
    found = {"S": [2 / 3, 1.0, 5], "p": (1e-7 / 3, True)}
    run = run_of({"a": 2 / 3}, notes={"a": {"found": found, "mean": (0.1 + 0.2, None)}})
    shown = ["0.666667", "{'S': [0.666667, 1.0, 5], 'p': (3.333...", "(0.3, None)"]
    assert [row.value for row in report.rows(run)] == shown
    assert json.loads(report.as_json(run))["results"]["a"]["main"] == 2 / 3


def test_a_failed_run_shows_what_there_is() -> None:
    failure = Failure("b", "main", 700, "Traceback ...\nValueError: no")
    run = run_of({"a": 1, "b": "none"}, how="failed", failures=(failure,), unread={"a": 1})
    assert report.rows(run)[1] == ("b", "p.py:main", "failed", "700 ns", "")
    assert report.closing(run).startswith("failed in 0.50 s: 5 steps, 1 message, 1 Bell pair, 1.5 us of network time")
    assert report.warnings(run) == []


def test_the_closing_tells_of_qubits_that_a_fibre_absorbed() -> None:
    run = run_of({"alice": None})
    run.summary.counts.update(transfers=12, absorbed=7)
    assert "1 Bell pair, 7 of 12 qubits absorbed on the way, 1.5 us" in report.closing(run)


def test_the_closing_has_words_and_no_names_of_ours() -> None:
    timed_out = run_of({"a": "none"}, how="timed_out")
    timed_out.failure = TimedOut(timeout="2.0")
    assert report.closing(timed_out).startswith("timed out in 0.50 s: ")


@given(st.lists(st.lists(st.text(max_size=60), min_size=3, max_size=3), min_size=1, max_size=6), st.integers(40, 120))
def test_a_table_fits_the_width_that_it_is_given(rows: list[list[str]], width: int) -> None:
    lines = columns(rows, width=width).split("\n")
    assert len(lines) == len(rows)
    assert max(map(len, lines)) <= width


@given(st.text(max_size=50), st.integers(4, 60))
def test_what_is_shortened_is_one_line_and_says_so(text: str, most: int) -> None:
    short = shortened(text, most)
    assert len(short) <= most
    assert "\n" not in short
    assert short == " ".join(text.split()) or short.endswith("...")


def test_columns_of_numbers_stand_at_the_right() -> None:
    assert columns([("x", "n"), ("long", "10"), ("y", "9")], right={1}) == "  x       n\n  long   10\n  y       9"


def test_names_in_a_row_and_times_since() -> None:
    assert span(["a", "b", "c"]) == "a, b, c"
    assert span(["a", "b", "c", "d"]) == "a .. d (4 nodes)"
    assert span(["a", "b", "c", "d"], "link") == "a .. d (4 links)"
    now = datetime(2030, 1, 10, tzinfo=UTC)
    pasts = [timedelta(seconds=5), timedelta(minutes=3), timedelta(hours=5), timedelta(days=3), timedelta(seconds=-9)]
    assert [ago(now - past, now) for past in pasts] == ["5 s ago", "3 min ago", "5 h ago", "3 d ago", "0 s ago"]


# --- warnings ------------------------------------------------------------------------------------------------------


def test_what_may_be_a_mistake_is_a_warning() -> None:
    nodes = {name: 0 for name in "abcde"}
    run = run_of(
        nodes, unread={"a": 1, "b": 2}, left_over=dict.fromkeys(nodes, 2), frames_refused={"x": 3}, reproducible=False
    )
    assert report.warnings(run) == [
        "a never received 1 message",
        "b never received 2 messages",
        "a .. e (5 nodes) never measured or discarded 10 qubits",
        "nothing was observed at 'received': no program called node.mark('received', qubit)",
        "3 messages refused: x",
        "something from outside came in (a socket, a thread, a signal): another run may differ",
    ]


def test_lost_qubits_are_told_whatever_came_of_the_run() -> None:
    slot = "no free memory slot"
    lost = {"a": {slot: 48}, "b": {"its program has returned": 1}, "c": {slot: 1}}
    told = [
        "a lost 48 qubits: no free memory slot; raise qubits:",
        "c lost 1 qubit: no free memory slot; raise qubits:",
        "b lost 1 qubit: its program has returned",
    ]
    nodes: dict[str, object] = dict.fromkeys("abc", 0)
    assert report.warnings(run_of(nodes, lost=lost, observed=(seen(1.0),))) == told
    assert report.warnings(run_of(nodes, lost=lost, how="deadlock", unread={"a": 1})) == told


def test_a_run_that_was_ended_at_a_time_leaves_things_half_done_without_a_warning() -> None:
    run = run_of({"a": 0}, how="until", unread={"a": 1}, left_over={"a": 1}, observed=(seen(1.0),))
    assert report.warnings(run) == []


# --- other forms ---------------------------------------------------------------------------------------------------


def test_values_survive_json_and_csv() -> None:
    value = {'key, with "quotes"': [1, 2.5, None, "a\nb", 1j, b"\x00\xff"]}
    run = run_of({"a": value, "b": None}, notes={"a": {"n": float("nan")}}, observed=(seen(None), seen(0.5, 1)))
    expected = {'key, with "quotes"': [1, 2.5, None, "a\nb", [0.0, 1.0], "00ff"]}
    assert json.loads(report.as_json(run))["results"]["a"]["main"] == expected
    rows = list(csv.reader(io.StringIO(report.as_csv(run))))
    assert rows[0] == ["node", "kind", "name", "value", "network_time_ns"]
    assert json.loads(rows[1][3]) == expected
    assert rows[1][4] == "1000"
    assert [row[:4] for row in rows[2:]] == [
        ["b", "result", "main", ""],
        ["a", "record", "n", '"nan"'],
        ["b", "observed", "received[0] fidelity", ""],
        ["b", "observed", "received[1] fidelity", "0.5"],
    ]


# --- series --------------------------------------------------------------------------------------------------------


def test_seeds_of_a_series_depend_on_its_seed_and_their_number_alone() -> None:
    short, long = Series(1, 3), Series(1, 200)
    assert long.seeds[:3] == short.seeds
    assert len(set(long.seeds)) == 200
    assert seed_of(2, 0) != seed_of(1, 0)


def test_means_and_their_standard_errors_are_of_numbers_only() -> None:
    series = Series(1, 4)
    for number in (1, 2, 4, 5):
        observed = (seen(0.5), seen(1.0, 1))
        series.add(
            run_of({"a": number, "b": [number], "c": "none"}, notes={"a": {"flag": number > 3}}, observed=observed)
        )
    means = json.loads(series.as_json())["means"]
    assert means["a"] == {"mean": 3.0, "standard_error": pytest.approx((10 / 3 / 4) ** 0.5), "n": 4}
    assert means["a.flag"]["mean"] == 0.5
    assert means["received.fidelity"] == {"mean": 0.75, "standard_error": 0.0, "n": 4}
    assert "b" not in means
    lines = series.table().splitlines()
    assert lines[0].split() == ["run", "seed", "a", "b", "a.flag", "received.fidelity"]
    assert lines[5].split() == ["mean", "3", "0.5", "0.75"]


def test_columns_of_a_series_are_in_the_order_of_the_network_whoever_ends_first() -> None:
    run = run_of({"a": 1, "b": 2, "c": 3}, notes={"b": {"x": 1}, "a": {"y": 2}})
    fields = {name: getattr(run.summary, name) for name in run.summary.__struct_fields__}
    backwards = {"results": run.summary.results[::-1], "notes": run.summary.notes}
    run.summary = Summary(**fields | backwards)
    assert list(values_of(run)) == ["a", "b", "c", "a.y", "b.x"]


def test_a_series_of_one_has_no_error_and_its_json_is_valid() -> None:
    series = Series(1, 1)
    series.add(run_of({"a": 1}))
    text = series.as_json()
    assert json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))["means"]["a"]["n"] == 1
    assert "mean" not in series.table()


def test_a_series_of_many_nodes_shows_the_numbers_first_and_says_what_it_leaves_out() -> None:
    series = Series(1, 2)
    for _ in range(2):
        series.add(run_of({f"n{n:02}": n if n % 2 else [n] for n in range(40)}))
    header, *_, last = series.table().splitlines()
    assert header.split()[2:] == [f"n{n:02}" for n in range(1, 24, 2)]
    assert last == "  28 more columns: --json has them all"
    assert len(series.table(whole=True).splitlines()[0].split()) == 42


def test_columns_of_a_node_with_several_programs_carry_their_names() -> None:
    run = run_of({"a": 1})
    programs = {name: {"run": f"p.py:{name}"} for name in ("main", "echo")}
    config = loader.from_mapping({"version": 1, "seed": 1, "nodes": {"a": {"programs": programs}}})
    run.source = Source(config, Path("/base"))
    more = Result("a", "echo", 5, pack(2))
    run.summary = Summary(
        **{name: getattr(run.summary, name) for name in run.summary.__struct_fields__}
        | {"results": (*run.summary.results, more)}
    )
    assert values_of(run) == {"a.main": 1, "a.echo": 2}
    assert [row.what for row in report.rows(run)] == ["main: p.py:main", "echo: p.py:echo"]
