"""Where the name and the password for a broker stand: in the environment, and never in a file."""

from __future__ import annotations

from typing import Final

USERNAME: Final = "QNODE_MQTT_USERNAME"
PASSWORD: Final = "QNODE_MQTT_PASSWORD"
