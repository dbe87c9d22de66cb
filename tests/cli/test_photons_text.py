"""What `qnode check` says of pulses of light."""

from __future__ import annotations

from pathlib import Path

from orchestrator.cli.plan_text import plan_text
from orchestrator.loader import loads
from orchestrator.topology import describe
from tests.config.full import FULL


def shown(text: str) -> list[list[str]]:
    """The cells of the rows about photons."""
    network = describe(loads(text), Path(), seed=1, read=lambda _: "")
    lines = plan_text(network, given_seed="").splitlines()
    start = next((nth for nth, line in enumerate(lines) if "photons of" in line), len(lines))
    rows = [line.strip().split("   ") for line in lines[start + 1 :]]
    return [
        [cell.strip() for cell in row if cell.strip()] for row in rows[: rows.index([""]) if [""] in rows else None]
    ]


def test_of_links_without_light_there_is_nothing_to_say() -> None:
    assert shown("version: 1\nnodes: {a: {}, b: {}}\nlinks: {l: {between: [a, b]}}") == []


def test_all_that_a_link_can_be_made_of_is_said() -> None:
    delays = "classical:\n  delay:\n    matrix: delays.csv\n"
    assert delays in FULL
    rows = shown(FULL.replace(delays, ""))
    assert ["between-two", "source", "weak coherent, 0.5, 0.1, 0 photons in a pulse, 1000 MHz"] in rows
    assert ["encoding", "time bin, bins 500 ps apart, visibility 98 %"] in rows
    assert ["channel", "at least 30 dB, from 0 to 100 s, 90 % get in"] in rows
    detectors = "20 %, dark clicks 1e-06, dead 10000 ns, jitter 50 ps, window 400 ps, 1 % afterpulses"
    assert ["detectors", detectors] in rows
    assert ["alignment", "1 % of the photons go to the wrong detector"] in rows
    assert ["tap", "r00, at 50 % of the way"] in rows
    assert ["channel", "20 dB"] in rows
    sources = [row[-1] for row in rows if row[-2] == "source"]
    assert sources[1:] == ["single photon, 30 % empty, 1 % of two", "entangled, 0.05 pairs in a pulse"]
