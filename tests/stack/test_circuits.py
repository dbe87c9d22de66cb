"""The circuits of a distillation step, run at both ends on dense states."""

from __future__ import annotations

from typing import Final

import numpy as np
import pytest

from qnode.quantum import bell_diagonal
from qnode.quantum.bell import PHI_PLUS
from qnode.quantum.circuits import TWIRL, Step, conjugated, distillation
from qnode.quantum.fidelity import fidelity
from qnode.quantum.gates import GATES, Matrix
from qnode.quantum.pair_states import PairState
from qnode.quantum.register import Register
from tests.physics.circuits import distil, gate, random_rho
from tests.quantum.worlds import qubits

AGREE: Final = 1e-10
A, B, C, D = qubits("a", "b", "c", "d")  # pairs AB and CD; A and C are at end 0


def run(rho: Matrix, circuit: tuple[Step, ...], *places: int) -> Matrix:
    for name, sites in circuit:
        rho = gate(rho, name, *(places[site] for site in sites))
    return rho


def test_the_conjugate_of_a_circuit_is_that_of_its_matrix() -> None:
    for name in ("x", "y", "z", "h", "s", "sdg", "t", "tdg", "sx", "sxdg", "cnot"):
        sites = (0, 1) if name == "cnot" else (0,)
        (step,) = conjugated((Step(name, sites),))
        found, expected = GATES[step.gate].unitary(), GATES[name].unitary().conj()
        assert abs(np.vdot(found, expected)) == pytest.approx(len(found), abs=AGREE)  # up to a phase


def test_twirling_makes_a_werner_pair_of_any_pair() -> None:
    rho = random_rho(5)
    mean = np.zeros((4, 4), np.complex128)
    for turn in TWIRL:
        mean += run(run(rho, turn, 0), conjugated(turn), 1) / len(TWIRL)
    expected = bell_diagonal.to_density_matrix(bell_diagonal.werner(fidelity(rho, PHI_PLUS.ket())))
    np.testing.assert_allclose(mean, expected, atol=AGREE)


def keep(method: str, rhos: tuple[Matrix, Matrix], twirls: tuple[int, int] = (0, 0)) -> Matrix:
    """Both ends' circuits in a register, the target's halves measured: the control pair, times the chance to keep."""
    kept = np.zeros((4, 4), np.complex128)
    for outcome in (0, 1):
        register = Register("density_matrix")
        for (one, other), rho in zip(((A, B), (C, D)), rhos, strict=True):
            register.create_mixed_pair(one, other, PairState(rho), 0.5)
        for end, halves in enumerate(((A, C), (B, D))):
            for name, sites in distillation(method, end, twirls):
                register.apply(name, [halves[site] for site in sites])
        chance = 1.0
        for target in (C, D):
            z = float(register.pauli_expectation({target: "z"}))  # type: ignore[dict-item]
            chance *= (1 + (-1) ** outcome * z) / 2
            assert register.measure(target, 0.0 if outcome == 0 else 1 - 1e-12) == outcome
        kept += chance * register.reduced_state((A, B))
    return kept


def test_dejmps_is_that_of_the_dense_reference() -> None:
    rhos = (random_rho(1), random_rho(2))
    np.testing.assert_allclose(keep("dejmps", rhos), distil(*rhos, turned=True), atol=AGREE)


def test_bbpssw_with_all_twirls_is_that_of_werner_pairs() -> None:
    rhos = (random_rho(3), random_rho(4))
    turns = range(len(TWIRL))
    mean = sum(keep("bbpssw", rhos, (one, other)) for one in turns for other in turns) / len(TWIRL) ** 2
    werner = [
        bell_diagonal.to_density_matrix(bell_diagonal.twirled(bell_diagonal.from_density_matrix(rho))) for rho in rhos
    ]
    np.testing.assert_allclose(mean, distil(werner[0], werner[1], turned=False), atol=AGREE)
