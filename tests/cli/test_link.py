"""`qnode link`: formulas beside a run, the picture, and what it says when it cannot."""

from __future__ import annotations

import json
import sys
from math import log, sqrt
from pathlib import Path
from typing import Final

import pytest

from orchestrator.cli import link_plot
from qnode.errors import ConfigError
from tests.cli.commands import qnode, typed

FALSE_ALARM: Final = 1e-9
NET: Final = """\
version: 1
name: lab
seed: 1
kinds:
  end: {qubits: 8, t1: 600 us, t2: 400 us, gates: {measure: {readout: {p01: 1 %, p10: 4 %}}}}
nodes:
  alice: {kind: end, program: "other.py:alice", args: {n: 1}}
  bob: {qubits: 4, t2: 1 ms, gates: {single: {duration: 5 us, error: 0.01}}}
  r[0..2]: {}
links:
  far:
    between: [alice, bob]
    length: 30 km
    attenuation: 0.2 dB/km
    source: {model: single_click, bright_state: [0.1, 0.2], station: 10 km, dark_clicks: 1e-3, visibility: 0.9}
  near: {between: [bob, r0], length: 1 km, fidelity: 0.97}
  line: {chain: ["r[0..2]"], length: 5 km}
"""


@pytest.fixture
def net(tmp_path: Path) -> Path:
    path = tmp_path / "net.yaml"
    path.write_text(NET)
    path.with_name("other.py").write_text(
        "async def alice(node, n):\n    raise AssertionError('a trial has its own')\n"
    )
    return path


def test_a_run_of_real_processes_finds_what_the_formulas_say(net: Path) -> None:
    """Losses, dark counts, a station off the centre, decay on the way, a costly correction, misread outcomes.

    An error rate from n = 500 outcomes is off by more than t with probability at most 2 exp(-2 n t**2) (Hoeffding): at
    1e-9 for all three, t = 0.15. That would catch a frame that is not corrected, and a link that stayed perfect (the
    rates are 0.2 and more). The picture is drawn from the same run.
    """
    picture = net.with_name("far.png")
    done = qnode("link", net, "alice-bob", "--pairs", "1500", "--json", "--plot", picture, cwd=net.parent)
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert (found["link"], found["ends"], found["length_m"]) == ("far", ["alice", "bob"], 30_000)
    formula, run = found["formula"], found["run"]
    bound = sqrt(log(6 / FALSE_ALARM) / (2 * 500))
    for expected, measured in zip(formula["measured"]["errors"], run["measured"]["errors"], strict=True):
        assert abs(expected - measured) <= bound < expected
    assert 0.5 < formula["measured"]["fidelity"] < formula["delivered"]["fidelity"] < 0.8
    # The mean of 1500 geometric waits: a fifth off with probability 1e-10 at most (Chernoff).
    assert run["rate_hz"] == pytest.approx(formula["rate_hz"], rel=0.2)
    assert run["pairs"] == 1500
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in net.parent.iterdir()} == {"net.yaml", "other.py", "far.png"}  # no run was saved


def test_without_a_run_there_are_formulas_alone(net: Path) -> None:
    done = typed("link", net, "near", "--no-run", cwd=net.parent)
    assert done.code == 0, done.err
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert lines[:8] == [
        "near: bob - r0, 1 km, source werner",
        "formula",
        "an attempt succeeds with 1",
        "an attempt takes 5.003 us",
        "pairs a second 199,880",
        "age at delivery 0 ns",
        "fidelity at delivery 0.97",
        "fidelity as measured 0.9604",  # (1 + w + 2 w (1 - 4q/3))/4 with q = 3r/2
    ]
    assert [line.rpartition(" ")[0] for line in lines[9:11]] == ["key fraction, BB84", "key fraction, six-state"]
    fractions = [float(line.rpartition(" ")[2]) for line in lines[9:11]]
    assert 0 < fractions[0] < fractions[1] < 1


def test_a_link_is_found_by_its_name_and_by_its_ends_in_either_order(net: Path) -> None:
    for name, shown in (
        ("bob-alice", "far: alice - bob"),
        ("line[1]", "line[1]: r1 - r2"),
        ("r2-r1", "line[1]: r1 - r2"),
    ):
        done = typed("link", net, name, "--no-run", cwd=net.parent)
        assert done.out.startswith(shown), done.err


def test_changes_of_the_configuration_count(net: Path) -> None:
    done = typed("link", net, "near", "--no-run", "--json", "--set", "links.near.fidelity=0.5", cwd=net.parent)
    assert json.loads(done.out)["formula"]["delivered"]["fidelity"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "LINK: say which link, by its name or its ends; there are: far, near, line[0], line[1]"),
        (("nar",), "LINK: no link 'nar' (did you mean 'near'?); there are: far, near, line[0], line[1]"),
        (("near", "--plot", "near.bmp"), "--plot: 'near.bmp' is no picture; let it end in .pdf, .png, .svg"),
        (("near", "--plot", "nowhere/near.png"), "--plot: there is no folder 'nowhere'"),
        (("near", "--pairs", "2"), "'2' is not a whole number from 3 to 1000000, some for each of three bases"),
    ],
)
def test_what_cannot_be_is_a_sentence(net: Path, arguments: tuple[str, ...], sentence: str) -> None:
    done = typed("link", net, *arguments, cwd=net.parent)
    assert done.code == 2
    assert sentence in done.err
    assert "Traceback" not in done.err


def test_a_network_without_links_has_none_to_show(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text("version: 1\nnodes: {a: }\n")
    assert "there are none" in typed("link", path, cwd=tmp_path).err


def test_without_matplotlib_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # as if it were not installed
    with pytest.raises(ConfigError, match=r"matplotlib is needed for it.*pip install 'qnode\[plot\]'"):
        link_plot.check(tmp_path / "x.png")


@pytest.mark.parametrize(
    "link", ["length: 0 m", "length: 5 km, fidelity: 0.9", "source: {model: double_click}, delay: 1 us"]
)
def test_whatever_the_link_there_is_a_picture(tmp_path: Path, link: str) -> None:
    path, picture = tmp_path / "net.yaml", tmp_path / "l.svg"
    path.write_text(f"version: 1\nnodes: {{a: , b: }}\nlinks: {{l: {{between: [a, b], {link}}}}}\n")
    done = typed("link", path, "--no-run", "--plot", picture, cwd=tmp_path)
    assert done.code == 0, done.err
    drawn = picture.read_text()
    assert "<svg" in drawn
    for words in (
        "l: a - b",
        "fidelity to Phi+",
        "time stored after delivery",
        "length [km]",
        "per second",
        "BB84 key bits",
    ):
        assert f"<!-- {words}" in drawn
