"""A Slurm of our own, for a test session: three hosts q1, q2 and q3, all of them this machine."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.engines.needs import DEADLINE_S, alone, daemon, require, wait_for

HOSTS: Final = ("q1", "q2", "q3")
_FIRST_PORT: Final = 17_010

_CONFIGURATION: Final = """\
ClusterName=qnode
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
ProctrackType=proctrack/pgid
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SlurmdTimeout=5
KillWait=10
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,sched_min_interval=1
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
{nodes}
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:4
"""


@dataclass(frozen=True)
class Slurm:
    """A running one: its folder, and what its commands need in their environment."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def says(self, *command: str) -> str:
        """What one of Slurm's commands prints."""
        done = subprocess.run(
            command,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        return done.stdout if done.returncode == 0 else ""

    def steps(self) -> dict[str, str]:
        """The hosts of all steps that are not over."""
        return dict(
            line.split() for line in self.says("squeue", "--steps", "--noheader", "--format=%i %N").splitlines()
        )

    @property
    def jobs(self) -> list[str]:
        """The ids of all jobs that are not over."""
        return self.says("squeue", "--noheader", "--format=%i").split()


@contextlib.contextmanager
def slurm(folder: Path) -> Iterator[Slurm]:
    """One that is up, its three hosts idle. Skips where it cannot be started."""
    require(("munged", "slurmctld", "slurmd", "srun"), "slurmctld slurmd slurm-client munge")
    host = socket.gethostname().partition(".")[0]
    nodes = "\n".join(
        f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={_FIRST_PORT + nth} CPUs=4 RealMemory=500"
        for nth, name in enumerate(HOSTS, 1)
    )
    (folder / "slurm.conf").write_text(_CONFIGURATION.format(host=host, port=_FIRST_PORT, folder=folder, nodes=nodes))
    (folder / "state").mkdir()
    started = Slurm(folder)
    with alone("slurm"), _munge(folder), contextlib.ExitStack() as stack:
        for words in (["slurmctld", "-D"], *(["slurmd", "-D", "-N", name] for name in HOSTS)):
            log = folder / f"{words[0]}-{words[-1]}.out"
            stack.enter_context(daemon(*words, "-f", folder / "slurm.conf", log=log, **started.environment))
        wait_for(
            lambda: started.says("sinfo", "--noheader", "--format=%T %D").split() == ["idle", str(len(HOSTS))],
            "a Slurm with three hosts",
            log=folder / "slurmctld.log",
        )
        yield started


@contextlib.contextmanager
def _munge(folder: Path) -> Iterator[None]:
    """Who is who, for Slurm; with a key, a socket and a log of its own."""
    own = folder / "munge"
    own.mkdir(mode=0o700)
    (own / "key").write_bytes(secrets.token_bytes(128))
    (own / "key").chmod(0o400)
    words = ["munged", "--force", "--foreground", f"--key-file={own}/key", f"--socket={folder}/munge.socket"]
    words += [f"--pid-file={own}/pid", f"--log-file={own}/log", f"--seed-file={own}/seed"]
    with daemon(*words, log=own / "out"):
        wait_for((folder / "munge.socket").exists, "munge's socket", log=own / "out")
        yield
