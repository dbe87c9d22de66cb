"""Before anything heavy is imported: help, versions, and mistakes in what was typed."""

from __future__ import annotations

import argparse
import gc
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from orchestrator.cli import arguments as parsing
from orchestrator.cli import main
from orchestrator.cli.arguments import parser_of
from orchestrator.cli.commands import COMMANDS, GROUPS, KEEPER, Command, overview
from qnode import __version__
from tests.cli.commands import carried_out, lasting_lines, on_terminal, qnode

HEAVY = ("numpy", "pydantic", "pydantic_core", "zmq", "yaml", "msgspec", "asyncio", "orchestrator.cluster")


@pytest.mark.parametrize(
    ("arguments", "code", "launches"),
    [
        (["--help"], 0, False),
        (["run", "--help"], 0, False),
        (["--version"], 0, False),
        (["rnu", "x.yaml"], 2, False),
        (["check", "x.yaml", "--sede", "3"], 2, False),
        (["run", "x.yaml", "--sede", "3"], 2, True),
        (["run"], 2, True),
        ([], 2, False),
    ],
)
def test_help_and_mistakes_import_nothing_heavy_and_only_a_run_starts_its_launcher_before_it_reads_on(
    arguments: list[str], code: int, launches: bool, tmp_path: Path
) -> None:
    script = (
        "import sys\n"
        "from orchestrator.cli import main\n"
        "started = []\n"
        "def hear(event, details):\n"
        "    if event == 'subprocess.Popen':\n"
        "        started.append('orchestrator.cli.arguments' in sys.modules)\n"
        "sys.addaudithook(hear)\n"
        f"code = main({arguments!r})\n"
        f"print(code, [name for name in {HEAVY!r} if name in sys.modules])\n"
        "print('orchestrator.launch.early' in sys.modules, started)\n"
    )
    done = carried_out([sys.executable, "-c", script], cwd=tmp_path)
    started = [False] if launches else []  # the arguments' parser was not imported yet
    assert (done.code, done.out.splitlines()[-2:]) == (0, [f"{code} []", f"{launches} {started}"])


def test_garbage_is_looked_for_from_when_the_command_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []

    def while_importing(command: Command) -> argparse.ArgumentParser:
        seen.append(gc.isenabled())
        return parser_of(command)

    def run(*_: object) -> int:
        seen.append(gc.isenabled())
        return 0

    monkeypatch.setattr(parsing, "parser_of", while_importing)
    monkeypatch.setitem(sys.modules, COMMANDS["doctor"].module, SimpleNamespace(run=run))
    assert main(["doctor"]) == 0
    assert seen == [False, True]
    assert main(["rnu"]) == 2
    assert gc.isenabled()


def test_the_probe_for_heavy_imports_can_fail(tmp_path: Path) -> None:
    script = "import sys, orchestrator.cluster; print([name for name in sys.argv[1:] if name not in sys.modules])"
    done = carried_out([sys.executable, "-c", script, *HEAVY], cwd=tmp_path)
    assert done == (0, "[]\n", "")


def test_the_overview_names_every_command_once_and_fits_80_columns(tmp_path: Path) -> None:
    shown = lasting_lines(on_terminal("--help", cwd=tmp_path).out)
    assert "\n".join(shown).strip() == overview().strip()
    assert max(map(len, shown)) <= 80
    for group in GROUPS:
        assert any(line.startswith(group) for line in shown)
    for name, command in COMMANDS.items():
        assert sum(f" {command.usage} " in line and command.summary in line for line in shown) == 1, name
    assert KEEPER.usage not in overview()


def test_every_command_has_a_module_that_runs_it_and_a_help_text() -> None:
    for command in [*COMMANDS.values(), KEEPER]:
        module = __import__(command.module, fromlist=["run"])
        assert callable(module.run)
        assert parser_of(command).format_help().startswith(f"usage: qnode {command.name}")


def test_help_texts_fit_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for command in COMMANDS.values():
        lines = parser_of(command).format_help().splitlines()
        assert [line for line in lines if len(line) > 80] == []


def test_help_for_a_command_is_that_command_s_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "run"]) == 0
    shown = capsys.readouterr().out
    assert main(["run", "--help"]) == 0
    assert capsys.readouterr().out == shown
    assert shown.startswith("usage: qnode run ")
    assert main(["help", "rnu"]) == 2
    assert "there is no command 'rnu' (did you mean 'run'?)" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["runs"], ["run", "x.yaml"], ["init", "x"], ["doctor"]])
def test_a_current_directory_that_is_gone_is_what_is_told(arguments: list[str], tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    script = "import os, sys; os.rmdir(os.getcwd()); from orchestrator.cli import main; sys.exit(main(sys.argv[1:]))"
    done = carried_out([sys.executable, "-c", script, *arguments], cwd=gone)
    told = "qnode: the current directory has been removed; go to one that is there, such as by `cd`\n"
    assert done == (2, "", told)


def test_the_version_is_the_package_s(tmp_path: Path) -> None:
    assert qnode("--version", cwd=tmp_path) == (0, f"qnode {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["rnu", "x.yaml"], "qnode: there is no command 'rnu' (did you mean 'run'?)"),
        (["xyzzy"], "qnode: there is no command 'xyzzy'\n"),
        (["--vresion"], "qnode: there is no option '--vresion' (did you mean '--version'?)"),
        (["run", "x.yaml", "--sede=3"], "qnode run: there is no option --sede (did you mean '--seed'?)"),
        (["run", "x.yaml", "--xyzzy"], "qnode run: there is no option --xyzzy\n"),
        (["run", "x.yaml", "y.yaml"], "qnode run: 'y.yaml' is one argument too many"),
        (["run", "x.yaml", "--se", "3"], "qnode run: there is no option --se (did you mean '--set'?)"),
        (["run"], "qnode run: the following arguments are required: CONFIG"),
        (["run", "x", "--seed", "-3"], "argument --seed: '-3' is not a whole number from 0 to 2**63 - 1"),
        (["run", "x", "--seed", str(2**63)], "is not a whole number from 0 to 2**63 - 1"),
        (["run", "x", "--timeout", "0"], "argument --timeout: '0' is not a positive number of seconds"),
        (["run", "x", "--timeout", "nan"], "argument --timeout: 'nan' is not a positive number of seconds"),
        (["run", "x", "--runs", "0"], "argument --runs: '0' is not a whole number from 1 to 1000000"),
        (["run", "x", "--runs", "9" * 5000], "'... (5000 characters) is not a whole number from 1 to 1000000\n"),
        (["run", "x", "--seed", "9" * 5000], "'... (5000 characters) is not a whole number from 0 to 2**63 - 1\n"),
        (["run", "x", "--timeout", "1e300"], "'1e300' is not a number of seconds up to 31622400, a year"),
        (
            ["run", "x", "--name", "a/b"],
            "argument --name: 'a/b' is not a name: letters, digits, - (not at the beginning) and _\n",
        ),
        (["up", "x", "--name", "a.b"], "argument --name: 'a.b' is not a name: letters, digits"),
        (["up", "x", "--name", "n" * 300], "'... (300 characters) is not a name of up to 200 bytes\n"),
        (["runs", "prune", "--older-than", "99999999999w"], "'99999999999w' is not an age of up to 1000 years; write"),
        (["runs", "prune", "--older-than", "9" * 5000 + "w"], "(5001 characters) is not an age of up to 1000 years"),
        (["runs", "prune", "--older-than", "7"], "'7' is not an age; write a number and s, m, h, d or w, such as 7d"),
        (["completion", "tcsh"], "invalid choice: 'tcsh'"),
    ],
)
def test_a_mistake_in_what_was_typed_is_a_sentence_with_a_remedy(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if arguments[0] in COMMANDS:
        with pytest.raises(SystemExit) as ended:
            parser_of(COMMANDS[arguments[0]]).parse(arguments[1:])
        assert ended.value.code == 2
    else:
        assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert sentence in err
    assert "--help" in err


def test_seeds_are_read_up_to_the_largest() -> None:
    arguments = ["x.yaml", "--seed", str(2**63 - 1), "--set", "a=1", "--set=b=2"]
    options = parser_of(COMMANDS["run"]).parse(arguments)
    assert options.seed == 2**63 - 1
    assert options.set == ["a=1", "b=2"]
