"""Prepare states at another node: one of the equator, which always works, and another one, until it does."""

from math import pi

from qnode import Node
from qnode.protocols.remote_preparation import prepare, prepare_equatorial, receive, receive_equatorial


async def alice(node: Node, angle: float = 0.7, theta: float = 0.4) -> int:
    """How many attempts the second one took. The observer is shown what was meant."""
    for label, (polar, azimuth) in {"equatorial": (pi / 2, angle), "any": (theta, angle)}.items():
        meant = node.qubit()
        meant.u(polar, azimuth, 0.0)
        node.mark(label, meant)
        meant.discard()
    await prepare_equatorial(node, to="bob", angle=angle)
    attempts = 1
    while not await prepare(node, to="bob", theta=theta, phi=angle):
        attempts += 1
    return attempts


async def bob(node: Node) -> None:
    qubit = await receive_equatorial(node, sender="alice")
    node.mark("got_equatorial", qubit)
    qubit.discard()
    while (heralded := await receive(node, sender="alice")) is None:
        pass
    node.mark("got_any", heralded)
    heralded.discard()
