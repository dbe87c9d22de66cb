"""Runs on disk: a folder each, which holds all that is needed to show a run again, and to repeat it.

```text
.qnode/runs/<id>/
  run.json       what it was and how it ended, for people and programs; made when the run starts, filled when it ends
  config.yaml    the configuration with everything that was overridden, and the seed
  summary        what the oracle told at the end, packed
  record         every report in execution order        events.jsonl   the event log
  log            what programs printed and logged, each line with its node
  programs.json  what its programs are made of, by name, with digests; programs/ has copies of these files
  payloads/      long messages, which went from node to node by themselves, by digest
  telemetry.json what became of the events that were to be published, if any were
```
A run that was cut short is there too, with what there is. While it is under way, its orchestrator holds a lock on
config.yaml; a run that says `running` and is not locked was killed together with it. run.json is padded with blanks
while a run is under way: on a disk that is full by its end, how it ended is written over them.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from orchestrator import loader
from orchestrator.head import CONFIG_FILE, KILLED, RUN_FILE, RUNNING, SUMMARY_FILE, Head, read_head
from orchestrator.near import nearest
from orchestrator.oracle.spec import Summary, cut_short, decode_summary
from orchestrator.run import Run, Source
from orchestrator.text import from_here, span
from qnode.errors import ConfigError, from_wire
from qnode.wire.unreadable import UNREADABLE


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


def load(folder: Path | str) -> Run:
    """A saved run again.

    Raises:
        ConfigError: If there is none, it is still running, could not be saved, or another version wrote it.
    """
    folder = Path(folder).resolve()
    head = read_head(folder)
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
    return (folder / RUN_FILE).is_file()


def is_under_way(folder: Path) -> bool:
    """Whether the run that is saved there has not ended yet; False if none is there any more."""
    try:
        return read_head(folder).ended == RUNNING
    except ConfigError:
        return False


def load_source(folder: Path | str) -> Source:
    """What a saved run ran, to run it again. Raises ConfigError."""
    folder = Path(folder).resolve()
    return _source(folder, read_head(folder))


def require_nodes(folder: Path, nodes: Iterable[str], *others: str) -> None:
    """Raises ConfigError for the first of these that is neither a node of the saved run nor one of the others."""
    names = list(load_source(folder).network.nodes)
    known = [*names, *others]
    for node in nodes:
        if node not in known:
            detail = f"no node {node!r}{nearest(node, known)}; there are: {span(names)}"
            raise ConfigError(place=str(from_here(folder)), detail=detail)


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
    for path in runs.glob(f"*/{RUN_FILE}"):
        try:
            head = read_head(path.parent)
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


def _source(folder: Path, head: Head) -> Source:
    files = {name: _text(folder / name) for name in head.files if Path(name).name == name}
    return Source(loader.load(folder / CONFIG_FILE), Path(head.base), head.path, files)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(place=str(file), detail=f"this file of the run cannot be read: {error}") from None


def _summary(folder: Path, head: Head) -> Summary:
    if head.ended == RUNNING:
        raise ConfigError(place=str(folder), detail="this run has not ended yet; look again when it has")
    if head.ended == KILLED:
        return cut_short(KILLED)
    if head.unsaved:
        ended = f"{head.ended.replace('_', ' ')}, exit code {head.exit_code}"
        raise ConfigError(place=str(folder), detail=f"this run ended ({ended}), and was not saved: {head.unsaved}")
    try:
        return decode_summary((folder / SUMMARY_FILE).read_bytes())
    except OSError as error:
        raise ConfigError(place=str(folder / SUMMARY_FILE), detail=error.strerror or str(error)) from None
    except UNREADABLE as error:
        raise ConfigError(place=str(folder / SUMMARY_FILE), detail=f"another version saved it: {error}") from None
