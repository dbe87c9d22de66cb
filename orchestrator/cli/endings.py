"""How a command ends: whatever happens becomes a sentence with a remedy and an exit code."""

from __future__ import annotations

import argparse
import errno
import os
import sys
import traceback
from collections.abc import Callable
from typing import Final, TextIO

from orchestrator.cli.screen import Screen
from orchestrator.exits import exit_code_of
from orchestrator.launch.interrupted import Interrupted
from orchestrator.problems import ConfigErrors
from qnode.errors import QnodeError
from qnode.exits import EXIT_INTERRUPTED, EXIT_UNREAD


def carry_out(work: Callable[[argparse.Namespace, Screen], int], options: argparse.Namespace) -> int:
    """Do a command's work; the exit code. No error leaves without a sentence."""
    screen = Screen()
    try:
        code = work(options, screen)
        sys.stdout.flush()
    except BrokenPipeError:
        _leave(sys.stdout, sys.stderr)
        return EXIT_UNREAD
    except KeyboardInterrupt as error:
        return _tell_interrupted(screen, error)
    except Exception as error:  # noqa: BLE001  # the last frame of a command: whatever it is becomes a sentence
        return tell_error(screen, error, debug=options.debug)
    finally:
        screen.status("")
    return code


def _tell_interrupted(screen: Screen, error: KeyboardInterrupt) -> int:
    text = "interrupted"
    if isinstance(error, Interrupted):
        notes = getattr(error, "__notes__", ["what there is, is saved"])
        text = f"interrupted: every process of the run is gone, and {'; '.join(notes)}"
    try:
        screen.status("")
        screen.tell(text)
    except OSError:  # the terminal itself is gone
        _leave(sys.stdout, sys.stderr)
    return EXIT_INTERRUPTED


def tell_error(screen: Screen, error: BaseException, *, debug: bool) -> int:
    """Say what went wrong; the exit code."""
    if debug:
        screen.tell("".join(traceback.format_exception(error)).rstrip())
    elif isinstance(error, ConfigErrors):  # places first, as editors and terminals follow them
        screen.tell(str(error))
        if len(error.problems) > 1:
            screen.tell(f"{screen.style('qnode:', 'red')} {len(error.problems)} mistakes; nothing was started")
    else:
        notes = getattr(error, "__notes__", ())
        screen.tell("\n".join([f"{screen.style('qnode:', 'red')} {sentence_of(error)}", *notes]))
    return exit_code_of(error)


def sentence_of(error: BaseException) -> str:
    """An error in words, with what can be done about it where that is known."""
    match error:
        case QnodeError():
            return str(error)
        case OSError(errno=number, filename=str() | os.PathLike() as name):
            return f"{os.fspath(name)}: {error.strerror}{_REMEDIES.get(number or 0, '')}"
        case OSError(errno=number):
            return f"{error.strerror or error}{_REMEDIES.get(number or 0, '')}"
        case MemoryError():
            return "there is not enough memory; `qnode check CONFIG` estimates what a network needs"
    return (
        f"this is a mistake in qnode, not in your network: {type(error).__name__}: {error}"
        " (please report it with what --debug shows)"
    )


_REMEDIES: Final = {
    errno.ENOSPC: "; make room, such as by `qnode runs prune --keep 10`",
    errno.EDQUOT: "; make room, such as by `qnode runs prune --keep 10`",
    errno.EACCES: "; choose another folder with --runs-folder, or change its permissions",
    errno.EROFS: "; choose another folder with --runs-folder",
    errno.EMFILE: "; raise the limit of open files, such as by `ulimit -n 65536`",
    errno.EAGAIN: "; raise the limit of processes, see `qnode doctor`",
}


def _leave(*streams: TextIO) -> None:
    """Nobody reads them any more: what is in a buffer goes nowhere, so that the interpreter's end is quiet too."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
