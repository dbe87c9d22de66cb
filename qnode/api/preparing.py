"""Remote state preparation: a state that one program knows comes to be at another node, for a Bell pair and one bit.

Who measures a half of Phi+ leaves the other one in the conjugate of what was found. On the equator both outcomes will
do, for a Z turns the unwanted one into the other. For any other state no gate does that: then the pair is used up, and
another one is made, until the outcome is right.

Source: Bennett et al., Phys. Rev. Lett. 87, 077902 (2001); Pati, Phys. Rev. A 63, 014302 (2000).
"""

from __future__ import annotations

from math import pi
from typing import TYPE_CHECKING, Final

from qnode.api.qubit import Qubit

if TYPE_CHECKING:
    from qnode.api.node import Node

CHANNEL: Final = "~prepared"  # of the messages, and before the tags of the pairs
DONE, TURNED, FAILED = 0, 1, 2


async def prepare(node: Node, peer: str, phi: float, theta: float, tag: str, priority: int) -> None:
    """Measure halves until one of the outcomes will do."""
    equatorial = theta == pi / 2
    outcome = FAILED
    while outcome == FAILED:
        half = await node.entangle(peer, tag=_tag(node.name, tag), priority=priority)
        try:
            if equatorial:
                half.rz(phi)  # so that this is measured at the angle -phi
                outcome = TURNED if await half.measure("x") else DONE
            else:
                half.u(-theta, 0.0, phi)  # turns the conjugate state to |0>
                outcome = FAILED if await half.measure() else DONE
        finally:  # whoever gives up meanwhile, leaves nobody waiting
            await node.send(peer, outcome, about=half, channel=CHANNEL)


async def receive(node: Node, peer: str, tag: str, priority: int) -> Qubit:
    """Take halves until one of them has become what the other end wants it to be."""
    while True:
        half = await node.entangle(peer, tag=_tag(peer, tag), priority=priority)
        try:
            outcome = await node.receive(peer, about=half, channel=CHANNEL, type=int)
        except BaseException:
            if not half.fate:
                half.discard()
            raise
        if outcome != FAILED:
            if outcome == TURNED:
                half.z()
            return half
        half.discard()


def _tag(maker: str, tag: str) -> str:
    """Of the pairs: what two nodes prepare for each other at the same time never meets."""
    return f"{CHANNEL} by {maker} {tag}"
