"""Quantum money: banknotes of qubits that only the bank can check, and nobody can copy.

The bank puts random bits on qubits in random bases, z or x, and keeps a list of both by serial number. A note that
comes back is measured in its bases: a genuine one always passes. Whoever makes two of one has to guess; he may measure
each qubit and prepare it twice, and both notes pass with (5/8)^n, or send each through the best channel that there is,
and they pass with (3/4)^n. More than that is impossible.

Sources: Wiesner, SIGACT News 15, 78 (1983); Molina, Vidick & Watrous, TQC 2012, LNCS 7582, 45, for the best channel.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from qnode import Node, Qubit
from qnode.protocols.arguments import number
from qnode.protocols.bb84 import BASES, measured, prepared

if TYPE_CHECKING:
    import numpy.typing as npt


class Secret(NamedTuple):
    """What the bank knows of a note: bit and basis of each qubit."""

    bits: list[int]
    bases: list[int]


async def issue(bank: Node, *, to: str, n: int) -> Secret:
    """Make a note of n qubits and hand it out."""
    secret = Secret(*bank.rng.integers(0, 2, (2, n)).tolist())
    for bit, basis in zip(*secret, strict=True):
        await bank.send_qubit(to, prepared(bank, bit, basis))
    return secret


async def check(bank: Node, secret: Secret, *, holder: str) -> bool:
    """Take a note back. Returns whether it is genuine, as far as anybody can tell."""
    qubits = [await bank.receive_qubit(holder) for _ in secret.bits]
    found = await measured(qubits, np.array(secret.bases))
    return bool((found == secret.bits).all())


async def bank(bank: Node, *, customer: str, n: int, notes: int, returned: int = 1) -> list[bool]:
    """Issue notes of n qubits, of each of which so many come back. Returns for each whether all of them passed."""
    for what, given in (("notes", notes), ("returned", returned)):
        number(what, given, 1, whole=True)
    passed = []
    for _ in range(notes):
        secret = await issue(bank, to=customer, n=n)
        passed.append(all([await check(bank, secret, holder=customer) for _ in range(returned)]))
    bank.record(**{f"{bank.program}_passed": sum(passed) / notes})
    return passed


async def spend(holder: Node, *, bank: str, n: int, notes: int) -> None:
    """Be honest: bring each note back as it is."""
    for _ in range(notes):
        for qubit in [await holder.receive_qubit(bank) for _ in range(n)]:
            await holder.send_qubit(bank, qubit)


async def forge_by_measuring(forger: Node, *, bank: str, n: int, notes: int) -> None:
    """Bring two of each note: measure each qubit in z or x, and prepare what was found twice."""
    for _ in range(notes):
        read = []
        for qubit in [await forger.receive_qubit(bank) for _ in range(n)]:
            basis = int(forger.rng.integers(2))
            read.append((await qubit.measure(BASES[basis]), basis))
        for bit, basis in read * 2:
            await forger.send_qubit(bank, prepared(forger, bit, basis))


async def forge_by_cloning(forger: Node, *, bank: str, n: int, notes: int) -> None:
    """Bring two of each note: send each qubit through the best channel that makes two of one."""
    for _ in range(notes):
        copies = [cloned(forger, qubit) for qubit in [await forger.receive_qubit(bank) for _ in range(n)]]
        for note in zip(*copies, strict=True):
            for qubit in note:
                await forger.send_qubit(bank, qubit)


def cloned(forger: Node, qubit: Qubit) -> tuple[Qubit, Qubit]:
    """Two qubits of one, as like it as possible in z and in x."""
    second, environment = forger.qubits(2)
    qubit.apply(CLONING, second, environment)
    environment.discard()
    return qubit, second


def _cloning() -> npt.NDArray[np.complex128]:
    """A unitary of three qubits that is the channel's isometry where the second and third are |0>.

    Its Kraus operators are one for each state of the environment (Molina, Vidick & Watrous, section 3).
    """
    kraus = np.array([[[3, 0], [0, 1], [0, 1], [1, 0]], [[0, 1], [1, 0], [1, 0], [0, 3]]]) / sqrt(12)
    isometry = kraus.transpose(1, 0, 2).reshape(8, 2)  # rows: both copies, then the environment
    others = np.linalg.svd(isometry)[0][:, 2:]  # the space that it does not reach
    return np.insert(others, (0, 3), isometry, axis=1).astype(np.complex128)


CLONING = _cloning()
