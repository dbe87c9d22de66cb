"""How a network and a run show themselves in a notebook: plain HTML without scripts, in the page's own colours."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from orchestrator import report
from orchestrator.drawing import network_svg
from orchestrator.text import count
from orchestrator.topology import Network
from qnode.runtime.logs import format_time

if TYPE_CHECKING:  # a run shows itself by way of this
    from orchestrator.run import Run


def of_network(network: Network, seed: int | None) -> str:
    """The picture of a network, and one line about it. A seed that is not given is drawn for each run."""
    nodes, links = count(len(network.nodes), "node"), count(len(network.links), "link")
    drawn = "a new seed for each run" if seed is None else f"seed {seed}"
    caption = f"{network.name}: {nodes}, {links}, {network.clock} clock, {drawn}"
    return f"<figure>{network_svg(network)}\n<figcaption>{escape(caption)}</figcaption></figure>"


def of_run(run: Run) -> str:
    """The table of results of a run, and how it ended."""
    head = "".join(f'<th scope="col" style="text-align:left">{escape(cell)}</th>' for cell in report.HEADER)
    rows = "\n".join(f"<tr>{_cells(row)}</tr>" for row in report.rows(run))
    caption = f"{run.name}, seed {run.seed}: {run.summary.how} at {format_time(run.summary.at_ns)}"
    failure = "" if run.failure is None else f"\n<pre>{escape(str(run.failure))}</pre>"
    return (
        f'<table>\n<caption style="text-align:left">{escape(caption)}</caption>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody>\n</table>{failure}\n<p><small>{escape(report.closing(run))}</small></p>"
    )


def _cells(row: Sequence[str]) -> str:
    return "".join(f'<td style="text-align:left">{escape(cell)}</td>' for cell in row)
