"""What the nodes of one process were granted, and what they answered: from the record alone.

The core executes the record once more, so every grant is there again; nothing has to be kept for it but the reports.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from orchestrator.oracle.network import build_core
from orchestrator.oracle.record import Round
from orchestrator.oracle.replay import Again, Divergence
from orchestrator.oracle.spec import OracleSpec
from qnode.ids import NodeName
from qnode.wire.messages import Grant, Report


class Answered(NamedTuple):
    """One step of a node. A grant of step 0 begins a life of it.

    Attributes:
        round: Which round of the record, from 0.
        grant: What it was granted, in one piece.
        frames: What answered it, encoded: parts, then the report. Where the record ends, some are missing.
        is_whole: Whether the report is among them.
    """

    round: int
    grant: Grant
    frames: tuple[bytes, ...]
    is_whole: bool


class Regrants:
    """The grants of a run again.

    Attributes:
        core: As of the round that was gone through last.
    """

    def __init__(self, spec: OracleSpec) -> None:
        self.core = build_core(spec, None, None)
        self._again = Again(spec, self.core)

    @property
    def divergence(self) -> Divergence | None:
        """Where the record does not follow from itself: nothing comes after that."""
        return self._again.divergence

    def of(self, nodes: Collection[str], rounds: Iterable[Round]) -> Iterator[Answered]:
        """All steps of these nodes, in the order in which their process executed them.

        Each comes when its round has been executed, so no more of the record is read than is needed. Raises what
        reading the record raises.
        """
        for number, granted, answers, recorded in self._again.follow(rounds):
            for node in sorted(NodeName(name) for name in nodes if name in granted):
                own = [nth for nth, answer in enumerate(answers) if answer.node == node]
                frames = tuple(bytes(recorded.reports[nth]) for nth in own) if recorded is not None else ()
                whole = bool(own) and isinstance(answers[own[-1]], Report)
                yield Answered(number, granted[node], frames, whole)
