"""Turn after turn of random runs under random faults, for as long as one likes: `make soak MINUTES=30`."""

from __future__ import annotations

import os
import random
import secrets
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.soak.soak import turn

MINUTES = float(os.environ.get("QNODE_SOAK_MINUTES", "1"))
SEED = os.environ.get("QNODE_SOAK_SEED", "")


@pytest.mark.parametrize("seed", ["a", "b"])
async def test_a_turn(seed: str, tmp_path: Path) -> None:
    counts = await turn(random.Random(seed), tmp_path)
    assert counts["rounds"] > 100


@pytest.mark.slow
async def test_many_turns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts: Counter[str] = Counter()
    ends = time.monotonic() + 60 * MINUTES
    while time.monotonic() < ends:
        seed = SEED or secrets.token_hex(4)
        folder = tmp_path / f"{seed}-{counts['turns']}"
        try:
            counts += await turn(random.Random(seed), folder)
        except BaseException as error:
            error.add_note(f"repeat it with QNODE_SOAK_SEED={seed}; its runs are in {folder}")
            raise
        counts["turns"] += 1
        with capsys.disabled():
            if sys.stdout.isatty():  # a line that is written over is for people
                sys.stdout.write("\r" + ", ".join(f"{what} {n:,}" for what, n in sorted(counts.items())))
                sys.stdout.flush()
    assert counts["turns"]
