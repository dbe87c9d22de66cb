"""For tests of protocols of several parties: programs that share a state and hold it, and what state that is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import reduce
from itertools import product
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from orchestrator import Cluster, Program
from orchestrator.oracle.replay import replay
from orchestrator.oracle.spec import record_path
from orchestrator.run import Run
from qnode import Node, Qubit
from qnode.ids import NodeName, QubitId
from qnode.protocols.ghz import share_ghz
from qnode.protocols.ghz_switch import leaf_of_ghz
from qnode.protocols.graph_state import share_graph_state
from qnode.protocols.w_state import share_w
from qnode.quantum.noisy import SeenAt

Matrix = npt.NDArray[np.complex128]
Nets = Callable[..., Cluster]

EXACT = 1e-10
FALSE_ALARM = 1e-9
PAULIS = {
    "I": np.eye(2),
    "X": np.array([[0, 1], [1, 0]]),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1, -1]),
}
SHARE: dict[str, Callable[[Node, Any], Awaitable[Qubit]]] = {"ghz": share_ghz, "w": share_w, "graph": share_graph_state}


# --- programs ---------------------------------------------------------------------------------------------------------


async def hold(node: Node, qubit: Qubit | None, label: str = "shared") -> None:
    """Mark a qubit and keep it until all the others have surely marked theirs."""
    if qubit is not None:
        node.mark(label, qubit)
    await asyncio.sleep(1)
    if qubit is not None:
        qubit.discard()


async def share_and_hold(node: Node, what: str, among: Any, rounds: int = 1) -> None:
    for _ in range(rounds):
        await hold(node, await SHARE[what](node, among))


async def get_and_hold(node: Node, switch: str, rounds: int = 1) -> None:
    for _ in range(rounds):
        await hold(node, await leaf_of_ghz(node, switch=switch))


# --- networks ---------------------------------------------------------------------------------------------------------


def names(n: int) -> list[str]:
    return [f"n{place}" for place in range(n)]


def chain_of(
    program: Program | Sequence[Program],
    n: int,
    *,
    fidelity: float = 1.0,
    length: str = "10 km",
    hardware: Mapping[str, Any] = MappingProxyType({}),
    **more: Any,
) -> dict[str, Any]:
    """n nodes in a row, with one program for all or one for each."""
    programs = [program] * n if isinstance(program, Program) else program
    nodes = [{"programs": {"main": one}, **hardware} for one in programs]
    return {
        "nodes": dict(zip(names(n), nodes, strict=True)),
        "links": {"all": {"chain": names(n), "length": length, "fidelity": fidelity}},
        "seed": 3,
        **more,
    }


def exactly(net: Cluster, **options: Any) -> Run:
    """Run a network in this process."""
    return net.run_sync(inline=True, **options)


# --- states -----------------------------------------------------------------------------------------------------------


class _Joint:
    """An observer that looks at what several nodes have marked, once all of them have."""

    def __init__(self, label: str, among: Sequence[str]) -> None:
        self._label, self._among = label, among
        self._marked: dict[NodeName, QubitId] = {}
        self.states: list[Matrix] = []

    def at_mark(self, label: str, node: NodeName, qubit: QubitId, states: SeenAt) -> None:
        if label == self._label:
            assert node not in self._marked, f"{node} marked twice before the others did"
            self._marked[node] = qubit
            if len(self._marked) == len(self._among):
                self.states.append(states.reduced_state([self._marked[NodeName(name)] for name in self._among]))
                self._marked.clear()

    def swapped(self, one: QubitId, other: QubitId) -> None:
        """What nodes hold is what they marked, however it came about."""

    def owes(self, half: QubitId, frame: int) -> None:
        """Nor do they mark what is not corrected."""

    def corrected(self, half: QubitId) -> None:
        """So nothing is to be put right."""


def joint_states(run: Run, among: Sequence[str], label: str = "shared") -> list[Matrix]:
    """What some nodes have marked together: a density matrix for each time, the first node leftmost."""
    joint = _Joint(label, among)
    replay(record_path(run.folder), observer=joint)
    assert joint.states, f"{', '.join(among)} have not all marked {label!r}"
    return joint.states


def expectation(state: Matrix, paulis: str) -> float:
    """Of a product of Pauli operators, such as "XIZ"."""
    return float(np.trace(state @ tensor(*(PAULIS[letter] for letter in paulis))).real)


def chances(state: Matrix, bases: str) -> dict[tuple[int, ...], float]:
    """How probable each combination of outcomes is, if every qubit is measured in its basis."""
    found = {}
    for outcomes in product((0, 1), repeat=len(bases)):
        each = [(PAULIS["I"] + (-1) ** bit * PAULIS[basis]) / 2 for bit, basis in zip(outcomes, bases, strict=True)]
        found[outcomes] = float(np.trace(state @ tensor(*each)).real)
    return found


def tensor(*factors: npt.NDArray[Any]) -> Matrix:
    return np.asarray(reduce(np.kron, factors), np.complex128)


def on(n: int, place: int, pauli: str) -> str:
    """A Pauli operator on one of n qubits."""
    return "I" * place + pauli + "I" * (n - place - 1)


def depolarised(state: Matrix, place: int, w: float) -> Matrix:
    """What is left of a state when one of its qubits went through a Werner pair: with 1 - w, nothing of that qubit."""
    n = len(state).bit_length() - 1
    every = [tensor(*(PAULIS[letter] for letter in on(n, place, pauli))) for pauli in "IXYZ"]
    return w * state + (1 - w) / 4 * sum(pauli @ state @ pauli for pauli in every)


def ghz_ket(n: int) -> Matrix:
    ket = np.zeros(2**n, np.complex128)
    ket[[0, -1]] = np.sqrt(0.5)
    return ket


def w_ket(n: int) -> Matrix:
    ket = np.zeros(2**n, np.complex128)
    ket[[1 << place for place in range(n)]] = np.sqrt(1 / n)
    return ket


def graph_ket(n: int, edges: Sequence[tuple[int, int]]) -> Matrix:
    """Of a graph state: a sign for each edge whose vertices are both 1."""
    bits = np.arange(2**n)[:, None] >> np.arange(n)[::-1] & 1
    both = sum(bits[:, one] * bits[:, two] for one, two in edges)
    return np.asarray((-1.0) ** both / np.sqrt(2**n), np.complex128)


def projector(ket: Matrix) -> Matrix:
    return np.outer(ket, ket.conj())


def werner_w(fidelity: float) -> float:
    return (4 * fidelity - 1) / 3
