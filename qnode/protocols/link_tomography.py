"""Link tomography: both ends of a link measure some of its pairs, and tell the network how good they are.

Of a pair that is a mixture of Bell states, the correlators XX, YY and ZZ are all that there is to know: each is the
mean of (-1)^(a+b) over outcomes a, b along the same axis, and F = (1 + XX - YY + ZZ)/4. The pairs that are measured are
gone, and what is wrong with the outcomes, readout too, counts as wrong with the pairs. Of n pairs an axis, F is off by
about sqrt(3/n)/4 at most; routes by fidelity are chosen by what is found.

Source: James, Kwiat, Munro & White, Phys. Rev. A 64, 052312 (2001); Guehne & Toth, Phys. Rep. 474, 1 (2009), section 6.
"""

from __future__ import annotations

import asyncio

from qnode import Node


async def measure_link(node: Node, *, peer: str, n: int) -> float:
    """Be either end: measure n pairs along each axis, compare, and announce. Returns the fidelity that was found."""
    found = {}
    for axis in ("x", "y", "z"):
        mine = await node.measure_directly(peer, n, basis=axis, tag="tomography")
        await node.send(peer, mine, channel="tomography")
        theirs = await node.receive(peer, channel="tomography")
        found[axis * 2] = 1 - 2 * float((mine != theirs).mean())
    return node.link_measured(peer, **found)


async def watch_link(node: Node, *, peer: str, n: int, every: float) -> None:
    """Do so again and again, as a service; `every`: seconds of network time from one to the next."""
    while True:
        await measure_link(node, peer=peer, n=n)
        await asyncio.sleep(every)


async def measure_links(node: Node, *, peers: list[str], n: int) -> dict[str, float]:
    """Measure several links at the same time. Returns the fidelity of each."""
    found = await asyncio.gather(*(measure_link(node, peer=peer, n=n) for peer in peers))
    return dict(zip(peers, found, strict=True))
