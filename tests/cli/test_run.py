"""`qnode run`, `init`, `check`, `results` and `runs`, as real commands in a new project."""

from __future__ import annotations

import csv
import json
import signal
import sys
from pathlib import Path

import pytest

from orchestrator.cli.series import seed_of
from tests.cli.commands import (
    DEADLINE_S,
    carried_out,
    ended,
    err,
    lasting_lines,
    on_terminal,
    out,
    qnode,
    started,
    typed,
)
from tests.cli.programs import CARELESS, COUNTS, FAILS, SOMETIMES, TALKS, WAITS


def write(folder: Path, text: str, name: str = "net.py") -> Path:
    path = folder / name
    path.write_text(text)
    return path


# --- a new project -------------------------------------------------------------------------------------------------


def test_a_new_project_runs_and_its_tests_pass(project: Path) -> None:
    done = qnode("run", "coin.yaml", cwd=project)
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0] == "coin: 2 nodes, 1 link, virtual clock, seed 1"
    assert lines[1].split() == ["node", "program", "result", "network", "time", "qubits"]
    tosses = lines[2].partition("[")[2].partition("]")[0]
    assert tosses in lines[3]
    assert "fidelity at 'shared'   1 (all 8)" in lines[5]
    assert lines[-2:] == ["saved in .qnode/runs/coin-1", "repeat: qnode run coin.yaml --seed 1"]
    assert done.err == ""

    tests = carried_out([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"], cwd=project)
    assert tests.code == 0, tests.out
    assert "3 passed" in tests.out


def test_a_project_whose_name_looks_like_an_option_is_shown_how_to_enter(tmp_path: Path) -> None:
    done = typed("init", "--", "-y", cwd=tmp_path)
    assert done.code == 0, done.err
    assert "  cd ./-y\n" in done.out


def test_a_new_project_overwrites_nothing(project: Path) -> None:
    (project / "coin.py").write_text("mine")
    (project / "README.md").unlink()
    done = typed("init", ".", cwd=project)
    assert done.code == 2
    assert (
        done.err
        == "qnode: .: coin.py, coin.yaml, pytest.ini, test_coin.py would be overwritten; choose another folder\n"
    )
    assert (project / "coin.py").read_text() == "mine"
    assert not (project / "README.md").exists()


def test_a_new_project_is_made_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for folder, sentence in (("file", "file is in the way"), ("file/in", "a project cannot be made here: Not a dir")):
        done = typed("init", folder, cwd=tmp_path)
        assert done.code == 2
        assert done.err.startswith(f"qnode: {folder}: {sentence}")
        assert done.err.endswith("; choose another folder\n")
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "test_coin.py").symlink_to("nowhere")  # the last one that is written
    done = typed("init", "half", cwd=tmp_path)
    assert (done.code, done.err) == (2, "qnode: half: half/test_coin.py is in the way; choose another folder\n")
    assert [path.name for path in (tmp_path / "half").iterdir()] == ["test_coin.py"]


def test_the_oldest_age_is_still_a_date(project: Path) -> None:
    done = typed("runs", "prune", "--older-than", "1000w", "--runs-folder", "runs", cwd=project)
    assert (done.code, done.err) == (0, "")
    assert typed("runs", "prune", "--older-than", f"{1000 * 366}d", cwd=project).code == 0


def test_the_same_seed_gives_the_same_results_inline_too_and_another_does_not(project: Path) -> None:
    results = [
        json.loads(run("run", "coin.py", "--seed", *options, "--json", cwd=project).out)["results"]
        for run, options in ((qnode, ["5"]), (typed, ["5", "--inline"]), (typed, ["6", "--inline"]))
    ]
    assert results[0] == results[1] != results[2]


def test_results_of_a_run_come_back_as_table_json_and_csv(project: Path) -> None:
    ran = qnode("run", "coin.yaml", "--name", "first", cwd=project)
    assert "saved in .qnode/runs/first" in ran.out
    table = typed("results", cwd=project).out
    assert table.splitlines()[:6] == ran.out.splitlines()[:6]
    by_name = json.loads(typed("results", "first", "--json", cwd=project).out)
    assert (by_name["name"], by_name["seed"], by_name["ended"], by_name["exit_code"]) == ("coin", 1, "done", 0)
    written = typed("results", ".qnode/runs/first", "--csv", "results.csv", cwd=project)
    assert (written.code, written.out, written.err) == (0, "", "written to results.csv\n")
    with (project / "results.csv").open() as file:
        rows = {(row["node"], row["kind"], row["name"]): row for row in csv.DictReader(file)}
    bits = by_name["results"]["bob"]["main"]
    assert json.loads(rows["bob", "result", "main"]["value"]) == bits
    assert rows["bob", "record", "heads"]["value"] == str(sum(bits))
    assert float(rows["alice", "observed", "shared[7] fidelity"]["value"]) == pytest.approx(1)

    again = typed("run", "coin.yaml", "--name", "first", "--inline", cwd=project)
    assert again.code == 2
    assert "a run of this name is there" in again.err
    missing = typed("results", "fist", cwd=project)
    assert missing.code == 2
    assert "there is no run 'fist' (did you mean 'first'?)" in missing.err


def test_many_runs_have_a_row_and_a_seed_each_and_are_listed_and_pruned(project: Path) -> None:
    done = qnode("run", "coin.yaml", "--runs", "3", cwd=project)
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[1].split() == ["run", "seed", "alice", "bob", "bob.heads", "shared.fidelity"]
    assert [line.split()[:2] for line in lines[2:5]] == [[str(n + 1), str(seed_of(1, n))] for n in range(3)]
    heads = [float(line.split()[-2]) for line in lines[2:5]]
    assert lines[5].split() == ["mean", f"{sum(heads) / 3:.6g}", "1"]
    assert lines[6].split()[:2] == ["std", "error"]
    assert lines[-1] == "repeat: qnode run coin.yaml --seed 1 --runs 3"

    broken = project / ".qnode" / "runs" / "broken"
    broken.mkdir()
    (broken / "run.json").write_bytes(b'{"format": 1, "name": "\xff"}')
    listed = typed("runs", cwd=project).out.splitlines()
    assert [line.split()[0] for line in listed] == ["run", "coin-1", "coin-2", "coin-3"]
    assert [entry["seed"] for entry in json.loads(typed("runs", "--json", cwd=project).out)] == [
        seed_of(1, n) for n in range(3)
    ]
    shown = typed("results", "broken", cwd=project)
    assert shown.code == 2
    assert "broken/run.json: this is not what a run saves: " in shown.err
    assert typed("runs", "prune", cwd=project).code == 2
    pruned = typed("runs", "prune", "--keep", "1", cwd=project)
    assert pruned.out == "removed 2 runs; 1 run left in .qnode/runs\n"
    assert sorted(path.name for path in (project / ".qnode" / "runs").iterdir()) == ["broken", "coin-3"]


def test_a_series_stops_at_its_first_failure_and_says_how_to_repeat_it(tmp_path: Path) -> None:
    write(tmp_path, SOMETIMES)
    done = qnode("run", "net.py", "--seed", "3", "--runs", "40", "--json", cwd=tmp_path)
    assert done.code == 1
    data = json.loads(done.out)
    seed, passed = data["failed"]["seed"], len(data["runs"])
    assert seed == seed_of(3, passed)
    assert data["means"]["alice"]["n"] == passed
    assert f"repeat: qnode run net.py --seed {seed}\n" in done.err
    assert f"run {passed + 1} of 40 failed, with seed {seed}" in done.err
    assert typed("run", "net.py", "--seed", str(seed), "-q", "--inline", cwd=tmp_path).code == 1


# The first run returns, the second one waits for ever.
WAITS_THEN = """
import asyncio
from pathlib import Path

from qnode import Node


async def alice(node: Node):
    marker = Path({marker!r})
    if marker.exists():
        print("second")
        while True:
            await asyncio.sleep(1)
    marker.touch()
    return 7
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_series_that_is_interrupted_shows_the_runs_that_ended(number: signal.Signals, tmp_path: Path) -> None:
    write(tmp_path, WAITS_THEN.format(marker=str(tmp_path / "ran")))
    with started("run", "net.py", "--seed", "3", "--runs", "3", "--json", cwd=tmp_path) as series:
        assert err(series).readline() == "alice | second\n"
        series.send_signal(number)
        done = ended(series)
    assert done.code == 130
    data = json.loads(done.out)
    assert [run["results"] for run in data["runs"]] == [{"alice": {"main": 7}}]
    assert data["failed"] is None
    assert done.err.splitlines()[:2] == [
        "1 of 3 runs ended before the interruption",
        "repeat: qnode run net.py --seed 3 --runs 3",
    ]


# --- what a run shows ----------------------------------------------------------------------------------------------


def test_what_programs_print_stands_before_the_table_or_apart_from_json(tmp_path: Path) -> None:
    write(tmp_path, TALKS.replace("20_000", "3"))
    done = qnode("run", "net.py", cwd=tmp_path)
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert sorted(lines[1:5]) == ["alice | line 0", "alice | line 1", "alice | line 2", "bob | bob complains"]
    assert lines[5].split()[0] == "node"
    done = qnode("run", "net.py", "--json", cwd=tmp_path)
    assert json.loads(done.out)["ended"] == "done"
    assert sorted(done.err.splitlines()) == sorted(lines[1:5])
    done = qnode("run", "net.py", "--quiet", cwd=tmp_path)
    assert done.err == ""
    assert [line.split()[0] for line in done.out.splitlines()] == ["node", "alice", "bob"]


def test_when_nobody_reads_the_output_any_more_the_run_ends_in_silence(tmp_path: Path) -> None:
    write(tmp_path, TALKS + "\n\nasync def carol(node: Node):\n    while True:\n        await asyncio.sleep(1)\n")
    with started("run", "net.py", cwd=tmp_path) as first:
        assert out(first).readline().startswith("net: 3 nodes")
        assert " | " in out(first).readline()
        out(first).close()
        assert first.wait(DEADLINE_S) == 141
        assert err(first).read() == ""
    (run,) = json.loads(typed("runs", "--json", cwd=tmp_path).out)
    assert (run["ended"], run["exit_code"]) == ("interrupted", 141)


def test_on_a_terminal_progress_comes_and_goes_and_lines_fit(project: Path) -> None:
    shown = on_terminal("run", "coin.yaml", "--runs", "2", cwd=project)
    assert shown.code == 0
    assert "run 1 of 2: starting 2 nodes" in shown.out
    assert "\x1b[1mcoin: 2 nodes" in shown.out
    lines = lasting_lines(shown.out)
    assert not any("starting" in line for line in lines)
    assert max(map(len, lines)) <= 80
    plain = on_terminal("run", "coin.yaml", cwd=project, NO_COLOR="1").out
    assert "\x1b[1m" not in plain
    assert "starting 2 nodes" in plain
    dumb = on_terminal("run", "coin.yaml", cwd=project, TERM="dumb").out
    assert "\x1b" not in dumb


def test_a_hundred_nodes_are_summed_up_unless_all_are_asked_for(tmp_path: Path) -> None:
    write(tmp_path, "async def main(node):\n    return 0\n", "same.py")
    (tmp_path / "net.yaml").write_text(
        "version: 1\nseed: 1\nnodes_per_process: 50\n"
        'nodes:\n  n[00..99]: {program: "same.py:main"}\n'
        'links: {ring: {chain: ["n[00..99]"], length: 1 km}}\n'
    )
    done = qnode("run", "net.yaml", "-q", cwd=tmp_path)
    assert done.out.splitlines()[1:] == ["  n00 .. n99 (100 nodes)   same.py:main   0        0 ns"]
    assert len(typed("results", "--all", cwd=tmp_path).out.splitlines()) > 100
    checked = typed("check", "net.yaml", cwd=tmp_path).out
    assert "n00 .. n99 (100 nodes)" in checked
    assert "(99 links)" in checked
    assert "5.003 us to 495.297 us between any two nodes" in checked
    assert "3: the oracle and 2 for nodes, 50 nodes each" in checked


# --- how a run ends ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "options", "code", "sentence", "ended"),
    [
        (FAILS, (), 1, "ValueError: no such luck", "failed"),
        (WAITS, (), 3, "deadlock at 0 ns", "deadlock"),
        (COUNTS, ("--timeout", "0.5"), 3, "did not end within 0.5 s", "timed_out"),
    ],
    ids=["fails", "deadlock", "too long"],
)
def test_a_run_that_ends_badly_is_a_sentence_an_exit_code_and_is_saved(
    text: str, options: tuple[str, ...], code: int, sentence: str, ended: str, tmp_path: Path
) -> None:
    write(tmp_path, text)
    done = qnode("run", "net.py", "--json", *options, cwd=tmp_path)
    assert done.code == code
    assert sentence in done.err
    assert "qnode: " in done.err
    assert "orchestrator/cli" not in done.err
    data = json.loads(done.out)
    assert (data["ended"], data["exit_code"]) == (ended, code)
    saved = typed("results", cwd=tmp_path)
    assert saved.code == 0
    assert sentence in saved.out
    debug = typed("run", "net.py", "--debug", "--inline", *options, cwd=tmp_path)
    assert debug.code == code
    assert "qnode.errors." in debug.err


def test_a_saved_run_tells_what_the_command_returned_for_a_mistake_too(project: Path) -> None:
    done = typed("run", "coin.yaml", "--set", "clock=real", "--inline", cwd=project)
    assert done.code == 2
    assert "only the virtual clock can run in one process" in done.err
    assert json.loads((project / ".qnode" / "runs" / "coin-1" / "run.json").read_text())["exit_code"] == 2


def test_warnings_tell_of_messages_qubits_and_marks_that_were_forgotten(tmp_path: Path) -> None:
    write(tmp_path, CARELESS)
    (tmp_path / "net.yaml").write_text(
        "version: 1\nseed: 1\n"
        "nodes: {alice: {program: 'net.py:alice'}, bob: {program: 'net.py:bob'}, carol: {program: 'net.py:carol'}}\n"
        "links: {all: {complete: [alice, bob, carol], length: 1 km}}\n"
        "observe: {recieved: [fidelity]}\n"
    )
    done = qnode("run", "net.yaml", cwd=tmp_path)
    assert done.code == 0, done.err
    assert sorted(done.err.splitlines()) == [
        "warning: alice never measured or discarded 2 qubits",
        "warning: bob never measured or discarded 1 qubit",
        "warning: bob never received 1 message",
        "warning: carol never measured or discarded 1 qubit",
        "warning: nothing was observed at 'recieved': no program called node.mark('recieved', qubit)",
    ]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["check", "coin"], "coin: there is no such file (did you mean 'coin.yaml'?)"),
        (["check", "con.yaml"], "con.yaml: there is no such file (did you mean 'coin.yaml'?)"),
        (["check", "."], "this is a folder; name a file in it: coin.yaml"),
        (["check", "test_coin.py"], "test_coin.py: no top-level function is a node"),
        (["results"], "no run is saved here; make one with `qnode run CONFIG`"),
        (["results", "--json", "--csv", "x"], "--json and --csv FILE exclude each other"),
        (["runs", "--keep", "3"], "--keep and --older-than belong to `qnode runs prune`"),
        (["runs", "prune"], "--keep 10 (the newest stay), --older-than 7d, or both"),
        (["down", "x", "--all"], "give a NAME or --all, not both"),
        (["down", "x"], "no network is up here; `qnode up CONFIG` starts one"),
    ],
    ids=lambda value: " ".join(value[:3]) if isinstance(value, list) else "",
)
def test_what_cannot_be_is_told_in_a_sentence_with_exit_2(arguments: list[str], sentence: str, project: Path) -> None:
    done = typed(*arguments, cwd=project)
    assert done.code == 2
    assert sentence in done.err
    assert "Traceback" not in done.err


def test_a_run_that_cannot_be_saved_or_named_does_not_start(project: Path) -> None:
    nowhere = qnode("run", "coin.yaml", "--runs-folder", "/proc/nowhere", cwd=project)
    assert nowhere.code == 2
    assert "/proc/nowhere: a run cannot be saved here" in nowhere.err
    both = typed("run", "coin.yaml", "--name", "x", "--runs", "2", "--inline", cwd=project)
    assert (both.code, both.out) == (2, "")
    assert both.err.startswith("qnode: --name: names one run")


def test_all_mistakes_of_a_configuration_are_told_at_once_with_their_places(project: Path) -> None:
    text = (
        (project / "coin.yaml").read_text().replace("tosses: 8}}", "toses: 8}}", 1).replace("coin.py:bob", "coin.py:bo")
    )
    (project / "coin.yaml").write_text(text)
    for command_ in ("check", "up"):
        done = typed(command_, "coin.yaml", cwd=project)
        assert (done.code, done.out) == (2, "")
        assert [line.partition(": ")[0] for line in done.err.splitlines() if line.startswith("coin.yaml")] == [
            "coin.yaml:6:44",
            "coin.yaml:7:18",
        ]
        assert done.err.endswith("qnode: 2 mistakes; nothing was started\n")
    assert not (project / ".qnode" / "networks").exists()


def test_what_check_says_fits_80_columns(project: Path) -> None:
    done = typed("check", "coin.yaml", cwd=project)
    assert [line for line in done.out.splitlines() if len(line) > 80] == []


def test_check_prints_the_plan_and_starts_and_saves_nothing(project: Path) -> None:
    done = typed("check", "coin.yaml", cwd=project)
    assert done.code == 0, done.err
    for words in (
        "coin.py:alice(tosses=8)",
        "alice - bob    10 km   50.035 us",
        "fidelity to phi+ at 'shared'",
        "1, the configuration's",
        "3: the oracle and 2 for nodes",
        "MiB at the start",
        "no mistakes found in configuration and programs' signatures; nothing was started",
    ):
        assert words in done.out
    assert not (project / ".qnode").exists()
    drawn = typed("check", "coin.py", cwd=project).out
    assert drawn.splitlines()[0] == "coin: 2 nodes, 1 link, virtual clock"
    assert "drawn for each run" in drawn
