"""A node process: from what it is told at its start to its farewell."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Final

import msgspec
import numpy as np

from qnode.core.coins import derive_key
from qnode.errors import MalformedMessage, QnodeError
from qnode.exits import EXIT_DONE
from qnode.runtime.host import OWN_CODE, NodeHost
from qnode.runtime.logs import set_up_logging
from qnode.runtime.loop import make_asyncio_deterministic
from qnode.runtime.output import Output
from qnode.runtime.parcels import ParcelStore
from qnode.runtime.real import drive_real
from qnode.runtime.virtual import Outside, drive_virtual
from qnode.runtime.watchdog import Watchdog
from qnode.transport.client import Client, make_context
from qnode.transport.peers import Peers
from qnode.wire.messages import TO_BE_TOLD, Direct, Parcel
from qnode.wire.plan import SECRET, ProcessSpec, RunSpec

GREETING_S: Final = 30.0  # wall time that an oracle of the same machine has to answer


def run_process(
    run: RunSpec,
    process: ProcessSpec,
    lifeline: int | None = None,
    told: Callable[[str], None] = lambda text: None,
    joined: Callable[[str], None] = lambda address: None,
) -> int:
    """Be one process of a run until the oracle stops it; the exit code.

    `lifeline` is a pipe that ends when whoever started us is gone: then so are we. Where nobody who started us sees to
    the oracle (`alone_s`), we wait for it that long, notice by ourselves that it is gone, and tell what we wait for.
    `joined` is called when the oracle has let us in, with the address where we listen for other processes.

    Raises QnodeError, with nothing left open, if the oracle or another process cannot be spoken to; OSError if the log
    cannot be written.
    """
    os.environ.pop(SECRET, None)  # programs run here
    watchdog = Watchdog(run.blocked_s, _is_own, lifeline)
    output = Output(run.log, _label(process)) if run.log else None
    set_up_logging(named=output is None)
    make_asyncio_deterministic()
    sys.path[:0] = [run.base, *run.path]
    store = ParcelStore(f"{run.parcels}/{process.number}")
    context = make_context(len(run.processes))
    is_alone = run.alone_s is not None
    virtual = run.clock == "virtual"
    try:
        client = Client(
            context,
            run.oracle,
            watched=virtual or is_alone,
            patience_s=run.patience_s if is_alone else None if virtual else 0.0,
            keys=process.keys,
            told=told,
        )
        inbox: list[Direct] = []

        def accept(message: Parcel | Direct) -> None:
            if isinstance(message, Parcel):
                store.put(message.digest, message.payload)
            elif virtual:
                raise MalformedMessage(detail="on the virtual clock messages come from the oracle, or not at all")
            else:
                inbox.append(message)

        peers = Peers(
            context,
            run.peers,
            process.number,
            process.token,
            run.processes.__getitem__,
            accept,
            listen=process.listen,
            keys=process.keys,
        )
        if is_alone:
            told(f"waiting for the oracle at {run.oracle}")
        welcome = client.greet(
            process.token,
            [(node.name, TO_BE_TOLD) for node in process.nodes],
            timeout_s=GREETING_S if run.alone_s is None else run.alone_s,
            facts=process.facts,
            address=process.advertise.replace("{port}", str(peers.port)) if process.advertise else "",
        )
        joined(process.listen.replace("*", str(peers.port)) if process.listen else "")
        if is_alone:
            told("the oracle is here; waiting for the other nodes")
        process = in_lives(process, welcome.incarnations)
        reseed(process)
        hosts = {node.name: NodeHost(node, run, store.get) for node in process.nodes}
        watchdog.rounds_of = lambda name: hosts[name].loop.rounds if name else 0
        watchdog.spinning_at = lambda name: hosts[name].spinning_at()
        outside = Outside(hosts.values())
        if virtual:
            drive_virtual(hosts, client, peers, outside, watchdog, process.token)
        else:
            drive_real(run, hosts, client, peers, inbox, outside, watchdog, process.token)
        if is_alone:
            told("the run is over")
        watchdog.stop()
        for host in hosts.values():
            host.close()
        peers.close()
        client.close()
    except QnodeError:
        context.destroy(linger=0)
        raise
    context.term()
    if output is not None:
        output.finish()
    return EXIT_DONE


def _label(process: ProcessSpec) -> str:
    first, *others = process.nodes
    return f"{first.name} and {len(others)} more" if others else first.name


def in_lives(process: ProcessSpec, incarnations: Mapping[str, int]) -> ProcessSpec:
    """The process with its nodes in the lives that the oracle says they are in."""
    change = msgspec.structs.replace
    nodes = (change(node, incarnation=incarnations.get(node.name, node.incarnation)) for node in process.nodes)
    return change(process, nodes=tuple(nodes))


def reseed(process: ProcessSpec) -> None:
    """Seed the module-level generators: in processes that were forked from one, "independent" choices would agree."""
    key = derive_key(process.nodes[0].key, "module-level generators", process.nodes[0].incarnation)
    random.seed(key)
    # What np.random.seed(words of key) does, in half the time and with half the memory touched: both are one algorithm.
    *words, position = random.Random(int.from_bytes(key, "little")).getstate()[1]
    np.random.set_state(("MT19937", np.array(words, np.uint32), position, 0, 0.0))


def _is_own(frame: FrameType) -> bool:
    name = frame.f_code.co_filename
    if name.startswith((*OWN_CODE, _ORCHESTRATOR)):
        return True
    return name.startswith(_STANDARD_LIBRARY) and "site-packages" not in name


_ORCHESTRATOR: Final = os.path.join(os.path.dirname(os.path.dirname(OWN_CODE[0])), "orchestrator") + os.sep
_STANDARD_LIBRARY: Final = os.path.dirname(os.__file__) + os.sep
