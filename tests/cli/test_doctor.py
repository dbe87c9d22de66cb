"""`qnode doctor`, and the scripts of `qnode completion` in the shells that are here."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from orchestrator.cli import completion, doctor
from orchestrator.cli.commands import COMMANDS
from tests.cli.commands import carried_out, on_terminal, qnode, typed


def test_the_doctor_finds_everything_that_this_test_runs_on(tmp_path: Path) -> None:
    shown = on_terminal("doctor", cwd=tmp_path, columns=100)
    assert shown.code == 0
    assert "all that is needed is here" in shown.out
    findings = json.loads(qnode("doctor", "--json", cwd=tmp_path).out)
    found = {finding["what"]: finding for finding in findings}
    assert {"qnode", "numpy", "stim", "pyzmq", "open files", "cores", "sockets"} <= set(found)
    assert not [finding for finding in findings if finding["remedy"] and finding["needed"]]


def test_the_doctor_names_each_package_once(tmp_path: Path) -> None:
    findings = json.loads(qnode("doctor", "--json", cwd=tmp_path).out)
    packages = [finding["what"] for finding in findings if finding["group"].startswith("packages")]
    assert "networkx" in packages
    assert sorted(set(packages)) == sorted(packages)


def test_a_package_that_several_features_need_is_named_for_all_of_them() -> None:
    lines = ["a>=1", "b>=2; extra == 'test'", "b>=2,<5; extra == 'dev'", "a<9; extra == 'dev'", "c; extra == 'test'"]
    assert doctor.joined(map(doctor.requirement_of, lines)) == [
        ("a", ((">=", "1"), ("<", "9")), ""),
        ("b", ((">=", "2"), ("<", "5")), "dev,test"),
        ("c", (), "test"),
    ]


def test_the_doctor_says_what_is_wrong_and_how_to_mend_it(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="qn-", dir="/tmp") as folder:
        (Path(folder) / f"qnode-{os.getuid()}").mkdir(mode=0o755)
        done = qnode("doctor", cwd=tmp_path, TMPDIR=folder)
    assert done.code == 1
    assert "belongs to somebody else or is open to others" in done.out
    assert "set TMPDIR to a folder of your own" in done.out
    assert done.out.endswith("1 problem\n")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("numpy<3,>=1.26", ("numpy", (("<", "3"), (">=", "1.26")), "")),
        ("pytest-asyncio<2,>=1; extra == 'test'", ("pytest-asyncio", (("<", "2"), (">=", "1")), "test")),
        ('qnode[test]; extra == "dev"', ("qnode", (), "dev")),
        ("networkx", ("networkx", (), "")),
    ],
)
def test_requirements_are_read_as_the_package_states_them(line: str, expected: tuple[object, ...]) -> None:
    assert doctor.requirement_of(line) == expected


@pytest.mark.parametrize(
    ("version", "bounds", "fits"),
    [
        ("1.26", [(">=", "1.26"), ("<", "3")], True),
        ("1.25.9", [(">=", "1.26")], False),
        ("3.0.0", [("<", "3")], False),
        ("10.0", [(">=", "9.1")], True),
        ("2.0rc1", [(">=", "2.0")], True),
        ("6.0.12.20241230", [(">=", "6.0.12")], True),
    ],
)
def test_versions_are_compared_by_their_numbers(version: str, bounds: list[tuple[str, str]], fits: bool) -> None:
    assert doctor.fits(version, bounds) is fits


# --- completion ----------------------------------------------------------------------------------------------------


@pytest.fixture
def somewhere(tmp_path: Path) -> Path:
    for name in ("net.yaml", "coin.py", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / ".qnode" / "runs" / "coin-1").mkdir(parents=True)
    (tmp_path / ".qnode" / "networks").mkdir()
    (tmp_path / ".qnode" / "networks" / "backbone.json").touch()
    return tmp_path


def asked(shell: str, script: str, cwd: Path) -> list[str]:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    done = carried_out([shell, *(["--no-config"] if shell == "fish" else []), "-c", script], cwd=cwd, HOME=str(cwd))
    assert done.err == ""
    return done.out.split("\n")[:-1]


WORDS = pytest.mark.parametrize(
    ("words", "there", "not_there"),
    [
        (["qnode", ""], {*COMMANDS}, {"keep"}),
        (["qnode", "ru"], {"run", "runs"}, {"up"}),
        (["qnode", "run", ""], {"net.yaml", "coin.py"}, {"notes.txt", "coin-1"}),
        (["qnode", "run", "--se"], {"--seed", "--set"}, {"--json"}),
        (["qnode", "results", "c"], {"coin-1"}, {"coin.py"}),
        (["qnode", "down", ""], {"backbone"}, {"coin-1"}),
        (["qnode", "runs", ""], {"list", "prune"}, {"coin.py"}),
        (["qnode", "completion", ""], {"bash", "zsh", "fish"}, {"coin.py"}),
    ],
    ids=lambda value: " ".join(value[1:]) if isinstance(value, list) else "",
)


@WORDS
def test_bash_completes(words: list[str], there: set[str], not_there: set[str], somewhere: Path) -> None:
    line = " ".join(f"'{word}'" for word in words)
    ask = f'COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _qnode; printf "%s\\n" "${{COMPREPLY[@]}}"'
    found = set(asked("bash", f"set -u\n{completion.bash()}\n{ask}", somewhere))
    assert there <= found
    assert not not_there & found


@WORDS
def test_fish_completes(words: list[str], there: set[str], not_there: set[str], somewhere: Path) -> None:
    script = f"{completion.fish()}\ncomplete -C '{' '.join(words)}'"
    found = {line.partition("\t")[0] for line in asked("fish", script, somewhere)}
    assert there <= found
    assert not (not_there - {"notes.txt"}) & found  # fish's own completion of files knows no endings


def test_zsh_takes_the_script(somewhere: Path) -> None:
    script = f"autoload -U compinit && compinit -u -D\n{completion.zsh()}\nprint -l ${{(k)functions}}"
    assert "_qnode" in asked("zsh", script, somewhere)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_command_prints_the_script(shell: str, tmp_path: Path) -> None:
    text = {"bash": completion.bash, "zsh": completion.zsh, "fish": completion.fish}[shell]()
    assert typed("completion", shell, cwd=tmp_path) == (0, text.rstrip("\n") + "\n", "")
