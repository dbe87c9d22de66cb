"""How the record of a run is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from orchestrator.values import Bytes, Model


@dataclass(frozen=True, slots=True)
class Recording:
    """The same as the oracle is told."""

    synced: bool
    segment_bytes: int


class RecordConfig(Model):
    """The record of every report, which a lost process is restarted from."""

    fsync: Literal["never", "instant"] = Field(
        "never",
        description="never: it survives any loss of a process; instant: of power too, for each waits for the disk.",
    )
    segment: Annotated[Bytes, Field(ge=4096, le=2**40)] = Field(
        64.0 * 2**20, description="How long a file of it gets before it is compressed and another is begun."
    )

    def numbers(self) -> Recording:
        return Recording(self.fsync == "instant", int(self.segment))
