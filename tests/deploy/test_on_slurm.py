"""Hosts of a configuration and of an allocation, and what is told where there is no Slurm."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli.arguments import parser_of
from orchestrator.cli.commands import COMMANDS
from orchestrator.cli.on_slurm import again
from orchestrator.on_slurm import placed
from orchestrator.ready import Ready, ReadyFile, heard
from qnode.errors import ConfigError
from tests.cli.commands import qnode

HOSTS = st.lists(st.sampled_from([f"h{n}" for n in range(8)]), unique=True)


@given(HOSTS, HOSTS.filter(bool))
def test_each_host_of_a_configuration_is_another_of_the_allocation_and_by_its_name_if_it_can(
    hosts: list[str], allocated: list[str]
) -> None:
    if len(hosts) > len(allocated):
        with pytest.raises(ConfigError, match="ask for more with --hosts"):
            placed(hosts, allocated)
        return
    found = placed(hosts, allocated)
    assert list(found) == (hosts or allocated)
    assert set(found.values()) <= set(allocated)
    assert len(set(found.values())) == len(found)
    assert all(found[name] == name for name in found if name in allocated)


def test_a_host_whose_name_no_configuration_could_have_gets_another() -> None:
    assert placed([], ["n1.cluster", "n2"]) == {"host1": "n1.cluster", "n2": "n2"}


@pytest.mark.parametrize(
    "words",
    [
        "net.yaml",
        "net.yaml --seed 4 --set 'links.*.length=5 km' --set 'hosts=[a, b]' --hosts 3 --quiet",
        "net.yaml --runs 7 --json --all --debug --timeout 2.5 --runs-folder 'my runs' --slurm=--time=1",
        "net.py --name it-s",
    ],
)
def test_what_is_typed_is_typed_again_in_the_allocation(words: str) -> None:
    parser = parser_of(COMMANDS["run"])
    first = parser.parse([*shlex.split(words), "--on", "slurm"])
    second = parser.parse(again(first))
    assert {**vars(first), "hosts": None, "slurm": ""} == vars(second)


def test_where_there_is_no_slurm_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("from qnode import Node\n\n\nasync def alice(node: Node) -> None:\n    pass\n")
    done = qnode("run", "net.py", "--on", "slurm", cwd=tmp_path, PATH=str(tmp_path))
    assert done.code == 2
    assert "Slurm's salloc is not installed here" in done.err
    assert not (tmp_path / ".qnode").exists()


def test_mistakes_are_told_before_anybody_waits_for_hosts(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text("version: 1\nnodes: {alice: {program: missing.py:main}}\n")
    done = qnode("run", "net.yaml", "--on", "slurm", cwd=tmp_path, PATH=str(tmp_path))
    assert done.code == 2
    assert "net.yaml:2" in done.err
    assert "missing.py" in done.err


# --- who is ready --------------------------------------------------------------------------------------------------


def test_a_file_says_that_a_process_takes_part_until_it_does_not(tmp_path: Path) -> None:
    file = ReadyFile(tmp_path / "ready")
    file.remove()
    file.say("tcp://127.0.0.1:5700", "runs/net-1")
    told = heard((tmp_path / "ready").read_text())
    assert told is not None
    assert (told.address, told.folder) == ("tcp://127.0.0.1:5700", "runs/net-1")
    file.remove()
    assert list(tmp_path.iterdir()) == []


def test_on_standard_output_it_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    file = ReadyFile(Path("-"))
    file.say("tcp://127.0.0.1:5700")
    file.remove()
    assert isinstance(heard(capsys.readouterr().out), Ready)


@pytest.mark.parametrize("line", ["", "net: 2 nodes", "{}", "[1]", '{"pid": "x", "address": ""}', '{"pid": 1}'])
def test_other_lines_say_nothing_of_it(line: str) -> None:
    assert heard(line) is None


def test_a_file_that_cannot_be_written_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="choose another file with --ready"):
        ReadyFile(tmp_path / "missing" / "ready").say("tcp://127.0.0.1:1")
    ReadyFile(None).say("tcp://127.0.0.1:1")
