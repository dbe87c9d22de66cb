"""Where to draw the nodes of a network: the same place every time, without a library for graphs. Pure.

Each connected part is placed by itself. Lines and rings are drawn as such; anything else is pulled together by its
links and pushed apart by its nodes (Fruchterman & Reingold 1991, Graph drawing by force-directed placement), from the
start that the network's own lowest frequencies suggest (Koren 2005, Drawing graphs by eigenvectors).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]
Edges = Sequence[tuple[int, int]]

_ROW: Final = 12  # nodes of a line that stand side by side; a longer one turns and comes back below
_PULLED: Final = 1500  # nodes; for more, forces (quadratic in the nodes) take too long, and they stand in rows
_WORK: Final = 1.5e7  # pairs of nodes whose forces are computed, over all iterations
_GAP: Final = 1.0  # between parts


def layout(n: int, edges: Edges) -> Points:
    """Positions, shape (n, 2): x to the right, y down; neighbours are about 1 apart.

    Args:
        n: How many nodes there are.
        edges: Pairs of node numbers below n.
    """
    neighbours = _neighbours(n, edges)
    parts = sorted(_parts(neighbours), key=len, reverse=True)
    number = np.empty(n, dtype=int)  # of a node within its part
    for part in parts:
        number[part] = np.arange(len(part))
    inner = [[(int(number[a]), int(number[b])) for a in part for b in neighbours[a] if a < b] for part in parts]
    return _packed(n, parts, [_part(len(part), own) for part, own in zip(parts, inner, strict=True)])


def _part(n: int, edges: Edges) -> Points:
    order, closed = _line(n, edges)
    if order and closed and n <= 4 * _ROW:
        return _placed(order, _circle(n))
    if order:
        return _placed(order, _rows(n, _columns(n)))
    if n > _PULLED:
        return _rows(n, ceil(sqrt(2 * n)))
    return _pulled(n, edges)


def _parts(neighbours: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """The nodes of each connected part, in the order in which a walk along the links meets them."""
    seen = [False] * len(neighbours)
    for start in range(len(neighbours)):
        part = []
        todo = [start]
        while todo:
            node = todo.pop()
            if not seen[node]:
                seen[node] = True
                part.append(node)
                todo.extend(reversed(neighbours[node]))
        if part:
            yield part


def _packed(n: int, parts: Sequence[Sequence[int]], places: Sequence[Points]) -> Points:
    """The parts beside and below each other, the largest first."""
    sizes = [points.max(axis=0) - points.min(axis=0) + _GAP for points in places]
    widest = max(max(float(size[0]) for size in sizes), sqrt(1.6 * sum(float(size.prod()) for size in sizes)))
    points = np.empty((n, 2))
    x = y = tallest = 0.0
    for part, place, (width, height) in zip(parts, places, sizes, strict=True):
        if x and x + width > widest + 1e-9:
            x, y, tallest = 0.0, y + tallest, 0.0
        points[part] = place - place.min(axis=0) + (x, y)
        x, tallest = x + float(width), max(tallest, float(height))
    return points


def _line(n: int, edges: Edges) -> tuple[list[int], bool]:
    """The nodes in order, if they form one line or one ring, and whether it is a ring; else nothing."""
    neighbours = _neighbours(n, edges)
    ends = [node for node in range(n) if len(neighbours[node]) == 1]
    if any(not 1 <= len(others) <= 2 for others in neighbours) or len(ends) not in (0, 2):
        return ([0], False) if n == 1 else ([], False)
    order = [ends[0] if ends else 0]
    seen = set(order)
    while True:
        following = [node for node in neighbours[order[-1]] if node not in seen]
        if not following:
            return (order, not ends) if len(order) == n else ([], False)
        order.append(following[0])
        seen.add(following[0])


def _neighbours(n: int, edges: Edges) -> list[list[int]]:
    neighbours: list[list[int]] = [[] for _ in range(n)]
    for a, b in edges:
        neighbours[a].append(b)
        neighbours[b].append(a)
    return neighbours


def _placed(order: Sequence[int], places: Points) -> Points:
    points = np.empty_like(places)
    points[list(order)] = places
    return points


def _columns(n: int) -> int:
    return n if n <= _ROW else max(_ROW, ceil(sqrt(2 * n)))


def _rows(n: int, columns: int) -> Points:
    """Row after row, every second one backwards, so that what follows in the order is next to it."""
    row, place = np.divmod(np.arange(n), columns)
    x = np.where(row % 2 == 0, place, columns - 1 - place)
    return np.stack([x, row], axis=1).astype(float)


def _circle(n: int) -> Points:
    angles = 2 * np.pi * np.arange(n) / n - np.pi / 2
    radius = 0.5 / np.sin(np.pi / max(n, 2))
    circle: Points = radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return circle


def _pulled(n: int, edges: Edges) -> Points:
    points = _start(n, edges)
    a, b = np.array(edges, dtype=int).reshape(-1, 2).T
    steps = int(min(300, max(15, _WORK / n**2)))
    for reach in np.geomspace(0.1 * sqrt(n), 0.01, steps):  # how far a node may move: less and less
        difference = points[:, None] - points[None]
        squares = np.maximum(np.einsum("ijk,ijk->ij", difference, difference), 1e-4)
        force = np.einsum("ijk,ij->ik", difference, 1 / squares)
        link = points[a] - points[b]
        pull = link * np.linalg.norm(link, axis=1, keepdims=True)
        np.add.at(force, a, -pull)
        np.add.at(force, b, pull)
        length = np.maximum(np.linalg.norm(force, axis=1, keepdims=True), 1e-9)
        points = points + force * np.minimum(1, reach / length)
    placed: Points = points / np.linalg.norm(points[a] - points[b], axis=1).mean()
    return placed


def _start(n: int, edges: Edges) -> Points:
    """By the second and third eigenvectors of the network's Laplacian."""
    laplacian = np.zeros((n, n))
    for a, b in edges:
        laplacian[a, b] = laplacian[b, a] = -1
    np.fill_diagonal(laplacian, -laplacian.sum(axis=1))
    vectors = np.linalg.eigh(laplacian)[1][:, 1:3]
    signs = np.where(vectors[np.abs(vectors).argmax(axis=0), [0, 1]] < 0, -1, 1)
    # Ranks and not values: a loose end would else stand far out, and everything else in one spot.
    ranks = np.argsort(np.argsort(vectors * signs, axis=0, kind="stable"), axis=0)
    start: Points = (ranks / n - 0.5) * 2 * sqrt(n)
    return start
