"""What each command accepts. Nothing is imported here that takes long: a mistake in a command is told at once."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NoReturn

from orchestrator.cli.commands import COMMANDS, KEEPER, Command
from orchestrator.folders import RUNS_FOLDER, as_file_name
from orchestrator.near import nearest
from qnode.exits import EXIT_USAGE

LARGEST_SEED: Final = 2**63 - 1
LONGEST_NAME: Final = 200  # bytes: with an ending it must still do as a file's name


class Parser(argparse.ArgumentParser):
    """A parser that answers a mistake with a sentence and the remedy, and takes no abbreviations."""

    def __init__(self, command: Command) -> None:
        super().__init__(
            prog=f"qnode {command.name}",
            description=f"{command.summary[0].upper()}{command.summary[1:]}.",
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """The options that were given. Exits with 2 if they make no sense."""
        options, left = self.parse_known_args(arguments)
        if left:
            self.error(self._about(left[0]))
        return options

    def error(self, message: str) -> NoReturn:
        """Tell what is wrong, and exit with 2."""
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\n{self.format_usage()}see also: {self.prog} --help\n")

    def _about(self, left: str) -> str:
        if not left.startswith("-"):
            return f"{left!r} is one argument too many"
        option = left.partition("=")[0]
        return f"there is no option {option}{nearest(option, self._option_string_actions)}"


def parser_of(command: Command) -> Parser:
    """The parser of a command."""
    parser = Parser(command)
    _ARGUMENTS[command.name](parser)
    parser.add_argument("--debug", action="store_true", help="show the tracebacks of qnode itself")
    return parser


# --- commands ------------------------------------------------------------------------------------------------------


def _init(parser: Parser) -> None:
    parser.add_argument(
        "folder", type=Path, metavar="DIR", help="made if it is not there; no file in it is overwritten"
    )


def _run(parser: Parser) -> None:
    _config(parser)
    _changes(parser)
    parser.add_argument("--runs", type=_whole, metavar="N", help="run N times, each with a seed derived from the seed")
    parser.add_argument("--name", type=_name, help="what the run is called, instead of its configuration's name")
    parser.add_argument("--timeout", type=_seconds, metavar="SECONDS", help="end the run after this much wall time")
    parser.add_argument("--json", action="store_true", help="print the results as JSON, and nothing else")
    parser.add_argument("--all", action="store_true", help="a row for every node, however many there are")
    parser.add_argument("-q", "--quiet", action="store_true", help="print the results and nothing else")
    parser.add_argument("--inline", action="store_true", help="run everything in this process, for debugging")
    parser.add_argument("--on", choices=("slurm",), help="run it on Slurm's hosts: in the allocation, or in a new one")
    _hosts(parser)
    parser.add_argument(
        "--slurm", default="", metavar="OPTIONS", help='for a new one, such as --slurm="--partition=long"'
    )
    _runs_folder(parser)


def _check(parser: Parser) -> None:
    _config(parser)
    _changes(parser)
    parser.add_argument("--all", action="store_true", help="a row for every node and link, however many there are")


def _results(parser: Parser) -> None:
    _which_run(parser)
    parser.add_argument("--json", action="store_true", help="print them as JSON")
    parser.add_argument(
        "--csv", type=Path, metavar="FILE", help="write them as comma-separated values; - is the screen"
    )
    parser.add_argument("--all", action="store_true", help="a row for every node, however many there are")
    parser.add_argument("--list", action="store_true", help="list the saved runs, as `qnode runs` does")
    _runs_folder(parser)


def _runs(parser: Parser) -> None:
    parser.add_argument(
        "action", nargs="?", choices=("list", "prune"), default="list", help="list (if left out), prune"
    )
    parser.add_argument("--keep", type=_number, metavar="N", help="prune: keep the newest N, remove the others")
    parser.add_argument("--older-than", type=_age, metavar="AGE", help="prune: remove what is older, such as 12h or 7d")
    parser.add_argument("--json", action="store_true", help="list them as JSON")
    _runs_folder(parser)


def _link(parser: Parser) -> None:
    _config(parser)
    parser.add_argument(
        "link", nargs="?", metavar="LINK", help="its name, or both ends such as alice-bob; left out: the only one"
    )
    _changes(parser)
    parser.add_argument(
        "--pairs", type=_pairs, default=3000, metavar="N", help="how many pairs the run makes and measures (3000)"
    )
    parser.add_argument("--no-run", action="store_true", help="formulas alone; start nothing")
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="draw fidelity against storage time and rate against distance"
    )
    parser.add_argument("--json", action="store_true", help="print it as JSON")


def _events(parser: Parser) -> None:
    parser.epilog = _OF_EVENTS
    _which_run(parser)
    for option, metavar, what in (
        ("--node", "NODE", "only what happened at this node"),
        ("--event", "KIND", "only events of this kind, such as measure"),
        ("--program", "NAME", "only what this program did"),
        ("--peer", "NODE", "only what this node is at the other end of"),
        ("--pair", "ID", "only what concerns this Bell pair or its halves, such as alice~bob#2"),
        ("--qubit", "ID", "only what concerns this qubit, such as alice.0"),
        ("--message", "ID", "only this classical message, such as alice:bob#2"),
    ):
        parser.add_argument(option, action="append", default=[], metavar=metavar, help=what)
    parser.add_argument(
        "--request",
        action="append",
        default=[],
        type=_request,
        metavar="N",
        help="only the node's request of this number",
    )
    parser.add_argument("--from", dest="from_", metavar="TIME", help="only from this network time on, such as 1.5ms")
    parser.add_argument("--to", metavar="TIME", help="only up to this network time")
    parser.add_argument("-n", "--last", type=_number, metavar="N", help="only the last N of what there is")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the run ends")
    parser.add_argument("--json", action="store_true", help="the lines as they stand in the log: JSON Lines")
    parser.add_argument("--count", action="store_true", help="how many of each kind at each node, and not the events")
    parser.add_argument("--schema", action="store_true", help="the JSON Schema of a line, and nothing else")
    _runs_folder(parser)


def _verify(parser: Parser) -> None:
    _which_run(parser)
    _runs_folder(parser)


def _replay(parser: Parser) -> None:
    parser.add_argument("node", metavar="NODE", help="which node of the run")
    _which_run(parser)
    parser.add_argument("--until", metavar="TIME", help="stop at this network time, and show where each program is")
    parser.add_argument(
        "--pdb", action="store_true", help="stop at the first line of each program, and where one fails"
    )
    parser.add_argument(
        "--life", type=_whole, metavar="N", help="which life of a node that was restarted, from 1; left out: the last"
    )
    parser.add_argument("--base", type=_folder, metavar="FOLDER", help="where the programs are, if they have moved")
    parser.add_argument("--saved", action="store_true", help="take the programs as they were saved with the run")
    parser.add_argument(
        "--anyway", action="store_true", help="go on, whatever has changed, to see where it becomes another run"
    )
    _runs_folder(parser)


def _up(parser: Parser) -> None:
    _config(parser)
    _changes(parser)
    parser.add_argument("--name", type=_name, help="what the network is called, instead of its configuration's name")
    parser.add_argument("--timeout", type=_seconds, metavar="SECONDS", help="end it after this much wall time")
    _runs_folder(parser)


def _keep(parser: Parser) -> None:
    _up(parser)
    parser.add_argument("--tell", type=int, required=True, help="the descriptor that hears when it is up")


def _ps(parser: Parser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="a network; left out: all of them")
    parser.add_argument("--json", action="store_true", help="print it as JSON")


def _logs(parser: Parser) -> None:
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="a network that is up, or a run; left out: the only one"
    )
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the network ends")
    parser.add_argument("-n", "--lines", type=_number, metavar="N", help="only the last N lines of what there is")
    parser.add_argument("--node", metavar="NODE", help="only what this node says")
    _runs_folder(parser)


def _down(parser: Parser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="a network; left out: the only one")
    parser.add_argument("--all", action="store_true", help="all networks that are up")


def _oracle(parser: Parser) -> None:
    parser.epilog = _BY_HAND
    _config(parser)
    _changes(parser)
    parser.add_argument(
        "--listen",
        required=True,
        metavar="ADDRESS",
        help="tcp://0.0.0.0:PORT for nodes on other machines, tcp://127.0.0.1:PORT or ipc://PATH for this one",
    )
    _keys(parser)
    parser.add_argument(
        "--wait", type=_seconds, default=300.0, metavar="SECONDS", help="how long to wait for all nodes (300)"
    )
    _patience(parser, "how long a node may be gone until it is lost (30)")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument("--all", action="store_true", help="a row for every node, however many there are")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--folder", type=Path, metavar="DIR", help="where this run is saved, a new and empty folder; left out: numbered"
    )
    where.add_argument("--resume", metavar="RUN", help="go on with a run whose oracle was killed, from its record")
    where.add_argument(
        "--take-up",
        action="store_true",
        help="go on with the latest run if its oracle was killed; end as it did if it failed and nothing has changed",
    )
    _ready(parser)
    _runs_folder(parser)


def _node(parser: Parser) -> None:
    parser.epilog = _BY_HAND
    _config(parser)
    parser.add_argument("node", nargs="?", metavar="NODE", help="which of the configuration's nodes to be")
    parser.add_argument(
        "--host", metavar="HOST", help="all nodes that `place` puts on this host; --keys is then a folder"
    )
    _changes(parser)
    parser.add_argument(
        "--oracle", required=True, metavar="ADDRESS", help="where it is: tcp://HOST:PORT, or ipc://PATH as it listens"
    )
    _keys(parser)
    parser.add_argument(
        "--listen",
        default="",
        metavar="ADDRESS",
        help="where other nodes reach this one, tcp://HOST:PORT; left out: a free port where it faces the oracle",
    )
    parser.add_argument(
        "--advertise", default="", metavar="HOST", help="what other nodes are told of that: HOST or HOST:PORT"
    )
    parser.add_argument(
        "--wait", type=_seconds, default=300.0, metavar="SECONDS", help="how long to wait for the oracle (300)"
    )
    _patience(parser, "how long the oracle may be gone once it was here (30)")
    _ready(parser)


def _make_keys(parser: Parser) -> None:
    _config(parser)
    parser.add_argument("folder", type=Path, metavar="DIR", help="where the files go; made if it is not there")
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", help="change the configuration")
    parser.add_argument("--force", action="store_true", help="replace files that are there")


def _compose(parser: Parser) -> None:
    parser.epilog = "qnode compose net.yaml > compose.yaml; the file's head says how to go on."
    _config(parser)
    _changes(parser)
    _image(parser)
    parser.add_argument("--build", type=Path, metavar="CONTEXT", help="build the image from qnode's own folder, here")


def _kubernetes(parser: Parser) -> None:
    parser.epilog = "qnode kubernetes net.yaml > net.k8s.yaml; the file's head says how to go on."
    _config(parser)
    _changes(parser)
    _image(parser)
    parser.add_argument("--storage", default="1Gi", metavar="SIZE", help="what the results may take (1Gi)")


def _slurm(parser: Parser) -> None:
    parser.epilog = "qnode slurm net.yaml --hosts 3 > job.sh; read it, change it, then: sbatch job.sh"
    _config(parser)
    _changes(parser)
    _hosts(parser)


def _image(parser: Parser) -> None:
    parser.add_argument("--image", metavar="NAME", help="the image of all containers; left out: qnode:VERSION")
    parser.add_argument(
        "--keys", type=Path, default=Path("keys"), metavar="DIR", help="where the files of `qnode keys` are (keys)"
    )


def _doctor(parser: Parser) -> None:
    parser.add_argument("--json", action="store_true", help="print it as JSON")


def _completion(parser: Parser) -> None:
    parser.epilog = (
        'bash: eval "$(qnode completion bash)" in ~/.bashrc\n'
        'zsh:  eval "$(qnode completion zsh)" in ~/.zshrc, after compinit\n'
        "fish: qnode completion fish > ~/.config/fish/completions/qnode.fish"
    )
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), metavar="SHELL", help="bash, zsh or fish")


_ARGUMENTS: Final[Mapping[str, Callable[[Parser], None]]] = {
    "init": _init,
    "run": _run,
    "check": _check,
    "results": _results,
    "runs": _runs,
    "link": _link,
    "events": _events,
    "verify": _verify,
    "replay": _replay,
    "up": _up,
    "ps": _ps,
    "logs": _logs,
    "down": _down,
    "oracle": _oracle,
    "node": _node,
    "keys": _make_keys,
    "compose": _compose,
    "kubernetes": _kubernetes,
    "slurm": _slurm,
    "doctor": _doctor,
    "completion": _completion,
    KEEPER.name: _keep,
}
assert _ARGUMENTS.keys() == {*COMMANDS, KEEPER.name}

_OF_EVENTS: Final = """\
An option that is given several times means any of these; different options
narrow it down. The kinds and all fields: docs/events.md, or --schema."""

_BY_HAND: Final = """\
One oracle and one process for each node, in any order, all with the same
configuration, seed and version. On one machine, with a secret of all:
  export QNODE_TOKEN="$(openssl rand -hex 16)"
  qnode oracle teleport.yaml --seed 1 --listen tcp://127.0.0.1:5700 &
  qnode node teleport.yaml alice --seed 1 --oracle tcp://127.0.0.1:5700 &
  qnode node teleport.yaml bob --seed 1 --oracle tcp://127.0.0.1:5700
Across machines, with keys (docs/machines.md goes through it step by step):
  qnode keys teleport.yaml keys
  qnode oracle teleport.yaml --listen tcp://0.0.0.0:5700 --keys keys/oracle.key
  qnode node teleport.yaml bob --oracle tcp://lab1:5700 --keys keys/bob.key"""


# --- what several accept -------------------------------------------------------------------------------------------


def _config(parser: Parser) -> None:
    parser.add_argument("config", type=Path, metavar="CONFIG", help="a .yaml that describes it, or a .py with programs")


def _changes(parser: Parser) -> None:
    parser.add_argument("--seed", type=_seed, metavar="S", help="instead of the configuration's; 0 to 2**63 - 1")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="PATH=VALUE",
        help="change the configuration, such as links.*.length=25km; may be repeated",
    )


def _which_run(parser: Parser) -> None:
    parser.add_argument("which", nargs="?", metavar="RUN", help="a path or a run's name; left out: the latest")


def _runs_folder(parser: Parser) -> None:
    parser.add_argument(
        "--runs-folder", type=Path, default=RUNS_FOLDER, metavar="DIR", help=f"where runs are saved ({RUNS_FOLDER})"
    )


def _patience(parser: Parser, what: str) -> None:
    parser.add_argument("--patience", type=_seconds, default=_PATIENCE_S, metavar="SECONDS", help=what)


def _keys(parser: Parser) -> None:
    parser.add_argument(
        "--keys",
        type=Path,
        metavar="FILE",
        help="its own of those that `qnode keys` made, or their folder; left out: QNODE_TOKEN, on this machine only",
    )


def _ready(parser: Parser) -> None:
    parser.add_argument(
        "--ready",
        type=Path,
        default=os.environ.get("QNODE_READY"),
        metavar="FILE",
        help="a file that is there while it takes part, for health checks; - is standard output; left out: QNODE_READY",
    )


def _hosts(parser: Parser) -> None:
    parser.add_argument(
        "--hosts", type=_whole, metavar="N", help="how many hosts of Slurm; left out: as many as `hosts:` has, or 1"
    )


# --- values --------------------------------------------------------------------------------------------------------


def _seed(text: str) -> int:
    return _from_to(text, 0, LARGEST_SEED, "from 0 to 2**63 - 1")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise _refused(text, "a positive number of seconds")
    if seconds > _LONGEST_S:
        raise _refused(text, f"a number of seconds up to {_LONGEST_S}, a year")
    return seconds


def _number(text: str) -> int:
    return _from_to(text, 0, _MOST, f"from 0 to {_MOST}")


def _whole(text: str) -> int:
    return _from_to(text, 1, _MOST, f"from 1 to {_MOST}")


def _pairs(text: str) -> int:
    return _from_to(text, 3, _MOST, f"from 3 to {_MOST}, some for each of three bases")


def _request(text: str) -> int:
    return _from_to(text, 1, LARGEST_SEED, "from 1 to 2**63 - 1")


def _from_to(text: str, least: int, most: int, which: str) -> int:
    number = int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else -1
    if not least <= number <= most:
        raise _refused(text, f"a whole number {which}")
    return number


_PATIENCE_S: Final = 30.0  # a laptop may be closed and opened again
_LONGEST_S: Final = 366 * 86400
_MOST: Final = 1_000_000
_MOST_DIGITS: Final = 4000  # what Python turns into a number at once
_MOST_SHOWN: Final = 40  # characters of what was typed that are told again
_AGES: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_OLDEST_S: Final = 1000 * 366 * 86400  # a date that far back can still be told


def _age(text: str) -> float:
    """Seconds."""
    number, unit = text[:-1], text[-1:]
    if unit not in _AGES or not number.isdecimal():
        raise _refused(text, "an age; write a number and s, m, h, d or w, such as 7d")
    if len(number) > _MOST_DIGITS or int(number) * _AGES[unit] > _OLDEST_S:
        raise _refused(text, "an age of up to 1000 years; write a number and s, m, h, d or w, such as 7d")
    return float(int(number) * _AGES[unit])


def _folder(text: str) -> Path:
    if not Path(text).is_dir():
        raise _refused(text, "a folder that is there")
    return Path(text)


def _name(text: str) -> str:
    """What may be the name of a run and of a network alike, each of which is one of files."""
    if not text or as_file_name(text) != text or text.startswith("-"):
        raise _refused(text, "a name: letters, digits, - (not at the beginning) and _")
    if len(text.encode()) > LONGEST_NAME:
        raise _refused(text, f"a name of up to {LONGEST_NAME} bytes")
    return text


def _refused(text: str, what: str) -> argparse.ArgumentTypeError:
    shown = repr(text) if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]!r}... ({len(text)} characters)"
    return argparse.ArgumentTypeError(f"{shown} is not {what}")
