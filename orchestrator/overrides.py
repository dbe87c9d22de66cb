"""Values given from outside the file: `links.short.length=25km`, a path to a value and what it is to be. Pure.

A step of a path may contain `*`, which stands for any text: `links.*.length=5km`. The value is read as YAML, so `3` is
a number and `[alice, bob]` a list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from orchestrator.config import Config
from orchestrator.near import nearest
from orchestrator.problems import ConfigErrors, Path, refusal
from orchestrator.shapes import ShapeError, expand
from orchestrator.units import shown
from orchestrator.written import Written

_NAMED: Final = {"kinds": "kind", "nodes": "node", "links": "link", "graphs": "graph", "programs": "program"}
_STEP: Final = re.compile(r"(?:[^.\[\]]|\[[^\]]*\])+")  # dots inside of brackets belong to a range
_INDEX: Final = re.compile(r"(.*)\[([0-9]+)\]")


class Override(NamedTuple):
    """One of them: what was written, its steps, and the value."""

    text: str
    steps: tuple[str, ...]
    value: Any

    @property
    def source(self) -> str:
        """What problems call it."""
        return f"--set {self.text}"


def read(text: str) -> Override:
    """An override as it is written. Raises ConfigErrors."""
    path, equals, value = text.partition("=")
    steps = _STEP.findall(path.strip())
    if not equals or not steps or ".".join(steps) != path.strip():
        raise refusal(f"--set {text}", "write a path and a value, such as links.short.length=25km")
    try:
        written = Written.from_text(value, "value")
    except ConfigErrors as error:
        raise refusal(f"--set {text}", f"the value is not YAML: {error.problems[0].detail}") from None
    if written.problems:
        raise refusal(f"--set {text}", written.problems[0].detail)
    return Override(text, tuple(steps), written.data)


def apply(override: Override, data: Any) -> tuple[Any, tuple[Path, ...]]:
    """New data with the value in it, and the paths that now lead to it. `data` is left alone.

    Raises:
        ConfigErrors: If the path leads nowhere; names (of nodes, links, ...) must be there, settings need not.
    """
    paths = tuple(_matches(override, data, (), override.steps))
    for path in paths:
        data = _replaced(data, path, override.value)
    return data, paths


def _matches(override: Override, data: Any, so_far: Path, steps: tuple[str, ...]) -> Iterator[Path]:
    if not steps:
        yield so_far
        return
    indexed = _INDEX.fullmatch(steps[0])
    if indexed and isinstance(data, dict) and steps[0] not in data and indexed[1] in data:
        steps = (indexed[1], indexed[2], *steps[1:])
    for step in _next(override, data, so_far, steps[0]):
        below = data[step] if _holds(data, step) else None
        yield from _matches(override, below, (*so_far, step), steps[1:])


def _next(override: Override, data: Any, so_far: Path, step: str) -> list[str | int]:
    """The keys or places that a step means here."""
    where = ".".join(map(str, so_far)) or "the file"
    if isinstance(data, list):
        places = range(len(data)) if step == "*" else [int(step)] if step.isdecimal() else []
        found: list[str | int] = [nth for nth in places if nth < len(data)]
        if not found:
            raise refusal(override.source, f"{where} is a list of {len(data)}; write a number from 0, or *")
        return found
    if not isinstance(data, dict | None):
        raise refusal(override.source, f"{where} is {shown(data)}, which has no keys; set {where} as a whole")
    there = [key for key in data or {} if isinstance(key, str) and not key.startswith("x-")]
    if "*" in step:
        pattern = re.compile("(?s:.*)".join(map(re.escape, step.split("*"))))
        matching: list[str | int] = [key for key in there if pattern.fullmatch(key)]
        if not matching:
            raise refusal(override.source, f"{step!r} matches nothing in {where}{_there(there)}")
        return matching
    if so_far and so_far[-1] in _NAMED and _is_names(so_far) and step not in there:
        noun = _NAMED[str(so_far[-1])]
        raise refusal(override.source, f"no {noun} {step!r}{_hint(step, there)}")
    if not so_far and step not in Config.model_fields and not step.startswith("x-"):
        settings = list(Config.model_fields)
        raise refusal(
            override.source, f"no setting {step!r}{nearest(step, settings)}; there are: {', '.join(settings)}"
        )
    return [step]


def _is_names(path: Path) -> bool:
    """Whether the keys here are names that somebody chose, and not those of the format."""
    return len(path) == 1 or (len(path) == 3 and path[0] == "nodes" and path[2] == "programs")


def _hint(step: str, there: list[str]) -> str:
    for pattern in there:
        if "[" in pattern and step in _names(pattern):
            return f": it is one of {pattern!r}; set them all by that name, or take it out of the range in the file"
    return f"{nearest(step, there)}{_there(there)}"


def _names(pattern: str) -> tuple[str, ...]:
    try:
        return expand(pattern)
    except ShapeError:
        return ()


def _there(names: list[str]) -> str:
    if not names:
        return "; there are none"
    shown_names = names if len(names) <= 10 else [*names[:10], f"and {len(names) - 10} more"]
    return f"; there are: {', '.join(shown_names)}"


def _holds(data: Any, step: str | int) -> bool:
    return isinstance(data, list) or (isinstance(data, dict) and step in data)


def _replaced(data: Any, path: Path, value: Any) -> Any:
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(data, list) and isinstance(step, int):
        return [_replaced(item, rest, value) if nth == step else item for nth, item in enumerate(data)]
    there = data if isinstance(data, dict) else {}
    return {**there, step: _replaced(there.get(step), rest, value)}
