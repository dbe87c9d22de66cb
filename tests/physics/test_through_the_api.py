"""The physics as somebody meets it who has read the documentation: YAML, programs, runs and views, nothing internal.

Expected values are closed forms, written out here from the papers' formulas and not taken from the package. What the
formalisms `density_matrix` and `bell_diagonal` can hold is compared to 1e-10; what is sampled fails a correct program
with probability 1e-9 at most for each assertion.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product
from math import exp, pi, radians, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator import Cluster
from orchestrator.run import Run
from orchestrator.view import View
from qnode.testing import assert_frequency, assert_same_distribution

PROGRAMS = Path(__file__).parent / "programs"
KM_NS = 1e12 / (2 / 3 * 299_792_458)  # light over a kilometre of fibre
STATES = ("0", "1", "+", "-", "i", "-i")
BELL = ("phi+", "psi+", "phi-", "psi-")
EXACT = ("density_matrix", "bell_diagonal")


def act(run: str, **args: Any) -> dict[str, Any]:
    return {"program": f"stranger.py:{run}", "args": args}


class World:
    """alice and bob, or more of them, and what runs of them show."""

    def __init__(self, runs: Path) -> None:
        self._runs = runs

    def cluster(self, nodes: Mapping[str, Any], links: Mapping[str, Any], settings: Mapping[str, Any]) -> Cluster:
        config = {"version": 1, "seed": 1, "nodes": dict(nodes), "links": dict(links), **settings}
        cluster = Cluster.from_dict(config, base=PROGRAMS, runs=self._runs)
        cluster.inline = True
        return cluster

    async def run(self, nodes: Mapping[str, Any], links: Mapping[str, Any], **settings: Any) -> Run:
        return await self.cluster(nodes, links, settings).run()

    async def view(self, at: str, nodes: Mapping[str, Any], links: Mapping[str, Any], **settings: Any) -> View:
        async with self.cluster(nodes, links, settings) as net:
            view = await net.run_until(at)
        assert view is not None
        return view


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def pair(alice: Any, bob: Any, **link: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    return {"alice": alice, "bob": bob}, {"fibre": {"between": ["alice", "bob"], **link}}


def keeping(peer: str, **hardware: Any) -> dict[str, Any]:
    return {**act("keeps", peer=peer), **hardware}


def werner(fidelity: float) -> float:
    return (4 * fidelity - 1) / 3


# --- chains ----------------------------------------------------------------------------------------------------------


def chain(links: int, link: Mapping[str, Any], **args: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Links in a row, each with n pairs; all nodes but the two ends swap."""
    names = [f"n{nth}" for nth in range(links + 1)]
    slots = {"qubits": 2 * args.get("n", 1)}
    nodes = {names[0]: {**act("begins", peer="n1", **args), **slots}}
    for nth in range(1, links):
        swaps = act("repeats", left=names[nth - 1], right=names[nth + 1], end=names[-1], n=args.get("n", 1))
        nodes[names[nth]] = {**swaps, **slots}
    nodes[names[-1]] = {**act("ends", peer=names[-2], repeaters=names[1:-1], **args), **slots}
    return nodes, {"line": {"chain": names, "length": "10 km", **link}}


@pytest.mark.parametrize("formalism", EXACT)
@pytest.mark.parametrize("n", [2, 3, 5])
async def test_a_chain_of_n_werner_pairs_has_fidelity_f_n(n: int, formalism: str, world: World) -> None:
    """F_n = (1 + 3 ((4F-1)/3)^n)/4 (Duer, Briegel, Cirac & Zoller, PRA 59 169, 1999)."""
    view = await world.view("1 ms", *chain(n, {"fidelity": 0.93}), formalism=formalism)
    assert view.fidelity("n0", f"n{n}") == pytest.approx((1 + 3 * werner(0.93) ** n) / 4, abs=1e-10)


@pytest.mark.parametrize("formalism", ["stabilizer", "state_vector"])
async def test_sampled_chains_agree_as_often_as_their_fidelity_says(formalism: str, world: World) -> None:
    """Equal in Z and X, different in Y, each with (1 + w^3)/2."""
    n = 1200
    run = await world.run(*chain(3, {"fidelity": 0.93}, n=n, bases="zxy"), formalism=formalism)
    first, last = np.array(run["n0"]), np.array(run["n3"])
    right = (first == last) ^ (np.arange(n) % 3 == 2)
    assert_frequency(int(right.sum()), n, (1 + werner(0.93) ** 3) / 2)


async def test_swaps_with_errors_and_misreadings_cost_what_they_should(world: World) -> None:
    """A gate of two with error r mixes with l = 4r/3; a bit that is misread with eps leaves a wrong Bell state.

    z undoes a Z and x an X: each axis keeps 1 - 2 eps for each of the corrections that turn it.
    """
    error, eps, n = 0.03, 0.08, 3000
    nodes, links = chain(2, {"fidelity": 0.95}, n=n, bases="zxy")
    nodes["n1"]["gates"] = {"two": {"error": error}, "measure": {"readout": {"p01": eps, "p10": eps}}}
    run = await world.run(nodes, links)
    w = werner(0.95) ** 2 * (1 - error * 4 / 3)
    equal = np.array(run["n0"]) == np.array(run["n2"])
    for nth, (basis, turns) in enumerate((("z", 1), ("x", 1), ("y", 2))):
        right = equal[nth::3] ^ (basis == "y")
        assert_frequency(int(right.sum()), len(right), (1 + w * (1 - 2 * eps) ** turns) / 2)


def waiting_chain(basis: str, rounds: int, p: float, fidelity: float) -> tuple[dict[str, Any], dict[str, Any]]:
    nodes = {
        "a": act("reads_again_and_again", peer="r", rounds=rounds, basis=basis),
        "r": {**act("swaps_again_and_again", left="a", right="b", end="b", rounds=rounds), "t2": "50 us"},
        "b": act("reads_again_and_again", peer="r", rounds=rounds, basis=basis, repeater="r"),
    }
    source = {"fidelity": fidelity, "success_probability": p, "duration": "10 us"}
    return nodes, {"line": {"chain": ["a", "r", "b"], "source": source}}


@pytest.mark.parametrize("basis", ["x", "z"])
async def test_the_pair_that_waits_for_the_other_dephases(basis: str, world: World) -> None:
    """x^|D| of its coherence is left, E = p/(2-p) (1+qx)/(1-qx), D the difference of two geometric waits; Z stays."""
    p, fidelity, rounds = 0.3, 0.96, 600
    run = await world.run(*waiting_chain(basis, rounds, p, fidelity))
    agreed = sum(one == other for one, other in zip(run["a"], run["b"], strict=True))
    x = exp(-10 / 50)
    left = p / (2 - p) * (1 + (1 - p) * x) / (1 - (1 - p) * x) if basis == "x" else 1.0
    assert_frequency(agreed, rounds, (1 + werner(fidelity) ** 2 * left) / 2)


@pytest.mark.parametrize("formalism", EXACT)
async def test_each_wait_dephases_by_its_own_length(formalism: str, world: World) -> None:
    """Exactly, whatever each wait is: a repeater that dephases, and two links that try at the same time."""
    t2, waits = 50e3, set()
    source = {"fidelity": 0.96, "success_probability": 0.3, "duration": "10 us"}
    for seed in range(4):
        nodes, links = chain(2, {"length": "0 km", "source": source})
        nodes["n1"]["t2"] = f"{t2} ns"
        run = await world.run(nodes, links, formalism=formalism, seed=seed, until="1 s")
        waited = abs(run.notes["n0"]["came"] - run.notes["n2"]["came"])
        waits.add(waited)
        view = await world.view("0.9 s", nodes, links, formalism=formalism, seed=seed)
        w = werner(0.96) ** 2
        assert view.fidelity("n0", "n2") == pytest.approx((1 + w + 2 * w * exp(-waited / t2)) / 4, abs=1e-10)
    assert len(waits) > 2


# --- teleportation, CHSH ---------------------------------------------------------------------------------------------


def teleporting(states: Sequence[str], **link: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    slots = {"qubits": 2 * len(states)}
    return pair(
        {**act("teleports", peer="bob", states=list(states)), **slots},
        {**act("receives", peer="alice", states=list(states)), **slots},
        length="10 km",
        **link,
    )


async def test_teleported_states_have_fidelity_two_f_plus_one_thirds(world: World) -> None:
    run = await world.run(*teleporting(STATES, fidelity=0.87), formalism="density_matrix")
    for state in STATES:
        assert run.fidelity(f"sent {state}", state) == pytest.approx((2 * 0.87 + 1) / 3, abs=1e-10)


async def test_over_a_bell_diagonal_pair_the_axes_differ_and_their_mean_does_not(world: World) -> None:
    """A pair with errors X, Y, Z of probabilities p: the axis that an error leaves alone does not notice it."""
    source = {"model": "bell_diagonal", "phi_plus": 0.8, "psi_plus": 0.1, "psi_minus": 0.07, "phi_minus": 0.03}
    run = await world.run(*teleporting(STATES, source=source), formalism="density_matrix")
    found = [run.fidelity(f"sent {state}", state) for state in STATES]
    expected = [0.83, 0.83, 0.9, 0.9, 0.87, 0.87]
    assert found == pytest.approx(expected, abs=1e-10)
    assert np.mean(found) == pytest.approx((2 * 0.8 + 1) / 3, abs=1e-10)


@pytest.mark.parametrize("formalism", ["auto", "state_vector"])
async def test_sampled_teleportation_succeeds_as_often(formalism: str, world: World) -> None:
    run = await world.run(*teleporting(STATES * 150, fidelity=0.87), formalism=formalism)
    assert_frequency(run["bob"].count(0), 900, (2 * 0.87 + 1) / 3)


async def test_chsh_reaches_two_sqrt_two_times_w(world: World) -> None:
    """A round is won with 1/2 + S/8, S = 2 sqrt(2) w: 3/4 without entanglement would be caught."""
    rounds, fidelity = 2500, 0.95
    angles = {"bob": [0, pi / 2], "alice": [pi / 4, -pi / 4]}
    players = [
        {**act("plays_chsh", peer=peer, angles=angles[peer], n=rounds), "qubits": rounds} for peer in ("bob", "alice")
    ]
    run = await world.run(*pair(*players, fidelity=fidelity))
    won = sum((a ^ b) == (x & y) for (x, a), (y, b) in zip(run["alice"], run["bob"], strict=True))
    assert_frequency(won, rounds, 0.5 + 2 * sqrt(2) * werner(fidelity) / 8)


# --- storage ---------------------------------------------------------------------------------------------------------


def stored(name: str, e1: tuple[float, float], e2: tuple[float, float]) -> float:
    """Of a Bell state whose halves keep e1 of their excitation and e2 of their coherence each."""
    if name.startswith("psi"):
        return (e1[0] + e1[1] + 2 * e2[0] * e2[1]) / 4
    return (1 + (1 - e1[0]) * (1 - e1[1]) + e1[0] * e1[1] + 2 * e2[0] * e2[1]) / 4


def kept(t: float, t1: float | None, t2: float | None) -> tuple[float, float]:
    e1 = 1.0 if t1 is None else exp(-t / t1)
    return e1, sqrt(e1) if t2 is None else exp(-t / t2)


MEMORIES = {
    "t2": ({"t2": "2 ms"}, (None, 2.0)),
    "t1": ({"t1": "3 ms"}, (3.0, None)),
    "both": ({"t1": "1 ms", "t2": "0.8 ms"}, (1.0, 0.8)),
    "t2 > t1": ({"t1": "1 ms", "t2": "1.7 ms"}, (1.0, 1.7)),
    "ideal": ({}, (None, None)),
}


@pytest.mark.parametrize("bell", BELL)
@pytest.mark.parametrize(
    ("alice", "bob"),
    [("t2", "ideal"), ("ideal", "t1"), ("both", "both"), ("t2 > t1", "t2 > t1"), ("both", "t1"), ("t2", "t2 > t1")],
)
async def test_stored_pairs_decay_as_their_memories_do(alice: str, bob: str, bell: str, world: World) -> None:
    (mine, mine_ms), (theirs, theirs_ms) = MEMORIES[alice], MEMORIES[bob]
    nodes, links = pair(
        keeping("bob", **mine),
        keeping("alice", **theirs),
        source={"model": "bell_diagonal", bell.replace("+", "_plus").replace("-", "_minus"): 1},
    )
    view = await world.view("0.37 ms", nodes, links, formalism="density_matrix")
    one, other = kept(0.37, *mine_ms), kept(0.37, *theirs_ms)
    expected = stored(bell, (one[0], other[0]), (one[1], other[1]))
    assert view.fidelity("alice", "bob", to=bell) == pytest.approx(expected, abs=1e-10)
    if alice == bob == "both":
        assert expected == pytest.approx(0.5915 if bell.startswith("phi") else 0.5436, abs=5e-5)


async def test_bell_diagonal_pairs_dephase_alike(world: World) -> None:
    nodes, links = pair(keeping("bob", t2="2 ms"), keeping("alice", t2="5 ms"), fidelity=0.9)
    w = werner(0.9)
    for formalism in EXACT:
        view = await world.view("0.7 ms", nodes, links, formalism=formalism)
        expected = (1 + w + 2 * w * exp(-0.7 / 2 - 0.7 / 5)) / 4
        assert view.fidelity("alice", "bob") == pytest.approx(expected, abs=1e-10)


# --- distillation ----------------------------------------------------------------------------------------------------


def bbpssw(f: float) -> tuple[float, float]:
    """Success probability and fidelity for two Werner pairs (Bennett et al., PRL 76 722, 1996)."""
    rest = (1 - f) / 3
    chance = f * f + 2 * f * rest + 5 * rest * rest
    return chance, (f * f + rest * rest) / chance


def dejmps(a: Sequence[float], b: Sequence[float]) -> tuple[float, list[float]]:
    """Of two states in the order Phi+, Psi-, Psi+, Phi- (Deutsch et al., PRL 77 2818, 1996)."""
    chance = (a[0] + a[1]) * (b[0] + b[1]) + (a[2] + a[3]) * (b[2] + b[3])
    kept = [
        a[0] * b[0] + a[1] * b[1],
        a[2] * b[3] + a[3] * b[2],
        a[2] * b[2] + a[3] * b[3],
        a[0] * b[1] + a[1] * b[0],
    ]
    return chance, [one / chance for one in kept]


MIXED = {"phi_plus": 0.75, "psi_minus": 0.05, "psi_plus": 0.08, "phi_minus": 0.12}


async def _agreed(world: World, formalism: str, rotation: float, **link: Any) -> View:
    """A view of a round of distillation that went well: about two in three seeds have one."""
    nodes, links = pair(
        act("distils", peer="bob", rotation=rotation), act("distils", peer="alice", rotation=-rotation), **link
    )
    for seed in range(20):
        run = await world.run(nodes, links, formalism=formalism, seed=seed, until="1 s")
        if run.notes["alice"]["agreed"]:
            return await world.view("0.5 s", nodes, links, formalism=formalism, seed=seed)
    raise AssertionError("20 rounds failed, of which each succeeds with more than 0.6")


@pytest.mark.parametrize("formalism", EXACT)
async def test_bbpssw_with_gates_leaves_the_fidelity_of_its_formula(formalism: str, world: World) -> None:
    view = await _agreed(world, formalism, 0.0, length="1 km", fidelity=0.8)
    assert view.fidelity("alice", "bob") == pytest.approx(bbpssw(0.8)[1], abs=1e-10)


@pytest.mark.parametrize("formalism", EXACT)
async def test_dejmps_with_gates_leaves_the_four_probabilities_of_its_formula(formalism: str, world: World) -> None:
    view = await _agreed(world, formalism, pi / 2, length="1 km", source={"model": "bell_diagonal", **MIXED})
    _, expected = dejmps(list(MIXED.values()), list(MIXED.values()))
    found = [view.fidelity("alice", "bob", to=name) for name in ("phi+", "psi-", "psi+", "phi-")]
    assert found == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("protocol", ["bbpssw", "dejmps"])
async def test_distillation_succeeds_as_often_as_its_formula_says(protocol: str, world: World) -> None:
    """And what is left agrees in Z with A' + D', the probability of Phi+ or Phi-."""
    rounds = 1000
    rotation = pi / 2 if protocol == "dejmps" else 0.0
    link = {"source": {"model": "bell_diagonal", **MIXED}} if rotation else {"fidelity": 0.8}
    args, slots = {"n": rounds, "basis": "z"}, {"qubits": 2 * rounds}
    run = await world.run(
        *pair(
            {**act("distils", peer="bob", rotation=rotation, **args), **slots},
            {**act("distils", peer="alice", rotation=-rotation, **args), **slots},
            **link,
        )
    )
    agreed = [(mine, theirs) for (ok, mine), (_, theirs) in zip(run["alice"], run["bob"], strict=True) if ok]
    if rotation:
        chance, (phi_plus, _, _, phi_minus) = dejmps(list(MIXED.values()), list(MIXED.values()))
        equal = phi_plus + phi_minus
    else:
        chance, _ = bbpssw(0.8)
        rest = 0.2 / 3
        equal = (0.8**2 + rest**2 + 2 * 0.8 * rest) / chance  # Phi+ and Phi- of both: sum over x1 = x2 = 0
    assert_frequency(len(agreed), rounds, chance)
    assert_frequency(sum(mine == theirs for mine, theirs in agreed), len(agreed), equal)


# --- stations --------------------------------------------------------------------------------------------------------


def single_click(a: Sequence[float], eta: Sequence[float], dark: float, v: float, phase: float) -> tuple[float, float]:
    """Probability of success of an attempt, and fidelity (Cabrillo et al., PRA 59 1025, 1999), threshold detectors."""
    none = 2 * dark * (1 - dark)
    one = [(1 - dark) * (eta[end] + 2 * dark * (1 - eta[end])) for end in (0, 1)]
    joint = eta[0] * eta[1]
    two = (1 - dark) * (eta[0] + eta[1] - 2 * joint + joint * (1 + v) / 2 + 2 * dark * (1 - eta[0]) * (1 - eta[1]))
    w10, w01 = a[0] * (1 - a[1]) * one[0], (1 - a[0]) * a[1] * one[1]
    p = (1 - a[0]) * (1 - a[1]) * none + w10 + w01 + a[0] * a[1] * two
    c = (1 - dark) * sqrt(a[0] * (1 - a[0]) * a[1] * (1 - a[1]) * joint * v) * exp(-(phase**2) / 2)
    return p, (w10 + w01 + 2 * c) / (2 * p)


def double_click(eta: Sequence[float], dark: float, v: float) -> tuple[float, float]:
    """The same of Barrett & Kok, PRA 71 060310 (2005)."""
    none = 2 * dark * (1 - dark)
    one = [(1 - dark) * (eta[end] + 2 * dark * (1 - eta[end])) for end in (0, 1)]
    joint = eta[0] * eta[1]
    two = (1 - dark) * (eta[0] + eta[1] - 2 * joint + joint * (1 + v) / 2 + 2 * dark * (1 - eta[0]) * (1 - eta[1]))
    p = (one[0] * one[1] + none * two) / 2
    return p, (one[0] * one[1] + (1 - dark) ** 2 * joint * v) / (4 * p)


def midpoint_source(eta: Sequence[float], dark: float, mean: float) -> tuple[float, float]:
    """The same of pairs from down-conversion that are counted at both ends (Ma, Fung & Lo, PRA 76 012307, 2007)."""
    half = mean / 2
    one = [1 / (1 + end * half) for end in eta]
    both = 1 / (1 + (eta[0] + eta[1] - eta[0] * eta[1]) * half)
    quiet = (1 - dark) ** 2
    p = 1 - quiet * one[0] ** 2 - quiet * one[1] ** 2 + quiet**2 * both**2
    wrong = p / 2 - quiet * eta[0] * eta[1] * half * (1 + half) * one[0] * one[1] * both
    return p, 1 - 1.5 * wrong / p


ETA = [0.9 * 10 ** (-0.2 * km / 10) * 0.8 for km in (6, 14)]
WAY = {"station": "6 km", "detector": 0.8, "dark_clicks": 1e-3}
CLICKS = {
    "one click": (
        {
            "model": "single_click",
            "bright_state": [0.1, 0.2],
            "phase_noise": "10 deg",
            "visibility": 0.9,
            "emission": 0.9,
            **WAY,
        },
        single_click((0.1, 0.2), ETA, 1e-3, 0.9, radians(10)),
        2 * 14 * KM_NS,
    ),
    "two clicks": (
        {"model": "double_click", "visibility": 0.9, "emission": 0.9, **WAY},
        double_click(ETA, 1e-3, 0.9),
        2 * 14 * KM_NS,
    ),
    "from the middle": (
        {"model": "midpoint_source", "mean_pairs": 0.3, "coupling": 0.9, **WAY},
        midpoint_source(ETA, 1e-3, 0.3),
        (14 + 20) * KM_NS,
    ),
}
FIBRE = {"length": "20 km", "attenuation": "0.2 dB/km"}


@pytest.mark.parametrize("clicks", CLICKS)
async def test_clicks_deliver_pairs_of_the_formulas_fidelity(clicks: str, world: World) -> None:
    """In memories that do not forget: exactly, with whichever detector it was; and the header says so."""
    source, (_, fidelity), _ = CLICKS[clicks]
    nodes, links = pair(keeping("bob"), keeping("alice"), source=source, **FIBRE)
    for seed in range(3):
        view = await world.view("1 s", nodes, links, formalism="density_matrix", seed=seed)
        assert view.fidelity("alice", "bob") == pytest.approx(fidelity, abs=1e-10)
        run = await world.run(nodes, links, formalism="density_matrix", seed=seed, until="1 s")
        assert run.notes["alice"]["fidelity"] == run.notes["bob"]["fidelity"] == pytest.approx([fidelity], abs=1e-10)


@pytest.mark.parametrize("clicks", CLICKS)
async def test_attempts_until_a_click_are_geometric(clicks: str, world: World) -> None:
    """1000 pairs in sequence: the whole distribution, not only its mean."""
    source, (p, _), attempt_ns = CLICKS[clicks]
    run = await world.run(
        *pair(act("times", peer="bob", rounds=1000), act("times", peer="alice", rounds=1000), source=source, **FIBRE)
    )
    waited = run["alice" if clicks == "from the middle" else "bob"]  # who hears last of each success
    tries = [round(ns / attempt_ns) for ns in waited]
    assert max(abs(ns - k * attempt_ns) / k for ns, k in zip(waited, tries, strict=True)) < 2
    assert_geometric(tries, p)


def assert_geometric(tries: Sequence[int], p: float, n_classes: int = 8) -> None:
    """Classes of about the same probability: a waiting time of another distribution is in another class."""
    borders = sorted({int(np.ceil(np.log1p(-nth / n_classes) / np.log1p(-p))) for nth in range(n_classes)})
    classes = np.searchsorted(borders, tries, side="left") - 1  # class nth: borders[nth] < k <= borders[nth + 1]
    left = [(1 - p) ** border for border in borders] + [0.0]
    expected = {nth: left[nth] - left[nth + 1] for nth in range(len(borders))}
    assert_same_distribution(Counter(map(int, classes)), probabilities=expected)
    mean, spread = 1 / p, sqrt(1 - p) / p
    n = len(tries)
    assert np.mean(tries) == pytest.approx(mean, abs=6.5 * spread / sqrt(n))  # normal for such n: 1e-10
    # The fourth central moment of a geometric law is var^2 (9 + p^2/(1-p)).
    assert np.var(tries) == pytest.approx(spread**2, abs=9 * spread**2 * sqrt((8 + p * p / (1 - p)) / n))


async def test_halves_have_aged_by_the_heralding_delay(world: World) -> None:
    """Two clicks without dark ones: Psi+- with (1+-V)/2, aged 2 L/v at each end while the station's word travels."""
    source = {"model": "double_click", "station": "6 km", "visibility": 0.9}
    nodes, links = pair(keeping("bob", t1="1 ms", t2="0.7 ms"), keeping("alice", t1="2 ms", t2="3 ms"), source=source)
    links["fibre"]["length"] = "20 km"
    ages = [2 * km * KM_NS * 1e-6 for km in (6, 14)]
    (e1, c1), (e2, c2) = kept(ages[0], 1, 0.7), kept(ages[1], 2, 3)
    expected = (e1 + e2 + 2 * 0.9 * c1 * c2) / 4
    run = await world.run(nodes, links, formalism="density_matrix", until="1 s")
    came = {name: run.notes[name]["came"] for name in nodes}
    assert came["bob"] - came["alice"] == pytest.approx(8 * KM_NS, abs=2)
    assert run.notes["alice"]["fidelity"] == pytest.approx([expected], abs=1e-6)  # times are whole nanoseconds
    view = await world.view(f"{came['alice']} ns", nodes, links, formalism="density_matrix")
    assert view.fidelity("alice", "bob") == pytest.approx(run.notes["alice"]["fidelity"][0], abs=1e-10)


@pytest.mark.parametrize("asks_first", ["alice", "bob"])
@pytest.mark.parametrize("ends", [("alice", "bob"), ("bob", "alice")], ids=["as listed", "turned"])
async def test_values_for_each_end_are_those_of_the_links_first_and_second(
    ends: tuple[str, str], asks_first: str, world: World
) -> None:
    """How often each memory is left bright, before the correction of whoever asked later: X, or Y, turns it over."""
    a, eta = (0.1, 0.3), [0.5 * 10 ** (-0.2 * km / 10) for km in (6, 14)]
    joint = eta[0] * eta[1]
    w10, w01, w11 = a[0] * (1 - a[1]) * eta[0], (1 - a[0]) * a[1] * eta[1], a[0] * a[1] * (sum(eta) - joint)
    bright = {ends[0]: (w10 + w11) / (w10 + w01 + w11), ends[1]: (w01 + w11) / (w10 + w01 + w11)}
    corrects = "bob" if asks_first == "alice" else "alice"
    bright[corrects] = 1 - bright[corrects]
    nodes, _ = pair(
        act("keeps", peer="bob", after=0.0 if asks_first == "alice" else 1e-6),
        act("keeps", peer="alice", after=0.0 if asks_first == "bob" else 1e-6),
    )
    source = {"model": "single_click", "bright_state": list(a), "emission": 0.5, "station": "6 km"}
    links = {"fibre": {"between": list(ends), "source": source, **FIBRE}}
    view = await world.view("1 s", nodes, links, formalism="density_matrix")
    for node in ends:
        assert view.fidelity(node, to="1") == pytest.approx(bright[node], abs=1e-10)


@pytest.mark.parametrize(
    ("clicks", "formalism"),
    [
        *product(CLICKS, ("state_vector", "density_matrix", "directly")),
        *product(
            ["two clicks", "from the middle"], ("stabilizer", "bell_diagonal")
        ),  # one click leaves pairs that these refuse
    ],
)
async def test_outcomes_of_clicked_pairs_add_up_to_their_fidelity(clicks: str, formalism: str, world: World) -> None:
    """F = (1 + <XX> - <YY> + <ZZ>)/4: the mean over three bases of how often they are right is (1 + 2F)/3."""
    source, (_, fidelity), _ = CLICKS[clicks]
    n, right = 300, 0
    settings = {} if formalism == "directly" else {"formalism": formalism}
    for basis in "xyz":
        args = {"n": n, "basis": basis, "directly": formalism == "directly"}
        nodes, links = pair(
            {**act("measures", peer="bob", **args), "qubits": n},
            {**act("measures", peer="alice", **args), "qubits": n},
            source=source,
            **FIBRE,
        )
        run = await world.run(nodes, links, seed=ord(basis), **settings)
        right += sum((one == other) != (basis == "y") for one, other in zip(run["alice"], run["bob"], strict=True))
    # A sum of outcomes of three probabilities varies less than one of their mean: Hoeffding 1956, theorem 4.
    assert_frequency(right, 3 * n, (1 + 2 * fidelity) / 3)


# --- waiting ---------------------------------------------------------------------------------------------------------


async def test_the_last_of_several_links_waits_for_the_maximum(world: World) -> None:
    """P(max <= k) = (1 - (1-p)^k)^N for N links that try at the same time; E[max] as its sum."""
    p, rounds, peers = 0.15, 600, ["a", "b", "c"]
    nodes = {"hub": act("times_of_all", peers=peers, rounds=rounds)}
    nodes.update({name: act("times", peer="hub", rounds=rounds) for name in peers})
    links = {"fan": {"star": ["hub", *peers], "source": {"success_probability": p, "duration": "10 us", "fidelity": 1}}}
    run = await world.run(nodes, links)
    tries = [ns // 10_000 for ns in run["hub"]]
    assert all(ns % 10_000 == 0 for ns in run["hub"])
    law = [(1 - (1 - p) ** k) ** 3 for k in range(200)]
    borders = [0, 6, 8, 10, 12, 15, 18, 23]
    classes = Counter(int(np.searchsorted(borders, k, side="left")) - 1 for k in tries)
    upper = [law[border] for border in borders[1:]] + [1.0]
    expected = {nth: upper[nth] - (law[borders[nth]]) for nth in range(len(borders))}
    assert_same_distribution(classes, probabilities=expected)
    mean = sum(1 - one for one in law)
    spread = sqrt(sum((2 * k + 1) * (1 - one) for k, one in enumerate(law)) - mean**2)
    assert np.mean(tries) == pytest.approx(mean, abs=6.5 * spread / sqrt(rounds))


@pytest.mark.parametrize("p", [1e-6, 1e-9])
async def test_rare_successes_cost_nothing(p: float, world: World) -> None:
    source = {"success_probability": p, "duration": "1 us", "fidelity": 1}
    asks = (act("times", peer="bob", rounds=300), act("times", peer="alice", rounds=300))
    run = await world.run(*pair(*asks, source=source))
    assert_geometric([ns // 1000 for ns in run["alice"]], p)


async def test_attempts_dephase_what_is_stored_at_both_ends(world: World) -> None:
    """k attempts of p leave (1-2p)^k of a stored |+> (Kalb et al., PRA 97 062330, 2018), exactly, each time."""
    p, rounds = 0.03, 25
    asks = {"rounds": rounds, "after": 1e-6}
    nodes, links = pair(
        act("stores_while_it_tries", peer="bob", **asks),
        act("stores_while_it_tries", peer="alice", **asks),
        source={"success_probability": 0.2, "duration": "10 us", "fidelity": 1, "attempt_dephasing": p},
    )
    run = await world.run(nodes, links, formalism="density_matrix")
    tries = [ns // 10_000 for ns in run["alice"]]
    assert len(set(tries)) > 3
    for nth, k in enumerate(tries):
        for end in (0, 1):
            coherence = 2 * run.reduced_state(f"stored {nth}", end)[0, 1]
            assert coherence == pytest.approx((1 - 2 * p) ** k, abs=1e-10)


async def test_attempts_of_a_link_dephase_halves_of_another_and_not_their_own(world: World) -> None:
    """F = (1 + (1-2p)^k)/2 of a perfect pair of which one half is kept beside k attempts."""
    p = 0.02
    source = {"success_probability": 0.2, "duration": "10 us", "fidelity": 1, "attempt_dephasing": p}
    nodes = {
        "r": act("holds_one_and_makes_another", first="a", second="b"),
        "a": keeping("r"),
        "b": keeping("r"),
    }
    links = {"first": {"between": ["a", "r"]}, "second": {"between": ["r", "b"], "source": source}}
    tried = set()
    for seed in range(3):
        run = await world.run(nodes, links, formalism="density_matrix", seed=seed, until="1 s")
        k = run.notes["r"]["tried"] // 10_000
        tried.add(k)
        view = await world.view("0.9 s", nodes, links, formalism="density_matrix", seed=seed)
        assert view.fidelity("a", "a~r#0@r") == pytest.approx((1 + (1 - 2 * p) ** k) / 2, abs=1e-10)
        assert view.fidelity("b", "b~r#0@r") == pytest.approx(1, abs=1e-10)
    assert len(tried) > 1


# --- operations ------------------------------------------------------------------------------------------------------


async def _after(world: World, gates: Mapping[str, Any], gate: str, n: int) -> Run:
    """What n gates leave of |0> or |00>, exactly."""
    node = {**act("repeats_a_gate", gate=gate, n=n), "gates": gates}
    return await world.run({"alice": node}, {}, formalism="density_matrix", until="1 s")


@pytest.mark.parametrize("gate", ["x", "h"])
async def test_n_gates_survive_like_a_randomised_benchmark(gate: str, world: World) -> None:
    """r is 1 - F_avg, so each mixes with l = 2r: |0> is left with (1 + (1-2r)^n)/2 after n that make the identity."""
    r, n = 0.004, 20
    run = await _after(world, {"single": {"error": r}}, gate, n)
    assert run.fidelity("done", "0") == pytest.approx((1 + (1 - 2 * r) ** n) / 2, abs=1e-10)


async def test_n_gates_of_two_leave_each_qubit_its_share(world: World) -> None:
    """For two qubits l = 4r/3, and what is left of either is (1 + (1-l)^n)/2."""
    r, n = 0.01, 12
    run = await _after(world, {"two": {"error": r}}, "cz", n)
    assert run.fidelity("done", "0") == pytest.approx((1 + (1 - 4 * r / 3) ** n) / 2, abs=1e-10)


async def test_new_qubits_are_bright_with_the_probability_of_their_error(world: World) -> None:
    run = await _after(world, {"initialise": {"error": 0.07}}, "x", 1)
    assert run.fidelity("done", "0") == pytest.approx(0.07, abs=1e-10)


async def test_paulis_come_with_their_probabilities(world: World) -> None:
    """An X or a Y turns |0> over: so do `flip` and `pauli`, one after the other; a Z does nothing to it."""
    flip, (px, py, pz) = 0.05, (0.02, 0.03, 0.2)
    run = await _after(world, {"single": {"flip": flip, "pauli": [px, py, pz], "dephase": 0.3}}, "z", 6)
    left = ((1 - 2 * flip) * (1 - 2 * (px + py))) ** 6
    assert run.fidelity("done", "0") == pytest.approx((1 + left) / 2, abs=1e-10)


async def test_fifteen_paulis_of_a_gate_of_two_are_in_the_documented_order(world: World) -> None:
    """IX, IY, IZ, XI, ..., ZZ: only those that begin with X or Y turn the first qubit over."""
    chances = [0.001 * (nth + 1) for nth in range(15)]
    run = await _after(world, {"two": {"pauli": chances}}, "cz", 1)
    assert run.fidelity("done", "1") == pytest.approx(sum(chances[3:11]), abs=1e-10)


async def test_kraus_operators_damp_as_they_say(world: World) -> None:
    """Amplitude damping with gamma after each X: the excited population q goes to (1 - q)(1 - gamma)."""
    gamma, n, excited = 0.36, 5, 0.0
    for _ in range(n):
        excited = (1 - excited) * (1 - gamma)
    run = await _after(world, {"single": {"kraus": [[[1, 0], [0, 0.8]], [[0, 0.6], [0, 0]]]}}, "x", n)
    assert run.fidelity("done", "1") == pytest.approx(excited, abs=1e-10)


async def test_gates_that_take_time_let_their_qubit_decay(world: World) -> None:
    """X each 1 ms, T1 = 5 ms: the excited population q goes to (1-q) e and so on; then the next X."""
    n, e = 7, exp(-1 / 5)
    excited = 0.0
    for _ in range(n):
        excited = (1 - excited) * e
    node = {**act("repeats_a_gate", gate="x", n=n), "t1": "5 ms", "gates": {"single": {"duration": "1 ms"}}}
    view = await world.view(f"{n} ms", {"alice": node}, {}, formalism="density_matrix")
    assert view.fidelity("alice", to="1") == pytest.approx(excited, abs=1e-10)


async def test_readings_lie_and_states_do_not(world: World) -> None:
    """p10: 0 is read as 1; p01: 1 as 0; a second look lies anew, for the state is what it was."""
    p10, p01, rounds = 0.06, 0.15, 4000
    node = {**act("reads", rounds=rounds), "gates": {"measure": {"readout": {"p10": p10, "p01": p01}}}}
    found = np.array((await world.run({"alice": node}, {}))["alice"])
    for truth, wrong in ((0, p10), (1, p01)):
        looks = found[truth::2] != truth
        for look in (0, 1):
            assert_frequency(int(looks[:, look].sum()), rounds // 2, wrong)
        assert_frequency(int(looks.all(axis=1).sum()), rounds // 2, wrong**2)


# --- qubits and light that travel ------------------------------------------------------------------------------------


async def test_intercept_and_resend_is_a_quarter_of_errors(world: World) -> None:
    n = 1200
    nodes = {
        "alice": {**act("sends_bb84", to="eve", n=n), "qubits": 4},
        "eve": act("intercepts", source="alice", to="bob", n=n),
        "bob": act("detects", source="eve", n=n),
    }
    run = await world.run(nodes, {"line": {"chain": ["alice", "eve", "bob"], "length": "1 km"}})
    sent, got = np.array(run["alice"]), np.array(run["bob"])
    same = sent[:, 1] == got[:, 1]
    assert_frequency(int(same.sum()), n, 0.5)
    assert_frequency(int((sent[:, 0] != got[:, 0])[same].sum()), int(same.sum()), 0.25)


async def test_a_fibre_absorbs_qubits_by_its_attenuation(world: World) -> None:
    n = 1000
    sends, takes = act("sends_bb84", to="bob", n=n), act("takes_what_arrives", source="alice")
    run = await world.run(*pair(sends, takes, length="20 km", attenuation="0.2 dB/km"))
    assert (run.counts["transfers"], run.counts["absorbed"]) == (n, n - run["bob"])
    assert_frequency(run["bob"], n, 10**-0.4)


async def test_pulses_have_the_gains_and_errors_of_threshold_detectors(world: World) -> None:
    """Q = 1 - r v, QE = (1-v)(1+r)/2 with r = (1-d) exp(-mu eta (1-e)), v = (1-d) exp(-mu eta e), both bases alike."""
    n, dark, wrong = 300_000, 1e-4, 0.02
    eta = 0.25 * 10 ** (-0.5)
    photons = {
        "source": {"model": "weak_coherent", "intensities": [0.6, 0.1, 0], "rate": "1 GHz"},
        "detector": {"efficiency": 0.25, "dark_clicks": dark},
        "misalignment": wrong,
    }
    link = {"length": "25 km", "attenuation": "0.2 dB/km", "photons": photons}
    run = await world.run(*pair(act("sends_pulses", peer="bob", n=n), act("counts", peer="alice"), **link))
    for level, mean in enumerate((0.6, 0.1, 0.0)):
        r = (1 - dark) * exp(-mean * eta * (1 - wrong))
        v = (1 - dark) * exp(-mean * eta * wrong)
        gain = 1 - r * v
        sent, clicks, same, errors = run["alice"][level]
        assert_frequency(clicks, sent, gain)
        assert_frequency(same, clicks, 0.5)
        assert_frequency(errors, same, (1 - v) * (1 + r) / 2 / gain)


async def test_a_thief_of_photons_is_seen_by_decoys_only(world: World) -> None:
    """One photon of each pulse of two and more is kept, all others are sent on: no errors, and no click from singles.

    Without a channel's loss, yields are Y_n = 1 - (1-eta)^(n-1) for n >= 2; Y_1 = 0.
    """
    n, eta = 200_000, 0.3
    photons = {
        "source": {"model": "weak_coherent", "intensities": [0.6, 0.1, 0], "rate": "1 GHz"},
        "detector": {"efficiency": eta},
        "tap": "eve",
    }
    nodes, links = pair(act("sends_pulses", peer="bob", n=n), act("counts", peer="alice"), photons=photons)
    run = await world.run({**nodes, "eve": act("splits", source="alice", to="bob")}, links)
    for level, mean in enumerate((0.6, 0.1, 0.0)):
        # sum over n >= 2 of Poisson(n) (1 - (1-eta)^(n-1))
        several = 1 - exp(-mean) * (1 + mean)
        dark = (exp(-eta * mean) - exp(-mean) * (1 + (1 - eta) * mean)) / (1 - eta)
        sent, clicks, same, errors = run["alice"][level]
        assert_frequency(clicks, sent, several - dark)
        assert errors == 0 < same or mean == 0


async def test_a_photon_is_in_one_hand_only(world: World) -> None:
    """What a thief has of single photons the receiver has not: nothing of them is cloned, and none gets lost."""
    n, share = 4000, 0.4
    photons = {"source": {"model": "single_photon", "rate": "1 GHz"}, "tap": "eve"}
    nodes, links = pair(act("sends_photons", peer="bob", n=n), act("listens", peer="alice"), photons=photons)
    run = await world.run({**nodes, "eve": act("keeps_a_share", source="alice", to="bob", share=share)}, links)
    assert sorted([*run["eve"], *run["bob"]]) == list(range(n))
    assert_frequency(len(run["eve"]), n, share)


async def test_dead_detectors_miss_what_comes(world: World) -> None:
    """k = ceil(tau f) - 1 gates are blind after a click: p/(1 + k p) clicks a gate."""
    n, k, mean, eta = 400_000, 19, 0.6, 0.5
    photons = {
        "source": {"model": "weak_coherent", "intensities": [mean], "rate": "1 GHz"},
        "detector": {"efficiency": eta, "dead_time": "19.5 ns"},
    }
    run = await world.run(
        *pair(act("sends_pulses", peer="bob", n=n, classes=1), act("counts", peer="alice"), photons=photons)
    )
    p = 1 - exp(-mean * eta)
    rate = p / (1 + k * p)
    # A renewal each 1/p + k gates, of variance (1-p)/p^2: in n gates n rate of them, of variance n rate^3 (1-p)/p^2.
    spread = sqrt(n * rate**3 * (1 - p)) / p
    assert run["alice"][0][1] == pytest.approx(n * rate, abs=6.5 * spread + 1)
