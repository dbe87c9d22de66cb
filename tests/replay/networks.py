"""Runs to replay, and what a replay has to be like."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator import Cluster
from orchestrator.node_replay import Replayed, replay
from orchestrator.oracle.record import read_record
from orchestrator.oracle.spec import log_path, record_path
from orchestrator.run import Run
from qnode.wire.messages import Report, decode_to_oracle
from qnode.wire.payload import unpack

PROGRAMS = Path(__file__).with_name("programs.py")


def config(programs: Mapping[str, Any], **settings: Any) -> dict[str, Any]:
    """A row of nodes, 10 km each; a program is a function of the file beside, with arguments, or a node's settings."""
    nodes: dict[str, Any] = {}
    for name, given in programs.items():
        run, args = (given, {}) if isinstance(given, str) else given
        nodes[name] = {"program": f"programs.py:{run}", "args": args}
    links = {"all": {"chain": list(programs), "length": "10 km"}} if len(programs) > 1 else {}
    return {"version": 1, "seed": 3, "kinds": {}, "nodes": nodes, "links": links, **settings}


async def run(
    settings: Mapping[str, Any], runs: Path, *, base: Path = PROGRAMS.parent, inline: bool = False, check: bool = True
) -> Run:
    """Run it in processes of its own, unless the test says otherwise."""
    async with Cluster.from_dict(settings, base=base, runs=runs) as net:
        return await net.run(inline=inline, check=check, timeout=60, on_output=None)


def reports(run: Run, node: str) -> int:
    """How many are in the record."""
    frames = (
        decode_to_oracle(bytes(frame)) for one in read_record(record_path(run.folder))[1] for frame in one.reports
    )
    return sum(isinstance(frame, Report) and frame.node == node for frame in frames)


def printed(run: Run, node: str) -> list[str]:
    """What a node said in the run."""
    lines = log_path(run.folder).read_text().splitlines()
    return [line for line in lines if line.startswith(f"{node} | ")]


def line_of(comment: str) -> str:
    """file:line of the commented line of the programs."""
    lines = PROGRAMS.read_text().splitlines()
    return f"{PROGRAMS}:{next(nth for nth, line in enumerate(lines, 1) if line.endswith(f'  # {comment}'))}"


def replayed(run: Run, node: str, *, said: bool = True, **options: Any) -> Replayed:
    """A replay, which is the run's bytes, results and output again."""
    lines: list[str] = []
    done = replay(run, node, on_output=lines.append, **options)
    assert done.diverged is None, done.diverged
    assert done.how == "end"
    assert not done.unrecorded
    assert done.steps == reports(run, node) > 0
    returned = {program: unpack(ended.result) for program, ended in done.ended.items() if not ended.failed}
    assert repr(returned) == repr(run.results.get(node, {}))
    if said:
        assert lines == printed(run, node)
    return done
