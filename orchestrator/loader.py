"""From a YAML file to a `Config`, or to one error that says where and what is allowed.

Scalars are those of YAML 1.2 (a node may be called `no`, `12:30` is text), keys are text as they were written, and a
key that appears twice is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from orchestrator.config import Config
from orchestrator.units import shown
from orchestrator.values import Refused, nearest
from qnode.errors import ConfigError

N = TypeVar("N", int, float)


def load(path: Path | str) -> Config:
    """The configuration in a file.

    Raises:
        ConfigError: If it cannot be read, is not YAML, or says something that no network can be.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(place=str(path), detail=error.strerror or str(error)) from None
    except UnicodeDecodeError:
        raise ConfigError(place=str(path), detail="is not text in UTF-8") from None
    return loads(text, str(path))


def loads(text: str, source: str = "<text>") -> Config:
    """The configuration in a text; `source` is what errors call it."""
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        _refuse_duplicates(root)
        data = loader.construct_document(root) if root is not None else None
    except yaml.MarkedYAMLError as error:
        raise ConfigError(place=_marked(source, error), detail=_yaml_sentence(error, text)) from None
    except yaml.YAMLError as error:
        raise ConfigError(place=source, detail=str(error)) from None
    except RecursionError:
        raise ConfigError(place=source, detail="is nested too deeply") from None
    finally:
        loader.dispose()
    return _validated(data, source, root)


def from_mapping(data: Mapping[str, Any], source: str = "<mapping>") -> Config:
    """The configuration in a mapping that a program made; the same rules and the same errors, without lines."""
    return _validated(dict(data), source, None)


# --- YAML ----------------------------------------------------------------------------------------------------------


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # which of the two, only PyYAML knows
    """libyaml where there is one, with the scalars of YAML 1.2 (its core schema) and keys that are text, once each."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  PyYAML's interface
    yaml_constructors: dict[str | None, Callable[..., Any]] = {}  # noqa: RUF012  the same

    def mapping(self, node: yaml.MappingNode) -> dict[str, Any]:
        self.flatten_mapping(node)
        return {key.value: self.construct_object(value, deep=True) for key, value in node.value}

    def sequence(self, node: yaml.SequenceNode) -> list[Any]:
        return [self.construct_object(item, deep=True) for item in node.value]

    def integer(self, node: yaml.ScalarNode) -> int:
        text = node.value
        base = {"0o": 8, "0x": 16}.get(text[:2])
        return self._read(node, lambda: int(text) if base is None else int(text[2:], base))

    def number(self, node: yaml.ScalarNode) -> float:
        text = node.value.lower().replace(".inf", "inf").replace(".nan", "nan")
        return self._read(node, lambda: float(text))

    def unknown(self, node: yaml.Node) -> None:
        raise yaml.MarkedYAMLError(problem=f"tag {node.tag} is not allowed here", problem_mark=node.start_mark)

    def boolean(self, node: yaml.ScalarNode) -> bool:
        if node.value.lower() not in ("true", "false"):
            problem = f"{node.value!r} is neither true nor false"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
        return bool(node.value.lower() == "true")

    def _read(self, node: yaml.ScalarNode, read: Callable[[], N]) -> N:
        try:
            return read()
        except ValueError:
            problem = f"{node.value!r} is not a number that can be read"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from None


_SCALARS: Final = (
    ("tag:yaml.org,2002:bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("tag:yaml.org,2002:null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "tag:yaml.org,2002:float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
    ("tag:yaml.org,2002:merge", r"<<", "<"),
)
for _tag, _pattern, _first in _SCALARS:
    _Loader.add_implicit_resolver(_tag, re.compile(rf"(?:{_pattern})\Z"), list(_first))
for _kind, _constructor in (
    ("tag:yaml.org,2002:map", _Loader.mapping),
    ("tag:yaml.org,2002:seq", _Loader.sequence),
    ("tag:yaml.org,2002:str", _Loader.construct_yaml_str),
    ("tag:yaml.org,2002:null", _Loader.construct_yaml_null),
    ("tag:yaml.org,2002:bool", _Loader.boolean),
    ("tag:yaml.org,2002:int", _Loader.integer),
    ("tag:yaml.org,2002:float", _Loader.number),
    (None, _Loader.unknown),
):
    _Loader.yaml_constructors[_kind] = _constructor


def _refuse_duplicates(root: yaml.Node | None) -> None:
    """Over the whole tree, before merge keys are resolved: a key of one's own may repeat what it merges."""
    todo, met = [root], set[int]()
    while todo:
        node = todo.pop()
        if id(node) in met:
            continue
        met.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            todo.extend(node.value)
        elif isinstance(node, yaml.MappingNode):
            _refuse_duplicate_keys(node)
            todo.extend(value for _, value in node.value)


def _refuse_duplicate_keys(node: yaml.MappingNode) -> None:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise yaml.MarkedYAMLError(problem="a key must be text", problem_mark=key.start_mark)
        if key.value in lines:
            problem = f"key {key.value!r} is already there, in line {lines[key.value]}"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
        lines[key.value] = key.start_mark.line + 1


def _marked(source: str, error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    return source if mark is None else f"{source}, line {mark.line + 1}"


def _yaml_sentence(error: yaml.MarkedYAMLError, text: str) -> str:
    sentence = error.problem or "is not YAML"
    mark = error.problem_mark
    line = text.splitlines()[mark.line] if mark is not None and mark.line < len(text.splitlines()) else ""
    if isinstance(error, yaml.parser.ParserError) and re.search(r"[\[,]\s*[\w-]+\[\d+\.\.\d+\]", line):
        return f'{sentence}; inside [...] or {{...}} a range needs quotes, such as "r[0..9]"'
    return sentence


# --- errors --------------------------------------------------------------------------------------------------------


def _validated(data: object, source: str, root: yaml.Node | None) -> Config:
    if not isinstance(data, dict):
        raise ConfigError(place=source, detail="must be a mapping with version, nodes and links")
    try:
        return Config.model_validate(data)
    except ValidationError as invalid:
        located = [(*_locate(error, data, root), error) for error in invalid.errors()]
        key, line, error = min(located, key=lambda found: found[1] or 0)
        where = (source, f"line {line}" if line else "", key)
        raise ConfigError(place=", ".join(filter(None, where)), detail=_sentence(error)) from None


def _locate(error: ErrorDetails, data: object, root: yaml.Node | None) -> tuple[str, int | None]:
    """The key that an error is about, and its line: its location followed through the data as far as it leads."""
    cause = error.get("ctx", {}).get("error")
    missing = error["type"] == "missing"
    trail: list[str] = []
    node, line = root, None
    steps = (*error["loc"], *(cause.path if isinstance(cause, Refused) else ()))
    for nth, step in enumerate(steps):
        is_key = isinstance(data, dict) and step in data
        is_index = isinstance(data, list) and isinstance(step, int) and step < len(data)
        if is_key or is_index:
            data = data[step]  # type: ignore[index]  # one of the two, as just checked
            node, line = _child(node, step, line)
        elif not (missing and nth == len(steps) - 1):
            continue  # a tag of the model's, not a key of the file's
        trail.append(f"[{step}]" if is_index else str(step))
    return ".".join(trail).replace(".[", "["), line


def _child(node: yaml.Node | None, step: str | int, line: int | None) -> tuple[yaml.Node | None, int | None]:
    if isinstance(node, yaml.MappingNode):
        for key, value in reversed(node.value):  # what is merged in comes first, and one's own keys win
            if key.value == step:
                return value, key.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int):
        return node.value[step], node.value[step].start_mark.line + 1
    return None, line


_SENTENCES: Final[Mapping[str, str]] = {
    "missing": "is missing",
    "int_type": "must be a whole number, not {input}",
    "int_from_float": "must be a whole number, not {input}",
    "float_type": "must be a number, not {input}",
    "bool_type": "must be true or false, not {input}",
    "string_type": "must be text, not {input}; a number that is meant as a name goes into quotes",
    "dict_type": "must be a mapping of keys to values, not {input}",
    "model_type": "must be a mapping of keys to values, not {input}",
    "tuple_type": "must be a list, not {input}",
    "literal_error": "must be {expected}, not {input}{nearest}",
    "union_tag_invalid": "{tag!r} is not a model; allowed: {expected_tags}{nearest}",
    "union_tag_not_found": "needs a `model`, such as source: {{model: perfect}}",
    "invalid-json-value": "must be nothing, true, false, a number, text, a list or a mapping, not {input}",
    "greater_than": "must be more than {gt}, not {input}",
    "greater_than_equal": "must be at least {ge}, not {input}",
    "less_than": "must be less than {lt}, not {input}",
    "less_than_equal": "must be at most {le}, not {input}",
}


def _sentence(error: ErrorDetails) -> str:
    context = dict(error.get("ctx", {}))
    cause = context.get("error")
    if isinstance(cause, ValueError):
        return str(cause)
    template = _SENTENCES.get(error["type"])
    if template is None:
        return error["msg"]
    allowed = re.findall(r"'([^']+)'", str(context.get("expected") or context.get("expected_tags") or ""))
    wrong = context.get("tag", error["input"])
    return template.format(input=shown(error["input"]), nearest=nearest(str(wrong), allowed), **context)
