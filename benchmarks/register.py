"""The state engine by itself: the operations of one teleportation on a register, against Stim alone."""

from __future__ import annotations

from functools import partial
from itertools import count
from time import perf_counter

import stim

from benchmarks.bench import Bench, require
from benchmarks.measure import Figure
from qnode.ids import QubitId
from qnode.quantum.register import Register

_DATA, _HALF, _OTHER = QubitId("alice.0"), QubitId("alice-bob#0.alice"), QubitId("alice-bob#0.bob")
_DRAWS = tuple((0.137 * nth % 1, 0.359 * nth % 1, 0.731 * nth % 1) for nth in range(1, 102))


async def run(bench: Bench) -> list[Figure]:
    clifford = Figure("register", "teleportation of H|0>", "us", yardstick_name="Stim alone")
    general = Figure("register", "teleportation of Ry(angle)|0>", "us")
    await bench.sample(
        "register",
        [
            ("teleportation of H|0>", partial(_clifford, bench, clifford)),
            ("teleportation of Ry(angle)|0>", partial(_general, bench, general)),
        ],
    )
    return [clifford, general]


async def _clifford(bench: Bench, figure: Figure) -> None:
    n = bench.effort.sequences
    stim_s = _stim_seconds(n)
    figure.add(_register_seconds(n, clifford=True) / n * 1e6, stim_s / n * 1e6)


async def _general(bench: Bench, figure: Figure) -> None:
    n = bench.effort.sequences
    figure.add(_register_seconds(n, clifford=False) / n * 1e6)


def _register_seconds(n: int, *, clifford: bool) -> float:
    register = Register("auto", 24)
    wrong = 0
    angles = count(0.3)
    started = perf_counter()
    for nth in range(n):
        wrong += _teleport(register, _DRAWS[nth % len(_DRAWS)], None if clifford else next(angles))
    seconds = perf_counter() - started
    require(not wrong, f"{wrong} of {n} teleported states were not what was sent")
    return seconds


def _teleport(register: Register, draws: tuple[float, float, float], angle: float | None) -> int:
    register.create(_DATA)
    if angle is None:
        register.apply("h", (_DATA,))
    else:
        register.apply("ry", (_DATA,), (angle,))
    register.create_pair(_HALF, _OTHER)
    register.apply("cnot", (_DATA, _HALF))
    register.apply("h", (_DATA,))
    z = register.measure(_DATA, draws[0])
    if register.measure(_HALF, draws[1]):
        register.apply("x", (_OTHER,))
    if z:
        register.apply("z", (_OTHER,))
    if angle is None:
        register.apply("h", (_OTHER,))
    else:
        register.apply("ry", (_OTHER,), (-angle,))
    return register.measure(_OTHER, draws[2])


def _stim_seconds(n: int) -> float:
    """The same by calls of Stim's simulator on three qubits that are reset each time. Its own coins decide."""
    simulator = stim.TableauSimulator(seed=1)
    wrong = 0
    started = perf_counter()
    for _ in range(n):
        simulator.reset(0, 1, 2)
        simulator.h(0)
        simulator.h(1)
        simulator.cnot(1, 2)
        simulator.cnot(0, 1)
        simulator.h(0)
        z = simulator.measure(0)
        if simulator.measure(1):
            simulator.x(2)
        if z:
            simulator.z(2)
        simulator.h(2)
        wrong += simulator.measure(2)
    seconds = perf_counter() - started
    require(not wrong, f"Stim got {wrong} of {n} teleportations wrong")
    return seconds
