"""A program that does whatever comes into its head with whoever is near, and goes on whatever happens."""

from __future__ import annotations

import asyncio
from collections import Counter

from qnode import Node
from qnode.errors import QnodeError

LONG = 70_000  # bytes; such a message goes from node to node
PATIENCE_S = 2e-3


async def wanders(node: Node, n: int) -> dict[str, int]:
    seen: Counter[str] = Counter()
    for nth in range(n):
        peer = str(node.rng.choice(list(node.neighbours)))
        what = str(node.rng.choice(("pair", "pair", "pair", "tell", "tell", "long", "listen", "send", "aside", "wait")))
        try:
            async with asyncio.timeout(PATIENCE_S):
                seen[f"{what} {await _do(node, peer, what, nth)}"] += 1
        except (QnodeError, TimeoutError) as error:
            seen[f"{what} {type(error).__name__}"] += 1
            await asyncio.sleep(float(node.rng.uniform(0, PATIENCE_S)))
        node.record(seen=dict(sorted(seen.items())))
    return dict(sorted(seen.items()))


async def _do(node: Node, peer: str, what: str, nth: int) -> str:
    match what:
        case "pair":
            half = await node.entangle(peer)
            half.rx(0.1 * nth)
            half.t()
            return str(await half.measure())
        case "tell":
            await node.send(peer, nth)
        case "long":
            await node.send(peer, bytes([nth % 256]) * LONG, channel="long")
        case "listen":
            heard = await (node.receive(peer, channel="long") if nth % 3 == 0 else node.receive(peer))
            return type(heard).__name__
        case "send":
            qubit = node.qubit()
            qubit.h()
            await node.send_qubit(peer, qubit)
        case "aside":
            return str(await asyncio.to_thread(pow, nth, 2) % 2)
        case "wait":
            await asyncio.sleep(float(node.rng.uniform(0, 1e-4)))
    return "done"
