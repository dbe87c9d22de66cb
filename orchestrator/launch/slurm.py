"""Slurm, by its own commands: an allocation of hosts, and job steps on them. https://slurm.schedmd.com/srun.html"""

from __future__ import annotations

import asyncio
import ctypes
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

from orchestrator.launch.early import python
from qnode.errors import ConfigError

_JOB: Final = "SLURM_JOB_ID"
_HOSTS: Final = "SLURM_JOB_NODELIST"
_TERM_S: Final = 10.0  # wall time that a step has to end when it is asked to
_LONGEST_LINE: Final = 1 << 20  # bytes; what is longer is handed on in pieces
_PR_SET_PDEATHSIG: Final = 1  # prctl(2)


def is_inside() -> bool:
    """Whether this process runs in an allocation: in a script of sbatch, or under salloc."""
    return _JOB in os.environ and _HOSTS in os.environ


def hosts() -> tuple[str, ...]:
    """The hosts of the allocation that we run in, in Slurm's order."""
    return tuple(_said("scontrol", "show", "hostnames", os.environ[_HOSTS]).split())


def address_of(host: str) -> str:
    """Under which a host is reached by the others."""
    words = _said("scontrol", "show", "node", host, "--oneliner").split()
    told = dict(word.partition("=")[::2] for word in words)
    return told.get("NodeAddr") or host


def allocate(n_hosts: int, name: str, options: Sequence[str], arguments: Sequence[str]) -> NoReturn:
    """Become `salloc`, which waits for so many hosts and runs `qnode` with these arguments, in the allocation.

    Args:
        name: What the job is called.
        options: For salloc, such as --partition=long.
    """
    words = ["salloc", f"--nodes={n_hosts}", "--ntasks-per-node=1", f"--job-name={name}", "--kill-command=TERM"]
    os.execv(_found("salloc"), [*words, *options, *python("orchestrator.cli", *arguments)])


class Step:
    """One job step: a process of ours on a host of the allocation.

    Args:
        host: Where.
        arguments: Of `qnode` there.
        on_line: Called with each line of its standard output.
        errors: The file that its standard error goes to.
    """

    def __init__(self, host: str, arguments: Sequence[str], on_line: Callable[[str], None], errors: Path) -> None:
        self.host = host
        self._arguments = arguments
        self._on_line = on_line
        self._errors = errors

    async def start(self) -> None:
        """Returns once `srun` has started; `ended` is done when the step is over, with the exit status of `srun`."""
        words = ["--no-kill", "--overlap", "--nodes=1", "--ntasks=1", f"--nodelist={self.host}"]
        words += ["--unbuffered", "--quiet", "--disable-status"]  # the last: SIGINT is handed on
        with self._errors.open("ab") as errors:
            self._process = await asyncio.create_subprocess_exec(
                _found("srun"),
                *words,
                *python("orchestrator.cli", *self._arguments),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,  # the terminal's Ctrl-C is ours to handle
                preexec_fn=_end_with_parent,
                limit=_LONGEST_LINE,
            )
        self.ended = asyncio.ensure_future(self._follow())

    async def _follow(self) -> int:
        output = self._process.stdout
        assert output is not None
        torn = b""
        while data := await output.read(_LONGEST_LINE):
            *lines, torn = (torn + data).split(b"\n")
            for line in lines:
                self._on_line(line.decode(errors="replace"))
        if torn:
            self._on_line(torn.decode(errors="replace"))
        return await self._process.wait()

    async def end(self) -> None:
        """Ask for its end, and see that it comes; nothing if it has ended.

        What `srun` hands on is SIGINT alone; at SIGTERM it kills its step, which then could remove nothing.
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            if not self.ended.done():
                with suppress(ProcessLookupError):
                    self._process.send_signal(number)
                await asyncio.wait((self.ended,), timeout=_TERM_S)


def _end_with_parent() -> None:
    """In the child, before it becomes `srun`: the step ends when we do, however that happens."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def _said(*words: str) -> str:
    done = subprocess.run([_found(words[0]), *words[1:]], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigError(place=words[0], detail=done.stderr.strip() or f"exit status {done.returncode}")
    return done.stdout


def _found(command: str) -> str:
    path = shutil.which(command)
    if path is None:
        detail = f"Slurm's {command} is not installed here; log in where jobs are submitted, or leave out --on"
        raise ConfigError(place="--on slurm", detail=detail)
    return path
