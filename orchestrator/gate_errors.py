"""Errors of operations, as a configuration writes them: Pauli probabilities and Kraus operators, and what they make
together. Pure, and without NumPy, which takes longer to import than a configuration to be read.

A Pauli string of m qubits is a number of m digits to base 4 (I, X, Y, Z), the first qubit leftmost, as in `ErrorModel`.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from functools import reduce
from math import isfinite
from typing import Annotated, Final

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from orchestrator import units
from orchestrator.problems import Finding
from orchestrator.values import Probability, Refused, refused
from qnode.quantum.hardware import ErrorModel

COMPLETE: Final = 1e-9
"""How far sum K'K of Kraus operators may be from the identity, entry by entry."""

Matrix = tuple[tuple[complex, ...], ...]
Distribution = Sequence[float]
"""Of a Pauli channel: a probability for each string, the identity first; 4**m of them."""

_N: Final = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?"
_COMPLEX: Final = rf"\s*(?:[-+]?{_N}|(?:[-+]?{_N}\s*(?=[-+]))?[-+]?\s*(?:{_N})?\s*j)\s*"
_LONGEST: Final = 64
_DIGIT: Final = (0, 1, 3, 2)  # I, X, Y, Z as (z, x) bits, in which a product is XOR; and back


# --- what is written -------------------------------------------------------------------------------------------------


def _complex(value: object) -> complex | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float | complex):
        return complex(value)
    if isinstance(value, str) and len(value) <= _LONGEST and re.fullmatch(_COMPLEX, value):
        return complex(re.sub(r"\s", "", value))
    if isinstance(value, list | tuple) and len(value) == 2 and not any(isinstance(one, list | tuple) for one in value):
        re_im = [_complex(one) for one in value]
        if all(one is not None and not one.imag for one in re_im):
            return complex(*(one.real for one in re_im if one is not None))
    return None


def _entry(value: object, *path: int) -> complex:
    number = _complex(value)
    if number is None or not (isfinite(number.real) and isfinite(number.imag)):
        detail = f"{units.shown(value)} is not a complex number; write it like 0.5, 0.5+0.5j or [0.5, 0.5]"
        raise refused(detail, *path)
    return number


def _operators(value: object) -> object:
    """Matrices of numbers; how large they are is for whoever has them to say."""
    if value is None:
        return ()
    _must_be_a_list(value, "of matrices, such as [[[1, 0], [0, 0.8]], [[0, 0.6], [0, 0]]]")
    operators: list[Matrix] = []
    wrong: list[Finding] = []
    for k, matrix in enumerate(value):  # type: ignore[arg-type, var-annotated]  # a list
        _must_be_a_list(matrix, "of rows, such as [[1, 0], [0, 0.8]]", k)
        rows = []
        for i, row in enumerate(matrix):
            _must_be_a_list(row, "of numbers, such as [1, 0]", k, i)
            numbers = []
            for j, entry in enumerate(row):
                try:
                    numbers.append(_entry(entry, k, i, j))
                except Refused as error:
                    wrong += error.findings
            rows.append(tuple(numbers))
        operators.append(tuple(rows))
    if wrong:
        raise Refused(*wrong)
    return tuple(operators)


def _must_be_a_list(value: object, of_what: str, *path: int) -> None:
    if not isinstance(value, list | tuple):
        raise refused(f"must be a list {of_what}, not {units.shown(value)}", *path)


def _as_list(value: object) -> object:
    return tuple(value) if isinstance(value, list) else () if value is None else value


def _written(operators: tuple[Matrix, ...]) -> list[list[list[float | str]]]:
    return [[[_number(entry) for entry in row] for row in matrix] for matrix in operators]


def _number(entry: complex) -> float | str:
    return str(entry).strip("()") if entry.imag else entry.real


_NUMBER_SCHEMA: Final = {
    "anyOf": [
        {"type": "number"},
        {"type": "string", "maxLength": _LONGEST, "pattern": f"^{_COMPLEX}$"},
        {"type": "array", "items": {"type": ["number", "string"]}, "minItems": 2, "maxItems": 2},
    ]
}
_LIST_SCHEMA: Final = {"type": ["array", "null"]}

Kraus = Annotated[
    tuple[Matrix, ...],
    BeforeValidator(_operators),
    PlainSerializer(_written, when_used="json"),
    WithJsonSchema(
        {
            "title": "matrices",
            **_LIST_SCHEMA,
            "items": {"type": "array", "items": {"type": "array", "items": _NUMBER_SCHEMA}},
            "examples": [[[[1, 0], [0, 0.8]], [[0, "0.6j"], [0, 0]]]],
        }
    ),
]
Paulis = Annotated[
    tuple[Probability, ...],
    BeforeValidator(_as_list),
    WithJsonSchema(
        {
            "title": "probabilities",
            **_LIST_SCHEMA,
            "items": units.json_schema(units.NUMBER, least=0, most=1),
            "examples": [[0.01, 0.01, 0.02]],
        }
    ),
]


# --- what is wrong with it -------------------------------------------------------------------------------------------


def findings_of_paulis(paulis: Sequence[float], n_qubits: int) -> Iterator[Finding]:
    """Of the probabilities of X, Y, Z, or (of two qubits) of IX, IY, ..., ZZ."""
    sizes = {3: "3 probabilities, of X, Y and Z on each qubit"}
    if n_qubits == 2:
        sizes[15] = "15, of IX, IY, IZ, XI, ..., ZZ"
    if paulis and len(paulis) not in sizes:
        yield Finding(("pauli",), f"takes {', or '.join(sizes.values())}; not {len(paulis)}")
    elif sum(paulis) > 1 + COMPLETE:
        yield Finding(("pauli",), f"the probabilities sum to {sum(paulis):.6g}; they can sum to at most 1")


def findings_of_kraus(kraus: Sequence[Matrix], n_qubits: int) -> Iterator[Finding]:
    sizes = {2: "2 x 2"} | ({4: "4 x 4"} if n_qubits == 2 else {})
    if not kraus:
        return
    for nth, matrix in enumerate(kraus):
        size = len(matrix)
        if size not in sizes or any(len(row) != size for row in matrix):
            yield Finding(("kraus", nth), f"must be a matrix of {' or '.join(sizes.values())} numbers")
            return
        if size != len(kraus[0]):
            yield Finding(("kraus", nth), "is not as large as the first; Kraus operators are all of one size")
            return
    off = max(abs(entry - (i == j)) for i, row in enumerate(_sum_of_squares(kraus)) for j, entry in enumerate(row))
    if off > COMPLETE:
        detail = f"the sum of K'K must be the identity to 1e-9 in each entry; it is off by {off:.2g}"
        yield Finding(("kraus",), detail)


def _sum_of_squares(kraus: Sequence[Matrix]) -> list[list[complex]]:
    size = range(len(kraus[0]))
    return [[sum(k[r][i].conjugate() * k[r][j] for k in kraus for r in size) for j in size] for i in size]


# --- what it makes together ------------------------------------------------------------------------------------------


def error_model(
    *,
    depolarise: float = 0.0,
    dephase: float = 0.0,
    flip: float = 0.0,
    pauli: Sequence[float] = (),
    kraus: Sequence[Matrix] = (),
    n_qubits: int,
) -> ErrorModel:
    """Everything that goes wrong in an operation, in as few channels as there can be.

    Pauli channels commute, and their distributions convolve. Of an operation on two qubits, what happens to each of
    them by itself stays apart from what happens to both together: it means the same for operations on more.

    Args:
        depolarise: Total probability of a Pauli that is not the identity, on all operands together.
        dephase, flip: Probability of a Z and of an X on each operand.
        pauli: Three probabilities for each operand, or fifteen for two operands together.
        kraus: On each operand, or on two together.
        n_qubits: 1 or 2.
    """
    each: list[Distribution] = [
        (1 - p, *others) for p, others in ((dephase, (0.0, 0.0, dephase)), (flip, (flip, 0.0, 0.0))) if p
    ]
    together: list[Distribution] = [_whole(pauli)] if any(pauli) and len(pauli) == 15 else []
    if any(pauli) and len(pauli) == 3:
        each.append(_whole(pauli))
    if depolarise and (together or (each and n_qubits == 1)):
        strings = 4**n_qubits - 1
        together.append((1 - depolarise, *[depolarise / strings] * strings))
        depolarise = 0.0
    if together and n_qubits == 2:
        together += [_on_each_of_two(one) for one in each]
    else:
        together += each
    paulis = tuple(reduce(_convolved, together)[1:]) if together else ()
    return ErrorModel(depolarise, paulis, tuple(map(_in_bytes, kraus)))


def moved(model: ErrorModel) -> ErrorModel:
    """What the error of a swap does to the one qubit that is moved: it ends as the second operand, in place of a |0>.

    Of Paulis that is the marginal, of a depolarisation with total probability q one with 12 q / 15, and of Kraus
    operators K the operators <i|K|0> on the other qubit (Nielsen & Chuang, section 8.2.3).
    """
    paulis = model.paulis
    if len(paulis) == 15:
        whole = _whole(paulis)
        paulis = tuple(sum(whole[digit::4]) for digit in (1, 2, 3))
    kraus = model.kraus
    if kraus and len(kraus[0]) == 4 * 4 * 16:
        matrices = map(_from_bytes, kraus)
        kraus = tuple(
            _in_bytes(tuple(row[:2] for row in matrix[2 * i : 2 * i + 2])) for matrix in matrices for i in (0, 1)
        )
    return ErrorModel(model.depolarise * 12 / 15, paulis, kraus)


def _whole(paulis: Sequence[float]) -> tuple[float, ...]:
    return (max(0.0, 1 - sum(paulis)), *paulis)


def _on_each_of_two(one: Distribution) -> tuple[float, ...]:
    return tuple(first * second for first in one for second in one)


def _convolved(left: Distribution, right: Distribution) -> tuple[float, ...]:
    """The distribution of the product, up to phases, of two independent Paulis."""
    found = [0.0] * len(left)
    for i, p in enumerate(left):
        for j, q in enumerate(right):
            found[_product(i, j)] += p * q
    return tuple(found)


def _product(i: int, j: int) -> int:
    if i < 4 and j < 4:
        return _DIGIT[_DIGIT[i] ^ _DIGIT[j]]
    return 4 * _product(i // 4, j // 4) + _product(i % 4, j % 4)


def _in_bytes(matrix: Matrix) -> bytes:
    parts = [part for row in matrix for entry in row for part in (entry.real, entry.imag)]
    return struct.pack(f"={len(parts)}d", *parts)


def _from_bytes(data: bytes) -> Matrix:
    """Of shape (4, 4)."""
    parts = struct.unpack("=32d", data)
    entries = [complex(*pair) for pair in zip(parts[::2], parts[1::2], strict=True)]
    return tuple(tuple(entries[row : row + 4]) for row in range(0, 16, 4))
