"""What the files for all engines have in common: the commands of the processes, and how their values are written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from orchestrator.topology import Network
from qnode.errors import ConfigError

PORT: Final = 5700
KEY_ENDING: Final = ".key"  # of the files that `qnode keys` makes


@dataclass(frozen=True, slots=True)
class Deployed:
    """What is to run elsewhere.

    Attributes:
        network: The network, every name written out.
        file: The configuration's name in its folder.
        changes: What follows it in every command: `--set`, `--seed`.
        image: The image of all containers.
        made_by: The command that made the file.
    """

    network: Network
    file: str
    changes: tuple[str, ...] = ()
    image: str = "qnode"
    made_by: str = ""
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(map(str, self.network.nodes)))

    def oracle(self, folder: str, key: str, runs: str) -> list[str]:
        """The arguments of `qnode` for the oracle, all of them paths as its process sees them."""
        listen = ["--listen", f"tcp://0.0.0.0:{PORT}", "--keys", key, "--runs-folder", runs]
        return ["oracle", f"{folder}/{self.file}", *self.changes, *listen]

    def node(self, name: str, folder: str, key: str, host: str) -> list[str]:
        """The arguments of `qnode` for one node."""
        return ["node", f"{folder}/{self.file}", name, *self.changes, "--oracle", f"tcp://{host}:{PORT}", "--keys", key]


def require_inside(network: Network) -> None:
    """Raise ConfigError for a program that is not in the configuration's folder: it would not be in the container."""
    for node in network.nodes.values():
        for program in node.programs:
            file = PurePosixPath(program.run.rpartition(":")[0])
            if file.is_absolute() or ".." in file.parts:
                raise ConfigError(
                    place=f"nodes.{node.name}",
                    detail=f"{program.run} is outside the configuration's folder, and containers get that folder alone;"
                    " move it there, or put it into an image of your own as a module that can be imported",
                )


def quoted(text: str) -> str:
    """A text as YAML has it, in one line whatever is in it."""
    written = json.dumps(text, ensure_ascii=False)
    return "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in written)


def as_name(text: str) -> str:
    """A name as YAML has it: as it is, unless it would be read as something else."""
    return text if _BARE.fullmatch(text) and text.lower() not in _WORDS else quoted(text)


_BARE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_WORDS: Final = frozenset(("y", "yes", "n", "no", "on", "off", "true", "false", "null"))


def listed(words: Iterable[str]) -> str:
    """Texts as a YAML list in one line."""
    return f"[{', '.join(map(quoted, words))}]"


def commented(lines: Iterable[str]) -> str:
    """Lines as a comment; what would end it is left out."""
    shown = ("".join(char for char in line if char.isprintable()) for line in lines)
    return "".join(f"# {line}".rstrip() + "\n" for line in shown)


def indented(lines: Iterable[str], by: int) -> Iterator[str]:
    """Lines further to the right; empty ones stay empty."""
    return (" " * by + line if line else "" for line in lines)
