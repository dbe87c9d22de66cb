"""The benchmarks run, tell the truth about what they measured, and leave nothing behind; speed is not tested."""

from __future__ import annotations

import json
import math
import os
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from benchmarks import report, teleport
from benchmarks.__main__ import BENCHMARKS, main
from benchmarks.bench import Bench, require
from benchmarks.measure import EFFORTS, Figure, Target, WrongResult, interleave
from benchmarks.yardstick import MOST, EchoGroup

PAGE: Final = Path(__file__).parents[1] / "docs" / "benchmarks.md"

DOCUMENTED: Final = {"format", "machine", "effort", "figures"}
MACHINE: Final = {"cpu_count", "system", "architecture", "python", "implementation", "versions"}
FIGURE: Final = {
    "benchmark", "case", "unit", "median", "min", "max", "samples", "yardstick", "ratio", "target", "met",
}  # fmt: skip
YARDSTICK: Final = {"name", "median", "min", "max", "samples"}
TARGET: Final = {"of", "bound", "limit", "text"}


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What all benchmarks write at the least effort."""
    folder = tmp_path_factory.mktemp("benchmarks")
    page = folder / "page.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    assert main(["--effort", "tiny", "--json", str(folder / "figures.json"), "--markdown", str(page)]) == 0
    written: dict[str, Any] = json.loads((folder / "figures.json").read_text())
    return {**written, "page": page.read_text()}


def test_the_json_has_the_documented_keys(document: dict[str, Any]) -> None:
    assert set(document) - {"page"} == DOCUMENTED
    assert set(document["machine"]) == MACHINE
    for figure in document["figures"]:
        assert set(figure) == FIGURE
        assert figure["yardstick"] is None or set(figure["yardstick"]) == YARDSTICK
        assert figure["target"] is None or set(figure["target"]) == TARGET
    page = PAGE.read_text(encoding="utf-8")
    undocumented = {key for key in DOCUMENTED | MACHINE | FIGURE | YARDSTICK | TARGET if f"`{key}`" not in page}
    assert not undocumented


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_yields_positive_samples_beside_a_yardstick(document: dict[str, Any], name: str) -> None:
    figures = [figure for figure in document["figures"] if figure["benchmark"] == name]
    assert figures
    assert any(figure["yardstick"] for figure in figures)
    for figure in figures:
        assert len(figure["samples"]) == document["effort"]["repetitions"]
        assert all(sample > 0 for sample in figure["samples"]) or figure["unit"] == "messages"
        if figure["yardstick"]:
            assert all(sample > 0 for sample in figure["yardstick"]["samples"])
            assert figure["ratio"] > 0


def test_local_gates_cause_no_message(document: dict[str, Any]) -> None:
    (messages,) = [figure for figure in document["figures"] if figure["unit"] == "messages"]
    assert messages["samples"] == [0]


def test_one_more_teleportation_takes_at_most_four_steps(document: dict[str, Any]) -> None:
    (steps,) = [figure for figure in document["figures"] if figure["unit"] == "steps"]
    assert 0 < steps["max"] <= 4


def test_the_generated_section_is_replaced_and_the_rest_is_kept(document: dict[str, Any]) -> None:
    page = document["page"]
    assert page.startswith(f"before\n{report.BEGIN}\n")
    assert page.endswith(f"{report.END}\nafter\n")
    assert "old" not in page
    assert page.count("\n| step | k = ") == 3


def test_the_page_has_a_section_to_rewrite() -> None:
    assert report.has_section(PAGE)


def test_a_page_without_a_section_is_refused_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"{report.END}\n{report.BEGIN}\n")
    with pytest.raises(SystemExit) as exit_code:
        main(["--markdown", str(page)])
    assert exit_code.value.code == 2
    assert report.BEGIN in capsys.readouterr().err


def test_an_unknown_benchmark_is_refused_with_the_names_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_code:
        main(["telport"])
    assert exit_code.value.code == 2
    said = capsys.readouterr().err
    assert ", ".join(BENCHMARKS) in said
    assert {"teleport", "bulk"} <= set(BENCHMARKS)


def test_a_wrong_result_is_an_error_and_no_figure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def broken(bench: Bench) -> list[Figure]:
        async def sample() -> None:
            require(False, "3 of 4 teleported states were not what was sent")

        await bench.sample("teleport", [("broken", sample)])
        return []

    monkeypatch.setattr("benchmarks.__main__.BENCHMARKS", {"teleport": broken})
    assert main(["--effort", "tiny"]) == 1
    captured = capsys.readouterr()
    assert "3 of 4 teleported states" in captured.err
    assert not captured.out


async def test_a_teleportation_that_is_not_undone_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The receiver turns every state half a turn too far: it must find 1 where it should find 0."""
    original = teleport._config

    def half_a_turn_off(case: teleport.Case, n: int) -> dict[str, Any]:
        config = original(case, n)
        config["nodes"]["bob"]["args"]["first_angle"] += math.pi
        return config

    monkeypatch.setattr(teleport, "_config", half_a_turn_off)
    with EchoGroup(tmp_path) as echo:
        bench = Bench(EFFORTS["tiny"], echo, tmp_path / "runs", lambda _: None)
        with pytest.raises(WrongResult, match="4 of 4 teleported states were not what was sent"):
            await teleport.run(bench)


def test_the_echo_processes_are_gone_at_the_end(tmp_path: Path) -> None:
    with EchoGroup(tmp_path) as echo:
        pids = [process.pid for process in echo.processes]
        assert len(pids) == MOST
        assert all(_exists(pid) for pid in pids)
        assert echo.seconds_for(10, 30, 5) > 0
    assert not any(_exists(pid) for pid in pids)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_samples_of_all_cases_take_turns() -> None:
    taken: list[str] = []

    async def take(name: str) -> None:
        taken.append(name)

    await interleave([(name, partial(take, name)) for name in "abc"], 2, lambda _: None)
    assert taken == list("abcabc")


def test_a_ratio_compares_each_sample_with_its_own_yardstick() -> None:
    cost = Figure("step", "k = 1", "us", samples=[10.0, 40.0, 90.0], yardstick=[10.0, 20.0, 30.0])
    rate = Figure("pairs", "", "/s", inverse=True, samples=[50.0, 10.0, 10.0], yardstick=[50.0, 20.0, 40.0])
    assert (cost.value, cost.ratio) == (40.0, 2.0)
    assert (rate.value, rate.ratio) == (10.0, 2.0)
    assert Figure("step", "", "us", samples=[1.0]).ratio is None


@pytest.mark.parametrize(
    ("target", "met"),
    [
        (Target("ratio", "at most", 2), True),
        (Target("ratio", "at most", 1.9), False),
        (Target("value", "at least", 41), False),
        (Target("value", "at least", 40), True),
        (None, None),
    ],
)
def test_a_target_is_met_at_its_limit(target: Target | None, met: bool | None) -> None:
    assert Figure("step", "", "us", target, samples=[40.0], yardstick=[20.0]).met is met


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.00123456, "0.00123"), (0.1, "0.100"), (9.996, "10.0"), (123.4, "123"), (999.6, "1,000"), (4, "4.00")],
)
def test_numbers_show_three_digits(value: float, text: str) -> None:
    assert report.number(value) == text
