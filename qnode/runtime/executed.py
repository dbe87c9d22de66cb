"""What functions in executors came to: as it stands in the record, and out of it again.

Recorded is only what can be had again exactly as it was. A subclass of a number, say, would come back as that number,
and a program that is executed again might go another way: so it is left out, and the run is marked for it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final

import numpy as np

from qnode.errors import MalformedMessage, NotPackable
from qnode.runtime.loop import Job
from qnode.runtime.programs import PROGRAM_MODULES
from qnode.wire.operations import Executed
from qnode.wire.payload import pack, unpack

SCALAR: Final = "scalar"
CANCELLED: Final = "cancelled"
_EXACT: Final = frozenset({type(None), bool, int, float, complex, str, bytes})


class Recorded(Future[Any]):
    """A function that has been executed before, as `run_in_executor` hands them out."""

    def __init__(self, outcome: Executed, folders: Sequence[str]) -> None:
        """Raises MalformedMessage if it cannot be had again."""
        super().__init__()
        self.outcome = outcome
        match outcome.how:
            case "":
                self.set_result(unpack(outcome.result))
            case "scalar":
                self.set_result(unpack(outcome.result)[()])
            case "cancelled":
                self.cancel()
                self.set_running_or_notify_cancel()
            case how:
                self.set_exception(_error(how, outcome.result, folders))


def outcome_of(job: Job, folders: Sequence[str]) -> Executed | None:
    """As it is recorded; None if it cannot be.

    Args:
        folders: What program files are relative to: their classes of errors are named without them.
    """
    if isinstance(job, Recorded):
        return job.outcome
    if job.cancelled():
        return Executed(b"", CANCELLED)
    error = job.exception()
    try:
        return _of_value(job.result()) if error is None else _of_error(error, folders)
    except NotPackable:
        return None


def _of_value(value: object) -> Executed | None:
    if isinstance(value, np.generic):
        return Executed(pack(np.asarray(value)), SCALAR)
    return Executed(pack(value)) if _is_exact(value) else None


def _is_exact(value: object) -> bool:
    kind = type(value)
    if kind is list or kind is tuple:
        return all(map(_is_exact, value))  # type: ignore[call-overload]
    if kind is dict:
        return all(_is_exact(part) for pair in value.items() for part in pair)  # type: ignore[attr-defined]
    return kind in _EXACT or kind is np.ndarray


def _of_error(error: BaseException, folders: Sequence[str]) -> Executed | None:
    """By its class and what that is called with, if that makes the same error again."""
    kind = type(error)
    reduced = error.__reduce__()
    if not isinstance(reduced, tuple) or reduced[0] is not kind or not _is_exact([list(reduced[1]), *reduced[2:]]):
        return None
    how = f"{_relative(kind.__module__, folders)}:{kind.__qualname__}"
    outcome = Executed(pack([list(reduced[1]), *reduced[2:]]), how)
    try:
        again = _error(outcome.how, outcome.result, folders)
    except MalformedMessage:
        return None
    return outcome if repr(again) == repr(error) and str(again) == str(error) else None


def _error(how: str, packed: bytes, folders: Sequence[str]) -> BaseException:
    module, _, name = how.partition(":")
    found: Any = next(filter(None, map(sys.modules.get, _absolute(module, folders))), None)
    for part in name.split("."):
        found = getattr(found, part, None)
    if not (isinstance(found, type) and issubclass(found, BaseException)):
        raise MalformedMessage(detail=f"a function in an executor raised {how}, and there is no such error here")
    arguments, *state = unpack(packed)
    try:
        error = found(*arguments)
        for fields in state:
            vars(error).update(fields)
    except Exception as failed:  # noqa: BLE001  # a class of somebody else's: whatever it raises says that it cannot be
        raise MalformedMessage(detail=f"{how} cannot be made again: {failed}") from None
    return error


def _relative(module: str, folders: Iterable[str]) -> str:
    path = module.removeprefix(PROGRAM_MODULES)
    if path == module:
        return module
    for folder in folders:
        if Path(path).is_relative_to(Path(folder).resolve()):
            return f"{PROGRAM_MODULES}{Path(path).relative_to(Path(folder).resolve()).as_posix()}"
    return module


def _absolute(module: str, folders: Iterable[str]) -> list[str]:
    path = module.removeprefix(PROGRAM_MODULES)
    if path == module:
        return [module]
    return [module, *(f"{PROGRAM_MODULES}{Path(folder, path).resolve().as_posix()}" for folder in folders)]
