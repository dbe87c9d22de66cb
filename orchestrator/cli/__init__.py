"""The command line, `qnode`. What is imported here is what `qnode --help` waits for: next to nothing."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Final

from orchestrator.cli.commands import COMMANDS, KEEPER, Command, overview
from qnode.exits import EXIT_DONE, EXIT_INTERRUPTED, EXIT_USAGE

_HELP: Final = frozenset({"-h", "--help"})


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the `qnode` command; returns the exit code."""
    _open_what_is_closed()
    early = _WhileImporting(keeps=arguments is None)
    try:
        code = _main(list(sys.argv[1:] if arguments is None else arguments), early, is_own=arguments is None)
        sys.stdout.flush()
    except SystemExit as end:  # of the parser: --help, or a mistake that it has told
        return end.code if isinstance(end.code, int) else EXIT_USAGE
    except BrokenPipeError:  # of a help text that nobody reads to its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_DONE
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return EXIT_INTERRUPTED
    finally:
        early.forget()
    return code


def _open_what_is_closed() -> None:
    """Nobody reads a stream that was closed before we started; nor may a socket of ours get its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(nowhere, True)
            stream = open(nowhere, mode, encoding="utf-8", closefd=False)  # noqa: SIM115  # for as long as we live
            setattr(sys, name, stream)


class _WhileImporting:
    """Keeps a Ctrl-C that comes while modules are imported until they are: in the midst of that it may get lost.

    Python drops an exception that is raised while it forgets an object, for one. A second Ctrl-C ends it at once.

    Nothing that is imported is garbage, and looking for it takes a quarter of the time.

    Args:
        keeps: Whether what is imported stays until the process ends, so that nobody need ever look at it.
    """

    def __init__(self, *, keeps: bool) -> None:
        self._keeps = keeps
        self._collects = gc.isenabled()
        gc.disable()
        self._has_come = False
        self._handles = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._handles:
            try:
                signal.signal(signal.SIGINT, self._keep)
            except ValueError:  # not the main thread, which gets all signals
                self._handles = False

    def _keep(self, number: int, frame: FrameType | None) -> None:
        self._has_come = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def forget(self) -> None:
        """From here on, Ctrl-C is what it was, and so is the collector."""
        if self._handles and signal.getsignal(signal.SIGINT) == self._keep:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if self._collects:
            gc.enable()

    def let_come(self) -> None:
        """All is imported. Raises KeyboardInterrupt if there was one."""
        if self._keeps:
            gc.freeze()
        self.forget()
        if self._has_come:
            raise KeyboardInterrupt


def _main(arguments: list[str], early: _WhileImporting, *, is_own: bool) -> int:
    """The exit code. `is_own`: the command is all that this process is for."""
    first, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if first == "help" and rest:
        first, rest = rest[0], ["--help"]
    if first in ("", "help", "-h", "--help"):
        (sys.stdout if first else sys.stderr).write(overview())
        return EXIT_DONE if first else EXIT_USAGE
    if first in ("--version", "-V"):
        from qnode import __version__  # lazy: no other command needs it so early

        sys.stdout.write(f"qnode {__version__}\n")
        return EXIT_DONE
    command = KEEPER if first == KEEPER.name else COMMANDS.get(first)
    if command is None:
        return _unknown(first)
    if not _HELP.intersection(rest) and not _is_somewhere():
        return EXIT_USAGE
    if command.launches and not {*_HELP, "--inline", "--on", "--on=slurm"}.intersection(rest):
        from orchestrator.launch.early import start_early  # lazy: only commands that launch need it

        start_early()
    from orchestrator.cli.arguments import parser_of  # lazy: after the launcher's start, which runs beside it

    options = parser_of(command).parse(rest)
    if command.executes and is_own:
        from orchestrator.launch.early import surround  # lazy: only commands that execute programs need it

        surround("orchestrator.cli", arguments)
    from orchestrator.cli.endings import carry_out  # lazy: the same, and a mistake in the options needs none of it

    return carry_out(_work_of(command, early), options)


def _work_of(command: Command, early: _WhileImporting) -> Callable[..., int]:
    """The command's `run`, imported when it is called: errors of that too are told in a sentence."""

    def work(*arguments: object) -> int:
        from importlib import import_module  # lazy: with the module that it imports

        run = import_module(command.module).run
        early.let_come()
        code: int = run(*arguments)
        return code

    return work


def _is_somewhere() -> bool:
    """Whether the current directory is there; if not, that is told: every path would be blamed for it."""
    try:
        os.getcwd()
    except FileNotFoundError:
        sys.stderr.write("qnode: the current directory has been removed; go to one that is there, such as by `cd`\n")
        return False
    return True


def _unknown(word: str) -> int:
    from orchestrator.near import nearest  # lazy: for mistakes only

    what = "option" if word.startswith("-") else "command"
    near = nearest(word, ["--help", "--version"] if word.startswith("-") else COMMANDS)
    sys.stderr.write(f"qnode: there is no {what} {word!r}{near}\nsee also: qnode --help\n")
    return EXIT_USAGE
