"""Gates on a node's own qubits: a circuit, then the same backwards, so that all outcomes must be 0."""

from time import perf_counter

from qnode import Node


async def local_gates(node: Node, n: int, clifford: bool) -> dict[str, float]:
    """n gates on three qubits, in turns of six: three forwards, three backwards."""
    one, two, three = node.qubits(3)
    start = perf_counter()
    for nth in range(n // 6):
        angle = 0.1 + nth
        one.h()
        one.cnot(two)
        if clifford:
            three.s()
            three.sdg()
        else:
            three.ry(angle)
            three.ry(-angle)
        one.cnot(two)
        one.h()
    end = perf_counter()
    return {"start": start, "end": end, "wrong": sum(await node.measure(one, two, three))}
