"""How much one node may have of the oracle, as a configuration says it, and what strangers may do. Pure."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from orchestrator.oracle.limits import Limits, Strangers
from orchestrator.values import Model

_SOUND: Final = Limits()
_STRANGE: Final = Strangers()

Count = Annotated[int, Field(ge=1, lt=2**63)]


class NodeLimitsConfig(Model):
    """What one node may have of the oracle; what would be more is an error of its own."""

    qubits: Count = Field(_SOUND.qubits, description="Qubits at the oracle that are its own or on their way to it.")
    component: Count = Field(_SOUND.component, description="Qubits in a joint state that it computed and hands over.")
    operations: Count = Field(_SOUND.operations, description="Operations at one instant of network time.")
    requests: Count = Field(_SOUND.requests, description="Open requests of one sort: pairs, outcomes, trains.")
    pulses: Count = Field(_SOUND.pulses, description="Pulses that wait for the other end, or that it keeps.")
    message_bytes: Count = Field(_SOUND.message_bytes, description="Bytes of one classical message.")
    queue_bytes: Count = Field(_SOUND.queue_bytes, description="Bytes of its messages that are on their way.")
    notes_bytes: Count = Field(_SOUND.notes_bytes, description="Bytes of all that it has recorded.")
    record_bytes: Count = Field(_SOUND.record_bytes, description="Bytes of its reports in the record of the run.")

    def numbers(self) -> Limits:
        return Limits(**{name: getattr(self, name) for name in Limits._fields})


class LimitsConfig(NodeLimitsConfig):
    """What every node may have of the oracle, unless its kind or itself says otherwise, and what strangers may do."""

    connections: Count = Field(
        _STRANGE.connections, description="Connections that have not greeted; of more, the oldest are ended."
    )
    refusals: Count = Field(
        _STRANGE.refusals, description="Messages of a connection that are refused in a second, before it is ended."
    )

    def strangers(self) -> Strangers:
        return Strangers(self.connections, self.refusals)
