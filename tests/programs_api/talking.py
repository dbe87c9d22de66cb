"""Programs that talk to each other in every way that there is, and tell what they heard and when."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np

from qnode import BellState, Node
from qnode.errors import InvalidOperation


def now_ns() -> int:
    return round(asyncio.get_running_loop().time() * 1e9)


async def idle(node: Node) -> None:
    pass


async def says(node: Node, to: list[str], text: str = "hello", after_us: float = 0.0) -> None:
    await asyncio.sleep(after_us * 1e-6)
    for peer in to:
        await node.send(peer, text)


async def hears(node: Node, sender: str) -> list[object]:
    return [await node.receive(sender), now_ns()]


async def counts_up(node: Node, to: str, n: int) -> None:
    """n messages on each of three channels, all at one instant, then as many one by one."""
    for number in range(n):
        for channel in ("", "a", "b"):
            await node.send(to, number, channel=channel)
    for number in range(n, 2 * n):
        await asyncio.sleep(float(node.rng.integers(0, 3)) * 1e-6)
        for channel in ("", "a", "b"):
            await node.send(to, number, channel=channel)


async def hears_backwards(node: Node, sender: str, n: int) -> dict[str, list[int]]:
    return {channel: [await node.receive(sender, channel=channel) for _ in range(2 * n)] for channel in ("b", "a", "")}


async def talks_about_pairs(node: Node, to: str) -> list[object]:
    one, two = await node.entangle(to, 2)
    assert two.pair is not None
    await node.send(to, "about the second", about=two)
    await node.send(to, "about nothing")
    await node.send(to, "on a channel", channel=two.pair)
    await node.send(to, "about the second, on a channel", about=two.pair, channel="c")
    await node.send(to, "about the first", about=one)
    return [one.pair, two.pair]


async def hears_about_pairs(node: Node, sender: str) -> list[object]:
    one, two = await node.entangle(sender, 2)
    assert two.pair is not None
    return [
        await node.receive(sender, about=one),
        await node.receive(sender, channel="c", about=two),
        await node.receive(sender, about=two.pair),
        await node.receive(sender),
        await node.receive(sender, channel=two.pair),
    ]


VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 2**63, 2**64, -(2**63) - 1, 10**40, -(10**40)),
    *(0.0, -0.0, 1.5, float("inf"), 1e-300, 1j, complex(-0.0, 2.5)),
    *("", "text", "ψ ⊗ φ", b"", b"\x00\xff", [], (), {}),
    *([1, [2, [3]]], (1, (2, (3,))), [(1, 2), [1, 2]], {"a": 1, 2: "b", "c": {"d": (1j,)}}),
    *(BellState(1, 0), [BellState(0, 1)], {"outcome": (0, 1), "basis": "x"}),
    *(np.arange(6).reshape(2, 3), np.zeros((0, 3)), np.array(2.5), np.array([True, False])),
    *(np.array([[1, 1j], [-1j, 1]]), np.arange(4, dtype=np.uint8), np.arange(3, dtype=np.float32)),
    *(np.float64(0.25), np.int64(-7), np.complex128(1 - 1j), np.bool_(True)),
    {"angles": np.linspace(0, 1, 5), "more": [np.eye(2), (np.ones(1),)]},
]


async def sends_values(node: Node, to: str) -> None:
    for value in VALUES:
        await node.send(to, value)


async def returns_values(node: Node, sender: str) -> list[Any]:
    """What came, through the way that results take as well."""
    return [await node.receive(sender) for _ in VALUES]


async def changes_its_mind(node: Node, to: str) -> None:
    value = [1, {"a": [2]}]
    array = np.zeros(3)
    await node.send(to, [value, array])
    value.append("too late")
    array[0] = 1


async def hears_two(node: Node, sender: str) -> list[Any]:
    first = await node.receive(sender)
    first[0].append("mine")
    first[1][1] = 7  # what came belongs to the receiver, arrays included
    return first  # type: ignore[no-any-return]


async def converts(node: Node, sender: str) -> list[object]:
    types: list[Any] = [BellState, int, tuple[int, int], list[float], dict[str, int], complex, np.ndarray, str]
    return [_shown(await node.receive(sender, type=wanted)) for wanted in types]


def _shown(value: object) -> list[str]:
    return [type(value).__name__, repr(value)]


async def sends_for_conversion(node: Node, to: str) -> None:
    for value in ((1, 0), 7, [3, 4], (1, 2.5), {"a": 1}, 1 + 2j, np.arange(2), "s"):
        await node.send(to, value)


async def expects_other_things(node: Node, sender: str) -> list[object]:
    found: list[object] = []
    types: list[Any] = [BellState, BellState, int, str, list[int], int | None, np.ndarray, complex]
    for wanted in types:
        try:
            found.append(["converted", await node.receive(sender, type=wanted)])
        except InvalidOperation as error:
            found.append(str(error))
    return [*found, await node.receive(sender)]


async def sends_other_things(node: Node, to: str) -> None:
    for value in ((1, 0, 1), "01", 1.5, 3, [1, "two"], "no number", [1.0], "1j", "and it goes on"):
        await node.send(to, value)


async def exchanges_much(node: Node, peers: list[str], sizes: list[int]) -> list[list[int]]:
    """Everybody sends a lot to everybody at once, and only then looks at what came."""
    for peer in peers:
        for size in sizes:
            await node.send(peer, np.full(size, len(peer), np.uint8), channel=str(size))
    found = []
    for peer in peers:
        for size in sizes:
            array = await node.receive(peer, channel=str(size))
            found.append([len(array), int(array[0]), int(array[-1]), now_ns()])
    return found


async def speaks_at(node: Node, to: str, waits_us: list[int]) -> None:
    for number, wait_us in enumerate(waits_us):
        await asyncio.sleep(wait_us * 1e-6)
        await node.send(to, number)


async def listens_impatiently(node: Node, sender: str, patience_us: list[int], n: int) -> list[int]:
    """Gives up again and again, and in the end takes all that is left: in order, and nothing is missing."""
    heard = []
    for patience in patience_us:
        try:
            async with asyncio.timeout(patience * 1e-6):
                heard.append(await node.receive(sender))
        except TimeoutError:
            pass
    while len(heard) < n:
        heard.append(await node.receive(sender))
    return heard


async def cancels_readers_with_letters_in_hand(node: Node, sender: str, readers: int, cancelled: list[int]) -> Any:
    """Messages arrive for several readers at the instant at which some of these are cancelled."""
    tasks = [asyncio.create_task(node.receive(sender)) for _ in range(readers)]
    await node.receive(sender, channel="now")  # arrives before the others, at the same instant
    for number in cancelled:
        tasks[number].cancel()
    read = [await task for number, task in enumerate(tasks) if number not in cancelled]
    return [read, [await node.receive(sender) for _ in cancelled]]


async def gives_letters(node: Node, to: str, n: int) -> None:
    await node.send(to, "now", channel="now")
    for number in range(n):
        await node.send(to, number)


async def reads_with_several(node: Node, sender: str, n: int) -> list[object]:
    order: list[object] = []

    async def read(number: int) -> None:
        order.append([number, await node.receive(sender)])

    await asyncio.gather(*map(read, range(n)))
    return order


async def talks_to_itself(node: Node) -> list[object]:
    await node.send(node.name, "echo")
    return [await node.receive(node.name), now_ns()]
