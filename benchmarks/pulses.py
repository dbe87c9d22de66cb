"""Weak coherent pulses a second, through source, 50 km of fibre, detectors and sifting."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from time import perf_counter
from typing import Final

import numpy as np

from benchmarks.bench import Bench, elapsed, require, timed
from benchmarks.measure import Figure, Target
from qnode.photons import theory
from qnode.photons.detection import Gates, analyser, detect, outcomes_of
from qnode.photons.hardware import Channel, Detector, Encoding, Source
from qnode.photons.light import of_source
from qnode.photons.packing import codes_of
from qnode.photons.sampling import Rng, draw_bits, draw_classes
from qnode.testing.statistics import accepts

PULSES: Final[Mapping[str, int]] = {"tiny": 40_000, "quick": 4_000_000, "normal": 16_000_000, "full": 64_000_000}
TRAIN: Final = 4_000_000
INTENSITIES: Final = (0.5, 0.1, 0.0)
SHARES: Final = (0.7, 0.2, 0.1)
EFFICIENCY, DARK, MISALIGNMENT, KM, DB_PER_KM = 0.2, 1e-6, 0.01, 50, 0.2
ETA: Final = EFFICIENCY * 10 ** (-KM * DB_PER_KM / 10)
ERROR: Final = sum(
    share * theory.error_gain(mean, ETA, DARK, MISALIGNMENT) for share, mean in zip(SHARES, INTENSITIES, strict=True)
) / sum(share * theory.gain(mean, ETA, DARK) for share, mean in zip(SHARES, INTENSITIES, strict=True))

YARDSTICK: Final = "as many uniform floats, NumPy"


async def run(bench: Bench) -> list[Figure]:
    target = Target("value", "at least", 1e7)
    cases = {"arrays alone": _arrays, "between two processes": _between_processes}
    figures = {name: Figure("pulses", name, "/s", target, yardstick_name=YARDSTICK, inverse=True) for name in cases}
    samples = [(name, partial(sample, bench, figures[name])) for name, sample in cases.items()]
    await bench.sample("pulses", samples)
    return list(figures.values())


async def _arrays(bench: Bench, figure: Figure) -> None:
    n, rng = PULSES[bench.effort.name], np.random.default_rng(1)
    started = perf_counter()
    wrong = kept = 0
    for first in range(0, n, TRAIN):
        errors, bits = _train(min(TRAIN, n - first), rng)
        wrong, kept = wrong + errors, kept + bits
    seconds = perf_counter() - started
    _check(wrong, kept)
    figure.add(n / seconds, n / _uniform_seconds(n))


async def _between_processes(bench: Bench, figure: Figure) -> None:
    n = PULSES[bench.effort.name]
    found = await bench.run(_config(n))
    mine, theirs = (np.unpackbits(np.frombuffer(timed(found, node)["key"], np.uint8)) for node in ("alice", "bob"))
    require(len(mine) == len(theirs), "the two ends sifted different numbers of bits")
    _check(int((mine != theirs).sum()), timed(found, "bob")["bits"])
    figure.add(n / elapsed(found), n / _uniform_seconds(n))


def _train(n: int, rng: Rng) -> tuple[int, int]:
    """Errors and bits of a sifted train."""
    bits, bases, classes = draw_bits(n, rng), draw_bits(n, rng), draw_classes(n, SHARES, rng)
    codes = codes_of(bits, bases, classes)
    optics = analyser(Encoding(), Detector(EFFICIENCY), MISALIGNMENT)
    survival, channel = of_source(Source("weak_coherent", INTENSITIES)), Channel(KM * DB_PER_KM)
    clicks = detect(codes, None, survival, (0.5, 0.5, 0.0), Gates(0, 1000), channel, optics, DARK, rng)
    outcomes, _ = outcomes_of(clicks.masks, rng)
    kept = bases[clicks.gates] == clicks.bases
    return int((bits[clicks.gates[kept]] != outcomes[kept]).sum()), int(kept.sum())


def _check(wrong: int, kept: int) -> None:
    require(
        kept > 0 and accepts(wrong, kept, ERROR, 1e-9), f"{wrong} of {kept} sifted bits were wrong, not {ERROR:.2%}"
    )


def _uniform_seconds(n: int) -> float:
    rng = np.random.default_rng(1)
    started = perf_counter()
    for first in range(0, n, TRAIN):
        rng.random(min(TRAIN, n - first))
    return perf_counter() - started


def _config(n: int) -> Mapping[str, object]:
    trains = -(-n // TRAIN)
    common = {"trains": trains}
    sending = {"peer": "bob", "n": n // trains, "shares": list(SHARES), **common}
    return {
        "name": "pulses",
        "nodes": {
            "alice": {"program": "pulses.py:send_trains", "args": sending},
            "bob": {"program": "pulses.py:receive_trains", "args": {"peer": "alice", **common}},
        },
        "links": {
            "fibre": {
                "between": ["alice", "bob"],
                "length": f"{KM} km",
                "attenuation": f"{DB_PER_KM} dB/km",
                "photons": {
                    "source": {"model": "weak_coherent", "intensities": list(INTENSITIES), "rate": "1 GHz"},
                    "detector": {"efficiency": EFFICIENCY, "dark_clicks": DARK},
                    "misalignment": MISALIGNMENT,
                },
            }
        },
    }
