"""What a command returns for an error: said once, for the command itself and for what a saved run tells of it."""

from __future__ import annotations

from qnode.errors import ConfigError, RunFailed
from qnode.exits import EXIT_DONE, EXIT_FAILED, EXIT_USAGE


def exit_code_of(error: BaseException | None) -> int:
    """EXIT_DONE if nothing failed."""
    match error:
        case None:
            return EXIT_DONE
        case RunFailed():
            return error.exit_code
        case ConfigError():
            return EXIT_USAGE
        case _:
            return EXIT_FAILED
