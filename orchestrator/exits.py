"""What a command returns for an error: said once, for the command itself and for what a saved run tells of it."""

from __future__ import annotations

from typing import Final

from qnode.errors import ConfigError, RunFailed

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2


def exit_code_of(error: BaseException | None) -> int:
    """0 if nothing failed."""
    match error:
        case None:
            return 0
        case RunFailed():
            return error.exit_code
        case ConfigError():
            return EXIT_USAGE
        case _:
            return EXIT_FAILED
