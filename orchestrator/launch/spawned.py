"""A process that was started from nothing: it reads what it is told, and then is like any other."""

from __future__ import annotations

import os
import sys

from orchestrator.launch.child import be_process
from orchestrator.launch.spawning import decode_told
from qnode.wire.plan import decode_run


def main() -> None:
    """Entry point. Arguments: the numbers of the lifeline and of the pipe for last words."""
    lifeline, words = map(int, sys.argv[1:])
    with open(0, "rb", closefd=False) as file:
        told = decode_told(file.read())
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    for descriptor in (lifeline, words):
        os.set_inheritable(descriptor, False)
    be_process(told.number, told.kind, decode_run(told.run), told.spec, lifeline, words)
