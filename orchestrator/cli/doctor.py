"""`qnode doctor`: what is installed, what is missing and how to get it, and what this machine allows."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
import shutil
import sys
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Final, NamedTuple

from orchestrator.cli.screen import Screen
from orchestrator.launch.forkserver import START_METHOD, start_method
from orchestrator.launch.limits import descriptors_for
from orchestrator.launch.rundir import RunDirectory
from orchestrator.text import columns, count
from qnode import __version__
from qnode.errors import QnodeError
from qnode.exits import EXIT_FAILED

_LEAST_FREE: Final = 2**30  # bytes of memory or disk below which a run may not go well


class Finding(NamedTuple):
    """One thing that was looked at; `remedy` is empty if all is well, and `needed` says whether runs depend on it."""

    group: str
    what: str
    found: str
    remedy: str = ""
    needed: bool = True


def run(options: argparse.Namespace, screen: Screen) -> int:
    """Carry out the command; the exit code: 1 if something is missing that every run needs."""
    findings = [*_python(), *_packages(), *_limits()]
    if options.json:
        screen.say(json.dumps([finding._asdict() for finding in findings], indent=2))
    else:
        screen.say(_as_text(findings, screen))
    return EXIT_FAILED if any(finding.remedy and finding.needed for finding in findings) else 0


def _as_text(findings: list[Finding], screen: Screen) -> str:
    lines = []
    for group in dict.fromkeys(finding.group for finding in findings):
        rows = [(one.what, one.found, one.remedy) for one in findings if one.group == group]
        lines += [screen.heading(group), columns(rows)]
    missing = sum(bool(finding.remedy and finding.needed) for finding in findings)
    lines.append(f"{count(missing, 'problem')}" if missing else "all that is needed is here")
    return "\n".join(lines)


# --- what is installed ---------------------------------------------------------------------------------------------


def _python() -> Iterator[Finding]:
    version = platform.python_version()
    remedy = "" if sys.version_info >= (3, 11) else "install Python 3.11 or newer"
    yield Finding("this machine", "qnode", __version__)
    yield Finding("this machine", platform.python_implementation(), f"{version}   {sys.executable}", remedy)
    yield Finding("this machine", "system", f"{platform.system()} {platform.release()}, {platform.machine()}")
    method = start_method()
    how = {"fork": "fork: copies of one that is ready", "spawn": "spawn: each starts afresh"}
    yield Finding("this machine", "processes", f"{how.get(method, method)} ({START_METHOD} changes it)")


class Requirement(NamedTuple):
    """A package that is needed; `extra` names the optional features that need it, or is empty."""

    name: str
    bounds: tuple[tuple[str, str], ...]
    extra: str


def joined(wanted: Iterable[Requirement]) -> list[Requirement]:
    """Each package once, for all features that need it; what every run needs comes first."""
    of_name: dict[str, list[Requirement]] = {}
    for one in wanted:
        of_name.setdefault(one.name, []).append(one)
    found = []
    for name, same in of_name.items():
        extras = sorted({one.extra for one in same})
        bounds = dict.fromkeys(bound for one in same for bound in one.bounds)
        found.append(Requirement(name, tuple(bounds), "" if "" in extras else ",".join(extras)))
    return sorted(found, key=lambda one: (one.extra, one.name))


_REQUIREMENT: Final = re.compile(
    r"(?P<name>[\w.-]+)(?:\[[^]]*])?(?P<bounds>[^;]*)(?:;.*extra\s*==\s*['\"](?P<extra>\w+))?"
)
_BOUND: Final = re.compile(r"(>=|<=|==|!=|<|>)\s*([\w.]+)")


def requirement_of(text: str) -> Requirement:
    """A line such as `numpy<3,>=1.26; extra == 'graphs'` in its parts."""
    match = _REQUIREMENT.match(text)
    assert match is not None  # it begins with a name, whatever it is
    bounds = tuple((bound[1], bound[2]) for bound in _BOUND.finditer(match["bounds"]))
    return Requirement(match["name"], bounds, match["extra"] or "")


def fits(version: str, bounds: Iterable[tuple[str, str]]) -> bool:
    """Whether a version lies within bounds, by its numbers; pre-releases count as what they precede."""
    compare = {
        ">=": lambda one, other: one >= other,
        "<=": lambda one, other: one <= other,
        "==": lambda one, other: one == other,
        "!=": lambda one, other: one != other,
        "<": lambda one, other: one < other,
        ">": lambda one, other: one > other,
    }
    return all(compare[sign](_numbers(version), _numbers(bound)) for sign, bound in bounds)


def _numbers(version: str) -> tuple[int, ...]:
    numbers = [int(part) for part in re.match(r"[\d.]*", version)[0].split(".") if part]  # type: ignore[index]  # it matches nothing at least
    return (*numbers, *[0] * (6 - len(numbers)))


def _packages() -> Iterator[Finding]:
    try:
        lines = metadata.requires("qnode") or []
    except metadata.PackageNotFoundError:
        yield Finding("packages", "qnode", "not installed", "run `pip install -e .` in its folder", needed=False)
        return
    for one in joined(map(requirement_of, lines)):
        if one.name != "qnode":
            yield _package(one)


def _package(wanted: Requirement) -> Finding:
    group = f"packages for qnode[{wanted.extra}]" if wanted.extra else "packages"
    get = f"pip install 'qnode[{wanted.extra.split(',')[0]}]'" if wanted.extra else "pip install qnode"
    bounds = ",".join(sorted("".join(bound) for bound in wanted.bounds))
    try:
        version = metadata.version(wanted.name)
    except metadata.PackageNotFoundError:
        return Finding(group, wanted.name, "missing", f"{get} (needs {bounds})", needed=not wanted.extra)
    remedy = "" if fits(version, wanted.bounds) else f"{get} (needs {bounds})"
    return Finding(group, wanted.name, version, remedy, needed=not wanted.extra)


# --- what the machine allows ---------------------------------------------------------------------------------------


def _limits() -> Iterator[Finding]:
    yield _open_files()
    yield _processes()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Finding("limits", "cores", str(cores))
    yield from _memory()
    yield _sockets()
    free = shutil.disk_usage(Path.cwd()).free
    yield Finding(
        "limits", "disk", f"{_bytes(free)} free here", _if_little(free, "make room: qnode runs prune --keep 10")
    )


def _open_files() -> Finding:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        return Finding("limits", "open files", "without limit")
    most = hard - descriptors_for(0)
    remedy = "" if most >= 1000 else "allow more, such as by `ulimit -n 65536`, or set nodes_per_process"
    return Finding("limits", "open files", f"{hard:,}: room for {most:,} node processes", remedy, needed=most < 2)


def _processes() -> Finding:
    soft, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    cgroup = Path("/sys/fs/cgroup/pids.max")
    limits = [] if soft == resource.RLIM_INFINITY else [soft]
    if cgroup.is_file() and (text := cgroup.read_text().strip()).isdecimal():
        limits.append(int(text))
    if not limits:
        return Finding("limits", "processes", "without limit")
    least = min(limits)
    remedy = "" if least >= 1100 else "allow more, such as by `ulimit -u 8192`, or set nodes_per_process"
    return Finding("limits", "processes", f"{least:,} of this user", remedy, needed=least < 16)


def _memory() -> Iterator[Finding]:
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        total, free = (int(lines[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable"))
    except (OSError, KeyError, ValueError):
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        yield Finding("limits", "memory", _bytes(total))
        return
    remedy = _if_little(free, "end other programs")
    yield Finding("limits", "memory", f"{_bytes(free)} available of {_bytes(total)}", remedy, needed=False)


def _sockets() -> Finding:
    """Where the sockets of runs are: tried, not guessed."""
    try:
        directory = RunDirectory()
    except (QnodeError, OSError) as error:
        return Finding("limits", "sockets", f"no folder for them: {error}", "set TMPDIR to a folder of your own")
    directory.remove()
    return Finding("limits", "sockets", f"in {directory.path.parent}")


def _if_little(free: float, remedy: str) -> str:
    return remedy if free < _LEAST_FREE else ""


def _bytes(n: float) -> str:
    return f"{n / 2**30:.1f} GiB"
