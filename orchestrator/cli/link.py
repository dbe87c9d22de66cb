"""`qnode link CONFIG A-B`: what a link should do by the formulas, and what it does in a run, side by side."""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections.abc import Mapping, Sequence
from math import floor, isfinite, log10
from pathlib import Path
from typing import Any, Final

from orchestrator import pair_sources, shapes
from orchestrator.cli import link_plot
from orchestrator.cli.live import Live
from orchestrator.cli.loading import cluster_of
from orchestrator.cli.screen import Screen
from orchestrator.cluster import Cluster
from orchestrator.config import Config
from orchestrator.launch.signals import interruptible
from orchestrator.link_budget import Budget, Trial, Worth, tried
from orchestrator.links import SHAPES, LinkConfig
from orchestrator.near import nearest
from orchestrator.plain import plain
from orchestrator.text import columns
from orchestrator.topology import LinkDescription, Network
from qnode.errors import ConfigError
from qnode.quantum.hardware import Hardware
from qnode.runtime.logs import format_time

_PROGRAM: Final = "orchestrator.link_trial:make_pairs"
_FEW: Final = 8  # links that a sentence may list


def run(options: argparse.Namespace, screen: Screen) -> int:
    """Carry out the command; the exit code."""
    if options.plot is not None:
        link_plot.check(options.plot)
    cluster = cluster_of(options)
    network = cluster.set_up(options.seed).network
    link = _chosen(network, options.link)
    budget = _budget(network, link)
    trial = None if options.no_run else asyncio.run(_try(options, screen, cluster, network, link))
    if options.json:
        screen.say(json.dumps(_as_data(link, budget, trial), indent=2))
    else:
        screen.say(screen.heading(_heading(cluster.config, link)))
        screen.say(_table(budget, trial, width=screen.width))
    if options.plot is not None:
        model = _of_config(cluster.config, link)
        link_plot.draw(options.plot, link, budget, lambda metres: _at(network, link, model, metres), trial)
        screen.tell(f"drawn: {options.plot}")
    return 0


# --- which link ----------------------------------------------------------------------------------------------------


def _chosen(network: Network, wanted: str | None) -> LinkDescription:
    links = network.links
    if wanted is None and len(links) == 1:
        return links[0]
    names: dict[str, LinkDescription] = {}
    for link in links:
        names.setdefault(f"{link.a}-{link.b}", link)
        names.setdefault(f"{link.b}-{link.a}", link)
    names.update({link.name: link for link in links})  # a link's own name wins
    if wanted in names:
        return names[wanted]
    own = [link.name for link in links]
    there = f"there are: {', '.join(own[:_FEW])}{', ...' if len(own) > _FEW else ''}" if own else "there are none"
    if wanted is None:
        raise ConfigError(place="LINK", detail=f"say which link, by its name or its ends; {there}")
    raise ConfigError(place="LINK", detail=f"no link {wanted!r}{nearest(wanted, names)}; {there}")


def _of_config(config: Config, link: LinkDescription) -> LinkConfig:
    return config.links[link.name.partition("[")[0]]


def _budget(network: Network, link: LinkDescription) -> Budget:
    return Budget(link.source, _ends(network, link), corrects=_corrects(link))


def _corrects(link: LinkDescription) -> int:
    """The end that asks later: it was told of the pair before later; at the same time, the second by name."""
    a, b = link.source.delivered_ns
    return int(b > a) if a != b else int(link.b > link.a)


def _ends(network: Network, link: LinkDescription) -> tuple[Hardware, Hardware]:
    return network.nodes[link.a].hardware, network.nodes[link.b].hardware


def _at(network: Network, link: LinkDescription, model: LinkConfig, metres: float) -> Budget:
    """What it would be at another length. Raises NeverSucceeds."""
    return Budget(pair_sources.of_link(model.of_length(metres)), _ends(network, link))


# --- the run -------------------------------------------------------------------------------------------------------


async def _try(
    options: argparse.Namespace, screen: Screen, cluster: Cluster, network: Network, link: LinkDescription
) -> Trial:
    data = _trial(cluster.config, link, options.pairs, network.seed)
    with (
        tempfile.TemporaryDirectory(prefix="qnode-link-") as folder,
        interruptible(lambda: screen.status("ending the run; again: at once")),
    ):
        net = Cluster.from_dict(data, cluster.base, runs=Path(folder))
        with Live(screen, net.set_up().network, None) as live:
            try:
                found = await net.run(on_start=live.started, on_progress=live.progress, on_output=None)
            except asyncio.CancelledError as cancelled:
                cancelled.add_note("nothing of it is kept")
                raise
        return tried(found[link.a], found[link.b])


def _trial(config: Config, link: LinkDescription, pairs: int, seed: int) -> Mapping[str, Any]:
    """A network of this link and its ends alone, as they are configured, whose programs make pairs."""
    data = config.model_dump(mode="json", exclude_unset=True)
    kept: dict[str, Any] = {key: data[key] for key in ("kinds", "formalism", "max_state_vector_qubits") if key in data}
    as_written = data["links"][link.name.partition("[")[0]]
    return {
        **kept,
        "version": 1,
        "name": f"{config.name}-link",
        "seed": seed,
        "events": False,
        "nodes": {
            one: {**_hardware_of(data["nodes"], one), **_program(other, pairs)}
            for one, other in ((link.a, link.b), (link.b, link.a))
        },
        "links": {
            "link": {
                **{key: value for key, value in as_written.items() if key not in (*SHAPES, "photons")},
                "between": [link.a, link.b],
            }
        },
    }


def _hardware_of(nodes: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    node = next(node for pattern, node in nodes.items() if name in shapes.expand(pattern))
    return {key: value for key, value in node.items() if key not in ("program", "args", "programs")}


def _program(peer: str, pairs: int) -> Mapping[str, Any]:
    return {"program": _PROGRAM, "args": {"peer": peer, "n": pairs}}


# --- what is shown ---------------------------------------------------------------------------------------------------


def _heading(config: Config, link: LinkDescription) -> str:
    written = _of_config(config, link)
    model = "werner" if written.fidelity is not None else written.source.model
    length = f", {link.length_m / 1000:g} km" if link.length_m else ""
    return f"{link.name}: {link.a} - {link.b}{length}, source {model}"


def _table(budget: Budget, trial: Trial | None, *, width: int | None) -> str:
    source = budget.source
    rows = [
        ("an attempt succeeds with", _number(source.success_probability), ""),
        ("an attempt takes", format_time(source.attempt_ns), ""),
        ("pairs a second", *_both(budget.rate_hz, trial and trial.rate_hz, trial and trial.rate_error)),
        ("age at delivery", " and ".join(dict.fromkeys(map(format_time, budget.ages_ns))), ""),
        ("fidelity at delivery", _number(budget.delivered().fidelity), ""),
    ]
    formula, found = budget.measured(), trial.measured if trial else None
    rows += [
        ("fidelity as measured", *_both(formula.fidelity, found and found.fidelity, trial and trial.fidelity_error)),
        ("errors in X, Y, Z", _rates(formula), _rates(found) if found else ""),
        ("key fraction, BB84", *_both(formula.bb84, found and found.bb84)),
        ("key fraction, six-state", *_both(formula.six_state, found and found.six_state)),
        (
            "BB84 key bits a second",
            *_both(budget.rate_hz * formula.bb84, trial and found and trial.rate_hz * found.bb84),
        ),
    ]
    header = ("", "formula", f"run of {trial.pairs:,} pairs" if trial else "")
    shown: Sequence[Sequence[str]] = [header, *rows]
    return columns(shown if trial else [row[:2] for row in shown], width=width, right={1, 2})


def _both(formula: float, found: float | None, error: float | None = None) -> tuple[str, str]:
    if found is None:
        return _number(formula), ""
    return _number(formula), _number(found) if error is None else _with_error(found, error)


def _with_error(value: float, error: float) -> str:
    """As many digits as two of the error."""
    if error <= 1e-9 * value:  # rounding
        return _number(value)
    digits = max(0, 1 - floor(log10(error)))
    return f"{value:,.{digits}f} +- {error:,.{digits}f}"


def _number(value: float) -> str:
    if not isfinite(value):
        return "no limit"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _rates(worth: Worth) -> str:
    return ", ".join(f"{100 * max(rate, 0.0):.2f}" for rate in worth.errors) + " %"


def _as_data(link: LinkDescription, budget: Budget, trial: Trial | None) -> Any:
    source = budget.source
    formula = {
        "success_probability": source.success_probability,
        "attempt_ns": source.attempt_ns,
        "rate_hz": budget.rate_hz,
        "ages_ns": budget.ages_ns,
        "delivered": budget.delivered()._asdict(),
        "measured": budget.measured()._asdict(),
    }
    found = None if trial is None else {**trial._asdict(), "measured": trial.measured._asdict()}
    about = {"link": link.name, "ends": [link.a, link.b], "length_m": link.length_m}
    return plain({**about, "formula": formula, "run": found})
