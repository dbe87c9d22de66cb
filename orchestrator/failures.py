"""What is done when a node's process is lost, and when others learn of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import Field

from orchestrator import units
from orchestrator.values import Model, Seconds

Restart = Literal["never", "fresh", "resume"]

NEVER: Final = "never"
FRESH: Final = "fresh"
RESUME: Final = "resume"
DEFAULT_RESTARTS: Final = 3

KILLED: Final = "a fault script killed it"
TOO_EARLY: Final = "its process ended before the run did: "


@dataclass(frozen=True, slots=True)
class Failures:
    """The same in nanoseconds of network time; `restarts` is how often one node may come back."""

    restarts: int = DEFAULT_RESTARTS
    restart_ns: int = 0
    detection_ns: int = 0


class FailuresConfig(Model):
    """When a node's process is lost."""

    restart: Restart = Field(
        NEVER,
        description="never: it stays away; fresh: it begins again, its qubits lost; resume: executed from the record.",
    )
    restarts: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        DEFAULT_RESTARTS, description="How often a node may be restarted in a run."
    )
    restart_delay: Seconds = Field(0.0, description="Network time from a loss to the new life of a fresh node.")
    detection_delay: Seconds = Field(
        0.0, description="Network time until peers learn of a loss; at least what a message takes."
    )

    def numbers(self) -> Failures:
        return Failures(self.restarts, units.to_ns(self.restart_delay), units.to_ns(self.detection_delay))
