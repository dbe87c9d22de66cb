"""Reports as they travel; what is too long for that is the failure of the program that asked for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Final

import msgspec

from qnode.wire.messages import MAX_FRAME_BYTES, Ended, Report, encode
from qnode.wire.operations import Op

REMEDY: Final = "Let network time pass between them, e.g. `await asyncio.sleep(1e-9)`"


def frame_of(report: Report, programs: Collection[str]) -> bytes:
    """The report's frame.

    Args:
        programs: The node's programs by name; one of them has failed if the report is longer than a frame may be.
    """
    frame = encode(report)
    if len(frame) <= MAX_FRAME_BYTES:
        return frame
    return encode(_failure(report, programs, len(frame)))


def _failure(report: Report, programs: Collection[str], length: int) -> Report:
    """Instead of a report that cannot travel. What was to be done is lost, and the run is over."""
    results = {ended.program: len(ended.result) + len(ended.traceback) for ended in report.ended}
    largest = max(results, key=results.__getitem__, default="")
    ends = sum(results.values())
    if 2 * ends > length:
        program = largest
        detail = (
            f"the programs of node {report.node} ended with {ends} bytes at one instant, and {MAX_FRAME_BYTES} may"
            " travel at once: return less"
        )
    else:
        program = _busiest(report.ops) or largest or next(iter(programs))
        detail = (
            f"node {report.node} wants {len(report.ops)} operations done at one instant; they take {length} bytes, and"
            f" {MAX_FRAME_BYTES} may travel at once. {REMEDY}"
        )
    ended = Ended(program, b"", failed=True, traceback=detail)
    return msgspec.structs.replace(report, timer_ns=None, background_ns=None, ops=(), ended=(ended,))


def _busiest(ops: tuple[Op, ...]) -> str:
    """The program that asked for the most, as far as operations tell."""
    asked = Counter(program for op in ops if (program := getattr(op, "program", "")))
    return max(asked, key=asked.__getitem__, default="")
