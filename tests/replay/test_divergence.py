"""A node that does something else than it did: the first step in which it does is named, what differs, and where."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from orchestrator import replay
from orchestrator.node_replay import Diverged
from orchestrator.oracle.record import MAGIC, Round, entry_of, read_record
from orchestrator.oracle.spec import record_path
from orchestrator.run import Run
from qnode.wire.messages import Report, decode_to_oracle, encode
from qnode.wire.operations import Local, Send
from tests.replay import networks

STEPS = 5
TALKS = """\
import asyncio


async def alice(node):
    for number in range(5):
        qubit = node.qubit()
        qubit.h()
        await node.send("bob", (number, await qubit.measure()))
        # here
        await asyncio.sleep(1e-6)
    return number


async def bob(node):
    return [await node.receive("alice") for _ in range(5)]
"""
HERE = TALKS.splitlines().index("        # here") + 1


async def talk(folder: Path) -> Run:
    """A run of a file of its own, which may be changed."""
    (folder / "talks.py").write_text(TALKS)
    described = networks.config({"alice": "", "bob": ""})
    for name, node in described["nodes"].items():
        node["program"] = f"talks.py:{name}"
    return await networks.run(described, folder / "runs", base=folder, inline=True)


class Change(NamedTuple):
    """A statement that is put in, what is told of it, and whether its line is (else that where the program waits)."""

    statement: str
    what: str
    at_its_line: bool = True


CHANGES = {
    "a message more": Change(
        "await node.send('bob', 'more')", r"operation 5 was none, and now is send \(.*peer 'bob'.*payload 'more'.*\)"
    ),
    "a gate more": Change(
        "node.qubit().x()", r"operation 5 was none, and now is local \(event 'create', qubits alice\.\d+.*\)"
    ),
    "a function more": Change(
        "await asyncio.to_thread(int)", r"operation 5 was none, and now is executed \(result 0\)", False
    ),
    "a record": Change("node.record(a=[1])", r"operation 5 was none, and now is note \(.*name 'a', value \[1\]\)"),
    "a longer sleep": Change(
        "await asyncio.sleep(1e-9)", r"it wanted to run again at .*, and now at .*", False
    ),
    "no sleep": Change("continue", r"operation 5 was none, and now is local .*|program main goes on, .*", False),
    "the end": Change("return 'early'", r"program main goes on, and now returned 'early'", False),
    "an error": Change("raise ValueError('no')", r"program main goes on, and now failed with ValueError: no", False),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
async def test_every_changed_step_of_a_program_is_named(change: str, tmp_path: Path) -> None:
    run = await talk(tmp_path)
    statement, what, at_its_line = CHANGES[change]
    for number in range(STEPS):
        text = TALKS.replace("        # here\n", f"        if number == {number}:\n            {statement}\n")
        text += "#" * number  # Python takes a file of the same size and second for the one that it has compiled
        (tmp_path / "talks.py").write_text(text)
        done = replay(run, "alice", anyway=True, on_output=None)
        found = done.diverged
        assert found is not None, number
        assert (done.how, done.steps, found.step) == ("diverged", number, number + 1)
        assert found.at_ns == 1000 * number
        assert re.fullmatch(what, found.what), found.what
        if at_its_line:
            assert found.where == f"{tmp_path}/talks.py:{HERE + 1}"


async def test_what_is_computed_otherwise_is_shown_as_it_was_and_as_it_is(tmp_path: Path) -> None:
    run = await talk(tmp_path)
    (tmp_path / "talks.py").write_text(TALKS.replace("(number, await", "(number + (number == 3), await"))
    found = replay(run, "alice", anyway=True, on_output=None).diverged
    assert found is not None
    assert (found.step, found.at_ns) == (4, 3000)
    assert re.fullmatch(r"operation 4 \(send\): payload was \(3, [01]\), and now is \(4, [01]\)", found.what)
    assert found.where == f"{tmp_path}/talks.py:{HERE - 1}"


async def test_a_change_that_changes_nothing_is_none(tmp_path: Path) -> None:
    run = await talk(tmp_path)
    (tmp_path / "talks.py").write_text(TALKS.replace("# here", "print(number)\n        number = int(number)"))
    lines: list[str] = []
    done = replay(run, "alice", anyway=True, on_output=lines.append)
    assert (done.how, done.steps) == ("end", STEPS + 1)
    assert lines == [f"alice | {number}" for number in range(STEPS)]


# ---------------------------------------------------------------- a record that is another


def rewrite(run: Run, tamper: Callable[[list[Round]], None]) -> None:
    """Change what a record says, and let the bytes be whole."""
    path = record_path(run.folder)
    description, entries = read_record(path)
    rounds = list(entries)
    tamper(rounds)
    path.write_bytes(MAGIC + b"".join(map(entry_of, [description, *map(msgspec.msgpack.encode, rounds)])))


def rounds_of(run: Run) -> list[Round]:
    return list(read_record(record_path(run.folder))[1])


def diverges(run: Run, node: str = "alice") -> Diverged:
    found = replay(run, node, on_output=None).diverged
    assert found is not None
    return found


def with_reports(one: Round, reports: Sequence[Report]) -> Round:
    return msgspec.structs.replace(one, reports=tuple(msgspec.Raw(encode(report)) for report in reports))


async def test_one_changed_bit_of_what_was_granted_shows_in_its_round(tmp_path: Path) -> None:
    run = await talk(tmp_path)
    rounds = rounds_of(run)
    whole = record_path(run.folder).read_bytes()
    for number, one in enumerate(rounds):
        for bit in (0, 37, 63):
            digest = (int.from_bytes(one.granted, "big") ^ (1 << bit)).to_bytes(8, "big")
            changed = msgspec.structs.replace(one, granted=digest)
            rewrite(run, lambda all_, number=number, changed=changed: all_.__setitem__(number, changed))  # type: ignore[misc]
            found = diverges(run)
            assert f"round {number}: what was granted" in found.what
            assert found.at_ns == one.now_ns
            assert found.step == 1 + sum("alice" in _senders(earlier) for earlier in rounds[:number])
            record_path(run.folder).write_bytes(whole)


def _senders(one: Round) -> list[str]:
    reports = [decode_to_oracle(bytes(frame)) for frame in one.reports]
    return [report.node for report in reports if isinstance(report, Report)]


async def test_every_changed_operation_of_its_own_reports_is_named(tmp_path: Path) -> None:
    """The record says something else than the program does; what comes of it at others is later."""
    run = await talk(tmp_path)
    whole = record_path(run.folder).read_bytes()
    tried = 0
    for number, one in enumerate(rounds_of(run)):
        reports = [report for frame in one.reports if isinstance(report := decode_to_oracle(bytes(frame)), Report)]
        for report in reports:
            for nth, op in enumerate(report.ops if report.node == "alice" else ()):
                other: Any = op
                match op:
                    case Send():
                        other = msgspec.structs.replace(op, payload=b"\x01")
                    case Local():
                        other = msgspec.structs.replace(op, start_ns=op.start_ns + 1)
                ops = (*report.ops[:nth], other, *report.ops[nth + 1 :])
                changed = [msgspec.structs.replace(r, ops=ops) if r is report else r for r in reports]
                rewrite(run, lambda all_, n=number, c=changed: all_.__setitem__(n, with_reports(all_[n], c)))  # type: ignore[misc]
                found = diverges(run)
                assert (found.step, found.at_ns) == (report.step, one.now_ns)
                assert found.what.startswith(f"operation {nth + 1} (")
                assert found.where.startswith(f"{tmp_path}/talks.py:")
                record_path(run.folder).write_bytes(whole)
                tried += 1
    assert tried == 4 * STEPS
