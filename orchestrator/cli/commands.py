"""The commands there are: what the overview says about each, and which module does its work.

Read before anything else is imported, so this module imports next to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class Command(NamedTuple):
    """One command.

    Attributes:
        usage: Its name and what belongs after it, as the overview shows it.
        summary: What it does, in a few words.
        module: Where its `run(options)` is.
        launches: Whether it starts the processes of a network: then their launcher starts first of all.
        executes: Whether it executes programs in its own process: then that has the surroundings of a node's process.
    """

    name: str
    usage: str
    summary: str
    module: str
    launches: bool = False
    executes: bool = False


GROUPS: Final[Mapping[str, tuple[Command, ...]]] = {
    "Start here": (
        Command("init", "init DIR", "a new project that runs at once", "orchestrator.cli.init"),
        Command("run", "run CONFIG", "start the network, follow it, print the results", "orchestrator.cli.run", True),
        Command("check", "check CONFIG", "find all mistakes, show the plan, start nothing", "orchestrator.cli.check"),
    ),
    "Study": (
        Command("results", "results [RUN]", "the table again, or as --json, or --csv FILE", "orchestrator.cli.results"),
        Command("runs", "runs [prune]", "list the saved runs, or remove old ones", "orchestrator.cli.runs"),
    ),
    "See": (
        Command("link", "link CONFIG A-B", "rate, fidelity and key fraction of a link", "orchestrator.cli.link", True),
        Command("events", "events [RUN]", "filter the log of what happened; -f to follow", "orchestrator.cli.events"),
        Command("verify", "verify [RUN]", "check that its log keeps every invariant", "orchestrator.cli.verify"),
        Command("replay", "replay NODE [RUN]", "one node again, under pdb", "orchestrator.cli.replay", executes=True),
    ),
    "Operate": (
        Command("up", "up CONFIG", "a network in the background", "orchestrator.cli.up"),
        Command("ps", "ps [NAME]", "the networks that are up, or one's processes", "orchestrator.cli.ps"),
        Command("logs", "logs [NAME]", "what its programs print; -f to follow", "orchestrator.cli.logs"),
        Command("down", "down [NAME]", "end it; waits until everything is gone", "orchestrator.cli.down"),
        Command("oracle", "oracle CONFIG", "the oracle's process alone", "orchestrator.cli.oracle"),
        Command("node", "node CONFIG NODE", "one node alone, or all of one host (--host)", "orchestrator.cli.node"),
        Command("keys", "keys CONFIG DIR", "keys for oracle and nodes on many machines", "orchestrator.cli.keys"),
    ),
    "Elsewhere": (
        Command("compose", "compose CONFIG", "a compose.yaml: it in containers", "orchestrator.cli.compose"),
        Command("kubernetes", "kubernetes CONFIG", "manifests: it on Kubernetes", "orchestrator.cli.kubernetes"),
        Command("slurm", "slurm CONFIG", "a script for sbatch: it on many hosts", "orchestrator.cli.slurm"),
    ),
    "Yourself": (
        Command("doctor", "doctor", "what is installed, what is missing, limits", "orchestrator.cli.doctor"),
        Command("completion", "completion SHELL", "for bash, zsh or fish", "orchestrator.cli.completion"),
    ),
}

# The process behind `up`. People start it with `up`; it is in no overview.
KEEPER: Final = Command("keep", "keep CONFIG", "keep a network up", "orchestrator.cli.keep", True)

COMMANDS: Final[Mapping[str, Command]] = {one.name: one for group in GROUPS.values() for one in group}

_FOOT: Final = """\
RUN is a path, a run's name, or left out: the latest.
CONFIG is a .yaml, or a .py with programs.
Exit: 0 done  1 a program or assertion failed  2 usage or configuration
      3 deadlock or time-out  4 a node or the oracle was lost  130 interrupted
      141 nobody reads the output any more
More: qnode COMMAND --help   qnode --version
"""


def overview() -> str:
    """What `qnode --help` prints."""
    title = max(map(len, GROUPS))
    usage = max(len(one.usage) for one in COMMANDS.values())
    lines = ["Usage: qnode COMMAND [OPTIONS]      A quantum internet that you can run.", ""]
    for name, group in GROUPS.items():
        for nth, one in enumerate(group):
            lines.append(f"{'' if nth else name:{title}}   {one.usage:{usage}}   {one.summary}")
    return "\n".join([*lines, "", _FOOT])
