"""A script for sbatch. https://slurm.schedmd.com/sbatch.html"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Final

_SCRIPT: Final = """\
#!/bin/bash
# {name} on {hosts} of Slurm. Made by:
#   {made_by}
# Read it, change it, then:   sbatch FILE
# A line with one # before SBATCH is an option of sbatch; one with two is a suggestion.

#SBATCH --job-name={job}
#SBATCH --nodes={n_hosts}
#SBATCH --ntasks-per-node=1
#SBATCH --output=%x-%j.out
##SBATCH --time=1:00:00
##SBATCH --partition=NAME
##SBATCH --exclusive            # all cores of each host: every node of the network is a process
##SBATCH --cpus-per-task=8      # or so many

# The folder in which it is submitted must be on a file system that all hosts have: the run is saved there.
# Where qnode is installed, again on all hosts:
export PATH={bin_folder}:$PATH

# The oracle goes to the first host, nodes go where `hosts:` and `place:` say, or evenly over all.
exec qnode run {arguments} --on slurm
"""


def script(name: str, job: str, n_hosts: int, *, arguments: Sequence[str], made_by: str, bin_folder: str) -> str:
    """The script.

    Args:
        name: The network's.
        job: The same as Slurm may call the job.
        n_hosts: How many hosts it asks for.
        arguments: Of `qnode run`.
        made_by: The command that made it, in one line.
        bin_folder: Where the command `qnode` is.
    """
    return _SCRIPT.format(
        name="".join(char if char.isprintable() else " " for char in name),
        hosts=f"{n_hosts} host{'' if n_hosts == 1 else 's'}",
        job=job,
        n_hosts=n_hosts,
        arguments=shlex.join(arguments),
        made_by=made_by,
        bin_folder=shlex.quote(bin_folder),
    )
