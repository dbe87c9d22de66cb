"""Log lines that say which node and program speak, and at what network time."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Final, TextIO

from qnode.runtime.loop import NodeLoop


def format_time(ns: int) -> str:
    """Network time as a person reads it: 150 us, 2.5 s."""
    for unit, size in (("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)):
        if ns >= size:
            return f"{ns / size:.6g} {unit}"
    return f"{ns} ns"


class NodeFormatter(logging.Formatter):
    """`12.5 us alice main WARNING text (pair=alice~bob#2)`: fields that the record has, and no wall time.

    Args:
        named: Whether a line says the node's name; not needed where it goes to a log that puts it before every line.
    """

    def __init__(self, *, named: bool = True) -> None:
        super().__init__()
        self._named = named

    def format(self, record: logging.LogRecord) -> str:
        loop = asyncio._get_running_loop()
        where = (format_time(loop.now_ns), loop.name if self._named else "") if isinstance(loop, NodeLoop) else ()
        program = getattr(record, "program", "")
        level = "" if record.levelno == logging.INFO else record.levelname
        fields = getattr(record, "fields", None)
        tail = f"({', '.join(f'{key}={value}' for key, value in fields.items())})" if fields else ""
        text = super().format(record)
        return " ".join(part for part in (*where, program, level, text, tail) if part)


def _handler(*, named: bool) -> logging.StreamHandler[TextIO]:
    handler = logging.StreamHandler()
    handler.setFormatter(NodeFormatter(named=named))
    return handler


_HANDLERS: Final = {named: _handler(named=named) for named in (True, False)}  # before any fork: all nodes share them


def set_up_logging(*, named: bool = True) -> None:
    """Send the log of this process to standard error."""
    handler = _HANDLERS[named]
    handler.setStream(sys.stderr)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
