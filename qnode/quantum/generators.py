"""Stabilizer generators: what a stabilizer state is, apart from how somebody computes with it.

A state of n qubits is fixed by n independent commuting Pauli strings with signs. Reduced to row echelon form over
X_0, Z_0, X_1, Z_1, ... they are unique, so equal states have equal generators and equal bytes; and because the form
is reduced, rows that reach past a cut stay apart from rows that do not: states split wherever they can.
Source: Aaronson & Gottesman 2004; Audenaert & Plenio 2005 (the echelon form); Stim, `canonical_stabilizers`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import stim

from qnode.errors import MalformedMessage
from qnode.quantum.gates import Matrix

Generators = list[stim.PauliString]


def of_qubits(simulator: stim.TableauSimulator, columns: Sequence[int]) -> Generators:
    """The canonical generators of all stabilizers that act on these columns only, written in their order.

    There are len(columns) of them if those qubits are pure, fewer if they are entangled with others. The simulator is
    used up: its columns are permuted.
    """
    size, wanted = simulator.num_qubits, len(columns)
    before = size - wanted
    at = list(range(size))  # at[k]: which column stands at position k
    where = list(range(size))
    for nth, column in enumerate(columns):
        here, there = where[column], before + nth
        if here != there:
            simulator.swap(here, there)
            other = at[there]
            at[here], at[there] = other, column
            where[other], where[column] = here, there
    rows: Generators = simulator.canonical_stabilizers()
    if not before:
        return rows
    nothing, kept = "_" * before, []
    for text in map(str, reversed(rows)):  # as text: slicing a Pauli string is slower
        if not text.startswith(nothing, 1):
            break  # the form is reduced: every row above reaches into the other columns, too
        kept.append(stim.PauliString(text[0] + text[before + 1 :]))
    return kept[::-1]


def canonical(generators: Generators) -> Generators:
    """The one reduced form of a complete set of generators."""
    simulator = stim.TableauSimulator()
    simulator.set_inverse_tableau(stim.Tableau.from_stabilizers(generators).inverse())
    reduced: Generators = simulator.canonical_stabilizers()
    return reduced


def blocks(generators: Generators) -> list[list[int]]:
    """The finest partition of the qubits into sets that are not entangled with each other (canonical generators)."""
    leader = list(range(len(generators)))

    def find(site: int) -> int:
        while leader[site] != site:
            leader[site] = site = leader[leader[site]]
        return site

    for row in generators:
        first, *others = row.pauli_indices()
        for site in others:
            leader[find(site)] = find(first)
    found: dict[int, list[int]] = {}
    for site in range(len(generators)):
        found.setdefault(find(site), []).append(site)
    return list(found.values())


def within(generators: Generators, block: Sequence[int]) -> Generators:
    """The generators that act inside a block of `blocks`, written on the block's qubits alone."""
    members, chosen = set(block), []
    for row in generators:
        if row.pauli_indices()[0] in members:
            xs, zs = row.to_numpy()
            chosen.append(stim.PauliString.from_numpy(xs=xs[block], zs=zs[block], sign=row.sign))
    return chosen


def density(generators: Generators, n_qubits: int) -> Matrix:
    """The density matrix they fix, shape (2**n, 2**n): 2**-n times the product of (1 + g) over all generators."""
    rho = np.eye(1 << n_qubits, dtype=np.complex128) / (1 << n_qubits)
    for row in generators:
        rho = rho + np.asarray(row.to_unitary_matrix(endian="big"), np.complex128) @ rho
    return rho


def pack(generators: Generators) -> bytes:
    """n generators as bits: all X parts row by row, all Z parts, all signs; each row padded to whole bytes."""
    parts = [row.to_numpy(bit_packed=True) for row in generators]
    signs = np.packbits([row.sign == -1 for row in generators], bitorder="little")
    return b"".join([*(xs.tobytes() for xs, _ in parts), *(zs.tobytes() for _, zs in parts), signs.tobytes()])


def unpack(data: bytes, n_qubits: int) -> Generators:
    """The generators that `pack` described, in canonical form.

    Raises:
        MalformedMessage: If the bytes are not n_qubits independent commuting Pauli strings.
    """
    width = (n_qubits + 7) // 8
    if len(data) != (2 * n_qubits + 1) * width:
        raise MalformedMessage(detail=f"{len(data)} bytes are no stabilizer state of {n_qubits} qubits")
    rows = np.frombuffer(data, np.uint8).reshape(-1, width)
    bits = np.unpackbits(rows, axis=1, bitorder="little").astype(np.bool_)
    if bits[:, n_qubits:].any():
        raise MalformedMessage(detail=f"a stabilizer state of {n_qubits} qubits with bits beyond the last one")
    bits = bits[:, :n_qubits]
    xs, zs, signs = bits[:n_qubits], bits[n_qubits:-1], bits[-1]
    generators = [
        stim.PauliString.from_numpy(xs=x, zs=z, sign=-1 if sign else 1)
        for x, z, sign in zip(xs, zs, signs, strict=True)
    ]
    try:
        return canonical(generators)
    except ValueError:
        raise MalformedMessage(detail="generators of a stabilizer state that contradict or repeat each other") from None
