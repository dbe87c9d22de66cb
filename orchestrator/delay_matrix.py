"""A table of delays in a file. Pure: reading is passed in.

Apart from `delays`, which every oracle needs: this one needs units.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

from orchestrator import units
from qnode.errors import ConfigError
from qnode.ids import NodeName


def read_matrix(
    path: Path, nodes: tuple[NodeName, ...], read: Callable[[Path], str]
) -> dict[tuple[NodeName, NodeName], int]:
    """Read a table of delays: receivers in the first row, senders in the first column, times in the cells.

    An empty cell means that no message can get there; every node needs a row and a column.

    Raises:
        ConfigError: If there is no such file, a node is missing or twice, or a cell is no time.
    """
    try:
        rows = [row for row in csv.reader(read(path).splitlines(), skipinitialspace=True) if row]
    except OSError as error:
        raise ConfigError(place=str(path), detail=error.strerror or str(error)) from None
    except UnicodeDecodeError:
        raise ConfigError(place=str(path), detail="is not text in UTF-8") from None
    receivers = [cell.strip() for cell in rows[0][1:]] if rows else []
    senders = [row[0].strip() for row in rows[1:]]
    for side, found in (("column", receivers), ("row", senders)):
        there = set(found)
        missing = next((node for node in nodes if node not in there), None)
        if missing is not None:
            raise ConfigError(place=str(path), detail=f"node {missing!r} has no {side}")
        if len(there) != len(found):
            raise ConfigError(place=str(path), detail=f"a node has more than one {side}")
    return {
        (NodeName(sender), NodeName(receiver)): _cell(path, sender, receiver, text)
        for sender, row in zip(senders, rows[1:], strict=True)
        for receiver, text in zip(receivers, row[1:], strict=False)
        if text.strip() and sender != receiver
    }


def _cell(path: Path, sender: str, receiver: str, text: str) -> int:
    try:
        return units.to_ns(units.parse(text, units.TIME))
    except units.UnitError as error:
        raise ConfigError(place=f"{path}, from {sender} to {receiver}", detail=str(error)) from None
