"""Exit codes, of commands and of the processes of a run."""

from __future__ import annotations

from typing import Final

EXIT_DONE: Final = 0
EXIT_FAILED: Final = 1  # a program, an assertion, or qnode itself
EXIT_USAGE: Final = 2  # of a command, or the configuration
EXIT_STUCK: Final = 3  # deadlock, time-out and the like
EXIT_LOST: Final = 4  # a process that was needed
EXIT_INTERRUPTED: Final = 130  # 128 + SIGINT, as a shell has it
EXIT_UNREAD: Final = 141  # 128 + SIGPIPE: what a shell shows for any command whose output nobody reads any more
