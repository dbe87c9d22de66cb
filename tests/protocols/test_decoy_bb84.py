"""Decoy-state BB84: bounds that hold, a key that both ends have, and an eavesdropper who leaves nothing of it."""

from __future__ import annotations

from math import exp
from pathlib import Path

import pytest
import yaml

from qnode.photons import theory
from qnode.protocols.decoy_bb84 import Seen, entropy, secret_fraction, single_photons
from qnode.testing import assert_frequency
from tests.api.networks import run

CONFIG = Path(__file__).parents[2] / "configs" / "decoy_bb84.yaml"
MEANS = (0.5, 0.1, 0.0)
PULSES = 10**15  # so many that counts are as good as probabilities


def seen(mean: float, gain: float, error_gain: float) -> Seen:
    return Seen(mean, PULSES, round(gain * PULSES), round(gain * PULSES), round(error_gain * PULSES))


@pytest.mark.parametrize("eta", [1e-4, 1e-3, 0.02, 0.2])
@pytest.mark.parametrize("dark", [1e-7, 1e-5])
def test_bounds_of_single_photons_hold_and_are_close(eta: float, dark: float) -> None:
    signal, decoy, vacuum = (seen(m, theory.gain(m, eta, dark), theory.error_gain(m, eta, dark, 0.02)) for m in MEANS)
    clicks, error = single_photons(signal, decoy, vacuum)
    true = theory.yield_of(1, eta, dark)
    true_error = theory.error_yield(1, eta, dark, 0.02) / true
    assert 0.94 * true <= clicks <= true * (1 + 1e-6)
    assert true_error * (1 - 1e-6) <= error <= 1.25 * true_error
    share = clicks * 0.5 * exp(-0.5) / signal.gain
    rate = share * (1 - entropy(error)) - 1.16 * entropy(signal.error)
    assert secret_fraction(signal, decoy, vacuum) == pytest.approx(max(rate, 0.0), abs=1e-12)


def test_nothing_seen_is_no_key() -> None:
    nothing = Seen(0.5, 100, 0, 0, 0)
    assert secret_fraction(nothing, nothing._replace(mean=0.1), nothing._replace(mean=0.0)) == 0.0


@pytest.mark.parametrize("eve", [False, True], ids=["alone", "with an eavesdropper"])
async def test_a_key_is_shared_unless_somebody_splits_photon_numbers(eve: bool, tmp_path: Path) -> None:
    """At this loss, pulses of several photons are enough for the signal's gain: Eve lets no single photon pass."""
    eta = 0.2 * 10**-1.0
    config = yaml.safe_load(CONFIG.read_text())
    photons = config["links"]["fibre"]["photons"]
    photons["detector"]["dead_time"] = "0 s"
    if eve:
        photons["tap"] = "eve"
        config["nodes"]["eve"] = {"program": "light.py:splits_blindly", "args": {"trains": 4, "block_singles": 1.0}}
    found = await run(config, tmp_path)
    mine, theirs = found["alice"], found["bob"]
    records = found.notes["alice"]
    assert len(mine) == len(theirs) > 1000
    if eve:
        assert records["gains"][0] > theory.gain(0.5, eta)
        assert (mine != theirs).mean() < 0.02  # errors do not tell
        assert records["gains"][1] < 0.8 * theory.gain(0.1, eta)  # decoys do
        assert records["secret_fraction"] == 0.0
        return
    assert records["gains"] == pytest.approx([theory.gain(mean, eta, 1e-6) for mean in MEANS], rel=0.1, abs=1e-5)
    assert_frequency(int((mine != theirs).sum()), len(mine), theory.error_rate(0.5, eta, 1e-6, 0.01))
    assert records["secret_fraction"] > 0.2
