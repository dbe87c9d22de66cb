"""Runs on disk: a folder each, which holds all that is needed to show a run again, and to repeat it.

```text
.qnode/runs/<id>/
  run.json       what it was and how it ended, for people and programs; made when the run starts, filled when it ends
  config.yaml    the configuration with everything that was overridden, and the seed
  summary        what the oracle told at the end, packed
  record         every report in execution order        events.jsonl   the event log
  log            what programs printed and logged, each line with its node
```
A run that was cut short is there too, with what there is. While it is under way, its orchestrator holds a lock on
config.yaml; a run that says `running` and is not locked was killed together with it. run.json is padded with blanks
while a run is under way: on a disk that is full by its end, how it ended is written over them.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import platform
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec
import yaml

from orchestrator import loader
from orchestrator.config import Config
from orchestrator.exits import EXIT_USAGE
from orchestrator.oracle.counts import Counts
from orchestrator.oracle.spec import Summary, decode_summary, encode_summary
from orchestrator.run import Run, Source
from orchestrator.values import nearest
from qnode import __version__
from qnode.errors import ConfigError, ProcessLost, from_wire

FORMAT: Final = 1
RUNS_FOLDER: Final = Path(".qnode") / "runs"
RUNNING: Final = "running"  # how a run "ended" that is under way
KILLED: Final = "killed"  # how it ended if whoever started it could not say

_RUN: Final = "run.json"
_CONFIG: Final = "config.yaml"
_SUMMARY: Final = "summary"
_LOG: Final = "log"
_MAKE_ROOM: Final = "make room, or choose another folder"
_REMEDIES: Final[Mapping[int, str]] = {
    errno.ENOSPC: _MAKE_ROOM,
    errno.EDQUOT: _MAKE_ROOM,
    errno.ENAMETOOLONG: "give it a shorter name",
}
_KILLED_HOW: Final[dict[str, str | int]] = {
    "name": "the orchestrator",
    "reason": "it was killed, or could write nothing any more",
}
_PAGE: Final = 4096  # what a short file takes on a disk anyway
_ENDING: Final = 1024  # bytes that the end of a run takes in run.json, if there is no room for more
_PACKAGES: Final = ("numpy", "stim", "pyzmq", "msgspec", "msgpack", "pydantic", "PyYAML")


@dataclass(frozen=True)
class Entry:
    """A saved run, as a list of them shows it.

    Attributes:
        id: The name of its folder.
        ended: "done", "until", "failed", ..., as in a run's summary; "running" while it runs; "killed".
        exit_code: What the command line returned for it; None while it runs.
        wall_s: Wall time from start to end; None while it runs.
        is_saved: False if there was no room for what came of it.
    """

    id: str
    name: str
    seed: int
    started: datetime
    ended: str
    exit_code: int | None
    wall_s: float | None
    folder: Path
    is_saved: bool = True


class _Failure(msgspec.Struct):
    code: str
    fields: dict[str, str | int]


class _Head(msgspec.Struct):
    """What is read back of run.json; everything else in it is for others."""

    format: int
    id: str
    name: str
    seed: int
    started: datetime
    ended: str
    base: str
    path: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    exit_code: int | None = None
    wall_s: float | None = None
    failure: _Failure | None = None
    unsaved: str = ""  # why there is nothing else of it


_decode_head = msgspec.json.Decoder(_Head).decode


# --- writing -------------------------------------------------------------------------------------------------------


def new_folder(runs: Path, name: str, run_id: str | None = None) -> Path:
    """An empty folder for a run: the one that is asked for, or one numbered after those that are there.

    Raises:
        ConfigError: If a run of that id is there, or the folder cannot be made.
    """
    with _into(runs):
        runs.mkdir(parents=True, exist_ok=True)
        if runs.parent.name == RUNS_FOLDER.parent.name and not (runs.parent / ".gitignore").exists():
            (runs.parent / ".gitignore").write_text("*\n")
        return _numbered(runs.resolve(), _stem(name)) if run_id is None else _called(runs.resolve(), _stem(run_id))


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
            _write(folder / name, text.encode())
        _write(folder / _CONFIG, dump(source.config).encode())
        lock = failed.enter_context((folder / _CONFIG).open("rb"))
        fcntl.flock(lock, fcntl.LOCK_EX)  # before anybody can read that it is running, and find that nobody holds it
        head = _head_of(folder, source, {"started": started.isoformat(), "ended": RUNNING})
        _write(folder / _RUN, _padded(head, -(-(len(head) + _ENDING) // _PAGE) * _PAGE))
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
            _write(run.folder / _SUMMARY, encode_summary(run.summary))
            _write(run.folder / _RUN, _head_of(run.folder, run.source, {**data, "failure": failure}))
    except ConfigError as unsaved:
        error = cause or run.failure
        if error is None:
            raise
        error.add_note(str(unsaved))
        raise error from None


def dump(config: Config) -> str:
    """The YAML that `loader.loads` reads as this configuration; only what was given is written."""
    data = config.model_dump(mode="json", exclude_unset=True)
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def cut_short(how: str, *, at_ns: int = 0, steps: int = 0) -> Summary:
    """The summary of a run whose oracle could not tell: only how it ended and how far it was known to be."""
    counts = {**vars(Counts()), "steps": steps}
    return Summary(
        how=how,
        at_ns=at_ns,
        nodes=(),
        results=(),
        failures=(),
        notes=(),
        observed=(),
        waits=(),
        counts=counts,
        frames_refused={},
        unread={},
        lateness_ns={},
        clock_bound_ns={},
        reproducible=False,
        resumable=False,
    )


def log_path(folder: Path) -> Path:
    """Where the processes of a run write what they print."""
    return folder / _LOG


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
        file = run.folder / _RUN
        with suppress(OSError), file.open("r+b", buffering=0) as head:  # else it says `running`, and is not locked
            head.write(_padded(_head_of(run.folder, run.source, ending), file.stat().st_size))
        raise


def _padded(head: bytes, size: int) -> bytes:
    return head.rstrip(b"\n").ljust(size - 1) + b"\n"


def _head_of(folder: Path, source: Source, more: dict[str, Any]) -> bytes:
    data = {
        "format": FORMAT,
        "id": folder.name,
        "name": source.name,
        "seed": source.seed,
        **more,
        "base": str(source.base),
        "path": list(source.path),
        "files": list(source.files),
        "versions": dict(versions()),
    }
    return json.dumps(data, indent=1, ensure_ascii=False).encode() + b"\n"


@cache
def versions() -> Mapping[str, str]:
    """Of qnode, Python and the packages that a run's bytes depend on; looked up once, for that takes milliseconds."""
    return {
        "qnode": __version__,
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in _PACKAGES},
    }


def _write(path: Path, data: bytes) -> None:
    """All of it or nothing: whoever reads sees the old file or the new one."""
    new = path.with_name(f".{path.name}.new")
    try:
        new.write_bytes(data)
        os.replace(new, path)
    except OSError:
        new.unlink(missing_ok=True)  # half a file takes room, and is good for nothing
        raise


def _stem(name: str) -> str:
    return "".join(char if char.isalnum() or char in "-_" else "-" for char in name)


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


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]  # which of the two, only PyYAML knows
    """Quotes what either YAML 1.1 or 1.2 would not read as the text that it is."""

    yaml_implicit_resolvers = {  # noqa: RUF012  PyYAML's interface
        first: [*resolvers] for first, resolvers in yaml.SafeDumper.yaml_implicit_resolvers.items()
    }

    def ignore_aliases(self, data: object) -> bool:
        return True


# YAML 1.2 has numbers that 1.1 has not (0o17, 1e3); text that is anything like them goes into quotes.
_LIKE_A_NUMBER: Final = re.compile(r"[-+]?\.?[0-9][0-9a-fA-FoOxX_.:+-]*\Z")
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", _LIKE_A_NUMBER, list("-+.0123456789"))


# --- reading -------------------------------------------------------------------------------------------------------


def load(folder: Path | str) -> Run:
    """A saved run again.

    Raises:
        ConfigError: If there is none, it is still running, could not be saved, or another version wrote it.
    """
    folder = Path(folder).resolve()
    head = _head(folder)
    failure = None if head.failure is None else from_wire(head.failure.code, head.failure.fields)
    return Run(
        _source(folder, head),
        _summary(folder, head),
        folder=folder,
        started=head.started,
        wall_s=head.wall_s or 0.0,
        failure=failure,
    )


def is_run(folder: Path) -> bool:
    """Whether a run is saved there."""
    return (folder / _RUN).is_file()


def is_under_way(folder: Path) -> bool:
    """Whether the run that is saved there has not ended yet; False if none is there any more."""
    try:
        return _head(folder).ended == RUNNING
    except ConfigError:
        return False


def load_source(folder: Path | str) -> Source:
    """What a saved run ran, to run it again. Raises ConfigError."""
    folder = Path(folder).resolve()
    return _source(folder, _head(folder))


def find(runs: Path, which: str | Path | None = None) -> Path:
    """The folder of a run.

    Args:
        runs: Where runs are saved.
        which: A path to a run's folder, a run's id, or a network's name (its latest run); None: the latest of all.
    Raises:
        ConfigError: If there is no such run.
    """
    if which is not None:
        for folder in (Path(which), runs / which):
            if is_run(folder):
                return folder.resolve()
    entries = listing(runs)
    found = [entry for entry in entries if which is None or entry.name == str(which)]
    if found:
        return found[-1].folder
    if not entries:
        raise ConfigError(place=str(runs), detail="no run is saved here; make one with `qnode run CONFIG`")
    hint = nearest(str(which), {name for entry in entries for name in (entry.id, entry.name)})
    raise ConfigError(place=str(runs), detail=f"there is no run {str(which)!r}{hint}; `qnode results --list` shows all")


def listing(runs: Path) -> list[Entry]:
    """All saved runs, the latest last."""
    return sorted(_entries(runs), key=lambda entry: (entry.started, entry.id))


def prune(runs: Path, *, keep: int | None = None, older_than: timedelta | None = None) -> list[Entry]:
    """Remove saved runs, and say which: those beyond the latest `keep`, those that started before `older_than` ago.

    With both, a run goes only if both say so. A run that is under way is never removed.
    """
    if keep is None and older_than is None:
        raise ConfigError(place="prune", detail="say which runs may go: give a number to keep, or an age")
    ended = [entry for entry in listing(runs) if entry.ended != RUNNING]
    beyond = ended[: max(0, len(ended) - keep)] if keep is not None else ended
    before = datetime.now(UTC) - older_than if older_than is not None else None
    gone = [entry for entry in beyond if before is None or entry.started < before]
    for entry in gone:
        _remove(runs / entry.id)
    return gone


def _remove(folder: Path) -> None:
    """A run; of a link to one elsewhere only the link, for what it leads to is not ours."""
    if folder.is_symlink():
        folder.unlink(missing_ok=True)
    else:
        while folder.exists():
            with suppress(FileNotFoundError):  # somebody else is removing it too
                shutil.rmtree(folder)


def _entries(runs: Path) -> Iterator[Entry]:
    for path in runs.glob(f"*/{_RUN}"):
        try:
            head = _head(path.parent)
        except ConfigError:
            continue  # of another version, or half removed; whoever names it is told why
        yield Entry(
            path.parent.name,
            head.name,
            head.seed,
            head.started,
            head.ended,
            head.exit_code,
            head.wall_s,
            path.parent.resolve(),
            not head.unsaved,
        )


def _head(folder: Path) -> _Head:
    try:
        head = _decode_head((folder / _RUN).read_bytes())
        if head.ended == RUNNING and not _is_locked(folder):
            head.ended, head.failure = KILLED, _Failure("ProcessLost", _KILLED_HOW)
            head.exit_code = ProcessLost.exit_code
    except OSError as error:
        raise ConfigError(place=str(folder), detail=f"this is no saved run: {error.strerror or error}") from None
    except msgspec.DecodeError as error:
        raise ConfigError(place=str(folder / _RUN), detail=f"this is not what a run saves: {error}") from None
    if head.format != FORMAT:
        detail = (
            f"saved in format {head.format}, and this version of qnode reads {FORMAT}; use the version that saved it"
        )
        raise ConfigError(place=str(folder), detail=detail)
    return head


def _is_locked(folder: Path) -> bool:
    with (folder / _CONFIG).open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _source(folder: Path, head: _Head) -> Source:
    files = {name: _text(folder / name) for name in head.files if Path(name).name == name}
    return Source(loader.load(folder / _CONFIG), Path(head.base), head.path, files)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(place=str(file), detail=f"this file of the run cannot be read: {error}") from None


def _summary(folder: Path, head: _Head) -> Summary:
    if head.ended == RUNNING:
        raise ConfigError(place=str(folder), detail="this run has not ended yet; look again when it has")
    if head.ended == KILLED:
        return cut_short(KILLED)
    if head.unsaved:
        ended = f"{head.ended.replace('_', ' ')}, exit code {head.exit_code}"
        raise ConfigError(place=str(folder), detail=f"this run ended ({ended}), and was not saved: {head.unsaved}")
    try:
        return decode_summary((folder / _SUMMARY).read_bytes())
    except OSError as error:
        raise ConfigError(place=str(folder / _SUMMARY), detail=error.strerror or str(error)) from None
    except msgspec.DecodeError as error:
        raise ConfigError(place=str(folder / _SUMMARY), detail=f"another version saved it: {error}") from None
