"""A run on its way to disk: a folder of its own, what is known when it starts, and how it ended."""

from __future__ import annotations

import errno
import fcntl
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final

from orchestrator import program_files
from orchestrator.dumping import dump
from orchestrator.folders import as_file_name, make, write_whole
from orchestrator.head import (
    CONFIG_FILE,
    KILLED,
    RUN_FILE,
    RUNNING,
    SUMMARY_FILE,
    first_head,
    head_of,
    padded,
    read_head,
)
from orchestrator.oracle.spec import encode_summary
from orchestrator.run import Run, Source
from qnode.errors import ConfigError
from qnode.exits import EXIT_USAGE

_MAKE_ROOM: Final = "make room, or choose another folder"
_REMEDIES: Final[Mapping[int, str]] = {
    errno.ENOSPC: _MAKE_ROOM,
    errno.EDQUOT: _MAKE_ROOM,
    errno.ENAMETOOLONG: "give it a shorter name",
}


def new_folder(runs: Path, name: str, run_id: str | None = None) -> Path:
    """An empty folder for a run: the one that is asked for, or one numbered after those that are there.

    Raises:
        ConfigError: If a run of that id is there, or the folder cannot be made.
    """
    with _into(runs):
        make(runs)
        runs = runs.resolve()
        return _numbered(runs, as_file_name(name)) if run_id is None else _called(runs, as_file_name(run_id))


@contextmanager
def _into(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, "choose another folder")
        detail = f"a run cannot be saved here: {error.strerror or error}; {remedy}"
        raise ConfigError(place=str(folder), detail=detail) from None


def begin(folder: Path, source: Source, started: datetime) -> BinaryIO:
    """Write what is known when a run starts, so that it can be listed and repeated whatever becomes of it.

    What is returned holds the lock that says that the run is under way; close it when its end is saved.
    Raises ConfigError if there is no room; then the folder is removed again.
    """
    with _into(folder), ExitStack() as failed:
        failed.callback(shutil.rmtree, folder, ignore_errors=True)
        for name, text in source.files.items():
            write_whole(folder / name, text.encode())
        program_files.keep(source, folder)
        write_whole(folder / CONFIG_FILE, dump(source.config).encode())
        lock = failed.enter_context((folder / CONFIG_FILE).open("rb"))
        fcntl.flock(lock, fcntl.LOCK_EX)  # before anybody can read that it is running, and find that nobody holds it
        write_whole(folder / RUN_FILE, first_head(folder, source, started))
        failed.pop_all()
    return lock


def go_on(folder: Path) -> BinaryIO:
    """Take up a run whose oracle was killed; what is returned holds the lock, as with `begin`. Raises ConfigError."""
    head = read_head(folder)
    if head.ended not in (RUNNING, KILLED):
        raise ConfigError(place=str(folder), detail=f"this run has ended ({head.ended}): there is nothing to resume")
    with _into(folder), ExitStack() as failed:
        lock = failed.enter_context((folder / CONFIG_FILE).open("rb"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(place=str(folder), detail="this run is under way: its oracle is there") from None
        failed.pop_all()
    return lock


def save(run: Run, cause: BaseException | None = None) -> None:
    """Write how a run ended beside what it has written itself.

    Args:
        cause: What cut it short, if that is not the run's failure.
    Raises:
        ConfigError: If there is no room; that the run has ended, and how, is in run.json all the same. If something
            else made it fail, that is raised, with a note of this.
    """
    failure = None if run.failure is None else {"code": run.failure.code, "fields": run.failure.fields}
    data = {key: value for key, value in run.as_data().items() if key not in ("id", "name", "seed", "folder")}
    try:
        with _into(run.folder), _ending_kept(run):
            write_whole(run.folder / SUMMARY_FILE, encode_summary(run.summary))
            write_whole(run.folder / RUN_FILE, head_of(run.folder, run.source, {**data, "failure": failure}))
    except ConfigError as unsaved:
        error = cause or run.failure
        if error is None:
            raise
        error.add_note(str(unsaved))
        raise error from None


@contextmanager
def _ending_kept(run: Run) -> Iterator[None]:
    """If there is no room for a run, that it has ended goes where `begin` has kept some."""
    try:
        yield
    except OSError as error:
        ending = {
            "started": run.started.isoformat(),
            "ended": run.summary.how,
            "exit_code": run.exit_code or EXIT_USAGE,  # what could not be saved is an error of its own
            "wall_s": round(run.wall_s, 6),
            "unsaved": (error.strerror or str(error))[:100],
        }
        file = run.folder / RUN_FILE
        with suppress(OSError), file.open("r+b", buffering=0) as head:  # else it says `running`, and is not locked
            head.write(padded(head_of(run.folder, run.source, ending), file.stat().st_size))
        raise


def _numbered(runs: Path, stem: str) -> Path:
    tails = (path.name[len(stem) + 1 :] for path in runs.glob(f"{stem}-*"))
    number = 1 + max((int(tail) for tail in tails if tail.isdecimal()), default=0)
    while True:
        folder = runs / f"{stem}-{number}"
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder


def _called(runs: Path, run_id: str) -> Path:
    folder = runs / run_id
    try:
        folder.mkdir()
    except FileExistsError:
        raise ConfigError(
            place=str(folder), detail="a run of this name is there; choose another name, or remove it"
        ) from None
    return folder
