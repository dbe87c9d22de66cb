"""What all processes of a run must have alike, each with a name, so that a difference can be told by its name.

A fact is short: a version, the seed, or the digest of a part of the configuration or of a program's file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from orchestrator.head import versions
from orchestrator.oracle.spec import encode_oracle
from orchestrator.plan import LaunchPlan
from orchestrator.program_files import digest_now, digest_of, files_of
from orchestrator.run import Source
from qnode.wire.plan import encode_spec

MOST_TOLD: Final = 5
_CHARS: Final = 60  # of what somebody says, in a sentence of ours

VERSION: Final = "version of "
SEED: Final = "seed"
SECTION: Final = "configuration "
PROGRAM: Final = "program "
MEANING: Final = "meaning"

_BYTES_DEPEND_ON: Final = ("qnode", "python", "numpy", "stim", "msgspec", "msgpack")
_OF_ONE_MACHINE: Final = ("seed", "telemetry")  # the seed that counts is a fact of its own


def facts_of(source: Source, alone: LaunchPlan, programs: Iterable[str]) -> dict[str, str]:
    """What a process has.

    Args:
        alone: What all processes are told, before anything that belongs to one machine is added.
        programs: What it runs itself; the oracle names those of all nodes.
    """
    return {
        **{f"{VERSION}{name}": _version(name) for name in _BYTES_DEPEND_ON},
        SEED: str(source.seed),
        **{f"{SECTION}{name}": digest for name, digest in _sections(source)},
        **{f"{PROGRAM}{name}": digest for name, digest in _files(source, programs)},
        MEANING: _meaning(alone),
    }


def differences(theirs: Mapping[str, str], ours: Mapping[str, str]) -> str:
    """What differs, in words for whoever has `theirs` and for whoever reads the oracle's output; "" if nothing does."""
    wrong = [name for name in theirs if name not in (MEANING,) and theirs[name] != ours.get(name)]
    wrong += [name for name in ours if name not in theirs and not name.startswith(PROGRAM) and name != MEANING]
    if not wrong and theirs.get(MEANING) != ours.get(MEANING):
        wrong = [MEANING]
    told = [_sentence(name, theirs.get(name), ours.get(name)) for name in wrong[:MOST_TOLD]]
    return "; ".join([*told, *([f"and {len(wrong) - MOST_TOLD} more"] if len(wrong) > MOST_TOLD else [])])


def _sentence(name: str, theirs: str | None, ours: str | None) -> str:
    def short(value: str | None) -> str:
        return "none" if value is None else value[:_CHARS]

    if name.startswith(VERSION):
        return f"{name.removeprefix(VERSION)[:_CHARS]} {short(theirs)} here, {short(ours)} at the oracle"
    if name == SEED:
        return f"seed {short(theirs)} here, {short(ours)} at the oracle"
    if name.startswith(SECTION):
        return f"`{name.removeprefix(SECTION)[:_CHARS]}` in the configuration (with --set) differs from the oracle's"
    if name == MEANING:
        return "a file that the configuration names, such as a matrix of delays, differs from the oracle's"
    program = name.removeprefix(PROGRAM)[:_CHARS]
    if ours is None:
        return f"program {program} is not at the oracle"
    return f"program {program} differs from the oracle's"


def _version(name: str) -> str:
    version = versions()[name]
    return ".".join(version.split(".")[:2]) if name == "python" else version  # a bugfix of Python changes no bytes


def _sections(source: Source) -> Iterator[tuple[str, str]]:
    for name, section in source.config.model_dump(mode="json", exclude_unset=True).items():
        if name not in _OF_ONE_MACHINE:
            yield name, digest_of(msgspec.json.encode(section, order="deterministic"))


def _files(source: Source, programs: Iterable[str]) -> Iterator[tuple[str, str]]:
    for name, file in files_of(source, source.base, programs).items():
        yield name, digest_now(file) or "not there"


def _meaning(alone: LaunchPlan) -> str:
    """Of what the configuration comes to: it also depends on files that it names."""
    run = msgspec.structs.replace(alone.run, base="", path=(), parcels="", log="", oracle="", peers="")
    parts = [encode_spec(run), encode_oracle(alone.oracle.without_secrets()), *map(encode_spec, alone.processes)]
    return digest_of(b"".join(parts))
