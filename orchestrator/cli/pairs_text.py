"""How a link makes pairs, in words; of one that makes perfect ones at once there is nothing to say."""

from __future__ import annotations

from qnode.quantum.pair_source import PairSource
from qnode.runtime.logs import format_time


def pair_rows(source: PairSource) -> list[tuple[str, str]]:
    """What there is to say, and what it is."""
    chance = source.success_probability
    fidelity = sum(one.probability * one.fidelity for one in source.heralds) / chance if source.heralds else 1.0
    rows = []
    if chance < 1:
        rows.append(("attempts", f"{format_time(source.attempt_ns)} each, {chance:.4g} of them succeed"))
    if fidelity < 1 - 1e-12 or rows:
        aged = [made - born for made, born in zip(source.delivered_ns, source.born_ns, strict=True)]
        age = " or ".join(dict.fromkeys(map(format_time, sorted(aged)))) if any(aged) else ""
        rows.append(("fidelity", f"{fidelity:.4g}" + (f" at birth, {age} before delivery" if age else "")))
    if source.attempt_dephasing:
        rows.append(("dephasing", f"of all else that is stored, {100 * source.attempt_dephasing:.4g} % in an attempt"))
    return rows
