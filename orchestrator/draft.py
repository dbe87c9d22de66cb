"""A configuration on its way from what was written to a `Config`: values laid over it, files of graphs taken in, and
everything that is wrong collected, with its place.

After a mistake the part that is to blame is taken out and the rest is checked as if it had never been there. What is
found later and rests on a part that was taken out may be a mere consequence, and is not told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from orchestrator.config import Config
from orchestrator.graphs import GraphConfig, Imported
from orchestrator.invalid import findings_of
from orchestrator.near import nearest
from orchestrator.overrides import Override, apply
from orchestrator.problems import ConfigErrors, Finding, Path, Problem, dotted
from orchestrator.values import COLLECT, unknown_key
from orchestrator.written import Place, Written

_STUBS: Final[Mapping[str, object]] = {"version": 1, "nodes": {}}  # what must be there
_GRAPH: Final = TypeAdapter(GraphConfig)


class Draft:
    """What was written, and what has been found wrong with it."""

    def __init__(self, written: Written) -> None:
        self.data: Any = written.data
        self._written = written
        self._problems: list[Problem] = []
        self._told: set[tuple[Place, str]] = set()
        self._gone: set[Path] = set(written.refused)  # what was taken out
        self._refused: set[Path] = set(written.refused)  # that, and what was found wrong where it stands
        self._parents: set[Path] = {path[:-1] for path in written.refused}
        self._misnamed: dict[Path, list[str]] = {}
        self._overridden: dict[Path, Override] = {}
        self._stands_at: dict[Path, Path] = {}
        if any(len(path) == 1 for path in written.refused):  # what is missing may be what was left out there
            self._refused.update((name,) for name in _STUBS)
        for problem in written.problems:
            self._keep(problem)

    def __bool__(self) -> bool:
        """Whether nothing has been found wrong."""
        return not self._problems

    def errors(self) -> ConfigErrors:
        """All that was found."""
        return ConfigErrors(self._problems, {self._written.source: self._written.text})

    # --- what is laid over and taken in ---

    def override(self, override: Override) -> None:
        """Lay a value over what was written, from now on."""
        try:
            self.data, paths = apply(override, self.data)
        except ConfigErrors as error:
            self.keep(error)
            return
        replaced = set(paths)
        stands = {
            path: earlier
            for path, earlier in self._overridden.items()
            if not any(path[:end] in replaced for end in range(1, len(path) + 1))
        }
        self._overridden = {**stands, **dict.fromkeys(paths, override)}

    def graphs(self) -> Iterator[tuple[str, GraphConfig]]:
        """The entries of `graphs` that are right, which are then no longer part of the data."""
        entries = self.data.get("graphs") if isinstance(self.data, dict) else None
        if not isinstance(entries, dict):
            return
        self._refuse_unknown_settings()
        for name, entry in entries.items():
            if isinstance(name, str) and not name.startswith("x-"):
                try:
                    Config.model_validate({"version": 1, "nodes": {}, "graphs": {name: entry}}, context=COLLECT)
                except ValidationError as invalid:
                    self._refuse_invalid(invalid)
                    self.names_are_unknown()
                else:
                    yield name, _GRAPH.validate_python(entry)
        self.data = {key: value for key, value in self.data.items() if key != "graphs"}

    def _refuse_unknown_settings(self) -> None:
        """Before nodes and links are added that were not written."""
        settings = Config.model_fields
        unknown = [key for key in self.data if key not in settings and not key.startswith("x-")]
        for finding in [unknown_key(key, settings, self.data) for key in unknown]:
            self.refuse(finding)
            self._take_out(finding)

    def take_in(self, graph: str, imported: Imported) -> None:
        """Lay what was written under `nodes` and `links` over what a graph says, and remember what comes from where."""
        for finding in imported.findings:
            self.refuse(finding.below(("graphs", graph)))
            if finding.path[0] in ("file", "name"):
                self.names_are_unknown()
        for section, template, entries in (("nodes", "node", imported.nodes), ("links", "link", imported.links)):
            own = self.data.get(section)
            if own is not None and not isinstance(own, dict):
                continue  # which is wrong, and will be said
            taken = dict(own or {})
            for name, values in entries.items():
                written = taken.get(name)
                if written is not None and not isinstance(written, dict):
                    continue
                if name not in taken:
                    self._stands_at[section, name] = ("graphs", graph)
                for key in values.keys() - (written or {}).keys():
                    self._stands_at[section, name, key] = ("graphs", graph, template, key)
                taken[name] = _laid_over(values, written or {})
            self.data = {**self.data, section: taken}

    # --- what is wrong ---

    def keep(self, errors: ConfigErrors) -> None:
        """Take note of what somebody else found."""
        for problem in errors.problems:
            self._keep(problem)

    def names_are_unknown(self) -> None:
        """There are nodes that nobody knows of, because what would have named them cannot be read."""
        self._refused.add(("nodes", "*"))

    def refuse_all(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self.refuse(finding)

    def refuse(self, finding: Finding) -> None:
        """Take note of a finding, unless it may be a consequence of an earlier one."""
        path = finding.path
        if not self._is_consequence(finding):
            place, shown_path = self._place(path, key=finding.key)
            self._keep(Problem(*place, dotted(shown_path), finding.detail))
        for one in (path, *((*path[:-1], name) for name in finding.meant)):
            self._note(one)
        if finding.key:
            self._misnamed.setdefault(path[:-1], []).append(str(path[-1]))

    def config(self) -> Config | None:
        """What is right of it, or None if there is nothing of it. What is not right has been refused when this returns.

        What a part alone can tell is refused here, and taken out; what only the whole can tell is for `findings`.
        """
        if not isinstance(self.data, dict):
            self._keep(Problem(*Place(self._written.source), "", "must be a mapping with version, nodes and links"))
            return None
        while True:
            try:
                return Config.model_validate(self.data, context=COLLECT)
            except ValidationError as invalid:
                taken: list[Path] = []
                for finding in self._refuse_invalid(invalid):
                    if not any(one and finding.path[: len(one)] == one for one in taken):  # else it is gone already
                        taken.append(self._take_out(finding))
                if not any(taken):
                    raise  # a model refused something that cannot be taken out: a mistake of ours

    def _take_out(self, finding: Finding) -> Path:
        """Take out what is to blame, or what is around it; what was taken out."""
        path = finding.path
        if path[:1] == ("nodes",) and len(path) == 2 and not finding.key:  # its name is right, and links may use it
            self.data = {**self.data, "nodes": {**self.data["nodes"], path[1]: {}}}
            return path
        if path[:1] == ("faults",) and len(path) > 1:  # the others keep their places
            taken = path[:2]
            kept = [{} if nth == path[1] else fault for nth, fault in enumerate(self.data["faults"])]
            self.data = {**self.data, "faults": kept}
        else:
            self.data, taken = _without(self.data, path)
        if taken:
            self._gone.add(taken)
            self._note(taken)
        return taken

    def _refuse_invalid(self, invalid: ValidationError) -> list[Finding]:
        """Refuse what Pydantic refused; what has to be taken out."""
        findings = findings_of(invalid, self.data)
        self.refuse_all(findings)
        self._gone.update(finding.path for finding in findings)
        return findings

    def _note(self, path: Path) -> None:
        self._refused.add(path)
        self._parents.add(path[:-1])

    def _is_consequence(self, finding: Finding) -> bool:
        path = finding.path
        if path in self._refused or any(path[:end] in self._gone for end in range(1, len(path))):
            return True
        if any(need in self._refused or self._was_misnamed(need) for need in finding.needs):
            return True
        return not finding.key and path in self._parents and isinstance(_at(self.data, path), dict | None)

    def _was_misnamed(self, path: Path) -> bool:
        """Whether this was probably meant by a name beside it that cannot be one."""
        name = str(path[-1]) if path else ""
        return any(
            nearest(name, [wrong]) or (wrong.find("[") > 0 and name.startswith(wrong.partition("[")[0]))
            for wrong in self._misnamed.get(path[:-1], ())
        )

    def _keep(self, problem: Problem) -> None:
        """One mistake is told once, however many nodes share it by a default or a template."""
        place = Place(*problem[:3])
        same = {(place, problem.detail)} | ({(place, problem.key)} if problem.line and problem.key else set())
        if not same & self._told:
            self._problems.append(problem)
        self._told |= same

    def _place(self, path: Path, *, key: bool) -> tuple[Place, Path]:
        for end in range(len(path), -1, -1):
            if path[:end] in self._overridden:
                return Place(self._overridden[path[:end]].source), path
            if path[:end] in self._stands_at:
                path = (*self._stands_at[path[:end]], *path[end:])
                return self._place(path, key=key)
        if not self._written.holds(path):  # it is only there because something in it was laid over
            for overridden, override in self._overridden.items():
                if overridden[: len(path)] == path:
                    return Place(override.source), path
        return self._written.place(path, key=key), path


# --- data ------------------------------------------------------------------------------------------------------------


def _at(data: Any, path: Path) -> Any:
    for step in path:
        if not isinstance(data, dict) or step not in data:
            return None
        data = data[step]
    return data


def _without(data: dict[str, Any], path: Path) -> tuple[dict[str, Any], Path]:
    """The data without what a path leads to, and what was taken out: what is around it, if nothing less can be."""
    less, taken = _cut(data, path)
    missing = {key: stub for key, stub in _STUBS.items() if key not in less and (key in data or path == (key,))}
    return ({**less, **missing}, taken or path) if missing else (less, taken)


def _cut(data: dict[str, Any], path: Path) -> tuple[dict[str, Any], Path]:
    key, rest = str(path[0]), path[1:]
    if key not in data:
        return data, ()
    below = data[key]
    if rest and isinstance(below, dict):
        less, taken = _cut(below, rest)
        if taken:
            return {**data, key: less}, (key, *taken)
    return {name: value for name, value in data.items() if name != key}, (key,)


def _laid_over(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **base,
        **{
            key: _laid_over(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
            for key, value in own.items()
        },
    }
