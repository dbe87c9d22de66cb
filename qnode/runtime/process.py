"""A node process: from what it is told at its start to its farewell."""

from __future__ import annotations

import logging
import os
import random
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Final

import numpy as np

from qnode.core.coins import derive_key
from qnode.errors import QnodeError
from qnode.runtime.host import OWN_CODE, NodeHost
from qnode.runtime.logs import set_up_logging
from qnode.runtime.loop import make_asyncio_deterministic
from qnode.runtime.parcels import ParcelStore
from qnode.runtime.real import drive_real
from qnode.runtime.virtual import Orphaned, Outside, drive_virtual
from qnode.runtime.watchdog import Watchdog
from qnode.transport.client import Client, make_context
from qnode.transport.peers import Peers
from qnode.wire.messages import Direct, Parcel
from qnode.wire.plan import ProcessSpec, RunSpec

log = logging.getLogger("qnode")

EXIT_DONE: Final = 0
EXIT_LOST: Final = 4


def run_process(run: RunSpec, process: ProcessSpec, lifeline: int | None = None) -> int:
    """Be one process of a run until the oracle stops it; the exit code.

    Args:
        lifeline: A descriptor that becomes readable when whoever started us is gone: then so are we.
    """
    set_up_logging()
    make_asyncio_deterministic()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the orchestrator's to handle
    _reseed(process)
    sys.path.insert(0, run.base)
    store = ParcelStore(Path(run.parcels) / str(process.number))
    context = make_context()
    try:
        client = Client(context, run.oracle)
        inbox: list[Direct] = []

        def accept(message: Parcel | Direct) -> None:
            if isinstance(message, Parcel):
                store.put(message.digest, message.payload)
            else:
                inbox.append(message)

        peers = Peers(context, run.peers, process.number, process.token, run.processes.__getitem__, accept)
        hosts = {node.name: NodeHost(node, run, store.get) for node in process.nodes}
        watchdog = Watchdog(run.blocked_s, _is_own)
        client.greet(process.token, [(node.name, node.incarnation) for node in process.nodes])
        outside = Outside(hosts.values(), lifeline)
        if run.clock == "virtual":
            drive_virtual(hosts, client, peers, outside, watchdog, process.token)
        else:
            drive_real(run, hosts, client, peers, inbox, outside, watchdog, process.token)
        watchdog.stop()
        for host in hosts.values():
            host.close()
        peers.close()
        client.close()
    except QnodeError as error:
        if not isinstance(error, Orphaned):
            log.error("%s", error)
        context.destroy(linger=0)
        return EXIT_LOST
    context.term()
    return EXIT_DONE


def _reseed(process: ProcessSpec) -> None:
    """Processes that were forked from one must not share its generators: their "independent" choices would agree."""
    key = derive_key(process.nodes[0].key, "module-level generators", process.nodes[0].incarnation)
    random.seed(key)
    np.random.seed(list(np.frombuffer(key, np.uint32)))


def _is_own(frame: FrameType) -> bool:
    name = frame.f_code.co_filename
    return name.startswith(OWN_CODE) or (name.startswith(_STANDARD_LIBRARY) and "site-packages" not in name)


_STANDARD_LIBRARY: Final = os.path.dirname(os.__file__) + os.sep
