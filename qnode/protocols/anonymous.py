"""Anonymous transmission: send a qubit to another node, and nobody learns who has sent it, not even the receiver.

All share a GHZ state. A Z at any of its qubits does the same to it: so a bit can be put on it by anyone, and read by
all as the parity of their X outcomes. For a qubit, all but sender and receiver measure in X, which leaves those two
with a Bell pair; they announce coins instead, and the qubit is teleported, with its two bits sent anonymously as well.

With a W state all the others measure in Z: if nobody finds 1, with probability 2/n, the two are left with a Bell pair.
It fails otherwise, but is not ruined by a lost qubit of another node, as a GHZ state is. Who found 1 must not be told,
for he is neither of the two: only whether somebody did. At most one can, so it is the parity of what was found (the
source's veto would see two as well, which noise may cause).

What is said tells nothing; when it is said does, if operations take time that only the sender needs.

Sources: Christandl & Wehner, ASIACRYPT 2005, quant-ph/0409201, after nobody else has claimed to be the sender and the
receiver has been told; Lipinska, Murta & Wehner, Phys. Rev. A 98, 052320 (2018).
"""

from __future__ import annotations

from qnode import Node, Qubit
from qnode.protocols.broadcast import announce, anonymous_parity
from qnode.protocols.ghz import share_ghz
from qnode.protocols.w_state import share_w

SENDER, RECEIVER, OTHER = "sender", "receiver", "other"


async def anonymous_bit(node: Node, qubit: Qubit, *, everyone: list[str], bit: int = 0) -> int:
    """Consume a GHZ state to learn one node's bit; all but that node leave it at 0."""
    if bit:
        qubit.z()
    outcomes = await announce(node, await qubit.measure("x"), everyone=everyone)
    return sum(outcomes.values()) % 2


async def anonymous_pair(node: Node, qubit: Qubit, *, everyone: list[str], role: str) -> Qubit | None:
    """Make a GHZ state a Bell pair of sender and receiver, who get their half of it; the others get None."""
    if role == OTHER:
        await announce(node, await qubit.measure("x"), everyone=everyone)
        return None
    coin = int(node.rng.integers(2))
    said = await announce(node, coin, everyone=everyone)
    if role == SENDER and coin:
        qubit.z()
    if role == RECEIVER and (sum(said.values()) - coin) % 2:
        qubit.z()
    return qubit


async def anonymous_pair_from_w(node: Node, qubit: Qubit, *, everyone: list[str], role: str) -> Qubit | None:
    """Make a W state a Bell pair of sender and receiver, with probability 2/n; otherwise all get None."""
    return (await _pair_from_w(node, qubit, everyone=everyone, role=role))[1]


async def _pair_from_w(node: Node, qubit: Qubit, *, everyone: list[str], role: str) -> tuple[bool, Qubit | None]:
    """The same; and whether there is a pair, which the others know as well."""
    found = await anonymous_parity(node, await qubit.measure() if role == OTHER else 0, everyone=everyone)
    if role == OTHER:
        return not found, None
    if found:
        qubit.discard()
        return False, None
    if role == RECEIVER:
        qubit.x()
    return True, qubit


async def pair_from_w_states(node: Node, *, everyone: list[str], role: str) -> Qubit | None:
    """Share W states until one of them has become a Bell pair of sender and receiver, who get their half of it."""
    while True:
        made, half = await _pair_from_w(node, await share_w(node, everyone), everyone=everyone, role=role)
        if made:
            return half


async def send_anonymously(node: Node, data: Qubit, *, everyone: list[str]) -> None:
    """Be the sender of a qubit, which is consumed. `everyone` names all nodes, along a chain."""
    half = await anonymous_pair(node, await share_ghz(node, everyone), everyone=everyone, role=SENDER)
    assert half is not None
    data.cnot(half)
    data.h()
    for bit in await node.measure(data, half):
        await anonymous_bit(node, await share_ghz(node, everyone), everyone=everyone, bit=bit)


async def receive_anonymously(node: Node, *, everyone: list[str]) -> Qubit:
    """Be the receiver of a qubit."""
    half = await anonymous_pair(node, await share_ghz(node, everyone), everyone=everyone, role=RECEIVER)
    assert half is not None
    z, x = [await anonymous_bit(node, await share_ghz(node, everyone), everyone=everyone) for _ in range(2)]
    half.correct((z, x))
    return half


async def help_anonymously(node: Node, *, everyone: list[str]) -> None:
    """Be any other node."""
    await anonymous_pair(node, await share_ghz(node, everyone), everyone=everyone, role=OTHER)
    for _ in range(2):
        await anonymous_bit(node, await share_ghz(node, everyone), everyone=everyone)


async def send(node: Node, *, everyone: list[str], theta: float, phi: float) -> None:
    """Send the state U(theta, phi, 0)|0>, marked `sent`."""
    data = node.qubit()
    data.u(theta, phi, 0.0)
    node.mark("sent", data)
    await send_anonymously(node, data, everyone=everyone)


async def receive(node: Node, *, everyone: list[str]) -> None:
    """Receive a state, marked `received`."""
    data = await receive_anonymously(node, everyone=everyone)
    node.mark("received", data)
    data.discard()


# --- the same over W states -------------------------------------------------------------------------------------------


async def send_over_w(node: Node, *, everyone: list[str], theta: float, phi: float) -> None:
    """Send the state U(theta, phi, 0)|0>, marked `sent`; its two bits are told as a parity, which needs no state."""
    half = await pair_from_w_states(node, everyone=everyone, role=SENDER)
    assert half is not None
    data = node.qubit()
    data.u(theta, phi, 0.0)
    node.mark("sent", data)
    data.cnot(half)
    data.h()
    for bit in await node.measure(data, half):
        await anonymous_parity(node, int(bit), everyone=everyone)


async def receive_over_w(node: Node, *, everyone: list[str]) -> None:
    """Receive a state, marked `received`."""
    half = await pair_from_w_states(node, everyone=everyone, role=RECEIVER)
    assert half is not None
    z, x = [await anonymous_parity(node, 0, everyone=everyone) for _ in range(2)]
    half.correct((z, x))
    node.mark("received", half)
    half.discard()


async def help_over_w(node: Node, *, everyone: list[str]) -> None:
    """Be any other node."""
    await pair_from_w_states(node, everyone=everyone, role=OTHER)
    for _ in range(2):
        await anonymous_parity(node, 0, everyone=everyone)
