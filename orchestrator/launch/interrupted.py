"""What a command that was interrupted raises; by itself, for commands that launch nothing import it as well."""

from __future__ import annotations

import signal


class Interrupted(KeyboardInterrupt):
    """Somebody wanted the end, by Ctrl-C or another signal, and had it: nothing of the run is left running."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(number.name)
        self.number = number
