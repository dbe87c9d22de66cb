"""The kinds of values that a configuration is made of, and the base of its models. Pure.

What is refused is refused with a sentence that says what is allowed; the loader adds file, line and key. Beside what
validates a value stands what the JSON Schema says of it; tests hold the two together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Final, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetJsonSchemaHandler,
    JsonValue,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from orchestrator import shapes, units
from orchestrator.near import nearest_name
from orchestrator.problems import Finding

RESERVED_NODE_NAMES: Final = frozenset({"oracle"})  # processes of ours, which appear beside nodes in logs and events

NAME_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
NODE_PATTERN: Final = (
    r"^(?!oracle$)(?![_-])(?:[A-Za-z0-9_-]|\[[0-9]+\.\.[0-9]+\])+$"  # with ranges; lengths are the loader's
)
_NOT_ASCII_LETTER: Final = r"\x00-\x40\x5b-\x5e\x60\x7b-\x7f"
_KEYWORD_PATTERN: Final = (
    rf"^[^{_NOT_ASCII_LETTER}](?:[^{_NOT_ASCII_LETTER}]|[0-9])*$"  # what Unicode has, it lets pass
)

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_NAME_RULE: Final = "use letters (a-z, A-Z), digits, `_` and `-`, a letter or digit first, at most 64 in all"
_REAL: Final = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?"
_COMPLEX: Final = re.compile(rf"[-+]?{_REAL}(?: *[-+] *{_REAL}[ij])?|[-+]?{_REAL}[ij]")
_RUN: Final = re.compile(
    r"(?:[^\s:](?:[^:\r\n]*[^\s:])?\.py|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*"
)


class Refused(ValueError):
    """Values that no network can have; the paths of its findings lead on from what is being validated."""

    def __init__(self, *findings: Finding) -> None:
        super().__init__("; ".join(finding.detail for finding in findings))
        self.findings = findings


def refused(detail: str, *path: str | int) -> Refused:
    """A value that cannot be; `path` leads from the model that noticed to what is to blame."""
    return Refused(Finding(path, detail))


def _quantity(dimension: units.Dimension) -> BeforeValidator:
    return BeforeValidator(lambda value: units.parse(value, dimension))


def as_text(dimension: units.Dimension) -> PlainSerializer:
    """In a saved configuration a quantity stands with its unit again, as a file needs it."""
    return PlainSerializer(lambda value: units.written(value, dimension), return_type=str, when_used="json")


def is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def _name(text: str) -> str:
    if not is_name(text):
        raise refused(f"{text!r} cannot be a name: {_NAME_RULE}")
    return text


def _node_names(pattern: str) -> str:
    for name in _expanded(pattern):
        _name(name)
        if name in RESERVED_NODE_NAMES:
            raise refused(f"{name!r} cannot be a node's name: a process of the emulator is called so")
    return pattern


def _expanded(pattern: str) -> tuple[str, ...]:
    """The names; what a range that counts down was meant to be is said along with the refusal."""
    try:
        return shapes.expand(pattern)
    except shapes.ShapeError as error:
        raise Refused(Finding((), str(error), meant=shapes.turned_round(pattern))) from None


def checked_member(pattern: str) -> str:
    """Who is meant is asked of the whole configuration; here, only that it can be written out."""
    _expanded(pattern)
    return pattern


def _run(text: str) -> str:
    if not _RUN.fullmatch(text):
        raise refused(f"{text!r} does not name a program; write 'file.py:function' or 'package.module:function'")
    return text


def _probability(value: object) -> float:
    number = units.parse(value, units.NUMBER)
    if not 0 <= number <= 1:
        raise refused(f"{value!r} is outside [0, 1]")
    return number


def _at_ends(value: object) -> float | tuple[float, ...]:
    if not isinstance(value, list | tuple):
        return _probability(value)
    if len(value) != 2:
        raise refused(f"one probability for both ends, or a list of two, one for each; not {len(value)}")
    return tuple(map(_probability, value))


def at_ends(value: float | tuple[float, float]) -> tuple[float, float]:
    """One value for each end, of one for both or two."""
    return value if isinstance(value, tuple) else (value, value)


def _complex(value: object) -> complex:
    if isinstance(value, complex | int | float) and not isinstance(value, bool):
        return complex(value)
    if isinstance(value, str) and _COMPLEX.fullmatch(value):
        return complex(value.replace(" ", "").replace("i", "j"))
    raise refused(f"{units.shown(value)} is not a complex number; write it like 0.5, 0.1-0.2i or 0.2i")


def _complex_rows(value: object) -> object:
    rows = value if isinstance(value, list | tuple) else ()
    if len(rows) != 4 or not all(isinstance(row, list | tuple) and len(row) == 4 for row in rows):
        raise refused("must be four rows of four numbers each")
    return tuple(tuple(map(_complex, row)) for row in rows)


def _written_rows(rows: tuple[tuple[complex, ...], ...]) -> list[list[float | str]]:
    return [[each.real if not each.imag else str(each).strip("()") for each in row] for row in rows]


def _keyword(text: str) -> str:
    if not text.isidentifier():
        raise refused(f"{text!r} cannot be an argument's name; use a Python identifier")
    return text


def _nothing_is_empty(value: object) -> object:
    return {} if value is None else value


def _as_written(value: object) -> object:
    """A tuple of a Python program is the list that it would be in YAML."""
    if isinstance(value, dict):
        return {key: _as_written(item) for key, item in value.items()}
    return [_as_written(item) for item in value] if isinstance(value, list | tuple) else value


def without_own_keys(value: object) -> Any:
    if isinstance(value, dict):
        return {key: item for key, item in value.items() if not (isinstance(key, str) and key.startswith("x-"))}
    return _nothing_is_empty(value)


def _one_is_a_list(value: object) -> object:
    if isinstance(value, list):
        return tuple(value)
    return (value,) if isinstance(value, str) else value


class Also:
    """What the JSON Schema allows beside what stands before: the short forms that a validator writes out."""

    def __init__(self, *schemas: JsonSchemaValue) -> None:
        self._schemas = schemas

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [*self._schemas, handler(core)]}


def _quantity_schema(dimension: units.Dimension) -> WithJsonSchema:
    return WithJsonSchema(units.json_schema(dimension))


Seconds = Annotated[float, _quantity(units.TIME), as_text(units.TIME), _quantity_schema(units.TIME)]
Metres = Annotated[float, _quantity(units.LENGTH), as_text(units.LENGTH), _quantity_schema(units.LENGTH)]
DecibelsPerMetre = Annotated[
    float, _quantity(units.ATTENUATION), as_text(units.ATTENUATION), _quantity_schema(units.ATTENUATION)
]
Decibels = Annotated[float, _quantity(units.LOSS), as_text(units.LOSS), _quantity_schema(units.LOSS)]
Hertz = Annotated[float, _quantity(units.RATE), as_text(units.RATE), _quantity_schema(units.RATE)]
Radians = Annotated[float, _quantity(units.ANGLE), as_text(units.ANGLE), _quantity_schema(units.ANGLE)]
Bytes = Annotated[float, _quantity(units.SIZE), as_text(units.SIZE), _quantity_schema(units.SIZE)]
Number = Annotated[float, _quantity(units.NUMBER), _quantity_schema(units.NUMBER)]
_PROBABILITY: Final = units.json_schema(units.NUMBER, title="probability", least=0, most=1, examples=[0.98, "2 %"])
Probability = Annotated[
    float,
    BeforeValidator(_probability),
    WithJsonSchema(_PROBABILITY),
]
ProbabilityAtEnds = Annotated[
    float | tuple[float, float],
    BeforeValidator(_at_ends),
    WithJsonSchema(
        {
            "title": "probability, or a list of one for each end",
            "anyOf": [_PROBABILITY, {"type": "array", "items": _PROBABILITY, "minItems": 2, "maxItems": 2}],
            "examples": [0.05, [0.05, 0.1]],
        }
    ),
]
ComplexRows = Annotated[
    tuple[tuple[complex, ...], ...],
    BeforeValidator(_complex_rows),
    PlainSerializer(_written_rows, when_used="json"),
    WithJsonSchema(
        {
            "title": "four rows of four numbers",
            "type": "array",
            "minItems": 4,
            "maxItems": 4,
            "items": {
                "type": "array",
                "minItems": 4,
                "maxItems": 4,
                "items": {"anyOf": [{"type": "number"}, {"type": "string", "pattern": f"^(?:{_COMPLEX.pattern})$"}]},
            },
        }
    ),
]

Name = Annotated[
    str, AfterValidator(_name), WithJsonSchema({"title": "name", "type": "string", "pattern": NAME_PATTERN})
]
NameOfOther = Annotated[str, WithJsonSchema({"title": "name", "type": "string", "pattern": NAME_PATTERN})]
NodePattern = Annotated[str, AfterValidator(_node_names), WithJsonSchema({"type": "string", "pattern": NODE_PATTERN})]
Member = Annotated[
    str,
    AfterValidator(checked_member),
    WithJsonSchema({"type": "string", "pattern": NODE_PATTERN, "examples": ["alice", "r[000..997]"]}),
]
Members = Annotated[
    tuple[Member, ...],
    BeforeValidator(_one_is_a_list),
    WithJsonSchema(
        {
            "title": "names of nodes",
            "type": ["array", "string"],
            "pattern": NODE_PATTERN,
            "items": {"type": "string", "pattern": NODE_PATTERN},
            "examples": [["alice", "bob"], ["alice", "r[000..997]", "bob"]],
        }
    ),
]
Run = Annotated[
    str,
    AfterValidator(_run),
    WithJsonSchema(
        {
            "title": "program",
            "type": "string",
            "pattern": f"^(?:{_RUN.pattern})$",
            "examples": ["teleport.py:alice", "package.module:bob"],
        }
    ),
]
Arguments = Annotated[
    dict[Annotated[str, AfterValidator(_keyword)], JsonValue],
    BeforeValidator(_as_written),
    BeforeValidator(_nothing_is_empty),
    WithJsonSchema(
        {
            "title": "arguments",
            "type": ["object", "null"],
            "propertyNames": {"pattern": _KEYWORD_PATTERN},
            "examples": [{"theta": 0.3}],
        }
    ),
]

UNKNOWN: Final = "?"  # stands for the key that an unknown one was meant to be, when none is near
COLLECT: Final = "collect"  # context for `model_validate`: models that do not hang together are no error


def unknown_key(key: str, allowed: Iterable[str], there: Iterable[str]) -> Finding:
    """A key that nothing is called by; `allowed` are all keys that are, `there` those that the mapping has."""
    there = set(there)
    free = [name for name in allowed if name not in there]
    close = nearest_name(key, free)
    taken = None if close else nearest_name(key, [name for name in allowed if name in there])
    meant = f"{close!r}" if close else f"{taken!r}, which is already there" if taken else ""
    hint = f" (did you mean {meant}?)" if meant else ""
    rest = f"allowed here: {', '.join(free)}" if free else "nothing more is allowed here"
    return Finding((key,), f"unknown key{hint}; {rest}", key=True, meant=(close or UNKNOWN,))


class Model(BaseModel):
    """The base: frozen, nothing converted behind the user's back, own keys dropped, unknown keys refused by name.

    What makes a model wrong though each of its fields is right, it says in `findings`. They are raised, all together,
    unless the context of the validation is `COLLECT`: then whoever validates asks for them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    def findings(self) -> Iterator[Finding]:
        """What is wrong between fields that are each right by themselves; paths start at this model."""
        return iter(())

    @model_validator(mode="before")
    @classmethod
    def _only_known_keys(cls, value: object) -> object:
        fields = {field.alias or name: None for name, field in cls.model_fields.items()}
        if not isinstance(value, dict):
            return _nothing_is_empty(value)
        if value.keys() <= fields.keys():
            return value
        kept = without_own_keys(value)
        unknown = [key for key in kept if key not in fields]
        if unknown:
            raise Refused(*(unknown_key(str(key), fields, kept) for key in unknown))
        return kept

    @model_validator(mode="after")
    def _hangs_together(self, info: ValidationInfo) -> Self:
        if info.context is not COLLECT and (findings := tuple(self.findings())):
            raise Refused(*findings)
        return self

    def over(self, base: Model) -> Any:
        """A copy of `base` in which everything that was given here wins, down to single keys of inner models."""
        given = {name: getattr(self, name) for name in self.model_fields_set if name in type(base).model_fields}
        for name, value in given.items():
            below = getattr(base, name)
            if isinstance(value, Model) and isinstance(below, Model):
                given[name] = value.over(below)
        return base.model_copy(update=given)
