"""What is done when a node's process is lost, and when others learn of it.

Every process of a run imports this: what a configuration may say of it is in `config`, with all that reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

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
