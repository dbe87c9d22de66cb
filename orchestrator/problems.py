"""What is wrong with a configuration: findings, and the one error that tells all of them. Pure.

A *finding* is about a path in what was written (`("links", "short", "length")`); a *problem* is a finding whose place
is known. Checks make findings; the draft of a configuration turns them into problems.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from qnode.errors import ConfigError

Path = tuple[str | int, ...]

_WIDEST: Final = 120  # of a line that is shown; a file may well be one line of many thousand characters


class Finding(NamedTuple):
    """One thing that is wrong.

    Attributes:
        path: From the top of the configuration to what is to blame.
        detail: A sentence that says what is allowed.
        needs: Other things that the sentence rests on; if one of them was refused, it may be a mere consequence.
            Whoever blames a whole mapping needs all its keys, and does not have to say so.
        key: True if the key is to blame and not its value.
        meant: Names beside the last of the path that were probably meant instead of it.
    """

    path: Path
    detail: str
    needs: tuple[Path, ...] = ()
    key: bool = False
    meant: tuple[str, ...] = ()

    def below(self, path: Path) -> Finding:
        """The same, seen from further up."""
        return self._replace(path=(*path, *self.path), needs=tuple((*path, *need) for need in self.needs))


class Problem(NamedTuple):
    """A finding and its place; line and column count from 1, and 0 means that there is none."""

    file: str
    line: int
    column: int
    key: str
    detail: str

    @property
    def place(self) -> str:
        """`net.yaml:3:7`, as editors and terminals follow it."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.place, self.key, self.detail)))


class ConfigErrors(ConfigError, travels=False):
    """All that is wrong with a configuration, in the order of the file.

    Its text has one block for each problem: place, key and sentence, then the line with a caret below.

    Args:
        problems: At least one.
        texts: What the files say, by the name that the problems give them.
    """

    def __init__(self, problems: Iterable[Problem], texts: Mapping[str, str] | None = None) -> None:
        self.problems = tuple(sorted(set(problems)))
        self.texts = dict(texts or {})
        lines = {file: text.splitlines() for file, text in self.texts.items()}
        first = self.problems[0]
        super().__init__(place=first.place, detail="\n".join(_block(one, lines) for one in self.problems))

    def __str__(self) -> str:
        return str(self.fields["detail"])

    def __reduce__(self) -> tuple[Callable[..., ConfigErrors], tuple[object, ...]]:
        return type(self), (self.problems, self.texts)


def refusal(file: str, detail: str, key: str = "") -> ConfigErrors:
    """One problem without a line: a file that cannot be read, for one."""
    return ConfigErrors([Problem(file, 0, 0, key, detail)])


def dotted(path: Path) -> str:
    """A path as people write it: `observe.received[0].fidelity`."""
    return ".".join(f"[{step}]" if isinstance(step, int) else step for step in path).replace(".[", "[")


def _block(problem: Problem, lines: Mapping[str, list[str]]) -> str:
    there = lines.get(problem.file, [])
    if not 0 < problem.line <= len(there):
        return str(problem)
    line, at = _window(there[problem.line - 1].rstrip(), problem.column - 1)
    above_caret = "".join(char if char == "\t" else " " for char in line[:at])
    return f"{problem}\n    {line}\n    {above_caret}^"


def _window(line: str, at: int) -> tuple[str, int]:
    """A part of the line that can be shown, and where the column is in it."""
    if len(line) <= _WIDEST:
        return line, at
    start = max(0, min(at - _WIDEST // 2, len(line) - _WIDEST))
    end = start + _WIDEST
    before, after = ("..." if start else ""), ("..." if end < len(line) else "")
    return f"{before}{line[start:end]}{after}", at - start + len(before)
