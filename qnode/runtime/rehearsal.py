"""What every node does, done before processes are forked: they share what that leaves in the interpreter's caches."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

import numpy as np

from qnode.quantum.hardware import Hardware, Slots
from qnode.runtime.host import NodeHost
from qnode.runtime.loop import make_asyncio_deterministic
from qnode.runtime.process import reseed
from qnode.runtime.reports import frame_of
from qnode.runtime.virtual import Outside
from qnode.wire.messages import PROTOCOL_VERSION, Grant, Hello, Stop, Welcome, decode_to_node, encode
from qnode.wire.plan import NodeSpec, ProcessSpec, ProgramSpec, RunSpec, decode_process, encode_spec

if TYPE_CHECKING:
    from qnode.api.node import Node

_TIMES: Final = 10  # CPython adapts a function's code when it is called for the eighth time


async def idle(node: Node) -> None:
    """The program that is rehearsed with."""


def rehearse() -> None:
    """Be a node in short, several times; of that nothing remains but what makes the next time faster."""
    program = ProgramSpec("main", f"{__name__}:{idle.__name__}", {})
    node = NodeSpec("rehearsal", 0, Hardware(Slots(1)), (), (program,), bytes(32))
    run = RunSpec("", (node.name,), "virtual", 1.0, 1, "auto", 10, (), False, ".", "", "", "", {node.name: 0})
    for _ in range(_TIMES):
        process = decode_process(encode_spec(ProcessSpec(0, b"", (node,))))
        make_asyncio_deterministic()
        reseed(process)
        host = NodeHost(process.nodes[0], run, lambda digest: digest)
        outside = Outside([host])
        encode(Hello(PROTOCOL_VERSION, b"", "node", ((node.name, 0),)))
        decode_to_node(encode(Welcome(PROTOCOL_VERSION)))
        grant = Grant(node.name, 0, 0, ())
        decode_to_node(encode(grant))
        host.resume(grant)
        frame_of(host.report(), host.programs)
        outside.has_run(node.name)
        decode_to_node(encode(Stop("done")))
        encode(host.farewell())
        host.close()
        outside.close()
    random.seed()  # what is imported later in this process must not draw what was drawn before
    np.random.seed()
