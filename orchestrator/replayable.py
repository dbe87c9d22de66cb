"""What it takes to replay a node: the record, the programs as they were, and reasons why it cannot be had."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec

from orchestrator import program_files, saved
from orchestrator.config import ClassicalConfig
from orchestrator.head import read_head, versions
from orchestrator.near import nearest
from orchestrator.oracle.record import Round, read_record
from orchestrator.oracle.spec import OracleSpec, decode_oracle, payloads_path, record_path
from orchestrator.plan import plan
from orchestrator.program_files import COPIES_FOLDER, copied_name
from orchestrator.text import from_here, span
from qnode.errors import ConfigError, MalformedMessage
from qnode.runtime.logs import format_time
from qnode.runtime.parcels import digest_of
from qnode.wire.messages import NOT_REPRODUCIBLE, NOT_RESUMABLE
from qnode.wire.plan import NodeSpec, ProcessSpec, ProgramSpec, RunSpec
from qnode.wire.unreadable import UNREADABLE

_DECIDES: Final = ("qnode", "python", "numpy", "stim")  # versions on which the bytes of a run depend
_TOLD: Final = (  # what the record and the configuration both tell, as far as it concerns a node
    "seed",
    "programs",
    "links",
    "tick_ns",
    "formalism",
    "max_state_vector_qubits",
    "hardware",
    "hardware_of",
    "sources",
)


@dataclass(frozen=True)
class Wish:
    """What of a run is to be replayed.

    Attributes:
        life: Which life of a node that was restarted, from 1; None: the last of which there is anything.
        until_ns: Network time to stop at; None: the end.
        base: The folder that program paths are relative to, if it is not where it was.
        saved_programs: Whether to take the copies of the programs that were saved with the run.
        anyway: Whether to go on in spite of what makes it likely that it becomes another run.
    """

    node: str
    life: int | None = None
    until_ns: int | None = None
    base: Path | None = None
    saved_programs: bool = False
    anyway: bool = False


@dataclass(frozen=True)
class Replayable:
    """A node that can be executed again.

    Attributes:
        process: Its process, with all nodes that live there.
        incarnation: Which life of it, from 0.
        modules: What programs import from their own files; each replay imports it anew.
        remarks: What was found, and is not in the way; a sentence each.
    """

    folder: Path
    wish: Wish
    spec: OracleSpec
    run: RunSpec
    process: ProcessSpec
    incarnation: int
    modules: frozenset[str]
    remarks: tuple[str, ...]

    def rounds(self) -> Iterator[Round]:
        """The record's. Raises ConfigError where it is damaged."""
        return _rounds(self.folder)[1]

    def payload_of(self, digest: bytes) -> bytes:
        """A long payload that the node received. Raises ConfigError if it is not there as it was."""
        for file in payloads_path(self.folder).glob(f"*/{digest.hex()}"):
            payload = file.read_bytes()
            if digest_of(payload) == digest:
                return payload
            raise ConfigError(place=str(file), detail="this payload was changed: it does not match its name")
        raise ConfigError(
            place=str(payloads_path(self.folder)),
            detail=f"a long message that {self.wish.node} received is not here ({digest.hex()}): the node ran without"
            " this folder, on another machine or by hand, and kept it nowhere",
        )


def replayable(folder: Path, wish: Wish) -> Replayable:
    """Find out whether a node of a saved run can be replayed.

    Raises:
        ConfigError: If it cannot, with the reasons.
    """
    folder = folder.resolve()
    description, rounds = _rounds(folder)
    try:
        spec = decode_oracle(description)
    except UNREADABLE as error:
        raise _refusal(folder, [f"its record is of another version of qnode: {error}"]) from None
    if spec.clock == "real":
        raise _refusal(folder, ["it ran on the real clock, where what a node does depends on wall time"])
    if wish.node not in spec.programs:
        near = nearest(wish.node, spec.programs)
        detail = f"no node {wish.node!r}{near}; there are: {span(list(spec.programs))}"
        raise ConfigError(place=str(from_here(folder)), detail=detail)
    reasons = _other_versions(folder)
    programs = _Programs(folder, wish)
    source = programs.source
    launch = plan(source.network, run_id=folder.name, token=b"", directory="", folder="", path=source.path)
    if any(getattr(launch.oracle, one) != getattr(spec, one) for one in _TOLD):
        reasons.append("its config.yaml was changed: the record tells of another network")
    process = programs.where_they_are(next(one for one in launch.processes if wish.node in map(_name, one.nodes)))
    reasons += programs.changes(process)
    survey = _Survey(map(_name, process.nodes))
    survey.take(rounds)
    reasons += survey.reasons(wish)
    if reasons and not wish.anyway:
        raise _refusal(folder, [*reasons, "--anyway goes on, and shows where it becomes another run"])
    incarnation = survey.incarnation if wish.life is None else wish.life - 1
    if not 0 <= incarnation <= survey.incarnation:
        lives = survey.incarnation + 1
        raise ConfigError(place="--life", detail=f"{wish.node} had {lives} {'life' if lives == 1 else 'lives'}")
    nodes = tuple(msgspec.structs.replace(node, incarnation=incarnation) for node in process.nodes)
    process = msgspec.structs.replace(process, nodes=nodes)
    remarks = (*reasons, *programs.remarks)
    return Replayable(folder, wish, spec, launch.run, process, incarnation, programs.modules, remarks)


class _Survey:
    """What the reports of a record say of some nodes, without executing them."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)
        self._flagged: dict[int, tuple[str, int, int]] = {}
        self.incarnation = 0

    def take(self, rounds: Iterable[Round]) -> None:
        """Raises ConfigError where the record is damaged."""
        for one in rounds:
            for frame in one.reports:
                try:
                    head = _decode_head(bytes(frame))
                except UNREADABLE:
                    continue  # whoever executes it says what is wrong
                if head.node in self._names:
                    self.incarnation = max(self.incarnation, head.incarnation)
                    for flag in (NOT_REPRODUCIBLE, NOT_RESUMABLE):
                        if isinstance(head, _Report) and head.flags & flag and flag not in self._flagged:
                            self._flagged[flag] = head.node, head.step, one.now_ns

    def reasons(self, wish: Wish) -> Iterator[str]:
        """Why it becomes another run, if it is replayed as far as that."""
        for flag, what in _WHY.items():
            node, step, at_ns = self._flagged.get(flag, ("", 0, 0))
            if node and (wish.until_ns is None or wish.until_ns >= at_ns):
                yield f"at {format_time(at_ns)}, step {step}, {what.format(node=node)}; stop before that with --until"


_WHY: Final[Mapping[int, str]] = {
    NOT_REPRODUCIBLE: "something from outside entered {node} (a socket, a thread, a signal, node.outside()), and is not"
    " in the record",
    NOT_RESUMABLE: "a function that {node} ran in an executor came to what the record cannot hold",
}


class _Report(msgspec.Struct, array_like=True, tag=41, frozen=True):
    """The first fields of a Report, which is decoded in a fraction of the time."""

    node: str
    incarnation: int
    step: int
    timer_ns: int | None
    background_ns: int | None
    flags: int


class _Part(msgspec.Struct, array_like=True, tag=46, frozen=True):
    node: str
    incarnation: int


_decode_head: Callable[[bytes], _Report | _Part] = msgspec.msgpack.Decoder(_Report | _Part).decode


def _refusal(folder: Path, reasons: Iterable[str]) -> ConfigError:
    return ConfigError(place=str(from_here(folder)), detail=f"this run cannot be replayed: {'; '.join(reasons)}")


def _rounds(folder: Path) -> tuple[bytes, Iterator[Round]]:
    path = record_path(folder)
    try:
        description, rounds = read_record(path)
    except OSError as error:
        raise _refusal(folder, [f"it has no record ({error.strerror or error})"]) from None
    except MalformedMessage as error:
        raise _refusal(folder, [str(error.fields["detail"])]) from None
    return description, _undamaged(folder, rounds)


def _undamaged(folder: Path, rounds: Iterator[Round]) -> Iterator[Round]:
    try:
        yield from rounds
    except MalformedMessage as error:
        raise _refusal(folder, [str(error.fields["detail"])]) from None


def _other_versions(folder: Path) -> list[str]:
    then, now = read_head(folder).versions, versions()
    others = [f"{name} {then[name]}, and here is {now[name]}" for name in _DECIDES if then.get(name, "") != now[name]]
    return [f"it was run with {', '.join(others)}"] if others else []


# ---------------------------------------------------------------- programs


class _Programs:
    """Where the programs are: where they were, in another folder, or as they were saved with the run.

    Attributes:
        source: What was run, with its folders as they are now.
        remarks: What there is to say of it.
    """

    def __init__(self, folder: Path, wish: Wish) -> None:
        source = saved.load_source(folder)
        own = (str(folder),) if source.files else ()
        # A matrix of delays is a file, and no node asks for it: what follows from it is in the record.
        config = source.config.model_copy(update={"classical": ClassicalConfig()})
        self.remarks: list[str] = []
        self._folder = folder
        self._files = program_files.kept(folder)
        self._is_saved = wish.saved_programs
        if self._files and wish.base is None and not any(Path(one.place).exists() for one in self._files.values()):
            self._is_saved = True
            self.remarks.append("the programs are not where they were; these are the copies saved with the run")
        if self._is_saved:
            base, path = folder / COPIES_FOLDER, own
        else:
            base, path = wish.base.resolve() if wish.base else source.base, (*own, *source.path)
        self._has_moved = self._is_saved or wish.base is not None
        self.source = replace(source, config=config, base=base, path=path)

    @property
    def modules(self) -> frozenset[str]:
        """What the files are called as modules."""
        paths = (PurePosixPath(name).with_suffix("") for name in self._files)
        return frozenset(".".join(path.parent.parts if path.name == "__init__" else path.parts) for path in paths)

    def where_they_are(self, process: ProcessSpec) -> ProcessSpec:
        """What the process is told: copies are called otherwise, if they were outside of all folders."""
        if not self._is_saved:
            return process
        change = msgspec.structs.replace
        nodes = (change(node, programs=tuple(map(_copied, node.programs))) for node in process.nodes)
        return change(process, nodes=tuple(nodes))

    def changes(self, process: ProcessSpec) -> Iterator[str]:
        """What the programs of a process say otherwise than they did; what others are made of does not matter."""
        runs = {program.run for node in process.nodes for program in node.programs}
        needed = program_files.files_of(self.source, self._folder, runs)
        for name, file in self._files.items():
            place = self.source.base / name if self._has_moved else Path(file.place)
            now = program_files.digest_now(place)
            if now == file.digest or (name not in needed and now is not None):
                continue
            what = "is not there" if now is None else "has changed since the run"
            has_copy = file.is_copied and not self._is_saved
            yield f"{from_here(place)} {what}{' (--saved takes the copy kept with the run)' if has_copy else ''}"


def _name(node: NodeSpec) -> str:
    return node.name


def _copied(program: ProgramSpec) -> ProgramSpec:
    where, _, function = program.run.rpartition(":")
    if not where.endswith(".py"):
        return program
    return msgspec.structs.replace(program, run=f"{copied_name(where)}:{function}")
