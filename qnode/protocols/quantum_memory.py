"""An error-corrected quantum memory, against a bare qubit.

One qubit is spread over several, such that *checks*, parities of some of them in Z or in X, tell which one has erred
and nothing about the qubit. Three qubits correct one bit flip or, turned by Hadamard gates, one phase flip, and make
the other kind of error three times as likely; the seven of Steane's code correct one of each. More qubits err more
often: it pays only below a pseudo-threshold of the error rate p, which is 1/2 for three qubits and the right kind of
flip, and 0.065 for seven (0.081 for depolarising noise); 0.032 if each check is misread as often as a qubit flips.

Sources: Nielsen & Chuang, sections 10.1 and 10.4.2; Steane, Phys. Rev. Lett. 77, 793 (1996).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from qnode import Node, Qubit
from qnode.protocols.arguments import chosen, number

Check = tuple[int, ...]
"""Which qubits of a block a parity is of."""

Gate = tuple[int] | tuple[int, int]
"""A Hadamard gate or a CNOT, on these qubits of a block."""


@dataclass(frozen=True)
class Code:
    """A code whose checks are in X or in Z, each decoded apart.

    Attributes:
        size: How many qubits hold one.
        data: Which of them the encoder starts from; the others are |0>.
        encoder: Hadamard gates (qubit,) and CNOTs (control, target).
        z_checks, x_checks: Parities in Z see bit flips, those in X see phase flips.
    """

    size: int
    data: int
    encoder: tuple[Gate, ...]
    z_checks: tuple[Check, ...]
    x_checks: tuple[Check, ...]

    @cached_property
    def bit_flips(self) -> dict[tuple[int, ...], int | None]:
        """Which qubit was flipped, by the outcomes of the Z checks: the one or none that explains them."""
        return _explained(self.z_checks, self.size)

    @cached_property
    def phase_flips(self) -> dict[tuple[int, ...], int | None]:
        """As `bit_flips`, by the X checks."""
        return _explained(self.x_checks, self.size)


def _explained(checks: Sequence[Check], size: int) -> dict[tuple[int, ...], int | None]:
    alone: dict[tuple[int, ...], int | None] = {
        tuple(int(qubit in check) for check in checks): qubit for qubit in range(size)
    }
    return alone | {(0,) * len(checks): None}


_PAIRS = ((0, 1), (1, 2))
_HAMMING = ((3, 4, 5, 6), (1, 2, 5, 6), (0, 2, 4, 6))  # a qubit's syndrome is its number from 1, in binary
_REPEAT = ((0, 1), (0, 2))

CODES = {
    "bare": Code(1, 0, (), (), ()),
    "bit flip": Code(3, 0, _REPEAT, _PAIRS, ()),
    "phase flip": Code(3, 0, ((0,), *_REPEAT, (0,), (1,), (2,)), (), _PAIRS),  # |+> is |+++>
    "steane": Code(
        size=7,
        data=2,
        encoder=(
            *((2, 4), (2, 5)),  # logical X is X on 2, 4 and 5
            *((0,), (0, 2), (0, 4), (0, 6)),  # 0, 1 and 3 are in one check each
            *((1,), (1, 2), (1, 5), (1, 6)),
            *((3,), (3, 4), (3, 5), (3, 6)),
        ),
        z_checks=_HAMMING,
        x_checks=_HAMMING,
    ),
}


def encode(node: Node, data: Qubit, code: Code) -> list[Qubit]:
    """Spread a qubit over a block."""
    block = node.qubits(code.size - 1)
    block.insert(code.data, data)
    _play(code.encoder, block)
    return block


def decode(block: list[Qubit], code: Code) -> Qubit:
    """Gather a block in one qubit again; the others are given up."""
    _play(code.encoder[::-1], block)
    for index, qubit in enumerate(block):
        if index != code.data:
            qubit.discard()
    return block[code.data]


def _play(gates: Sequence[Gate], block: list[Qubit]) -> None:
    for gate in gates:
        match gate:
            case (qubit,):
                block[qubit].h()
            case (control, target):
                block[control].cnot(block[target])


async def correct(node: Node, block: list[Qubit], code: Code) -> tuple[int | None, int | None]:
    """Measure all checks, and undo what they tell of: whose bit was flipped, and whose phase."""
    seen_in_z = [await parity(node, [block[index] for index in check]) for check in code.z_checks]
    seen_in_x = []
    for check in code.x_checks:
        members = [block[index] for index in check]
        for qubit in members:
            qubit.h()
        seen_in_x.append(await parity(node, members))
        for qubit in members:
            qubit.h()
    bit, phase = code.bit_flips[tuple(seen_in_z)], code.phase_flips[tuple(seen_in_x)]
    if bit is not None:
        block[bit].x()
    if phase is not None:
        block[phase].z()
    return bit, phase


async def parity(node: Node, qubits: list[Qubit]) -> int:
    """Whether an odd number of qubits is 1, and nothing else about them."""
    helper = node.qubit()
    for qubit in qubits:
        qubit.cnot(helper)
    return await helper.measure()


async def keep(node: Node, *, code: str, seconds: float, times: int, basis: str = "x") -> int:
    """Keep a qubit in the +1 eigenstate of a basis for so long, many times over. Returns how often it was lost."""
    number("seconds", seconds, 0)
    chosen_code = chosen("code", code, CODES)
    in_x = chosen("basis", basis, {"z": False, "x": True})
    lost = 0
    for _ in range(times):
        data = node.qubit()
        if in_x:
            data.h()
        block = encode(node, data, chosen_code)
        await asyncio.sleep(seconds)
        await correct(node, block, chosen_code)
        kept = decode(block, chosen_code)
        node.mark("kept", kept)
        lost += await kept.measure(basis)
    return lost
