"""What links have promised to circuits, and whether one more has room there.

A link that makes one pair after the other gives all circuits one in turn, so that each of k gets at least 1/k of what
it makes, as long as it has something to be made. So a link takes another circuit if no promise is more than that then:
k max(rates) <= capacity. Circuits without a rate count, for they have turns, too. What neighbours ask of their link by
themselves does not, nor do priorities: those come on top.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Protocol

from qnode.stack.terms import capacity_hz
from qnode.wire.stack import LinkFacts

_ROUNDING: Final = 1e-9


class Sharer(Protocol):
    """A circuit at one of its nodes.

    Attributes:
        shares: What is promised it of each of its links here, by the neighbour: pairs a second, or 0.
        settling: Whether it asks for nothing more.
    """

    @property
    def shares(self) -> Mapping[str, float]: ...
    @property
    def settling(self) -> bool: ...


def crowded(shares: Mapping[str, float], links: Mapping[str, LinkFacts], circuits: Iterable[Sharer]) -> list[str]:
    """The neighbours to whom the link has no room for a circuit of such shares beside these others."""
    found = []
    others = [circuit.shares for circuit in circuits if not circuit.settling]
    for peer, share in shares.items():
        rates = [share, *(other[peer] for other in others if peer in other)]
        if max(rates) * len(rates) > capacity_hz(links[peer]) * (1 + _ROUNDING):
            found.append(peer)
    return found
