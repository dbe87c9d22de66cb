"""Formalism `bell_diagonal`: a stabilizer state, and how likely each generator is flipped. Noise is never drawn.

Pauli noise only flips signs of generators, so a noisy stabilizer state is n Pauli strings g_i and a probability p_s for
each of the 2**n *syndromes* s, bit i of s telling whether g_i is flipped: the state is the sum over s of p_s times the
product over i of (1 + (-1)^(s_i) g_i)/2. Clifford gates move the generators and leave p; Pauli noise is a XOR
convolution of p; a measurement is either random whatever s is, or fixed by s, and then p says how likely it is and is
conditioned on it. Of two qubits p is a four-vector of Bell states, and swapping two such pairs goes from 16 numbers to
4. Only measured outcomes are drawn.

What does not only flip signs cannot be held: gates that are not Clifford, and relaxation (T1).
Its bytes: the canonical generators as `generators.pack` writes them, then their p as little-endian float64.
Source: Gottesman 1997, sections 3.2 and 4.2 (errors as flipped generators); Aaronson & Gottesman 2004 (measurement).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache, reduce
from operator import getitem, xor
from typing import ClassVar, Final, Self

import numpy as np
import numpy.typing as npt
import stim

from qnode.errors import MalformedMessage
from qnode.ids import QubitId
from qnode.quantum import generators
from qnode.quantum.bell import PHI_PLUS
from qnode.quantum.channels import Channel
from qnode.quantum.component import NORM, Component, drawn
from qnode.quantum.gates import Matrix
from qnode.quantum.generators import Generators
from qnode.quantum.kernels import Targets
from qnode.quantum.operations import Operation
from qnode.quantum.small_states import PAIRS, SmallState

MAX_QUBITS: Final = 10
"""p has 2**10 entries then."""

FACTORS: Final = 1e-14
"""How far p may be from a product, entry by entry, where a component is split."""

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

_X, _Y, _Z = 1, 2, 3  # as Stim numbers them


class SyndromeMixture(Component):
    """A stabilizer state with a probability for each syndrome; indices in `places` have no gaps.

    Attributes:
        rows: The generators g_0, g_1, ..., in no special order.
        chances: p, shape (2**n,).
    """

    __slots__ = ("chances", "rows")
    formalism: ClassVar[str] = "bell_diagonal"
    clifford_only: ClassVar[bool] = True

    def __init__(self, places: dict[QubitId, int], rows: Generators, chances: Floats) -> None:
        self.places = places
        self.rows = rows
        self.chances = chances

    # --- what moves the generators, and what moves p ----------------------------------------------------------------

    def apply(self, operation: Operation, targets: Targets) -> None:
        assert operation.clifford is not None
        tableau = operation.clifford.tableau
        self.rows = [row.after(tableau, targets=targets) for row in self.rows]

    def mix(self, paulis: Sequence[tuple[float, str]], targets: Targets) -> None:
        """Apply one of several Pauli strings, each with its probability.

        Args:
            paulis: Probabilities that sum to 1, and letters I, X, Y, Z in the order of the targets.
        """
        letters_at = [[row[target] for row in self.rows] for target in targets]
        flips_of = [
            {"I": 0, "X": (z := _mask(at, _Y, _Z)), "Z": (x := _mask(at, _X, _Y)), "Y": x ^ z} for at in letters_at
        ]
        flips = np.array([reduce(xor, map(getitem, flips_of, letters)) for _, letters in paulis])
        weights = np.array([chance for chance, _ in paulis])
        self.chances = weights @ self.chances[_labels(len(self.rows)) ^ flips[:, None]]

    def unravel(self, channel: Channel, targets: Targets, draw: float) -> None:
        assert channel.paulis is not None
        self.mix(channel.paulis, targets)

    # --- measuring --------------------------------------------------------------------------------------------------

    def take(self, qubit: QubitId, draw: float) -> tuple[int, Component]:
        p_one, halves = self._divide(qubit)
        outcome = drawn(draw, p_one)
        self.chances = halves[outcome] / halves[outcome].sum()
        return outcome, self

    def trace_out(self, qubit: QubitId, draw: float) -> Component:
        self.chances = self._divide(qubit)[1].sum(axis=0)
        return self

    def _divide(self, qubit: QubitId) -> tuple[float, Floats]:
        """Take a qubit out, measured in Z. The generators are those of the others from now on.

        Returns:
            P(1), and the probabilities of (outcome, syndrome of the others), shape (2, 2**(n-1)).
        """
        target = self.places.pop(qubit)
        self.close_gap(target)
        flipped = [nth for nth, row in enumerate(self.rows) if row[target] in (_X, _Y)]
        p_one, joint = self._random(flipped) if flipped else self._fixed(target)
        turned = _mask([row[target] for row in self.rows], _Z)  # Z x h: h has the sign of the outcome, too
        texts = map(str, self.rows)  # slicing a Pauli string is slower; the first character is the sign
        self.rows = [stim.PauliString(text[: target + 1] + text[target + 2 :]) for text in texts]
        joint[1] = joint[1, _labels(len(self.rows)) ^ turned]
        return p_one, joint

    def _random(self, flipped: Sequence[int]) -> tuple[float, Floats]:
        """Z anticommutes with some generators: even odds, whatever the syndrome is; the first of them is forgotten."""
        first, *others = flipped
        for other in others:
            self.rows[other] = self.rows[other] * self.rows[first]
        labels = _labels(len(self.rows))
        chances = self.chances[labels ^ (_bit(labels, first) * _mask_of(others))]
        self._drop(first)
        rest = _bit_first(chances, first).sum(axis=0)
        return 0.5, np.array((rest, rest)) / 2

    def _fixed(self, target: int) -> tuple[float, Floats]:
        """Z is a product of generators, up to its sign: the syndrome says what will be found."""
        factors, sign = self._product(self._string({target: "Z"}))
        first = next(nth for nth in range(len(self.rows)) if factors >> nth & 1)
        labels = _labels(len(self.rows))
        # from now on the bit of `first` says whether Z itself is flipped
        chances = self.chances[labels ^ (_parity(labels & factors & ~(1 << first)) << first)]
        self._drop(first)
        joint = _bit_first(chances, first)
        if sign < 0:
            joint = joint[::-1].copy()
        return float(joint[1].sum() / joint.sum()), joint

    def _drop(self, nth: int) -> None:
        self.rows = [*self.rows[:nth], *self.rows[nth + 1 :]]

    # --- joining and splitting --------------------------------------------------------------------------------------

    def absorb(self, other: Component) -> Component:
        assert isinstance(other, SyndromeMixture)
        mine, theirs = len(self.rows), len(other.rows)
        before, behind = stim.PauliString(mine), stim.PauliString(theirs)
        self.rows = [
            *(row + behind for row in self.rows),
            *(before + row for row in other.rows),
        ]
        self.chances = np.outer(other.chances, self.chances).reshape(-1)
        for qubit, index in other.places.items():
            self.places[qubit] = mine + index
        return self

    def factors(self) -> list[Component]:
        """The blocks of the generators whose syndromes are independent of all others; then what is left, together."""
        names = sorted(self.places, key=self.places.__getitem__)
        rows, chances = self._canonical(tuple(range(len(names))))
        found: list[Component] = []
        left = list(range(len(rows)))
        for block in generators.blocks(rows):
            rest = [site for site in range(len(rows)) if site not in block]
            bits = _own_rows(rows, block)
            others = [nth for nth in range(len(rows)) if nth not in bits]
            table = _arranged(chances, others, bits)
            theirs, own = table.sum(axis=1), table.sum(axis=0)
            if rest and np.abs(table - np.outer(theirs, own)).max() <= FACTORS:
                found.append(_component(names, rows, block, own))
                left = [site for site in left if site not in block]
        if left:
            bits = _own_rows(rows, left)
            others = [nth for nth in range(len(rows)) if nth not in bits]
            found.append(_component(names, rows, left, _arranged(chances, others, bits).sum(axis=0)))
        return found

    # --- looking ----------------------------------------------------------------------------------------------------

    def reduced(self, targets: Targets) -> Matrix:
        size = 1 << len(targets)
        rho = np.zeros((size, size), np.complex128)
        columns = np.arange(size)
        weight = [1 << (len(targets) - 1 - k) for k in range(len(targets))]
        for mean, product in self._group():
            letters = [product[target] for target in targets]
            if product.weight > sum(letter > 0 for letter in letters):
                continue  # it reaches beyond the targets
            x = sum(w for w, letter in zip(weight, letters, strict=True) if letter in (_X, _Y))
            z = sum(w for w, letter in zip(weight, letters, strict=True) if letter in (_Y, _Z))
            # Y = i X Z
            values = mean * 1j ** ((x & z).bit_count()) * (1 - 2 * _parity(columns & z))
            rho[columns ^ x, columns] += values / size
        return rho

    def _group(self) -> Iterable[tuple[float, stim.PauliString]]:
        """Every product of generators without its sign, and its mean."""
        labels = _labels(len(self.rows))
        product = stim.PauliString(len(self.rows))
        factors = 0
        for nth in range(len(labels)):
            mean = float(self.chances @ (1 - 2 * _parity(labels & factors)))
            if abs(mean) > 0:
                yield mean * product.sign.real, product / product.sign
            step = ((nth + 1) & -(nth + 1)).bit_length() - 1  # the Gray code: one factor more or less
            if nth + 1 < len(labels):
                factors ^= 1 << step
                product = product * self.rows[step]

    def expectation(self, paulis: Mapping[int, str]) -> float:
        observable = self._string({index: letter.upper() for index, letter in paulis.items()})
        if not all(row.commutes(observable) for row in self.rows):
            return 0.0
        factors, sign = self._product(observable)
        return float(sign * (self.chances @ (1 - 2 * _parity(_labels(len(self.rows)) & factors))))

    def copy(self) -> Self:
        return type(self)(dict(self.places), list(self.rows), self.chances)

    def dump(self) -> bytes:
        rows, chances = self._canonical(tuple(self.places.values()))
        return generators.pack(rows) + chances.astype("<f8", copy=False).tobytes()

    def check(self) -> None:
        n_qubits = len(self.places)
        assert sorted(self.places.values()) == list(range(n_qubits))
        assert 1 <= n_qubits <= MAX_QUBITS
        assert [len(row) for row in self.rows] == [n_qubits] * n_qubits
        assert len(stim.Tableau.from_stabilizers(self.rows)) == n_qubits
        assert self.chances.shape == (1 << n_qubits,)
        assert self.chances.min() >= 0
        assert abs(self.chances.sum() - 1) < NORM

    # --- the parts --------------------------------------------------------------------------------------------------

    def _string(self, letters: Mapping[int, str]) -> stim.PauliString:
        string = stim.PauliString(len(self.rows))
        for index, letter in letters.items():
            string[index] = letter
        return string

    def _product(self, member: stim.PauliString) -> tuple[int, int]:
        """Which generators an element of their group is a product of, as a mask, and with which sign."""
        destabilizers = stim.Tableau.from_stabilizers(self.rows)
        return self._factored(member, destabilizers)

    def _factored(self, member: stim.PauliString, destabilizers: stim.Tableau) -> tuple[int, int]:
        # destabilizer i anticommutes with generator i alone
        factors = sum(1 << nth for nth in range(len(self.rows)) if not member.commutes(destabilizers.x_output(nth)))
        product = stim.PauliString(len(self.rows))
        for nth, row in enumerate(self.rows):
            if factors >> nth & 1:
                product = product * row
        return factors, round((member.sign * product.sign).real)

    def _canonical(self, order: Sequence[int]) -> tuple[Generators, Floats]:
        """The canonical generators over the qubits in this order, and their p."""
        rows = generators.canonical([_reordered(row, order) for row in self.rows])
        destabilizers = stim.Tableau.from_stabilizers(self.rows)
        back = [order.index(index) for index in range(len(order))]
        labels = _labels(len(rows))
        canonical = np.zeros_like(labels)
        for nth, row in enumerate(rows):
            factors, _ = self._factored(_reordered(row, back), destabilizers)
            canonical |= _parity(labels & factors) << nth
        chances = np.empty_like(self.chances)
        chances[canonical] = self.chances
        return rows, chances


@cache
def _labels(n_rows: int) -> Labels:
    """All syndromes of so many generators."""
    return np.arange(1 << n_rows)


def _mask(letters: Sequence[int], *wanted: int) -> int:
    """Bit n is set where letter n is one of these."""
    return sum(1 << nth for nth, letter in enumerate(letters) if letter in wanted)


def _mask_of(rows: Sequence[int]) -> int:
    return sum(1 << nth for nth in rows)


def _bit(labels: Labels, nth: int) -> Labels:
    return labels >> nth & 1


def _parity(labels: Labels) -> Labels:
    return np.bitwise_count(labels).astype(np.int64) & 1


def _bit_first(chances: Floats, nth: int) -> Floats:
    """p as a table of (bit nth, all other bits), shape (2, 2**(n-1))."""
    return chances.reshape(-1, 2, 1 << nth).swapaxes(0, 1).reshape(2, -1)


def _arranged(chances: Floats, others: Sequence[int], bits: Sequence[int]) -> Floats:
    """p as a table of (these other bits, these bits), the first named being the lowest."""
    n_rows = len(others) + len(bits)
    axes = [n_rows - 1 - nth for nth in (*reversed(others), *reversed(bits))]
    return chances.reshape((2,) * n_rows).transpose(axes).reshape(1 << len(others), -1)


def _own_rows(rows: Generators, block: Sequence[int]) -> list[int]:
    """The canonical generators that act inside a union of blocks."""
    members = set(block)
    return [nth for nth, row in enumerate(rows) if row.pauli_indices()[0] in members]


def _component(names: Sequence[QubitId], rows: Generators, block: Sequence[int], chances: Floats) -> SyndromeMixture:
    places = {names[site]: index for index, site in enumerate(block)}
    return SyndromeMixture(places, generators.within(rows, block), chances)


def _reordered(row: stim.PauliString, order: Sequence[int]) -> stim.PauliString:
    return row.sign * stim.PauliString([row[index] for index in order])


def born(places: dict[QubitId, int], state: SmallState) -> SyndromeMixture:
    """Without noise."""
    chances = np.zeros(1 << state.n_qubits)
    chances[0] = 1
    return SyndromeMixture(places, list(state.generators), chances)


def born_pair(places: dict[QubitId, int], vector: npt.ArrayLike) -> SyndromeMixture:
    """Two qubits in a mixture of Bell states; probabilities in the order of `BELL_STATES`."""
    phi = PAIRS[PHI_PLUS].generators  # XX is flipped in Phi-, ZZ in Psi+
    return SyndromeMixture(places, list(phi), np.asarray(vector, np.float64)[[0, 2, 1, 3]])


def load(qubits: Sequence[QubitId], data: bytes) -> SyndromeMixture:
    """The component that `dump` described.

    Raises:
        MalformedMessage: If the bytes are no generators of so many qubits with a probability for each syndrome.
    """
    n_qubits = len(qubits)
    size = 8 << n_qubits
    if n_qubits > MAX_QUBITS or len(data) <= size:
        raise MalformedMessage(detail=f"{len(data)} bytes are no mixture over the syndromes of {n_qubits} qubits")
    rows = generators.unpack(data[:-size], n_qubits)
    chances = np.frombuffer(data[-size:], "<f8").astype(np.float64)
    if not (chances.min() >= 0 and abs(chances.sum() - 1) <= NORM):
        raise MalformedMessage(detail=f"the probabilities of syndromes sum to {chances.sum():.3g}, or are negative")
    return SyndromeMixture({name: index for index, name in enumerate(qubits)}, rows, chances)
