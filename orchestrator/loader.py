"""From a YAML file to a `Config`, or to one error that says all that is wrong with it: where, and what is allowed."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from orchestrator import references
from orchestrator.config import Config
from orchestrator.draft import Draft
from orchestrator.graphs import imported
from orchestrator.importers import UnreadableGraph, read_graph
from orchestrator.invalid import model_findings
from orchestrator.near import nearest
from orchestrator.overrides import read as read_override
from orchestrator.problems import ConfigErrors, Finding, refusal
from orchestrator.written import Written


def load(
    path: Path | str,
    overrides: Iterable[str] = (),
    *,
    programs: bool = False,
) -> Config:
    """The configuration in a file.

    Args:
        path: Its path; paths in it are relative to its folder.
        overrides: Values to lay over it, such as `links.short.length=25km` or `links.*.length=5km`.
        programs: Whether to read the programs, too, and see that they are there and take their arguments.
    Raises:
        ConfigErrors: With everything that is wrong with it.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise refusal(str(path), f"{error.strerror or error}{_nearest_file(file)}") from None
    except UnicodeDecodeError:
        raise refusal(str(path), "is not text in UTF-8") from None
    return loads(text, str(path), overrides, base=file.parent, programs=programs)


def loads(
    text: str,
    source: str = "<text>",
    overrides: Iterable[str] = (),
    *,
    base: Path | None = None,
    programs: bool = False,
) -> Config:
    """The configuration in a text; `source` is what problems call it, `base` the folder that paths are relative to."""
    with _no_collector():
        return _loaded(Written.from_text(text, source), overrides, base, (), programs)


def from_mapping(
    data: Mapping[str, Any],
    source: str = "<mapping>",
    overrides: Iterable[str] = (),
    *,
    base: Path | None = None,
    path: tuple[str, ...] = (),
    programs: bool = False,
) -> Config:
    """The configuration in a mapping that a program made; the same rules and the same sentences, without lines."""
    return _loaded(Written.from_data(data, source), overrides, base, path, programs)


def _loaded(
    written: Written,
    overrides: Iterable[str],
    base: Path | None,
    path: tuple[str, ...],
    programs: bool,
) -> Config:
    folder = Path() if base is None else base
    draft = Draft(written)
    for text in overrides:
        try:
            draft.override(read_override(text))
        except ConfigErrors as error:
            draft.keep(error)
    _take_in_graphs(draft, folder)
    config = _if_right(draft)
    if config is None:
        config = draft.config()
        if config is None:
            raise draft.errors()
        draft.refuse_all(model_findings(config))
    if programs:
        draft.refuse_all(references.findings(config, folder, path))
    if not draft:
        raise draft.errors()
    return config


def _if_right(draft: Draft) -> Config | None:
    """The way of nearly all: nothing is wrong, and nothing has to be collected."""
    try:
        return Config.model_validate(draft.data) if draft else None
    except ValidationError:
        return None


def _take_in_graphs(draft: Draft, folder: Path) -> None:
    for name, config in list(draft.graphs()):
        try:
            draft.take_in(name, imported(name, config, read_graph(config, folder)))
        except UnreadableGraph as error:
            draft.refuse(Finding(("graphs", name, "file"), str(error)))
            draft.names_are_unknown()


def _nearest_file(file: Path) -> str:
    """Of a file that is not there, the one beside it that was probably meant."""
    if file.exists() or not file.parent.is_dir():
        return ""
    return nearest(file.name, sorted(one.name for one in file.parent.iterdir() if one.suffix in (".yaml", ".yml")))


@contextmanager
def _no_collector() -> Iterator[None]:
    """Nothing that is made while loading is garbage, and looking for it takes half of the time for a big file."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
