"""Random networks with many requests at once, in which links and nodes fail and return; and what is promised of them.

A configuration, and what is wrong with a run of it.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import networkx as nx

from orchestrator.cli.verify import check
from orchestrator.run import Run

SLOTS = 8


def config(seed: int, nodes: int, requests: int, *, breaks: int, kills: int, **settings: Any) -> dict[str, Any]:
    """Nodes at random places, each joined to those that are near; links make perfect pairs, so that outcomes agree."""
    draw = random.Random(seed)
    graph = nx.random_geometric_graph(nodes, 1.6 * nodes**-0.5, seed=seed)
    while not nx.is_connected(graph):
        graph = nx.random_geometric_graph(nodes, 1.6 * nodes**-0.5, seed=draw.randrange(2**31))
    names = [f"n{nth}" for nth in range(nodes)]
    programs: dict[str, dict[str, Any]] = {
        name: {"audit": {"run": "request_programs.py:audit", "args": {"slots": SLOTS}}} for name in names
    }
    for nth in range(requests):
        n, at_us = draw.randint(1, 6), draw.choice([0, draw.randint(0, 20_000)])
        one, other = draw.sample(names, 2)
        for mine, peer in ((one, other), (other, one)):
            own = {"timeout_s": draw.choice([0.5, 0.5, 0.5, 0.01, 0.003]), "room": draw.randint(1, n)}
            args = {"peer": peer, "n": n, "at_us": at_us, **own}
            programs[mine][f"p{nth}"] = {"run": "request_programs.py:ask", "args": args}
    links = {f"l{a}_{b}": (names[a], names[b]) for a, b in graph.edges}
    source = {"model": "werner", "fidelity": 1, "success_probability": 0.2}
    faults: list[dict[str, Any]] = [
        {"at": _ms(draw, 0.5, 20), "break": draw.choice(list(links)), "for": _ms(draw, 1, 10)} for _ in range(breaks)
    ]
    faults += [{"at": _ms(draw, 0.5, 20), "kill": name, "restart": "fresh"} for name in draw.sample(names, kills)]
    return {
        "version": 1,
        "seed": seed,
        "nodes": {name: {"qubits": SLOTS, "programs": programs[name]} for name in names},
        "links": {
            name: {"between": list(ends), "length": f"{draw.randint(1, 20)} km", "source": source}
            for name, ends in links.items()
        },
        "faults": faults,
        "failures": {"restart_delay": "3 ms", "detection_delay": "10 us"},
        **settings,
    }


def _ms(draw: random.Random, least: float, most: float) -> str:
    return f"{draw.uniform(least, most):.3f} ms"


def outcomes(run: Run) -> dict[str, dict[str, int]]:
    """What each end has measured of each pair."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for node, results in run.results.items():
        for pair, outcome in (
            each for result in results.values() if isinstance(result, dict) for each in result.items()
        ):
            found[pair][node] = outcome
    return found


def wrongs(run: Run) -> Iterator[str]:
    """What `qnode verify` finds, requests that never end, slots that are not free in the end, outcomes that differ."""
    assert run.folder is not None
    checker, _ = check(run.folder)
    yield from (f"line {one.line}: {one.invariant}: {one.what}" for one in checker.violations)
    yield from (f"{request} never ends: {why}" for request, why in checker.open().items())
    yield from (f"{node} leaks: {results['audit']}" for node, results in run.results.items() if results.get("audit"))
    yield from (f"{pair} differs: {found}" for pair, found in outcomes(run).items() if len(set(found.values())) > 1)
