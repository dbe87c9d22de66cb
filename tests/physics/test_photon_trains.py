"""Trains of pulses between nodes: gains and error rates, whoever sits on the link, times, and what goes wrong."""

from __future__ import annotations

from itertools import product
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.oracle.replay import replay
from orchestrator.run import Run
from qnode.photons import theory
from qnode.testing import assert_frequency
from tests.api import networks

FILE = "light.py"
INTENSITIES = (0.5, 0.1, 0.0)
EFFICIENCY, DARK, MISALIGNMENT = 0.25, 1e-4, 0.02
LENGTH_KM, ATTENUATION = 25, 0.2
ETA = EFFICIENCY * 10 ** (-LENGTH_KM * ATTENUATION / 10)
DELAY_NS = round(LENGTH_KM * 1e3 / (2 / 3 * 299_792_458) * 1e9)
DECOY = {"model": "weak_coherent", "intensities": list(INTENSITIES), "rate": "1 GHz"}
DETECTOR = {"efficiency": EFFICIENCY, "dark_clicks": DARK}
SINGLE = {"source": {"model": "single_photon", "rate": "1 GHz"}}


class Found:
    """A run, and what its programs returned: arrays are arrays again."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def __getitem__(self, node: str) -> Any:
        return _arrays(self.run[node])


def _arrays(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _arrays(item) for key, item in value.items()}
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], bytes):
        return np.frombuffer(value[1], value[0])
    return [_arrays(item) for item in value] if isinstance(value, list) else value


async def run(config: dict[str, Any], runs: Path, *, inline: bool = True, check: bool = True) -> Found:
    return Found(await networks.run(config, runs, inline=inline, check=check))


def network(photons: dict[str, Any], **programs: Any) -> dict[str, Any]:
    """alice and bob over 25 km of fibre; eve is there if she has a program, and hears what is announced."""
    nodes = {name: {"program": f"{FILE}:{one['run']}", "args": one.get("args", {})} for name, one in programs.items()}
    link = {"between": ["alice", "bob"], "length": f"{LENGTH_KM} km", "attenuation": f"{ATTENUATION} dB/km"}
    if "eve" in programs:
        photons = {**photons, "tap": "eve"}
    return {
        "version": 1,
        "seed": 1,
        "nodes": nodes,
        "links": {"fibre": {**link, "photons": photons}},
        "classical": {"delay": f"{DELAY_NS} ns"},
    }


def act(name: str, **args: Any) -> dict[str, Any]:
    return {"run": name, "args": args}


def sending(n: int, **args: Any) -> dict[str, Any]:
    return act("sends", peer="bob", n=n, **args)


RECEIVING = act("receives", peer="alice")


def sifted(found: Found) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Of each click in the sender's basis: intensity class, whether it is an error, and which pulse it was."""
    sent, got = found["alice"], found["bob"]
    same = sent["bases"][got["indices"]] == got["bases"]
    index = got["indices"][same]
    return sent["classes"][index], sent["bits"][index] != got["outcomes"][same], index


# --- decoy BB84 ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inline", [True, False], ids=["inline", "processes"])
async def test_gains_and_error_rates_of_decoy_bb84_are_those_of_the_closed_forms(inline: bool, tmp_path: Path) -> None:
    """A million pulses. At the decoy, a gain of .00221 is told from one that is 10 % off in 99 of 100 runs."""
    n = 1_000_000
    photons = {"source": DECOY, "misalignment": MISALIGNMENT, "detector": DETECTOR}
    found = await run(network(photons, alice=sending(n, n_classes=3), bob=RECEIVING), tmp_path, inline=inline)
    classes, wrong, _ = sifted(found)
    sent, got = found["alice"], found["bob"]
    assert got["n"] == n
    for level, mean in enumerate(INTENSITIES):
        trials = int((sent["classes"] == level).sum())
        clicks = int((sent["classes"][got["indices"]] == level).sum())
        assert_frequency(clicks, trials, theory.gain(mean, ETA, DARK))
        of_level = classes == level
        assert_frequency(int(of_level.sum()), clicks, 0.5)
        error = theory.error_rate(mean, ETA, DARK, MISALIGNMENT)
        assert_frequency(int(wrong[of_level].sum()), int(of_level.sum()), error)
    assert_frequency(int(got["bases"].sum()), len(got["bases"]), 0.5)


async def test_the_same_seed_gives_the_same_bytes_and_another_one_others(tmp_path: Path) -> None:
    photons = {
        "source": DECOY,
        "misalignment": MISALIGNMENT,
        "detector": {**DETECTOR, "afterpulse": 0.1, "afterpulse_time": "5 ns"},
    }
    config = network(
        photons, alice=sending(20_000, n_classes=3, tell="eve"), bob=RECEIVING, eve=act("splits_beams", share=0.3)
    )
    runs = [
        await run({**config, "seed": seed}, tmp_path, inline=inline)
        for seed, inline in ((1, True), (1, False), (2, True))
    ]
    logs = [(one.run.folder / "events.jsonl").read_bytes() for one in runs]
    assert logs[0] == logs[1] != logs[2]
    for node, key in product(("alice", "bob", "eve"), ("bits", "bases", "indices", "outcomes", "times")):
        if key in runs[0][node]:
            assert runs[0][node][key].tobytes() == runs[1][node][key].tobytes() != runs[2][node][key].tobytes()
    again = replay(runs[1].run.folder / "record")
    assert again.divergence is None
    assert {one.node: one.ended.result for one in again.results} == {
        one.node: one.packed for one in runs[1].run.summary.results
    }


async def test_bases_given_by_the_receiver_are_those_that_are_measured_in(tmp_path: Path) -> None:
    n = 3_000
    bases = [nth % 3 for nth in range(n)]
    photons = {**SINGLE, "channel": {"model": "free_space", "loss": "0 dB"}}
    config = network(photons, alice=sending(n, n_bases=3), bob=act("receives", peer="alice", bases=bases))
    found = await run(config, tmp_path)
    assert found["bob"]["indices"].tolist() == list(range(n))
    assert found["bob"]["bases"].tolist() == bases
    _, wrong, index = sifted(found)
    assert not wrong.any()
    other = np.setdiff1d(np.arange(n), index)
    assert_frequency(int((found["alice"]["bits"] != found["bob"]["outcomes"])[other].sum()), len(other), 0.5)


async def test_a_receiver_chooses_bases_with_the_probabilities_that_it_gives(tmp_path: Path) -> None:
    n = 20_000
    photons = {**SINGLE, "channel": {"model": "free_space", "loss": "0 dB"}}
    config = network(photons, alice=sending(n), bob=act("receives", peer="alice", bases={"z": 0.9, "y": 0.1}))
    bases = (await run(config, tmp_path))["bob"]["bases"]
    assert_frequency(int((bases == 0).sum()), n, 0.9)
    assert_frequency(int((bases == 2).sum()), n, 0.1)


async def test_in_time_bins_x_loses_half_and_errs_by_its_visibility(tmp_path: Path) -> None:
    n = 400_000
    photons = {
        **SINGLE,
        "encoding": {"model": "time_bin", "separation": "400 ps", "visibility": 0.9},
        "channel": {"model": "free_space", "loss": "3 dB"},
        "detector": {"efficiency": 0.5},
    }
    found = await run(network(photons, alice=sending(n), bob=RECEIVING), tmp_path)
    _, wrong, index = sifted(found)
    bases, eta = found["alice"]["bases"], 0.5 * 10**-0.3
    for basis, gain, error in ((0, eta, 0.0), (1, eta / 2, 0.05)):
        mine = bases[index] == basis
        assert_frequency(int(mine.sum()), int((bases == basis).sum()), gain / 2)
        assert_frequency(int(wrong[mine].sum()), int(mine.sum()), error)


# --- dead time, afterpulses, a satellite's pass ----------------------------------------------------------------------


async def test_dead_time_leaves_p_over_1_plus_kp_clicks(tmp_path: Path) -> None:
    n, k = 500_000, 24
    photons = {
        "source": DECOY,
        "detector": {"efficiency": 0.9, "dead_time": "25 ns"},
        "channel": {"model": "free_space", "loss": "3 dB"},
    }
    found = await run(network(photons, alice=sending(n), bob=RECEIVING), tmp_path)
    indices = found["bob"]["indices"]
    gaps = np.diff(indices) - k - 1
    p = theory.gain(0.5, 0.9 * 10**-0.3)
    assert (gaps >= 0).all()
    assert_frequency(len(gaps), int(gaps.sum()) + len(gaps), p)  # gates in which a click could be, and was
    assert len(indices) / n == pytest.approx(theory.rate_with_dead_time(p, k), rel=0.02)


async def test_afterpulses_come_on_top_and_say_nothing_of_the_bits(tmp_path: Path) -> None:
    """Half of the clicks of a vacuum's darks cause one more each, and so on: twice as many in all."""
    n, dark = 2_000_000, 1e-3
    detector = {"efficiency": 0.5, "dark_clicks": dark, "afterpulse": 0.5, "afterpulse_time": "20 ns"}
    photons = {"source": {**DECOY, "intensities": [0]}, "detector": detector}
    found = await run(network(photons, alice=sending(n), bob=RECEIVING), tmp_path)
    expected = theory.rate_with_afterpulses(2 * dark, 0.5)
    assert len(found["bob"]["indices"]) / n == pytest.approx(expected, rel=0.06)  # 6 % are more than 6 sigma
    _, wrong, _ = sifted(found)
    assert_frequency(int(wrong.sum()), len(wrong), 0.5)


async def test_a_dead_time_goes_on_into_the_next_train(tmp_path: Path) -> None:
    """All pulses would click; trains are 125 us apart, and after a click nothing does for 200 us."""
    photons = {**SINGLE, "channel": {"model": "free_space", "loss": "0 dB"}, "detector": {"dead_time": "200 us"}}
    alice, bob = (act("one_after_another", peer=peer, trains=4, n=10) for peer in ("bob", "alice"))
    found = await run(network(photons, alice=alice, bob=bob), tmp_path)
    assert [train["indices"].tolist() for train in found["bob"]] == [[0], [], [0], []]


async def test_a_satellite_gives_light_while_it_passes(tmp_path: Path) -> None:
    n = 100_000
    table = [{"at": "20 us", "loss": "20 dB"}, {"at": "60 us", "loss": "2 dB"}, {"at": "160 us", "loss": "12 dB"}]
    photons = {**SINGLE, "channel": {"model": "pass", "table": table}}
    config = network(photons, alice=sending(n, rate=1e9), bob=RECEIVING)
    config["links"]["fibre"] |= {"length": "0 km"}
    config["classical"] = {"delay": 0}
    got = (await run(config, tmp_path))["bob"]
    clicked = np.zeros(n, bool)
    clicked[got["indices"]] = True
    assert not clicked[:20_000].any()
    at = np.arange(n) * 1e-3
    expected = 10 ** (-np.interp(at, [20, 60, 160], [20, 2, 12]) / 10)
    for start in range(20_000, n, 20_000):
        part = slice(start, start + 20_000)
        assert_frequency(int(clicked[part].sum()), 20_000, float(expected[part].mean()))


# --- who sits on the link --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("share", "bases"), [(1.0, 2), (0.4, 2), (1.0, 3)])
async def test_intercept_resend_leaves_a_quarter_of_errors_or_a_third(share: float, bases: int, tmp_path: Path) -> None:
    n = 60_000
    photons = {**SINGLE, "channel": {"model": "free_space", "loss": "3 dB"}}
    choice = dict(zip("zxy", [1 / bases] * bases, strict=False))
    config = network(
        photons,
        alice=sending(n, n_bases=bases),
        bob=act("receives", peer="alice", bases=choice),
        eve=act("intercepts", share=share, bases=bases),
    )
    found = await run(config, tmp_path)
    _, wrong, index = sifted(found)
    assert_frequency(int(wrong.sum()), len(wrong), theory.intercept_resend_error(share, bases))
    assert_frequency(len(found["bob"]["indices"]), n, 10**-0.3)
    # what Eve knows: all of what she measured in the right basis, and nothing of the rest
    mine, sent = found["eve"], found["alice"]
    right = sent["bases"][mine["indices"]] == mine["bases"]
    agree = mine["outcomes"] == sent["bits"][mine["indices"]]
    assert agree[right].all()
    assert_frequency(int(agree[~right].sum()), int((~right).sum()), 0.5)
    # no more than any attack on single photons can: Fuchs et al., PRA 56, 1163
    seen_by_both = np.isin(index, mine["indices"])
    guess = (0.5 + 0.5 / bases) * seen_by_both.mean() + 0.5 * (1 - seen_by_both.mean())
    error = float(wrong.mean())
    assert guess <= 0.5 + sqrt(error * (1 - error)) + 1e-9


async def test_a_photon_is_never_in_two_places(tmp_path: Path) -> None:
    """Single photons, split and taken by Eve and received by Bob: each is measured once, by one of them, at most."""
    n = 20_000
    config = network(SINGLE, alice=sending(n), bob=RECEIVING, eve=act("keeps_the_rest"))
    found = await run(config, tmp_path)
    assert found["eve"]["numbers"].tolist() == [1] * n
    places = [one["indices"] for one in found["eve"]["seen"]] + [found["bob"]["indices"]]
    everywhere = np.concatenate(places)
    assert len(everywhere) == len(np.unique(everywhere)) == n  # her channel and his detectors lose nothing
    half, more, again, once_more = (len(one) for one in places[:4])
    assert_frequency(half, n, 0.5)
    assert_frequency(more, n, 0.5 / 3)
    assert again == once_more == 0
    _, wrong, _ = sifted(found)
    assert not wrong.any()  # what he has was not disturbed


async def test_beam_splitting_is_seen_by_nobody_and_tells_what_light_there_was(tmp_path: Path) -> None:
    """Eve keeps what the fibre would have lost, and sends the rest over a perfect one."""
    n, passed = 300_000, 10 ** (-LENGTH_KM * ATTENUATION / 10)
    photons = {"source": DECOY, "misalignment": MISALIGNMENT, "detector": DETECTOR}
    eve = act("splits_beams", share=1 - passed)
    found = await run(network(photons, alice=sending(n, tell="eve"), bob=RECEIVING, eve=eve), tmp_path)
    _, wrong, _ = sifted(found)
    clicks = found["bob"]["indices"]
    assert_frequency(len(clicks), n, theory.gain(0.5, ETA, DARK))
    assert_frequency(int(wrong.sum()), len(wrong), theory.error_rate(0.5, ETA, DARK, MISALIGNMENT))
    got, bits = found["eve"], found["alice"]["bits"]
    has = 1 - np.exp(-0.5 * (1 - passed))
    assert_frequency(len(got["indices"]), n, has)
    assert_frequency(int(np.isin(clicks, got["indices"]).sum()), len(clicks), has)  # independent of what he has
    assert (got["outcomes"] == bits[got["indices"]]).all()
    assert (got["sender"], got["trains"]) == ("alice", n)


async def test_photon_number_splitting_knows_all_multi_photon_bits_and_only_decoys_tell(tmp_path: Path) -> None:
    """Eve blocks so many single photons that the signal's gain is what it was; that of the decoys then is not.

    Sources: Luetkenhaus, PRA 61, 052304; Lo, Ma & Chen, PRL 94, 230504.
    """
    n, signal, decoy = 400_000, 0.5, 0.1
    rest = {mean: theory.poisson(1, mean) for mean in (signal, decoy)}

    def gain(mean: float, blocked: float) -> float:
        """What is left: pulses of n >= 2 have n - 1 photons, single ones get through with 1 - blocked."""
        p = (1 - blocked) * rest[mean] * theory.yield_of(1, EFFICIENCY)
        return p + sum(theory.poisson(m, mean) * theory.yield_of(m - 1, EFFICIENCY) for m in range(2, 60))

    expected = theory.gain(signal, ETA)
    blocked = (gain(signal, 0.0) - expected) / (gain(signal, 0.0) - gain(signal, 1.0))
    assert 0 < blocked < 1
    photons = {"source": {**DECOY, "intensities": [signal, decoy]}, "detector": {"efficiency": EFFICIENCY}}
    eve = act("splits_numbers", block_singles=blocked)
    config = network(photons, alice=sending(n, n_classes=2, tell="eve"), bob=RECEIVING, eve=eve)
    found = await run(config, tmp_path)
    sent, got = found["alice"], found["bob"]
    for level, mean in enumerate((signal, decoy)):
        trials = int((sent["classes"] == level).sum())
        clicks = int((sent["classes"][got["indices"]] == level).sum())
        assert_frequency(clicks, trials, gain(mean, blocked))
    assert gain(signal, blocked) == pytest.approx(expected, abs=1e-10)
    assert gain(decoy, blocked) < 0.8 * theory.gain(decoy, ETA)
    _, wrong, _ = sifted(found)
    assert not wrong.any()
    numbers, spied = found["eve"]["numbers"], found["eve"]
    for many in range(4):
        p = sum(theory.poisson(many, mean) for mean in (signal, decoy)) / 2
        assert_frequency(int((numbers == many).sum()), n, p)
    assert spied["indices"].tolist() == np.flatnonzero(numbers >= 2).tolist()
    assert (spied["outcomes"] == sent["bits"][spied["indices"]]).all()


@pytest.mark.parametrize("eve", ["looks_on", "does_nothing"])
async def test_a_tap_whose_program_has_returned_lets_everything_pass(eve: str, tmp_path: Path) -> None:
    n = 200_000
    photons = {"source": DECOY, "misalignment": MISALIGNMENT, "detector": DETECTOR, "tap_at": 0.4}
    found = await run(network(photons, alice=sending(n), bob=RECEIVING, eve=act(eve)), tmp_path)
    _, wrong, _ = sifted(found)
    assert_frequency(len(found["bob"]["indices"]), n, theory.gain(0.5, ETA, DARK))
    assert_frequency(int(wrong.sum()), len(wrong), theory.error_rate(0.5, ETA, DARK, MISALIGNMENT))
    assert found["bob"]["start"] == pytest.approx(DELAY_NS * 1e-9, abs=1e-12)


async def test_what_cannot_be_done_to_light_is_said(tmp_path: Path) -> None:
    errors = (await run(network(SINGLE, alice=sending(10), bob=RECEIVING, eve=act("acts_twice")), tmp_path))["eve"]
    assert errors[:5] == [
        "a beam splitter takes a share from 0 to 1 of the light, not 1.5",
        "-1 photons cannot be taken",
        "there are 10 pulses, and 3 where",
        "bases: 'w' is no basis; use 'z', 'x', 'y', or 0, 1, 2 for each pulse",
        "photons must be whole numbers from 0 to 255",
    ]
    assert len(errors) == 7
    for late in errors[5:]:
        assert late == "eve has no light 'alice>bob#0' in its hands: it was forwarded, measured, or never there"


# --- entangled pairs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("basis", ["z", "x", "y"])
async def test_both_photons_of_pairs_are_alike_in_z_and_x_and_opposite_in_y(basis: str, tmp_path: Path) -> None:
    """Hardly any pulse has two pairs: at 0.001 on average, one pulse with clicks in 1000."""
    n, mean = 400_000, 0.001
    photons = {
        "source": {"model": "entangled", "mean_pairs": mean, "rate": "1 GHz"},
        "channel": {"model": "free_space", "loss": "3 dB"},
    }
    config = network(
        photons,
        alice=act("sends_pairs", peer="bob", n=n, bases=basis),
        bob=act("receives_pairs", peer="alice", bases=basis),
    )
    found = await run(config, tmp_path)
    mine, theirs = found["alice"], found["bob"]
    both, at_mine, at_theirs = np.intersect1d(mine["indices"], theirs["indices"], return_indices=True)
    single = ~(mine["double"][at_mine] | theirs["double"][at_theirs]).astype(bool)
    equal = mine["outcomes"][at_mine] == theirs["outcomes"][at_theirs]
    assert_frequency(int(equal[single].sum()), int(single.sum()), 0.001 if basis == "y" else 0.999, false_alarm=1e-9)
    assert_frequency(len(both), len(mine["indices"]), 10**-0.3 * (1 + mean))  # two pairs: once more
    assert theirs["start"] - mine["start"] == pytest.approx(DELAY_NS * 1e-9, abs=1e-12)


# --- times, matching, and what goes wrong ----------------------------------------------------------------------------


@pytest.mark.parametrize("clock", ["virtual", "real"])
async def test_pulses_leave_at_the_sources_rate_and_arrive_after_the_delay(clock: str, tmp_path: Path) -> None:
    photons = {
        "source": {"model": "single_photon", "rate": "80 MHz"},
        "channel": {"model": "free_space", "loss": "0 dB"},
    }
    args = {"trains": 3, "n": 1000}
    config = network(
        photons, alice=act("one_after_another", peer="bob", **args), bob=act("one_after_another", peer="alice", **args)
    )
    found = await run({**config, "clock": clock}, tmp_path, inline=clock == "virtual")
    lasts = 1000 / 80e6
    for sent, got in zip(found["alice"], found["bob"], strict=True):
        assert got["start"] - sent["start"] == pytest.approx(DELAY_NS * 1e-9, abs=2e-12)
        assert got["times"] == pytest.approx(got["start"] + np.arange(1000) * 12.5e-9, abs=2e-12)
        assert sent["last"] - sent["start"] == pytest.approx(999 * 12.5e-9, abs=2e-12)
        assert sent["now"] >= sent["start"] + lasts - 1e-9
    if clock == "virtual":
        starts = [train["start"] for train in found["alice"]]
        assert starts == pytest.approx([nth * (lasts + DELAY_NS * 1e-9) for nth in range(3)], abs=2e-9)


async def test_a_train_leaves_when_the_receiver_is_ready_and_tags_keep_trains_apart(tmp_path: Path) -> None:
    config = network(
        {**SINGLE, "channel": {"model": "free_space", "loss": "0 dB"}},
        alice=act("both_ways", peer="bob", n=50),
        bob=act("both_ways", peer="alice", n=50),
    )
    found = await run(config, tmp_path)
    assert found["alice"] == [[0] * 50, [1] * 50]
    assert found["bob"] == [[1] * 50, [0] * 50]


async def test_a_request_that_was_withdrawn_meets_no_train(tmp_path: Path) -> None:
    photons = {**SINGLE, "channel": {"model": "free_space", "loss": "0 dB"}}
    alice, bob = act("sends_late", peer="bob", n=30), act("gives_up_then_receives", peer="alice", n=30)
    found = await run(network(photons, alice=alice, bob=bob), tmp_path)
    assert found["alice"] == pytest.approx(1e-3)
    assert found["bob"]["outcomes"].tolist() == [1] * 30


SENDING = [
    ({"bits": [0, 2, 1]}, "bits must be from 0 to 1; one is 2"),
    ({"bases": [0, 1]}, "there are 3 pulses, and 2 bases"),
    ({"bases": "w"}, "bases: 'w' is no basis; use 'z', 'x', 'y', or 0, 1, 2 for each pulse"),
    ({"bits": []}, "a train has 1 to 16777216 pulses, not 0: use several trains"),
    ({"bits": [[0], [1]]}, "bits must be one-dimensional, one for each pulse; got shape (2, 1)"),
    ({"bits": [0.5, 1, 1]}, "bits must be whole numbers from 0 to 1"),
    ({"rate": 0}, "rate must be pulses a second, from 1e-3 to 1e12; got 0"),
    (
        {"intensities": 3},
        "the source of alice has 3 intensities, from 0 to 2; a pulse of the train has number 3",
    ),
    ({"rate": None}, "a train needs a rate: give one to send_pulses(), or to the link's source in the configuration"),
    ({}, "nobody receives"),
]
RECEIVED = [
    ({"bases": "w"}, "bases: 'w' is no basis; use 'z', 'x', 'y', or 0, 1, 2 for each pulse"),
    ({"bases": {"z": 0.5}}, "bases as a mapping give the probabilities of z, x and y, which sum to 1; got {'z': 0.5}"),
    ({"bases": [3]}, "bases must be from 0 to 2; one is 3"),
    ({}, "nobody sends"),
]


async def test_what_makes_no_sense_is_refused_with_a_sentence(tmp_path: Path) -> None:
    photons = {"source": {**DECOY}}
    del photons["source"]["rate"]
    alice = act("tries_to_send", peer="bob", calls=[call for call, _ in SENDING])
    found = await run(network(photons, alice=alice, bob=act("does_nothing")), tmp_path, check=False)
    assert found["alice"] == [error for _, error in SENDING]
    bob = act("tries_to_receive", peer="alice", calls=[call for call, _ in RECEIVED])
    found = await run(network(photons, alice=act("does_nothing"), bob=bob), tmp_path)
    assert found["bob"] == [error for _, error in RECEIVED]


async def test_who_waits_for_light_of_a_node_that_failed_is_told(tmp_path: Path) -> None:
    found = await run(
        network(SINGLE, alice=act("fails"), bob=RECEIVING, eve=act("looks_on")), tmp_path, check=False, inline=False
    )
    assert set(found.run.summary.peer_lost) == {("bob", "main", "alice"), ("eve", "main", "alice")}


async def test_a_train_whose_time_bins_would_overlap_is_refused(tmp_path: Path) -> None:
    photons = {**SINGLE, "encoding": {"model": "time_bin", "separation": "400 ps"}}
    alice = act("tries_to_send", peer="bob", calls=[{"rate": 1e9}, {"rate": 2e9}])
    found = await run(network(photons, alice=alice, bob=act("does_nothing")), tmp_path, check=False)
    assert found["alice"] == [
        "nobody receives",
        "pulses 500 ps apart overlap: each has two time bins, 400 ps from one to the other",
    ]


async def test_both_ends_are_told_of_numbers_that_do_not_fit(tmp_path: Path) -> None:
    alice = act("tries_to_send", peer="bob", calls=[{}])
    bob = act("tries_to_receive", peer="alice", calls=[{"bases": [0, 1]}])
    found = await run(network(SINGLE, alice=alice, bob=bob), tmp_path)
    assert found["alice"] == found["bob"] == ["alice sends 3 pulses to bob, which has bases for 2"]


async def test_a_link_without_photons_and_a_source_of_another_kind_are_named(tmp_path: Path) -> None:
    config = network(SINGLE, alice=act("tries_to_send", peer="bob", calls=[{}]), bob=act("does_nothing"))
    plain = {**config, "links": {"fibre": {"between": ["alice", "bob"]}}}
    (error,) = (await run(plain, tmp_path, check=False))["alice"]
    assert error.startswith("the link between alice and bob has no `photons:` in the configuration")
    pairs = {"source": {"model": "entangled", "mean_pairs": 0.1}}
    config = network(pairs, alice=act("tries_to_send", peer="bob", calls=[{}]), bob=act("does_nothing"))
    (error,) = (await run(config, tmp_path, check=False))["alice"]
    assert error == "the source between alice and bob is entangled: use send_entangled()"
