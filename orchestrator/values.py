"""The kinds of values that a configuration is made of, and the base of its models. Pure.

What is refused is refused with a sentence that says what is allowed; the loader adds file, line and key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, JsonValue, model_validator

from orchestrator import shapes, units

RESERVED_NODE_NAMES: Final = frozenset({"oracle"})  # processes of ours, which appear beside nodes in logs and events

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_NAME_RULE: Final = "use letters, digits, `_` and `-`, a letter or digit first, at most 64 in all"
_RUN: Final = re.compile(r"(?:[^\s:]+\.py|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):[A-Za-z_]\w*")


class Refused(ValueError):
    """A value that no network can have; `path` leads from the model that noticed to the key that is to blame."""

    def __init__(self, detail: str, *path: str | int) -> None:
        super().__init__(detail)
        self.path = path


def nearest(wrong: str, allowed: Iterable[str]) -> str:
    """A hint for a sentence: ` (did you mean 'alice'?)`, or nothing when no name is near."""
    close = get_close_matches(wrong, tuple(allowed), n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _quantity(dimension: units.Dimension) -> BeforeValidator:
    return BeforeValidator(lambda value: units.parse(value, dimension))


def is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def _name(text: str) -> str:
    if not is_name(text):
        raise Refused(f"{text!r} cannot be a name: {_NAME_RULE}")
    return text


def _node_names(pattern: str) -> str:
    for name in shapes.expand(pattern):
        _name(name)
        if name in RESERVED_NODE_NAMES:
            raise Refused(f"{name!r} cannot be a node's name: a process of the emulator is called so")
    return pattern


def _run(text: str) -> str:
    if not _RUN.fullmatch(text):
        raise Refused(f"{text!r} does not name a program; write 'file.py:function' or 'package.module:function'")
    return text


def _probability(value: object) -> float:
    number = units.parse(value, units.NUMBER)
    if not 0 <= number <= 1:
        raise Refused(f"{value!r} is outside [0, 1]")
    return number


def _keyword(text: str) -> str:
    if not text.isidentifier():
        raise Refused(f"{text!r} cannot be an argument's name; use a Python identifier")
    return text


def _nothing_is_empty(value: object) -> object:
    return {} if value is None else value


def _as_written(value: object) -> object:
    """A tuple of a Python program is the list that it would be in YAML."""
    if isinstance(value, dict):
        return {key: _as_written(item) for key, item in value.items()}
    return [_as_written(item) for item in value] if isinstance(value, list | tuple) else value


def without_own_keys(value: object) -> object:
    if isinstance(value, dict):
        return {key: item for key, item in value.items() if not (isinstance(key, str) and key.startswith("x-"))}
    return _nothing_is_empty(value)


def _one_is_a_list(value: object) -> object:
    if isinstance(value, list):
        return tuple(value)
    return (value,) if isinstance(value, str) else value


Seconds = Annotated[float, _quantity(units.TIME)]
Metres = Annotated[float, _quantity(units.LENGTH)]
DecibelsPerMetre = Annotated[float, _quantity(units.ATTENUATION)]
Radians = Annotated[float, _quantity(units.ANGLE)]
Probability = Annotated[float, BeforeValidator(_probability)]

Name = Annotated[str, AfterValidator(_name)]
NodePattern = Annotated[str, AfterValidator(_node_names)]
Members = Annotated[tuple[NodePattern, ...], BeforeValidator(_one_is_a_list)]
Run = Annotated[str, AfterValidator(_run)]
Arguments = Annotated[
    dict[Annotated[str, AfterValidator(_keyword)], JsonValue],
    BeforeValidator(_as_written),
    BeforeValidator(_nothing_is_empty),
]


class Model(BaseModel):
    """The base: frozen, nothing converted behind the user's back, own keys dropped, unknown keys refused by name."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _only_known_keys(cls, value: object) -> object:
        kept = without_own_keys(value)
        if isinstance(kept, dict):
            for key in kept:
                if key not in cls.model_fields:
                    hint, allowed = nearest(str(key), cls.model_fields), ", ".join(cls.model_fields)
                    raise Refused(f"unknown key{hint}; allowed here: {allowed}", str(key))
        return kept

    def over(self, base: Model) -> Any:
        """A copy of `base` in which everything that was given here wins, down to single keys of inner models."""
        given = {name: getattr(self, name) for name in self.model_fields_set if name in type(base).model_fields}
        for name, value in given.items():
            below = getattr(base, name)
            if isinstance(value, Model) and isinstance(below, Model):
                given[name] = value.over(below)
        return base.model_copy(update=given)
