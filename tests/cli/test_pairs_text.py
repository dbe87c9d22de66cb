"""What `qnode check` says of how links make pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from orchestrator.cli.pairs_text import pair_rows
from orchestrator.cli.plan_text import plan_text
from orchestrator.loader import loads
from orchestrator.topology import describe
from qnode.quantum.bell import BELL_STATES, BellState
from qnode.quantum.fidelity import fidelity
from qnode.quantum.pair_source import Herald, PairSource


def described(link: str) -> PairSource:
    text = f"version: 1\nnodes: {{a: {{}}, b: {{}}}}\nlinks: {{l: {{between: [a, b], {link}}}}}"
    return describe(loads(text), Path(), seed=1).links[0].source


@pytest.mark.parametrize("link", ["", "length: 10 km", "source: {model: perfect}", "fidelity: 1"])
def test_of_perfect_pairs_there_is_nothing_to_say(link: str) -> None:
    assert pair_rows(described(link)) == []


@pytest.mark.parametrize(
    ("link", "rows"),
    [
        ("length: 10 km, fidelity: 0.9", [("fidelity", "0.9")]),
        (
            "length: 10 km, attenuation: 1 dB/km",
            [("attempts", "50.035 us each, 0.1 of them succeed"), ("fidelity", "1")],
        ),
        (
            "length: 20 km, source: {model: double_click, visibility: 0.9, station: 5 km, attempt_dephasing: 2 %}",
            [
                ("attempts", "150.104 us each, 0.5 of them succeed"),
                ("fidelity", "0.95 at birth, 50.034 us or 150.104 us before delivery"),
                ("dephasing", "of all else that is stored, 2 % in an attempt"),
            ],
        ),
    ],
)
def test_what_is_not_perfect_is_told(link: str, rows: list[tuple[str, str]]) -> None:
    assert pair_rows(described(link)) == rows


def test_links_that_are_alike_share_rows() -> None:
    links = "l: {chain: ['n[0..3]'], fidelity: 0.8}, m: {between: [n0, n2], fidelity: 0.8}"
    text = f"version: 1\nnodes: {{'n[0..3]': {{}}}}\nlinks: {{{links}}}"
    lines = plan_text(describe(loads(text), Path(), seed=1), given_seed="").splitlines()
    start = next(nth for nth, line in enumerate(lines) if "pairs of" in line)
    assert lines[start + 1].split("  ")[1:] == ["l[0] .. m (4 links)", " fidelity", " 0.8"]
    assert "messages" in lines[start + 2]


@pytest.mark.parametrize("frame", BELL_STATES)
def test_the_fidelity_of_a_herald_is_the_overlap_with_what_it_announces(frame: BellState) -> None:
    root = np.random.default_rng(1).normal(size=(4, 8)).view(np.complex128)
    rho = root @ root.conj().T
    rho /= np.trace(rho).real
    assert Herald(0.5, frame, rho.tobytes()).fidelity == pytest.approx(fidelity(rho, frame.ket()), abs=1e-12)
