"""Ten thousand nearly right frames here, a million where there is time: nothing but errors of ours, and no change."""

from __future__ import annotations

import pytest

from tests import tally
from tests.hostile.frames import covered, kinds
from tests.hostile.fuzz import attack_core, decode_all

SEEDS = range(10)
FEW, MANY = 1_000, 100_000


def test_frames_of_every_kind_are_tried() -> None:
    assert kinds() <= covered()


@pytest.mark.parametrize("seed", SEEDS)
def test_decoders_refuse_what_they_cannot_read_and_raise_nothing_else(seed: int) -> None:
    counted = decode_all(seed, FEW)
    tally.bad_inputs("frames to decoders", sum(counted.values()))
    assert counted["to the oracle: refused"] > FEW / 4
    assert counted["to the oracle: read"] > FEW / 10


@pytest.mark.parametrize("seed", SEEDS)
def test_a_core_survives_whatever_a_node_says_and_refused_frames_change_nothing(seed: int) -> None:
    counted = attack_core(seed, FEW)
    tally.bad_inputs("frames to a core", FEW)
    assert counted["refused: MalformedMessage"] > FEW / 4
    assert counted["taken"] > FEW / 20
    assert counted["operations refused"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_million_frames(seed: int) -> None:
    tally.bad_inputs("frames to decoders", sum(decode_all(100 + seed, MANY // 10).values()))
    attack_core(100 + seed, MANY)
    tally.bad_inputs("frames to a core", MANY)
