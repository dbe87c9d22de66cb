"""The command line, `qnode`. What is imported here is what `qnode --help` waits for: next to nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Final

from orchestrator.cli.commands import COMMANDS, KEEPER, Command, overview

EXIT_USAGE: Final = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the `qnode` command; returns the exit code."""
    try:
        code = _main(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
    except SystemExit as end:  # of the parser: --help, or a mistake that it has told
        return end.code if isinstance(end.code, int) else EXIT_USAGE
    except BrokenPipeError:  # of a help text that nobody reads to its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _main(arguments: list[str]) -> int:
    first, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if first in ("", "help", "-h", "--help"):
        (sys.stdout if first else sys.stderr).write(overview())
        return 0 if first else EXIT_USAGE
    if first in ("--version", "-V"):
        from qnode import __version__  # lazy: no other command needs it so early

        sys.stdout.write(f"qnode {__version__}\n")
        return 0
    command = KEEPER if first == KEEPER.name else COMMANDS.get(first)
    if command is None:
        return _unknown(first)
    if command.launches and not {"-h", "--help", "--inline"}.intersection(rest):
        from orchestrator.launch.early import start_early  # lazy: only commands that launch need it

        start_early()
    from orchestrator.cli.arguments import parser_of  # lazy: after the launcher's start, which runs beside it

    options = parser_of(command).parse(rest)
    from orchestrator.cli.endings import carry_out  # lazy: the same, and a mistake in the options needs none of it

    return carry_out(_work_of(command), options)


def _work_of(command: Command) -> Callable[..., int]:
    """The command's `run`, imported when it is called: errors of that too are told in a sentence."""

    def work(*arguments: object) -> int:
        from importlib import import_module  # lazy: with the module that it imports

        code: int = import_module(command.module).run(*arguments)
        return code

    return work


def _unknown(word: str) -> int:
    from orchestrator.cli.arguments import did_you_mean  # lazy: for mistakes only

    what = "option" if word.startswith("-") else "command"
    near = did_you_mean(word, ["--help", "--version"] if word.startswith("-") else COMMANDS)
    sys.stderr.write(f"qnode: there is no {what} {word!r}{near}\nsee also: qnode --help\n")
    return EXIT_USAGE
