"""The library as a whole: each protocol has idea and source, a configuration that runs, a test, a line of the docs."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from orchestrator import Cluster, Program
from qnode.errors import Deadlock, InvalidOperation, ProgramFailed
from qnode.protocols.arguments import number
from qnode.protocols.blind_computation import run_blindly

Nets = Callable[..., Cluster]
ROOT: Final = Path(__file__).parents[2]
SHARED: Final = {"__init__", "arguments", "broadcast", "comparing", "eavesdropping", "sharing"}
"""What protocols have in common: parts of them, without a configuration of their own."""
FILES: Final = sorted(path for path in (ROOT / "qnode/protocols").glob("*.py") if path.stem not in SHARED)
CONFIGURATIONS: Final = sorted((ROOT / "configs").glob("*.yaml"))
OF_THE_STACK: Final = {"min_fidelity"}
"""A configuration of what the network does by itself."""

named = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def all_tests(folder: str = "tests") -> str:
    return "\n".join(path.read_text() for path in (ROOT / folder).rglob("test_*.py") if path != Path(__file__))


@named
def test_a_protocol_tells_its_idea_and_its_source(path: Path) -> None:
    said = ast.get_docstring(ast.parse(path.read_text())) or ""
    assert len(re.split(r"[.:]\s", said)) >= 3
    assert re.search(r"^Sources?: .*\d{4}", said, re.MULTILINE | re.DOTALL)


@named
def test_a_protocol_has_a_configuration_a_test_and_a_line_of_the_docs(path: Path) -> None:
    used = re.compile(rf"\bqnode\.protocols\.{path.stem}\b|\bfrom qnode\.protocols import .*\b{path.stem}\b")
    assert used.search(all_tests("tests/protocols"))
    sources = [*CONFIGURATIONS, *(ROOT / "configs").glob("*.py")]
    assert any(used.search(source.read_text()) for source in sources)
    assert f"(../qnode/protocols/{path.name})" in (ROOT / "docs/protocols.md").read_text()


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.stem)
def test_a_configuration_is_run_by_a_test_and_is_in_the_docs(path: Path) -> None:
    tests = all_tests()
    by_name = re.search(r"mark\.parametrize\(\"name\", (\[.*?\])\)\ndef test_every_example_configuration_runs", tests)
    assert by_name is not None
    assert f"configs/{path.name}" in tests or f'"configs" / "{path.name}"' in tests or f'"{path.stem}"' in by_name[1]
    if path.stem not in OF_THE_STACK:
        assert f"`qnode run configs/{path.name}`" in (ROOT / "docs/protocols.md").read_text()


@pytest.mark.parametrize(
    ("name", "wrong", "said"),
    [
        ("bb84", "alice.args.shown=-3", "how many bits are shown, must be a whole number of 0 or more; got -3"),
        ("bb84", "eve.args.share=1.5", "share must be a number of 0 to 1; got 1.5"),
        ("blind_computation", "client.args.item=[2, 0]", "an item's coordinates must be 0 or 1 each; got 2"),
        (
            "blind_computation",
            "client.args.tests=3",
            "8 measurements of column 0 of 5, and here are 3 patches",
        ),
        ("coin_flipping", "bob.programs.honest.args.role=carol", "role must be one of 'alice', 'bob', .*; got 'carol'"),
        ("conference_key", "n0.args.checked=0.6", "checked must be a number of 0 to 0.5; got 0.6"),
        ("decoy_bb84", "alice.args.intensities=[0.5, 0.1]", r"must be three each, .*; got \[0.5, 0.1\]"),
        ("decoy_bb84", "alice.args.shares=[0.7, 0.7, 0]", r"must be probabilities that add up to 1; got \[0.7, 0.7, 0"),
        ("distillation", "*.args.method=best", "method must be one of 'bbpssw', 'dejmps'; got 'best'"),
        ("distillation", "*.args.rounds=-1", "rounds must be a whole number of 0 or more; got -1"),
        ("distributed_qft", "*.args.frequency=512", "frequency must be a whole number of 0 to 511; got 512"),
        (
            "ghz",
            "*.args.chain=[n0, n1, n2, n3]",
            "be 2 or more different nodes, n4 among them; got n0, n1, n2, n3",
        ),
        (
            "graph_state",
            "*.args.edges=[[n0, n1], [n1, n0]]",
            "edges must join different nodes, and no two of them tw",
        ),
        ("magic_square", "referee.args.rounds=0", "rounds must be a whole number of 1 or more; got 0"),
        ("phase_sensing", "*.programs.apart.args.seconds=0", "seconds must be a number of 1e-12 or more; got 0"),
        ("quantum_memory", "bare.args.code=shor", "code must be one of 'bare', 'bit flip', .*; got 'shor'"),
        ("quantum_memory", "bare.args.basis=y", "basis must be one of 'z', 'x'; got 'y'"),
        ("quantum_money", "bank.programs.cloned.args.notes=0", "notes must be a whole number of 1 or more; got 0"),
        ("remote_gates", "alice.args.bits=[0, 3]", "bits must be 0 or 1 each; got 3"),
        (
            "remote_gates",
            "carol.args.controls_at=[alice, bob, bob]",
            "must be one or two nodes; got alice, bob, bob",
        ),
    ],
)
def test_an_argument_that_makes_no_sense_is_refused(name: str, wrong: str, said: str, qnode_cluster: Nets) -> None:
    """With what is allowed and what was given, and the protocol's line."""
    net = qnode_cluster(f"../../configs/{name}.yaml", set=[f"nodes.{wrong}"])
    with pytest.raises(ProgramFailed, match=rf"(?s)protocols/\w+.py\", line \d+, in .*{said}"):
        net.run_sync(inline=True)


@pytest.mark.parametrize("row", [[3, 4, 4, 2], [3, 4, 4, 2, 7, 1], [], [3, 4, 4, 2, 7.5], [3, 4, 4, 2, 8]])
def test_a_program_that_no_brickwork_can_hold_is_refused(row: list[int], qnode_cluster: Nets) -> None:
    client = Program(run_blindly, server="server", angles=[row, [2, 5, 2, 3, 7]])
    net = qnode_cluster(nodes={"client": client, "server": None}, links=[("client", "server", "1 km")], seed=1)
    with pytest.raises(ProgramFailed, match=r"columns, all alike; got rows of|whole number of 0 to 7; got (7.5|8)"):
        net.run_sync(inline=True)


def test_an_error_out_of_a_library_shows_the_line_of_the_protocol(qnode_cluster: Nets) -> None:
    net = qnode_cluster("../../configs/bb84.yaml", set=["nodes.*.args.n=-1"])
    with pytest.raises(ProgramFailed, match=r"(?s)protocols/bb84.py\", line \d+, in send_key.*negative"):
        net.run_sync(inline=True)


def test_numbers_of_numpy_are_numbers() -> None:
    number("x", np.int64(3), 0, 7, whole=True)
    number("x", np.float32(0.5), 0, 1)
    for wrong, whole in ((np.int64(8), True), (np.float64(3.0), True), (True, True), (np.nan, False), ("3", False)):
        with pytest.raises(InvalidOperation, match=r"x must be a .*number of 0 to 7; got"):
            number("x", wrong, 0, 7, whole=whole)


def test_ends_that_do_not_agree_how_often_tell_where_they_wait(qnode_cluster: Nets) -> None:
    """A line of the protocol, for there is none of the user's; and of tasks that have none, what they wait for."""
    net = qnode_cluster("../../configs/secret_sharing.yaml", set=["nodes.alice.args.rounds=1"])
    with pytest.raises(Deadlock) as failed:
        net.run_sync(inline=True)
    said = str(failed.value)
    assert re.search(r"alice main waits for a future at .*protocols/broadcast.py:\d+", said)
    assert re.search(r"alice task \S+ waits for receive\('bob'\)", said)
    assert re.search(r"charlie main waits for receive\('bob'\) at .*protocols/ghz.py:\d+", said)
