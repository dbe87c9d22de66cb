"""The topic tree. docs/telemetry.md draws it. Pure."""

from __future__ import annotations


class Topics:
    """Where each thing of a run is published."""

    def __init__(self, root: str, run: str) -> None:
        self._root = f"{root}/{run}"
        self.status = f"{self._root}/status"
        self.metrics = f"{self._root}/metrics"
        self.command = f"{self._root}/command"
        self.ack = f"{self._root}/ack"

    def node_status(self, node: str) -> str:
        return f"{self._root}/node/{node}/status"

    def events(self, node: str) -> str:
        """Of a node; of "", those of the run as a whole."""
        return f"{self._root}/node/{node}/events" if node else f"{self._root}/events"
