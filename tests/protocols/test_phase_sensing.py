"""Phase sensing: what GHZ states gain over qubits apart, and that dephasing takes it away again."""

from __future__ import annotations

from math import comb, cos, exp, pi, sin, sqrt
from typing import Any

import numpy as np
import pytest

from orchestrator import Cluster, Program
from qnode import Node
from qnode.protocols import phase_sensing
from qnode.protocols.ghz import share_ghz
from qnode.protocols.phase_sensing import phase_of, sense_apart, sense_together, spread_of_frequency, turn
from qnode.testing import assert_frequency
from tests.protocols.multiparty import (
    EXACT,
    FALSE_ALARM,
    Nets,
    chain_of,
    exactly,
    expectation,
    hold,
    joint_states,
    names,
    werner_w,
)

N = 4


async def turn_and_hold(node: Node, chain: list[str], detunings: list[float], seconds: float) -> None:
    for detuning in detunings:
        mine = await share_ghz(node, chain)
        await turn(mine, detuning=detuning, seconds=seconds)
        await hold(node, mine)


async def turn_and_tell(node: Node, chain: list[str], phase: float, runs: int) -> list[int]:
    outcomes = []
    for _ in range(runs):
        mine = await share_ghz(node, chain)
        await turn(mine, detuning=phase, seconds=1.0)
        outcomes.append(await mine.measure("x"))
    return outcomes


def even(nets: Nets, n: int, detunings: list[float], seconds: float, **more: Any) -> list[float]:
    """The probability of an even parity, exactly."""
    program = Program(turn_and_hold, chain=names(n), detunings=detunings, seconds=seconds)
    run = exactly(nets(**chain_of(program, n, formalism="density_matrix", **more)))
    return [(1 + expectation(state, "X" * n)) / 2 for state in joint_states(run, names(n))]


@pytest.mark.parametrize(("n", "f"), [(2, 1.0), (3, 1.0), (4, 1.0), (4, 0.9)])
def test_parity_turns_n_times_as_fast(n: int, f: float, qnode_cluster: Nets) -> None:
    phases = [0.0, 0.1, 0.7, -1.3, 3.0]
    visibility = werner_w(f) ** (n - 1)
    expected = [(1 + visibility * cos(n * phase)) / 2 for phase in phases]
    assert even(qnode_cluster, n, phases, 1.0, fidelity=f) == pytest.approx(expected, abs=EXACT)


def test_parity_of_noisy_states_as_it_is_measured(qnode_cluster: Nets) -> None:
    # n = 250 at p = (1 + 0.8^2 cos 0.6)/2 = 0.764 accepts 0.58 to 0.92; a parity without meaning is caught.
    program = Program(turn_and_tell, chain=names(3), phase=0.2, runs=250)
    run = exactly(qnode_cluster(**chain_of(program, 3, fidelity=0.85, events=False)))
    parities = [sum(outcomes) % 2 for outcomes in zip(*(run[name] for name in names(3)), strict=True)]
    assert_frequency(parities.count(0), 250, (1 + 0.8**2 * cos(0.6)) / 2, false_alarm=FALSE_ALARM)


def spread(n: int, visibility: float, runs: int) -> float:
    """Of the phase, by error propagation at the point where the parity changes fastest."""
    at = pi / (2 * n)
    p = (1 + visibility * cos(n * at)) / 2
    return sqrt(p * (1 - p) / runs) / abs(n * visibility * sin(n * at) / 2)


@pytest.mark.parametrize("visibility", [1.0, 0.8])
def test_the_spread_is_that_of_heisenberg_and_of_the_standard_limit(visibility: float) -> None:
    assert spread(N, visibility, 100) == pytest.approx(1 / (N * visibility * sqrt(100)), abs=1e-12)
    assert spread(1, 1.0, N * 100) == pytest.approx(1 / sqrt(N * 100), abs=1e-12)


@pytest.mark.parametrize(("n", "expected"), [(N, 1 / (N * sqrt(400))), (1, 1 / sqrt(400))])
def test_estimates_spread_as_they_should(n: int, expected: float) -> None:
    """Over all numbers of even parities that 400 runs can have; an arc sine is not quite a straight line."""
    p = (1 + sin(n * 0.01)) / 2
    chance = np.array([comb(400, k) * p**k * (1 - p) ** (400 - k) for k in range(401)])
    estimates = np.array([phase_of(k / 400) / n for k in range(401)])
    mean = float(chance @ estimates)
    assert mean == pytest.approx(0.01, rel=0.01)
    assert sqrt(chance @ (estimates - mean) ** 2) == pytest.approx(expected, rel=0.005)


def test_dephasing_takes_the_gain_away(qnode_cluster: Nets) -> None:
    """In memories that dephase, the parity of n qubits fades n times as fast: at equal total time nothing is gained."""
    t2, total = 0.1, 100.0
    at_once = {"hardware": {"t2": "100 ms"}, "length": "0 km"}  # nothing waits for messages, and dephases meanwhile
    fades = {n: even(qnode_cluster, n, [0.0], 0.02, **at_once)[0] for n in (2, N)}
    for n, found in fades.items():
        assert 2 * found - 1 == pytest.approx(exp(-n * 0.02 / t2), abs=EXACT)
    times = np.linspace(0.0005, 0.2, 4_000)
    together = [spread_of_frequency(N, seconds, total, t2, entangled=True) for seconds in times]
    apart = [spread_of_frequency(N, seconds, total, t2, entangled=False) for seconds in times]
    assert times[np.argmin(together)] == pytest.approx(t2 / (2 * N), rel=0.01)
    assert times[np.argmin(apart)] == pytest.approx(t2 / 2, rel=0.01)
    assert min(together) == pytest.approx(min(apart), rel=1e-4)
    best = spread_of_frequency(N, t2 / (2 * N), total, t2, entangled=True)
    assert best == pytest.approx(spread_of_frequency(N, t2 / 2, total, t2, entangled=False), rel=1e-12)
    assert best == pytest.approx(sqrt(2 * exp(1) / (N * t2 * total)), rel=1e-12)
    # and it is what the parity gives, by error propagation: phase = detuning * seconds, V as it was found above
    found = 2 * fades[N] - 1
    here = spread(N, found, round(total / 0.02)) / 0.02
    assert here == pytest.approx(spread_of_frequency(N, 0.02, total, t2, entangled=True), rel=1e-9)


@pytest.mark.parametrize("visibility", [1.0, 0.8])
def test_the_share_of_even_parities_tells_the_phase(visibility: float) -> None:
    for phase in (-1.5, -0.3, 0.0, 0.7, 1.5):
        assert phase_of((1 + visibility * sin(phase)) / 2, visibility) == pytest.approx(phase, abs=1e-12)
    assert (phase_of(1.0, 0.8), phase_of(0.0, 0.8)) == (pi / 2, -pi / 2)  # by chance, more even than there can be


def test_both_ways_measure_the_phase(qnode_cluster: Nets, monkeypatch: pytest.MonkeyPatch) -> None:
    """A phase of 0.2 from shares of even parities, of which n = 150 accepts for GHZ states, p = 0.859, 0.66 to 0.97.

    With noise, p = 0.684, 0.43 to 0.88; for qubits apart, 600 at p = 0.599, 0.46 to 0.73.
    """
    given = {"chain": names(N), "detuning": 2.0, "seconds": 0.1, "runs": 150}
    v = werner_w(0.85) ** (N - 1)
    seen: list[tuple[float, ...]] = []

    def seeing(*shares: float) -> float:
        seen.append(shares)
        return phase_of(*shares)

    monkeypatch.setattr(phase_sensing, "phase_of", seeing)
    for program, f, name, width, p in (
        (Program(sense_together, **given), 1.0, "together", 1 / (N * sqrt(150)), (1 + sin(0.8)) / 2),
        (
            Program(sense_together, **given, visibility=v),
            0.85,
            "together",
            1 / (N * v * sqrt(150)),
            (1 + v * sin(0.8)) / 2,
        ),
        (Program(sense_apart, **given), 1.0, "apart", 1 / sqrt(N * 150), (1 + sin(0.2)) / 2),
    ):
        seen.clear()
        notes = (run := exactly(qnode_cluster(**chain_of(program, N, fidelity=f, events=False)))).notes["n0"]
        shares = [one[0] for one in seen]
        assert_frequency(round(150 * sum(shares)), 150 * len(shares), p, false_alarm=FALSE_ALARM)
        found = [phase_of(*one) / (N if name == "together" else 1) for one in seen]
        assert seen[0][1:] == ((program.args.get("visibility", 1.0),) if name == "together" else ())
        assert len(found) == (1 if name == "together" else N)
        assert notes[f"phase_{name}"] == pytest.approx(sum(found) / len(found))
        assert notes[f"spread_{name}"] == pytest.approx(width)
        assert run["n0"] == pytest.approx(notes[f"phase_{name}"] / 0.1)


@pytest.mark.qnode("../../configs/phase_sensing.yaml")
def test_the_example_measures_the_phase_both_ways(net: Cluster) -> None:
    notes = net.run_sync().notes["n0"]
    assert notes["spread_together"] == pytest.approx(notes["spread_apart"] / 2)
    for way in ("together", "apart"):
        assert abs(notes[f"phase_{way}"] - 0.1) < 6.2 * notes[f"spread_{way}"]
