"""From what a link's configuration says of its source to numbers: the physics of `qnode.quantum.sources`. Pure.

Apart from the configuration itself, because it needs NumPy, and most links do not: commands start without it.
"""

from __future__ import annotations

from math import hypot, prod
from typing import Final

import numpy as np

from orchestrator import units
from orchestrator.links import (
    AbstractSource,
    BellDiagonalSource,
    DensityMatrixSource,
    DoubleClickSource,
    HeraldedSource,
    LinkConfig,
    MidpointSource,
    PerfectSource,
    SingleClickSource,
    StationSource,
    WernerSource,
)
from orchestrator.values import at_ends
from qnode.quantum import sources
from qnode.quantum.gates import Matrix
from qnode.quantum.pair_source import PairSource, perfect
from qnode.wire.messages import NEVER_NS

YEAR_NS: Final = 365.25 * 86400e9


def of_link(link: LinkConfig) -> PairSource:
    """How a link's pairs come about. Raises NeverSucceeds if no pair ever could."""
    if link.is_perfect:
        return perfect(units.to_ns(link.one_way_seconds))
    source = link.given_source
    dephasing = source.attempt_dephasing
    match source:
        case SingleClickSource():
            return sources.single_click(
                _arms(source, link),
                _efficiency(source, link, source.emission),
                at_ends(source.bright_state),
                dark=source.dark_clicks,
                alike=_alike(source),
                phase_noise=source.phase_noise,
                attempt_dephasing=dephasing,
            )
        case DoubleClickSource():
            return sources.double_click(
                _arms(source, link, source.bins),
                _efficiency(source, link, source.emission),
                dark=source.dark_clicks,
                alike=_alike(source),
                attempt_dephasing=dephasing,
            )
        case MidpointSource():
            interferometer = 0.5 if source.encoding == "time_bin" else 1.0
            return sources.midpoint_source(
                _arms(source, link),
                _efficiency(source, link, interferometer),
                source.mean_pairs,
                dark=source.dark_clicks,
                attempt_dephasing=dephasing,
            )
    return _in_state(source, link)


def why_never(link: LinkConfig) -> str:
    """Why no pair of a link could ever come about; empty if one can."""
    try:
        source = of_link(link)
    except sources.NeverSucceeds as never:
        return str(never)
    p = source.success_probability
    if source.attempt_ns / p >= NEVER_NS:
        return f"an attempt succeeds with {p:.2g}: no pair would come in {NEVER_NS / YEAR_NS:.0f} years of network time"
    return ""


def _in_state(source: AbstractSource, link: LinkConfig) -> PairSource:
    duration = link.one_way_seconds if source.duration is None else source.duration
    return sources.abstract(
        _rho(source),
        duration_ns=units.to_ns(duration),
        success_probability=1.0 if source.success_probability is None else source.success_probability,
        sequential=source.success_probability is not None or source.duration is not None,
        attempt_dephasing=source.attempt_dephasing,
    )


def _rho(source: AbstractSource) -> Matrix:
    match source:
        case WernerSource():
            return sources.werner_state(source.fidelity)
        case BellDiagonalSource():
            weights = (source.phi_plus, source.psi_plus, source.phi_minus, source.psi_minus)
            return sources.bell_diagonal_state(weights)
        case DensityMatrixSource():
            return np.array(source.matrix, np.complex128)
    assert isinstance(source, PerfectSource)
    return sources.werner_state(1.0)


def _arms(source: StationSource, link: LinkConfig, bins: float = 0.0) -> sources.Arms:
    whole, share = link.one_way_seconds, link.station_share
    return sources.Arms((whole * share, whole * (1 - share)), source.preparation, bins)


def _efficiency(source: StationSource, link: LinkConfig, *others: float | tuple[float, float]) -> tuple[float, float]:
    """Of each end: the probability that its photon is counted."""
    counted = 1.0
    if source.window is not None:
        counted = sources.in_window(source.window, source.lifetime, hypot(source.jitter, source.resolution))
    factors = [at_ends(factor) for factor in (*others, source.coupling, source.detector, counted)]
    share = link.station_share
    a, b = (sources.transmission(link.attenuation, link.length * part) for part in (share, 1 - share))
    return a * prod(one for one, _ in factors), b * prod(other for _, other in factors)


def _alike(source: HeraldedSource) -> sources.Overlap:
    return sources.overlap(source.visibility, jitter_s=source.jitter, lifetime_s=source.lifetime)
