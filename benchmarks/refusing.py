"""How soon a process learns that its key is not good, over TCP on this machine: the socket's monitor tells it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from threading import Event, Thread
from typing import Final

from benchmarks.bench import Bench, require
from benchmarks.measure import Figure, Target
from qnode.errors import KeyRefused, ProtocolViolation, QnodeError
from qnode.transport.client import Client, make_context
from qnode.transport.security import new_pair
from qnode.transport.server import Server
from qnode.wire.keys import ORACLE, Keys

_WAIT_S: Final = 60.0  # what is longer is no figure
_TOKEN: Final = bytes(32)
_DIFFERS: Final = "its files differ"


async def run(bench: Bench) -> list[Figure]:
    keys, others = _keys(), _keys()
    strangers = Keys("alice", others["alice"].secret, {**others["alice"].public, ORACLE: keys["alice"].public[ORACLE]})
    wrong: Mapping[str, Keys] = {"a key that the oracle does not know": strangers, "not that oracle's": others["alice"]}
    figures = {
        name: Figure(
            "keys", name, "ms", Target("value", "at most", 1_000), yardstick_name="a good key, refused by a word"
        )
        for name in wrong
    }

    async def sample(name: str) -> None:
        with _oracle(keys[ORACLE]) as address:
            good = _refused(address, keys["alice"], ProtocolViolation)
            figures[name].add(_refused(address, wrong[name], KeyRefused), good)

    await bench.sample("keys", [(name, partial(sample, name)) for name in wrong])
    return list(figures.values())


def _keys() -> Mapping[str, Keys]:
    pairs = {name: new_pair() for name in (ORACLE, "alice")}
    return {
        name: Keys(name, secret, {of: public for of, (public, _) in pairs.items()})
        for name, (_, secret) in pairs.items()
    }


def _refused(address: str, keys: Keys, how: type[QnodeError]) -> float:
    """Milliseconds from nothing to the error that tells what is wrong."""
    with make_context() as context:
        start = time.perf_counter()
        client = Client(context, address, keys=keys)
        try:
            client.greet(_TOKEN, [("alice", 0)], timeout_s=_WAIT_S)
        except how:
            return (time.perf_counter() - start) * 1e3
        finally:
            client.close()
    require(False, f"{keys} were let in")
    raise AssertionError


@contextmanager
def _oracle(keys: Keys) -> Iterator[str]:
    """One that refuses whoever comes, for other reasons than the key."""
    server, over = Server("tcp://127.0.0.1:0", _TOKEN, keys=keys, why_not=lambda hello: _DIFFERS), Event()

    def serve() -> None:
        while not over.is_set():
            server.receive(10)

    logging.disable(logging.WARNING)  # it says whom it refuses
    thread = Thread(target=serve)
    thread.start()
    try:
        yield server.address
    finally:
        over.set()
        thread.join()
        logging.disable(logging.NOTSET)
        server.close()
