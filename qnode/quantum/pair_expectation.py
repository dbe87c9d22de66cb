"""What the data of a link and of two memories let one expect of a pair, before anything is measured.

The same machinery as in a run, on one exact density matrix: so the mean over runs is this.
"""

from __future__ import annotations

from qnode.ids import QubitId
from qnode.quantum.bell import PHI_PLUS
from qnode.quantum.fidelity import fidelity
from qnode.quantum.noisy import Laboratory, NoisyRegister
from qnode.quantum.pair_source import Herald, PairSource
from qnode.quantum.pair_states import pair_state
from qnode.quantum.register import Register

_CORRECTION = {(0, 1): "x", (1, 0): "z", (1, 1): "y"}
_MINE, _THEIRS = QubitId("mine"), QubitId("theirs")


def correction_gate(herald: Herald | None) -> str | None:
    """The one Pauli gate that turns what was heralded to Phi+ (up to a global phase); None if it is that already."""
    return None if herald is None else _CORRECTION.get(herald.frame)


def expected_fidelity(
    source: PairSource,
    nth: int,
    labs: tuple[Laboratory, Laboratory],
    *,
    turned: bool,
    late_ns: tuple[int, int] = (0, 0),
) -> tuple[float, float]:
    """Fidelity to Phi+ of a pair of the nth herald, as each of two ends gets it.

    The first end does not correct, the second does, with one real gate. Each fidelity is that at its end's delivery,
    with the correction counted as done: when that is not over yet, the other half is taken as it will be then.

    Args:
        labs: Of the first and the second end.
        turned: Whether the first is the source's end b.
        late_ns: By how much each end gets its half later than it could, because of the clock's grid.
    """
    herald = source.heralds[nth] if source.heralds else None
    register = NoisyRegister(Register("density_matrix"), lambda name, count: 0.5)
    labs = (Laboratory(labs[0].hardware), Laboratory(labs[1].hardware))  # without attempts of other pairs
    ends = (_THEIRS, _MINE) if turned else (_MINE, _THEIRS)
    register.create_pair(*ends, PHI_PLUS if herald is None else pair_state(herald.rho))
    delivered_ns = [source.delivered_ns[turned], source.delivered_ns[not turned]]
    for qubit, lab, born_ns in zip(
        (_MINE, _THEIRS), labs, (source.born_ns[turned], source.born_ns[not turned]), strict=True
    ):
        register.put(lab, qubit, lab.arrival, born_ns)
    gate = correction_gate(herald)
    if gate is not None:
        register.apply(labs[1], gate, (_THEIRS,), (), delivered_ns[1])
        delivered_ns[1] += labs[1].hardware.single.duration_ns
    mine, theirs = (
        min(1.0, fidelity(register.seen_at(at_ns + late).reduced_state((_MINE, _THEIRS)), PHI_PLUS.ket()))  # rounding
        for at_ns, late in zip(delivered_ns, late_ns, strict=True)
    )
    return mine, theirs
