"""A network as an SVG picture: for notebooks and documents, in the colours of the page, readable to screen readers.

Pure; the text of a picture depends on the network alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from math import hypot
from typing import Final

import numpy as np

from orchestrator.layout import Points, layout
from orchestrator.topology import LinkDescription, Network, NodeDescription
from qnode.ids import NodeName

_WIDTH: Final = 640.0  # pixels, at most
_HEIGHT: Final = 480.0
_APART: Final = 130.0  # pixels between neighbours, at most
_MARGIN: Final = 44.0
_NAMED: Final = 40  # nodes; more than these have their names only where the pointer is
_MEASURED: Final = 12  # links whose lengths are written beside them
_ROOM: Final = 60.0  # pixels that a link must have for that
_READ: Final = 30  # links that a screen reader is told one by one


def network_svg(network: Network) -> str:
    """The nodes and links; a filled node has programs. Names and lengths stand there as far as they fit."""
    numbers = {name: number for number, name in enumerate(network.nodes)}
    places = layout(len(numbers), [(numbers[link.a], numbers[link.b]) for link in network.links])
    points, width, height = _fitted(places)
    spot = {name: (float(x), float(y)) for name, (x, y) in zip(numbers, points, strict=True)}
    radius = 9.0 if len(numbers) <= _NAMED else max(2.0, 9.0 * (_NAMED / len(numbers)) ** 0.5)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {width:.0f} {height:.0f}"'
        f' width="{width:.0f}" height="{height:.0f}" style="max-width:100%" font-family="sans-serif"'
        f' font-size="12" fill="none" stroke="currentColor" aria-label="{escape(described(network))}">',
        *_links(network, spot),
        *_nodes(network, spot, radius),
        "</svg>",
    ]
    return "\n".join(parts)


def described(network: Network) -> str:
    """The picture in words."""
    nodes = f"{len(network.nodes)} nodes" if len(network.nodes) != 1 else "1 node"
    links = f"{len(network.links)} links" if len(network.links) != 1 else "1 link"
    if len(network.links) > _READ:
        return f"Network {network.name}: {nodes}, {links}"
    each = "; ".join(f"{link.a} to {link.b}, {length_text(link)}" for link in network.links)
    return f"Network {network.name}: {nodes}, {links}{': ' if each else ''}{each}"


def length_text(link: LinkDescription) -> str:
    """A link's length as one writes it."""
    metres = link.length_m
    return f"{metres / 1000:g} km" if metres >= 1000 or metres == 0 else f"{metres:g} m"


def _fitted(places: Points) -> tuple[Points, float, float]:
    """The places in pixels, as large as they may be, and the size of the picture."""
    low, high = places.min(axis=0), places.max(axis=0)
    extent = np.maximum(high - low, 1e-9)
    room = np.array([_WIDTH, _HEIGHT]) - 2 * _MARGIN
    scale = min(_APART, float((room / extent).min()))
    points = (places - low) * scale + _MARGIN
    width, height = (high - low) * scale + 2 * _MARGIN
    return points, float(width), float(height)


def _links(network: Network, spot: dict[NodeName, tuple[float, float]]) -> Iterator[str]:
    width = 1.5 if len(network.links) <= 5 * _NAMED else 0.6
    for link in network.links:
        (x1, y1), (x2, y2) = spot[link.a], spot[link.b]
        title = f"{link.name}: {link.a} to {link.b}, {length_text(link)}, {link.delay_ns / 1000:g} us"
        yield (
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke-width="{width}"'
            f' stroke-opacity="0.55"><title>{escape(title)}</title></line>'
        )
        if len(network.links) <= _MEASURED and hypot(x2 - x1, y2 - y1) > _ROOM:
            yield _measure(link, x2 - x1, y2 - y1, (x1 + x2) / 2, (y1 + y2) / 2)


def _measure(link: LinkDescription, dx: float, dy: float, x: float, y: float) -> str:
    """The length of a link at its middle: above it, or beside it if it is steep."""
    if abs(dy) < 0.4 * abs(dx):
        return _text(x, y - 6, length_text(link), ' font-size="11" opacity="0.75"')
    return _text(x + 6, y + (4 if dx * dy < 0 else -4), length_text(link), ' font-size="11" opacity="0.75"', "start")


def _nodes(network: Network, spot: dict[NodeName, tuple[float, float]], radius: float) -> Iterator[str]:
    for node in network.nodes.values():
        x, y = spot[node.name]
        filled = 'fill="#4e79a7"' if node.programs else 'fill="#ffffff"'
        yield (
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" {filled} stroke-width="1.5">'
            f"<title>{escape(_about(node))}</title></circle>"
        )
        if len(spot) <= _NAMED:
            yield _text(x, y + radius + 14, node.name)


def _about(node: NodeDescription) -> str:
    programs = "".join(f"\n{program.name}: {program.run}" for program in node.programs) or "\nno program"
    return f"{node.name}: {node.qubits} qubits{programs}"


def _text(x: float, y: float, text: str, more: str = "", anchor: str = "middle") -> str:
    where = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" stroke="none" fill="currentColor"{more}'
    return f"<text {where}>{escape(text)}</text>"
