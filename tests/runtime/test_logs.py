"""A line of the log says who speaks and when in network time, and nothing that differs from run to run."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from qnode.runtime.logs import NodeFormatter, format_time
from tests.runtime.networks import pair, program, run
from tests.runtime.test_loop import drive, loop_of


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (1000, "1 us"),
        (50_035, "50.035 us"),
        (2_500_000, "2.5 ms"),
        (10**9, "1 s"),
        (2_500_050_035, "2.50005 s"),
        (365 * 86400 * 10**9, "3.1536e+07 s"),
    ],
)
def test_network_time_is_written_as_a_person_reads_it(ns: int, text: str) -> None:
    assert format_time(ns) == text


def record(text: str, level: int = logging.INFO, **extra: object) -> logging.LogRecord:
    made = logging.makeLogRecord({"msg": text, "levelno": level, "levelname": logging.getLevelName(level)})
    vars(made).update(extra)
    return made


@pytest.mark.parametrize(
    ("made", "line"),
    [
        (record("text"), "1.5 us alice text"),
        (record("text", logging.WARNING), "1.5 us alice WARNING text"),
        (record("text", program="main", fields={}), "1.5 us alice main text"),
        (
            record("text", logging.ERROR, program="main", fields={"pair": "alice~bob#2", "request": 7}),
            "1.5 us alice main ERROR text (pair=alice~bob#2, request=7)",
        ),
    ],
)
def test_a_line_has_time_node_program_level_text_and_fields(made: logging.LogRecord, line: str) -> None:
    async def formats() -> str:
        return NodeFormatter().format(made)

    with loop_of(name="alice") as loop:
        loop.advance(1500)
        assert drive(loop, formats()) == line


def test_outside_a_node_a_line_claims_neither_time_nor_node() -> None:
    assert NodeFormatter().format(record("text", logging.WARNING)) == "WARNING text"


async def test_what_programs_log_is_the_same_in_every_run(tmp_path: Path) -> None:
    config = pair(
        program("outside.py:logs", peer="bob", lines=["first", "second"]),
        program("outside.py:says_nothing", peer="alice"),
    )
    logs: list[list[str]] = [[], []]
    for lines in logs:
        await run(config, tmp_path, inline=False, on_output=lines.append)
    assert logs[0] == logs[1]
    fields = "(pair=alice~bob#0, request=7, qubit=alice~bob#0@alice, peer=bob)"
    assert logs[0] == [
        f"alice | 50.035 us main first {fields}",
        f"alice | 50.035 us main second {fields}",
        "alice | 50.035 us main WARNING no fields, one argument",
        "alice | 2.50005 s main ERROR later",
    ]
