"""A table of bad inputs tried without sockets: `python -m tests.hostile [FRAMES]`. Live attacks print their own."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Final

from tests.hostile.fuzz import attack_core, decode_all
from tests.hostile.test_names import LIES

FRAMES: Final = 10_000


def main(frames: int) -> None:
    """Raises Broken at the first frame that does what it must not."""
    rows = [("lies about what a node may name", len(LIES), "each refused, told to the liar alone, and nothing changed")]
    read = decode_all(1, frames)
    tried = sum(read.values())
    refused = sum(n for what, n in read.items() if what.endswith("refused"))
    rows.append(("frames through every decoder", tried, f"{refused} refused, {tried - refused} read"))
    core: Counter[str] = attack_core(1, frames)
    operations = core.pop("operations refused", 0)
    told = ", ".join(f"{n} {what}" for what, n in core.most_common(4))
    rows.append(("frames to a core", sum(core.values()), f"{told}; {operations} operations refused"))
    for what, n, became in rows:
        print(f"{what:<34}{n:>10,}  {became}")  # noqa: T201  # a command for people


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else FRAMES)
