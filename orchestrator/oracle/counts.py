"""How often things happened in a run."""

from __future__ import annotations


class Counts:
    """What the summary tells. Whoever reads a saved run needs it too, and nothing else of the oracle."""

    def __init__(self) -> None:
        self.steps = 0
        self.reports = 0
        self.operations = 0
        self.messages = 0
        self.pairs = 0
        self.transfers = 0
        self.absorbed = 0
        self.refused = 0
