"""What all processes of a run must have alike: every kind of difference is told by its name."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Final

import pytest

from orchestrator import facts
from orchestrator.addresses import Own
from orchestrator.cli.by_hand import Identity, joining, oracle_facts, plan_by_hand
from orchestrator.cluster import Cluster
from orchestrator.facts import MOST_TOLD, differences
from orchestrator.head import versions
from orchestrator.run import Source
from tests.machines.networks import HELPERS, NETWORK, PROGRAMS, write

MATRIX: Final = ",alice,bob,carol\nalice,,1 ms,1 ms\nbob,1 ms,,1 ms\ncarol,1 ms,1 ms,\n"
WITH_MATRIX: Final = f"{NETWORK}classical: {{delay: {{matrix: delays.csv}}}}\n"


def source(folder: Path, *changes: str, seed: int | None = None) -> Source:
    return Cluster.from_yaml(folder / "net.yaml", set=changes).set_up(seed)


def has(name: str, of: Source) -> dict[str, str]:
    """What a node's process has."""
    plan = plan_by_hand(of, "ipc://x")
    process = plan.processes[list(of.network.nodes).index(name)]  # type: ignore[arg-type]  # a plain name
    return joining(of, process, Own(), Identity(b"x" * 32)).facts


@pytest.fixture
def oracle(tmp_path: Path) -> dict[str, str]:
    return dict(oracle_facts(source(write(tmp_path / "oracle"))))


@pytest.mark.parametrize("name", ["alice", "bob", "carol"])
def test_the_same_files_in_another_folder_are_the_same(name: str, oracle: dict[str, str], tmp_path: Path) -> None:
    assert differences(has(name, source(write(tmp_path / "elsewhere"))), oracle) == ""


@pytest.mark.parametrize(
    ("network", "programs", "helpers", "changes", "sentence"),
    [
        (NETWORK, PROGRAMS + "\n", HELPERS, (), "program programs.py differs from the oracle's"),
        (NETWORK, PROGRAMS, HELPERS + "\n", (), "program helpers.py differs from the oracle's"),
        (
            NETWORK,
            PROGRAMS + "\n",
            HELPERS + "\n",
            (),
            "program helpers.py differs from the oracle's; program programs.py differs from the oracle's",
        ),
        (
            NETWORK.replace("10 km", "11 km"),
            PROGRAMS,
            HELPERS,
            (),
            "`links` in the configuration (with --set) differs from the oracle's",
        ),
        (
            NETWORK,
            PROGRAMS,
            HELPERS,
            ("links.ab.length=11km",),
            "`links` in the configuration (with --set) differs from the oracle's",
        ),
        (
            NETWORK.replace("t2: 10 ms", "t2: 11 ms"),
            PROGRAMS,
            HELPERS,
            (),
            "`nodes` in the configuration (with --set) differs from the oracle's",
        ),
        (
            NETWORK + "until: 1 s\n",
            PROGRAMS,
            HELPERS,
            (),
            "`until` in the configuration (with --set) differs from the oracle's",
        ),
        (
            NETWORK.replace("hosts: [lab1, lab2, lab3]\n", ""),
            PROGRAMS,
            HELPERS,
            (),
            "`hosts` in the configuration (with --set) differs from the oracle's",
        ),
        (NETWORK.replace("seed: 5", "seed: 6"), PROGRAMS, HELPERS, (), "seed 6 here, 5 at the oracle"),
        (NETWORK, PROGRAMS, HELPERS, ("telemetry.mqtt=mqtt://127.0.0.1:1",), ""),
        ("# a remark\n" + NETWORK.replace("10 km", "10000 m"), PROGRAMS, HELPERS, (), ""),
    ],
)
def test_what_differs_is_named(
    network: str,
    programs: str,
    helpers: str,
    changes: tuple[str, ...],
    sentence: str,
    oracle: dict[str, str],
    tmp_path: Path,
) -> None:
    folder = write(tmp_path / "elsewhere", network, programs, helpers)
    assert differences(has("carol", source(folder, *changes)), oracle) == sentence


def test_a_file_that_the_configuration_names_counts_too(tmp_path: Path) -> None:
    found = []
    for name, matrix in (("oracle", MATRIX), ("same", MATRIX), ("other", MATRIX.replace("1 ms", "2 ms", 1))):
        folder = write(tmp_path / name, WITH_MATRIX)
        (folder / "delays.csv").write_text(matrix)
        found.append(source(folder))
    at_the_oracle = oracle_facts(found[0])
    assert differences(has("bob", found[1]), at_the_oracle) == ""
    assert differences(has("bob", found[2]), at_the_oracle) == (
        "a file that the configuration names, such as a matrix of delays, differs from the oracle's"
    )


def test_versions_and_the_seed_are_told_for_both_sides(
    oracle: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = versions()
    monkeypatch.setattr(facts, "versions", lambda: {**before, "qnode": "9.9", "stim": "8", "python": "3.99.1"})
    theirs = has("bob", source(write(tmp_path / "elsewhere"), seed=7))
    python = ".".join(platform.python_version_tuple()[:2])
    assert differences(theirs, oracle) == (
        f"qnode 9.9 here, {before['qnode']} at the oracle; python 3.99 here, {python} at the oracle;"
        f" stim 8 here, {before['stim']} at the oracle; seed 7 here, 5 at the oracle"
    )


def test_a_bugfix_of_python_makes_no_difference(
    oracle: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    major, minor, _ = platform.python_version_tuple()
    before = versions()
    monkeypatch.setattr(facts, "versions", lambda: {**before, "python": f"{major}.{minor}.99"})
    assert differences(has("bob", source(write(tmp_path / "elsewhere"))), oracle) == ""


def test_whatever_somebody_says_is_told_in_few_words(oracle: dict[str, str]) -> None:
    said = {f"version of {'x' * 10_000}{number}": "y" * 10_000 for number in range(100)}
    told = differences(said, oracle)
    assert len(told) < 1500
    assert told.count(" here, none at the oracle") == MOST_TOLD
    assert differences({}, oracle).endswith("more")
    for name in oracle:
        without = {key: value for key, value in oracle.items() if key != name}
        assert bool(differences(without, oracle)) == (not name.startswith("program ")), name
        assert differences({**oracle, name: "z"}, oracle), name
