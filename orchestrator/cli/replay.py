"""`qnode replay NODE [RUN]`: one node of a saved run once more, alone, in this process, under a debugger if wanted."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from orchestrator import saved
from orchestrator.cli.screen import Screen
from orchestrator.debugging import debugging
from orchestrator.node_replay import Diverged, Replayed, replay_node
from orchestrator.replayable import Replayable, Wish, replayable
from orchestrator.stepping import to_ns
from orchestrator.text import count, from_here, shortened
from qnode.exits import EXIT_DONE, EXIT_FAILED
from qnode.runtime.logs import format_time
from qnode.wire.messages import Ended
from qnode.wire.payload import unpack

_WIDEST = 200


def run(options: argparse.Namespace, screen: Screen) -> int:
    """Carry out the command; the exit code: 1 if the node did something else than recorded."""
    wish = Wish(
        options.node,
        life=options.life,
        until_ns=None if options.until is None else to_ns(options.until),
        base=options.base,
        saved_programs=options.saved,
        anyway=options.anyway,
    )
    ready = replayable(saved.find(options.runs_folder, options.which), wish)
    for remark in ready.remarks:
        screen.tell(f"{screen.style('note:', 'yellow')} {remark}")
    with debugging() as debugger:
        done = replay_node(ready, on_output=screen.say, debugger=debugger, stops=options.pdb)
    screen.say("\n".join(_told(ready, done)))
    return EXIT_DONE if done.diverged is None else EXIT_FAILED


def _told(ready: Replayable, done: Replayed) -> Iterator[str]:
    """What there is to say of it, line by line."""
    life = f" (life {ready.incarnation + 1})" if ready.incarnation else ""
    same = f"{count(done.steps, 'step')}, the same as recorded"
    match done.how:
        case "diverged" if done.diverged is not None:
            yield from _told_of(done.node + life, done.diverged, done.steps)
            return
        case "until":
            yield f"{done.node}{life}, stopped at {format_time(done.at_ns)}: {same}"
        case "left":
            yield f"{done.node}{life}, left at {format_time(done.at_ns)}: {same}"
            return
        case _:
            yield f"{done.node}{life}: {same}, up to {format_time(done.at_ns)}"
    if done.unrecorded:
        yield f"  the step at {format_time(done.at_ns)} is in no record: in the run, the node did not come to its end"
    for program, ended in done.ended.items():
        yield from _ending(program, ended)
    waiting = {one.program: one for one in done.waits if one.program not in done.ended}
    for one in waiting.values():
        yield f"  {one.program} waits for {one.what} at {_from_here(one.where)}"


def _told_of(who: str, diverged: Diverged, steps: int) -> Iterator[str]:
    at = f"step {diverged.step}, at {format_time(diverged.at_ns)}"
    yield f"{who}: {count(steps, 'step')}, the same as recorded; {at}, is not:"
    yield f"  {diverged.what}"
    if diverged.where:
        yield f"  at {_from_here(diverged.where)}"


def _ending(program: str, ended: Ended) -> Iterator[str]:
    if not ended.failed:
        yield f"  {program} returned {shortened(repr(unpack(ended.result)), _WIDEST)}"
        return
    yield f"  {program} failed:"
    yield from (f"    {line}" for line in ended.traceback.rstrip().splitlines())


def _from_here(where: str) -> str:
    """`file:line`, or several of them, with paths as one would type them."""
    return ", ".join(str(from_here(Path(one))) for one in where.split(", "))
