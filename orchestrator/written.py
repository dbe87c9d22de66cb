"""What was written, and where: YAML with its marks kept, as plain data. Pure.

Scalars are those of YAML 1.2 (a node may be called `no`, `12:30` is text), keys are text as they were written, and a
key that appears twice is refused. Data is built from YAML's nodes; they are kept, and searched for the place of a path
only when something is wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import yaml

from orchestrator.problems import ConfigErrors, Path, Problem, dotted
from orchestrator.units import shown

MOST_VALUES: Final = 2_000_000  # what the aliases of a file may stand for, written out


class Place(NamedTuple):
    """Where something stands; 0 for line and column if it is not in a text."""

    file: str
    line: int = 0
    column: int = 0


class Written:
    """Plain data, and the place of every path in it.

    Attributes:
        data: Mappings, lists and scalars. Parts that aliases share are shared; do not change them.
        source: What problems call it.
        text: What it was read from, "" if from no text.
        problems: What YAML allows and we do not (a key twice, for one), found while reading.
        refused: The paths of what was left out of `data` because of that.
    """

    def __init__(self, data: object, source: str) -> None:
        self.data = data
        self.source = source
        self.text = ""
        self.problems: list[Problem] = []
        self.refused: set[Path] = set()
        self._root: yaml.Node | None = None

    @classmethod
    def from_text(cls, text: str, source: str) -> Written:
        """What a YAML text says. Raises ConfigErrors if it is not YAML."""
        written = cls(None, source)
        written.text = text
        written._root = _compose(text, source)
        if written._root is not None:
            reading = _Reading(source)
            written.data = reading.plain(written._root)
            written.problems = reading.problems
            if reading.left_out:
                written.refused = {path for path, node in _walk(written._root) if id(node) in reading.left_out}
        return written

    @classmethod
    def from_data(cls, data: object, source: str) -> Written:
        """What a program says: tuples are lists, and keys must be text as they are in a file."""
        written = cls(None, source)
        try:
            written.data = written._copied(data, ())
        except RecursionError:
            written.problems = [Problem(*Place(source), "", "is nested too deeply")]
        return written

    def _copied(self, data: object, path: Path) -> object:
        if isinstance(data, Mapping):
            copied = {}
            for key, value in data.items():
                if isinstance(key, str):
                    copied[key] = self._copied(value, (*path, key))
                else:
                    detail = f"must be text, not {shown(key)}; a number that is meant as a name goes into quotes"
                    self.problems.append(Problem(*Place(self.source), dotted((*path, str(key))), detail))
                    self.refused.add((*path, str(key)))
            return copied
        if isinstance(data, list | tuple):
            return [self._copied(item, (*path, nth)) for nth, item in enumerate(data)]
        return data

    def holds(self, path: Path) -> bool:
        """Whether something was written there."""
        data: Any = self.data
        for step in path:
            if isinstance(data, list):
                data = dict(enumerate(data))
            if not isinstance(data, dict) or step not in data:
                return False
            data = data[step]
        return True

    def place(self, path: Path, *, key: bool = False) -> Place:
        """Where a path stands: its value, or its key if that is asked for or the value is a mapping or empty.

        A path that leads further than what was written stands where it leaves it.
        """
        if self._root is None:
            return Place(self.source)
        node, mark = self._root, None
        for step in path:
            found = _child(node, step)
            if found is None:
                break
            mark, node = found
        has_own_place = isinstance(node, yaml.SequenceNode) or (isinstance(node, yaml.ScalarNode) and node.value != "")
        if mark is None or (has_own_place and not key):
            mark = node.start_mark
        return _place(self.source, mark)


def _place(source: str, mark: Any) -> Place:
    return Place(source, mark.line + 1, mark.column + 1)


# --- from YAML's nodes to data ---------------------------------------------------------------------------------------


class _Composer(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # which, only PyYAML knows
    """libyaml where there is one, with the scalars of YAML 1.2 (its core schema)."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  PyYAML's interface


_PREFIX: Final = "tag:yaml.org,2002:"
_MERGE: Final = f"{_PREFIX}merge"
_SCALARS: Final = (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
    ("merge", r"<<", "<"),
)
for _tag, _pattern, _first in _SCALARS:
    _Composer.add_implicit_resolver(_PREFIX + _tag, re.compile(rf"(?:{_pattern})\Z"), list(_first))


def _compose(text: str, source: str) -> yaml.Node | None:
    composer = None
    try:
        composer = _Composer(text)
        root: yaml.Node | None = composer.get_single_node()
        return root
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(source) if mark is None else _place(source, mark)
        raise ConfigErrors([Problem(*place, "", _sentence(error, text))], {source: text}) from None
    except yaml.YAMLError as error:  # of the reader: characters that no YAML may hold
        at = text[: getattr(error, "position", 0)]
        place = Place(source, at.count("\n") + 1, len(at) - at.rfind("\n"))
        reason = getattr(error, "reason", "") or str(error)
        raise ConfigErrors([Problem(*place, "", reason)], {source: text}) from None
    except RecursionError:
        raise ConfigErrors([Problem(*Place(source), "", "is nested too deeply")]) from None
    finally:
        if composer is not None:
            composer.dispose()


def _sentence(error: yaml.MarkedYAMLError, text: str) -> str:
    sentence = error.problem or "this is not YAML"
    if sentence.startswith("but "):
        sentence = f"{error.context or 'something else was expected'}, {sentence}"
    lines, mark = text.splitlines(), error.problem_mark
    line = lines[mark.line] if mark is not None and mark.line < len(lines) else ""
    if isinstance(error, yaml.parser.ParserError) and re.search(r"[\[,]\s*[\w-]+\[\d+\.\.\d+\]", line):
        return f'{sentence}; inside [...] or {{...}} a range needs quotes, such as "r[0..9]"'
    if "cannot start any token" in sentence and "\t" in line:
        return "YAML is indented by spaces, not by tabs"
    return sentence


class _Refused(Exception):
    """A node that means nothing here."""

    def __init__(self, node: yaml.Node, detail: str) -> None:
        super().__init__(detail)
        self.node = node
        self.detail = detail


_LEFT_OUT: Final = object()


class _Reading:
    """Builds the data of nodes, collecting what is wrong with them; what is wrong is left out of the data."""

    def __init__(self, source: str) -> None:
        self.problems: list[Problem] = []
        self.left_out: set[int] = set()
        self._source = source
        self._done: dict[int, object] = {}
        self._sizes: dict[int, int] = {}
        self._open: set[int] = set()
        self._size = 0

    def plain(self, root: yaml.Node) -> object:
        try:
            data = self._value(root)
        except RecursionError:
            self.problems = [Problem(*_place(self._source, root.start_mark), "", "is nested too deeply")]
            return None
        return None if data is _LEFT_OUT else data

    def _value(self, node: yaml.Node) -> object:
        if isinstance(node, yaml.ScalarNode):
            self._size += 1
            read = _READERS.get(node.tag)
            try:
                return node.value if read is _text else self._unknown(node) if read is None else read(node)
            except _Refused as refused:
                return self._leave_out(refused.node, refused.detail)
        return self._collection(node)

    def _collection(self, node: yaml.Node) -> object:
        """An alias means the same object again; how much it stands for is counted each time."""
        before = self._size
        if id(node) in self._done:
            self._size += self._sizes[id(node)]
            return self._done[id(node)] if self._size <= MOST_VALUES else self._too_much(node)
        if id(node) in self._open:
            return self._leave_out(node, "an alias cannot be inside of what it stands for")
        self._open.add(id(node))
        data = self._mapping(node) if isinstance(node, yaml.MappingNode) else self._sequence(node)
        self._open.discard(id(node))
        self._done[id(node)], self._sizes[id(node)] = data, self._size - before
        return data

    def _mapping(self, node: yaml.MappingNode) -> object:
        if node.tag != f"{_PREFIX}map":
            return self._leave_out(node, _bad_tag(node))
        own: dict[str, object] = {}
        merged: dict[str, object] = {}
        lines: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._report(key, "a key must be text")
                continue
            if key.value in lines:
                self._report(key, f"key {key.value!r} is already there, in line {lines[key.value]}")
                continue
            lines[key.value] = key.start_mark.line + 1
            if key.tag == _MERGE:
                merged = self._merged(value)
            else:
                data = self._value(value)
                if data is not _LEFT_OUT:
                    own[key.value] = data
        return {**merged, **own} if merged else own

    def _merged(self, node: yaml.Node) -> dict[str, object]:
        if isinstance(node, yaml.SequenceNode):
            parts = [self._merged(item) for item in reversed(node.value)]
            return {key: value for part in parts for key, value in part.items()}
        data = self._value(node)
        if isinstance(data, dict):
            return data
        if data is not _LEFT_OUT:
            self._report(node, f"`<<` takes over the keys of a mapping, or of a list of them, not {shown(data)}")
        return {}

    def _sequence(self, node: yaml.Node) -> object:
        if node.tag != f"{_PREFIX}seq":
            return self._leave_out(node, _bad_tag(node))
        items = [self._value(item) for item in node.value]
        return _LEFT_OUT if _LEFT_OUT in items else items  # a list with a hole in it would be misread

    def _unknown(self, node: yaml.Node) -> object:
        return self._leave_out(node, _bad_tag(node))

    def _too_much(self, node: yaml.Node) -> object:
        return self._leave_out(node, f"its aliases stand for more than {MOST_VALUES} values")

    def _leave_out(self, node: yaml.Node, detail: str) -> object:
        self._report(node, detail)
        self.left_out.add(id(node))
        return _LEFT_OUT

    def _report(self, node: yaml.Node, detail: str) -> None:
        self.problems.append(Problem(*_place(self._source, node.start_mark), "", detail))


def _bad_tag(node: yaml.Node) -> str:
    return f"tag {node.tag.replace(_PREFIX, '!!')} is not allowed here"


def _text(node: yaml.ScalarNode) -> object:
    return node.value


def _null(_: yaml.ScalarNode) -> object:
    return None


def _boolean(node: yaml.ScalarNode) -> object:
    if node.value.lower() not in ("true", "false"):
        raise _Refused(node, f"{node.value!r} is neither true nor false")
    return node.value.lower() == "true"


def _integer(node: yaml.ScalarNode) -> object:
    text = node.value
    base = {"0o": 8, "0x": 16}.get(text[:2])
    return _number(node, lambda: int(text) if base is None else int(text[2:], base))


def _float(node: yaml.ScalarNode) -> object:
    text = node.value.lower().replace(".inf", "inf").replace(".nan", "nan")
    return _number(node, lambda: float(text))


def _number(node: yaml.ScalarNode, read: Callable[[], object]) -> object:
    try:
        return read()
    except ValueError:
        raise _Refused(node, f"{shown(node.value)} is not a number that can be read") from None


_READERS: Final[Mapping[str, Callable[[yaml.ScalarNode], object]]] = {
    f"{_PREFIX}str": _text,
    f"{_PREFIX}null": _null,
    f"{_PREFIX}bool": _boolean,
    f"{_PREFIX}int": _integer,
    f"{_PREFIX}float": _float,
    _MERGE: _text,  # `<<` as a value
}


# --- from a path to its nodes ----------------------------------------------------------------------------------------


def _child(node: yaml.Node, step: str | int) -> tuple[Any, yaml.Node] | None:
    """The mark of a key (or of an item) and its value; one's own keys win over what is merged in."""
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step].start_mark, node.value[step]
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value == step and key.tag != _MERGE:
                return key.start_mark, value
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag == _MERGE:
                for part in value.value if isinstance(value, yaml.SequenceNode) else (value,):
                    found = _child(part, step)
                    if found is not None:
                        return found
    return None


def _walk(root: yaml.Node) -> Iterator[tuple[Path, yaml.Node]]:
    """Every node with its path, one path for a node that aliases share."""
    todo: list[tuple[Path, yaml.Node]] = [((), root)]
    met: set[int] = set()
    while todo:
        path, node = todo.pop()
        if id(node) in met:
            continue
        met.add(id(node))
        yield path, node
        if isinstance(node, yaml.SequenceNode):
            todo.extend(((*path, nth), item) for nth, item in enumerate(node.value))
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode):
                    is_merge = key.tag == _MERGE
                    todo.append((path if is_merge else (*path, key.value), value))
