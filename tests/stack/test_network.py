"""Whole networks of network layers, joined by lists: nothing is half, nothing leaks, nobody waits for ever."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Final, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from qnode.wire.stack import StackSpec
from tests.stack.harness import ALL_TALKS, Edge, World, at_random, chain, grid, ring, star, tree

SHAPES: Final = {"chain": chain, "ring": ring, "star": star, "grid": grid, "tree": tree}


class Scenario(NamedTuple):
    """A network and what is going to happen in it; all else follows from the seed."""

    shape: str
    nodes: int
    requests: int
    withdrawals: int
    own: int
    swap: str
    window: int
    cutoff_ns: int | None
    swap_success: float
    roomy: bool
    flood: bool
    failures: int
    repeats: bool
    distilled: bool
    seed: int


scenarios = st.builds(
    Scenario,
    shape=st.sampled_from([*SHAPES, "random"]),
    nodes=st.integers(2, 9),
    requests=st.integers(1, 8),
    withdrawals=st.integers(0, 3),
    own=st.integers(0, 2),
    swap=st.sampled_from(["asap", "sequential", "nested"]),
    window=st.integers(1, 4),
    cutoff_ns=st.sampled_from([None, 500, 1500]),
    swap_success=st.sampled_from([1.0, 0.7]),
    roomy=st.booleans(),
    flood=st.booleans(),
    failures=st.integers(0, 3),
    repeats=st.booleans(),
    distilled=st.just(value=False),
    seed=st.integers(0, 2**32),
)


def world_of(scenario: Scenario) -> World:
    rng = Random(scenario.seed)
    n = scenario.nodes
    edges: list[Edge] = at_random(n, rng) if scenario.shape == "random" else SHAPES[scenario.shape](n)
    slots = {f"n{i}": 16 if scenario.roomy else rng.randrange(2, 6) for i in range(n)}
    spec = StackSpec(
        scenario.swap,
        cutoff_ns=scenario.cutoff_ns,
        window=scenario.window,
        swap_success=scenario.swap_success,
        flood=scenario.flood,
        head_start_ns=300,
    )
    world = World(
        edges,
        slots,
        scenario.seed,
        spec,
        repeats=ALL_TALKS if scenario.repeats else (),
        fidelity=0.93 if scenario.distilled else 1.0,
    )
    for _ in range(scenario.requests):
        one, other = rng.sample(sorted(slots), 2)
        tag = rng.choice(["", "", "t"])
        kind = rng.choice(["keep", "measure"])
        n_pairs = rng.randrange(1, min(slots[one], slots[other], 5) + 1) * (1 if kind == "keep" else 3)
        for node, peer in ((one, other), (other, one)):
            at_once = rng.choice([n_pairs, rng.randrange(1, n_pairs + 1)])
            wanted = rng.choice([0.85, 0.9, 0.95, 0.98]) if scenario.distilled else 0.0
            priority = rng.choice([0, 0, 1, -1])
            world.ask_at(rng.randrange(400), node, peer, tag, n_pairs, at_once, kind, priority, wanted)
    for _ in range(scenario.withdrawals):

        def withdraw() -> None:
            waiting = [request for request in world.requests if not request.ended]
            if waiting:
                request = rng.choice(waiting)
                member = world.members[request.node]
                if member is not None and member.life == request.life:
                    member.withdraw(request)

        world.schedule(rng.randrange(1500), withdraw)
    for _ in range(scenario.own):
        node = rng.choice(sorted(slots))
        world.take_at(rng.randrange(800), node, rng.randrange(1, slots[node] + 1))
    for _ in range(scenario.failures):
        fails_ns, ok_ns = rng.randrange(1500), rng.randrange(1500)
        if rng.random() < 0.5:
            link = rng.choice(world.edges)
            world.schedule(fails_ns, partial(world.break_link, link))
            if rng.random() < 0.7:
                world.schedule(fails_ns + ok_ns, partial(world.mend_link, link))
        else:
            node = rng.choice(sorted(slots))
            world.schedule(fails_ns, partial(world.kill, node))
            if rng.random() < 0.7:
                world.schedule(fails_ns + ok_ns, partial(world.revive, node))
                for _ in range(rng.randrange(3)):  # its programs begin again, too, as may others
                    peer = rng.choice([name for name in sorted(slots) if name != node])
                    world.ask_at(fails_ns + ok_ns + rng.randrange(1000), node, peer, "", 2, 2)
                    world.ask_at(fails_ns + ok_ns + rng.randrange(1000), peer, node, "", 2, 2)
    return world


def check(scenario: Scenario) -> World:
    world = world_of(scenario)
    world.run()
    world.check()
    return world


distilling = scenarios.map(  # with cut-offs that short, many pairs over a long way would hardly ever be whole
    lambda one: one._replace(distilled=True, nodes=min(one.nodes, 7), cutoff_ns=None if one.cutoff_ns is None else 1500)
)


@given(distilling)
@settings(max_examples=100, deadline=None)
def test_whatever_is_to_be_distilled_ends(scenario: Scenario) -> None:
    world = check(scenario)
    if not scenario.withdrawals and not scenario.failures:
        reasons = {request.reason for request in world.requests if request.ended != "served"}
        assert reasons <= {"RequestMismatch", "FidelityUnreachable"}


@given(scenarios)
@settings(max_examples=300, deadline=None)
def test_whatever_is_asked_for_ends(scenario: Scenario) -> None:
    world = check(scenario)
    if not scenario.withdrawals and not scenario.failures:
        mismatched = {request.reason for request in world.requests if request.ended != "served"}
        assert mismatched <= {"RequestMismatch"}
