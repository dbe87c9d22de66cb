"""A node once more: it is granted what it was granted, and nothing of what it wants done is done.

Its programs run as they did, for all that reached them is in the grants, and all that functions in executors came to
is in the reports. Whoever resumes a node goes on from where its reports end; a replay compares them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec

from qnode.runtime.executed import Recorded
from qnode.runtime.host import NodeHost
from qnode.runtime.parcels import by_digest
from qnode.runtime.reports import frame_of
from qnode.wire.messages import MAX_FRAME_BYTES, Grant, Part, Report, decode_to_oracle, encode
from qnode.wire.operations import Executed, Send


def execute_again(host: NodeHost, grant: Grant, recorded: Sequence[bytes]) -> tuple[bytes, ...]:
    """Run a node from a grant to its report.

    Args:
        recorded: The frames that answered this grant: parts, then the report. Functions in executors have come to what
            stands there; they are only executed if there are more of them.
    Returns:
        The frames that answer it now. They are the same bytes if nothing has changed.
    """
    messages = [message for frame in recorded if isinstance(message := decode_to_oracle(frame), Part | Report)]
    ops = [op for message in messages for op in message.ops]
    long_ones_ahead = any(isinstance(op, Send) and op.digest for op in ops)
    outcomes = host.loop.recorded
    outcomes.extend(partial(Recorded, op, host.folders) for op in ops if isinstance(op, Executed))
    frames: list[bytes] = []
    machine, on_part = host.machine, host.machine.on_part

    def part() -> None:
        one = host.part()
        frame = encode(msgspec.structs.replace(one, ops=by_digest(one.ops)[0]))
        if len(frame) > MAX_FRAME_BYTES:
            machine.on_part = None
            return
        frames.append(frame)
        host.part_left()

    machine.on_part = part if any(isinstance(message, Part) for message in messages) else None
    try:
        host.resume(grant)
        report = host.report()
    finally:
        machine.on_part = on_part
        outcomes.clear()
    if long_ones_ahead:
        report = msgspec.structs.replace(report, ops=by_digest(report.ops)[0])
    return (*frames, frame_of(report, host.programs))
