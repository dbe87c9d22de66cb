"""A picture of a link: fidelity against storage time, and rate against distance. Needs Matplotlib."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from math import inf, isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from orchestrator.link_budget import Budget, Trial, arrival
from orchestrator.text import count
from orchestrator.topology import LinkDescription
from qnode.errors import ConfigError
from qnode.quantum.sources import NeverSucceeds

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS: Final = ("pdf", "png", "svg")
_POINTS: Final = 200
_USUAL_M: Final = 100e3  # how far a link without a length is drawn
_PAIRS, _KEY, _RUN = "#1f5fa8", "#c2571a", "#222222"


def check(path: Path) -> None:
    """Raises ConfigError, before anything long is begun, if no picture could be drawn there."""
    if path.suffix.lower().lstrip(".") not in FORMATS:
        raise ConfigError(place="--plot", detail=f"{str(path)!r} is no picture; let it end in .{', .'.join(FORMATS)}")
    if not path.parent.is_dir():
        raise ConfigError(place="--plot", detail=f"there is no folder '{path.parent}'")
    if find_spec("matplotlib") is None:
        detail = "matplotlib is needed for it, and is not installed: pip install 'qnode[plot]'"
        raise ConfigError(place="--plot", detail=detail)


def draw(
    path: Path, link: LinkDescription, budget: Budget, at_length: Callable[[float], Budget], trial: Trial | None
) -> None:
    """Write the picture.

    Args:
        at_length: The same link at another length, in metres. Raises NeverSucceeds.
        trial: What a run found, if there was one.
    """
    from matplotlib.figure import Figure  # lazy: 0.3 s, and an extra

    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    _fidelity(left, budget, trial)
    _rate(right, link, budget, at_length, trial)
    figure.suptitle(f"{link.name}: {link.a} - {link.b}")
    figure.savefig(path, dpi=150)


def _fidelity(axes: Axes, budget: Budget, trial: Trial | None) -> None:
    longest_s, unit, size = _storage(budget)
    times = np.linspace(0, longest_s, _POINTS)
    axes.plot(times / size, budget.stored_for(times), color=_PAIRS, label="of the pair, formula")
    if trial is not None:
        _point(axes, 0, trial.measured.fidelity, trial.fidelity_error, f"of {count(trial.pairs, 'pair')} as measured")
    axes.axhline(0.5, color="#888888", linewidth=0.8, linestyle="--")
    axes.annotate("entangled above", (1, 0.5), xycoords=("axes fraction", "data"), ha="right", va="bottom", size=8)
    axes.set(xlabel=f"time stored after delivery [{unit}]", ylabel="fidelity to Phi+", ylim=(0.2, 1.03))
    axes.set_title(f"both halves stored{'; their memories never decay' if longest_s == _FOREVER_S else ''}")
    axes.legend(loc="upper right", frameon=False)
    _plain(axes)


_FOREVER_S: Final = 1.0  # what is drawn of a memory that never decays


def _storage(budget: Budget) -> tuple[float, str, float]:
    """How long it is drawn, in seconds, and the unit of the axis."""
    times = [time for end in budget.ends for time in (arrival(end).t1_ns, arrival(end).t2_ns) if time != inf]
    longest_s = 1.5 * min(times) / 1e9 if times else _FOREVER_S
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if longest_s >= size:
            return longest_s, unit, size
    return longest_s, "ns", 1e-9


def _rate(
    axes: Axes, link: LinkDescription, budget: Budget, at_length: Callable[[float], Budget], trial: Trial | None
) -> None:
    longest_m = 2 * link.length_m or _USUAL_M
    lengths = np.linspace(0, longest_m, _POINTS + 1)[1:]  # at 0 it may take no time at all
    pairs, key = np.array([_rates(at_length, float(length)) for length in lengths]).T
    axes.plot(lengths / 1e3, pairs, color=_PAIRS, label="pairs")
    axes.plot(lengths / 1e3, np.where(key > 0, key, np.nan), color=_KEY, label="BB84 key bits")
    axes.set(xlabel="length [km]", ylabel="per second", title="rate")
    if np.isfinite(pairs).any() and (pairs > 0).any():
        axes.set_yscale("log")
    if trial is not None and isfinite(trial.rate_hz) and link.length_m:
        _point(axes, link.length_m / 1e3, trial.rate_hz, trial.rate_error, f"run, {count(trial.pairs, 'pair')}")
    axes.legend(loc="upper right", frameon=False)
    _plain(axes)


def _rates(at_length: Callable[[float], Budget], metres: float) -> tuple[float, float]:
    try:
        budget = at_length(metres)
    except NeverSucceeds:
        return np.nan, np.nan
    rate = budget.rate_hz if isfinite(budget.rate_hz) else np.nan
    return rate, rate * budget.measured().bb84


def _point(axes: Axes, x: float, y: float, error: float, label: str) -> None:
    axes.errorbar([x], [y], yerr=[error], fmt="o", color=_RUN, markersize=4, capsize=3, label=label, zorder=3)


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#dddddd", linewidth=0.6)
