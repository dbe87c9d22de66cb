"""Remote state preparation: make a state that is known here appear there, with a Bell pair and one bit.

Who measures one half of Phi+ leaves the other one in the conjugate of what was found. For states on the equator both
outcomes will do, for the unwanted one is a Z away from the other: this costs one bit where teleportation costs two.
For any other state no gate turns one outcome into the other, so half of the attempts fail, and the bit says which.

Source: Bennett et al., Phys. Rev. Lett. 87, 077902 (2001); Pati, Phys. Rev. A 63, 014302 (2000).
"""

from __future__ import annotations

from qnode import Node, Qubit


async def prepare_equatorial(alice: Node, *, to: str, angle: float) -> None:
    """Make (|0> + exp(i angle)|1>)/sqrt(2) at another node: measure at -angle, and tell the outcome."""
    half = await alice.entangle(to)
    half.rz(angle)
    await alice.send(to, await half.measure("x"), about=half)


async def receive_equatorial(bob: Node, *, sender: str) -> Qubit:
    """Get a state of the equator that somebody else has chosen."""
    half = await bob.entangle(sender)
    if await bob.receive(sender, about=half, type=int):
        half.z()
    return half


async def prepare(alice: Node, *, to: str, theta: float, phi: float) -> bool:
    """Make cos(theta/2)|0> + exp(i phi) sin(theta/2)|1> at another node. Returns whether it worked: 1 in 2 does."""
    half = await alice.entangle(to)
    half.u(-theta, 0.0, phi)  # turns the conjugate state to |0>
    failed = await half.measure()
    await alice.send(to, failed, about=half)
    return not failed


async def receive(bob: Node, *, sender: str) -> Qubit | None:
    """Get any state that somebody else has chosen; None if it did not work."""
    half = await bob.entangle(sender)
    if await bob.receive(sender, about=half, type=int):
        half.discard()
        return None
    return half
