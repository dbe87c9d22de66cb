"""The first and the last lines of every process that belongs to a run, however it was started."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import signal
import sys
import traceback
from typing import Final, NoReturn

from orchestrator.launch import words
from orchestrator.oracle.service import run_oracle
from orchestrator.oracle.spec import decode_oracle
from qnode.errors import QnodeError
from qnode.exits import EXIT_FAILED, EXIT_LOST
from qnode.runtime.process import run_process
from qnode.wire.plan import RunSpec, decode_process

_ALLOCATIONS: Final = 10_000  # before a collection: rounds make many objects that live shortly, and hardly a cycle
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def be_process(number: int, kind: str, run: RunSpec, spec: bytes, lifeline: int, words_fd: int) -> NoReturn:
    """Be the oracle or a node process until the end; never returns.

    Args:
        number: How the launcher calls this process.
        kind: "oracle" or "node".
        run, spec: What the process is told.
        lifeline: Ends when whoever started us does.
        words_fd: Where the last words go.
    """
    status = EXIT_FAILED
    gc.set_threshold(_ALLOCATIONS)
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is the orchestrator's to handle
        if kind == "oracle":
            status = run_oracle(decode_oracle(spec), lifeline)
        else:
            status = run_process(run, decode_process(spec), lifeline)
    except QnodeError as error:
        status = EXIT_LOST
        words.say(words_fd, number, str(error))
    except OSError as error:
        status = EXIT_LOST
        words.say(words_fd, number, _sentence(error))
        _show()
    except BaseException as error:  # noqa: BLE001  # the last frame of a process: whatever it is, it is shown and becomes an exit code
        words.say(words_fd, number, f"{type(error).__name__}: {error}")
        _show()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(status)


def _sentence(error: OSError) -> str:
    """What the operating system refused, and where."""
    what = error.strerror or str(error)
    where = f": {error.filename}" if error.filename else ""
    remedy = "; make room there, or choose another folder for runs" if error.errno in _FULL else ""
    return what + where + remedy


def _show() -> None:
    with contextlib.suppress(OSError, ValueError):  # there may be no room for it
        traceback.print_exc()
