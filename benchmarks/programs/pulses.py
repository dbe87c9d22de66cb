"""Decoy BB84 as far as sifting, in trains of pulses."""

from time import perf_counter
from typing import Any

import numpy as np

from qnode import Node
from qnode.photons.sampling import draw_bits, draw_classes


async def send_trains(node: Node, peer: str, trains: int, n: int, shares: list[float]) -> dict[str, Any]:
    start = perf_counter()
    sifted = []
    for _ in range(trains):
        bits, bases, classes = draw_bits(n, node.rng), draw_bits(n, node.rng), draw_classes(n, shares, node.rng)
        await node.send_pulses(peer, bits, bases=bases, intensities=classes)
        indices, theirs = await node.receive(peer)
        kept = bases[indices] == theirs
        await node.send(peer, kept)
        sifted.append(bits[indices[kept]])
    return {"start": start, "end": perf_counter(), "key": np.packbits(np.concatenate(sifted)).tobytes()}


async def receive_trains(node: Node, peer: str, trains: int) -> dict[str, Any]:
    start = perf_counter()
    sifted = []
    for _ in range(trains):
        got = await node.receive_pulses(peer)
        await node.send(peer, (got.indices, got.bases))
        sifted.append(got.outcomes[await node.receive(peer)])
    key = np.concatenate(sifted)
    return {"start": start, "end": perf_counter(), "key": np.packbits(key).tobytes(), "bits": len(key)}
