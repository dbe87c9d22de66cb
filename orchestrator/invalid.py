"""What is wrong with data by the models of a configuration: what Pydantic says, and what they say of themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from orchestrator.config import Config
from orchestrator.near import nearest, nearest_name
from orchestrator.problems import Finding, Path
from orchestrator.units import shown
from orchestrator.values import UNKNOWN, Model, Refused, unknown_key


def model_findings(config: Config) -> Iterator[Finding]:
    """What the models of a configuration find wrong with themselves, from the smallest to the whole."""
    yield from _of_models(config, ())


def _of_models(value: object, path: Path) -> Iterator[Finding]:
    if isinstance(value, Model):
        for name in value.model_fields_set:
            yield from _of_models(getattr(value, name), (*path, type(value).model_fields[name].alias or name))
        yield from (finding.below(path) for finding in value.findings())
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _of_models(item, (*path, key))
    elif isinstance(value, tuple):
        for nth, item in enumerate(value):
            yield from _of_models(item, (*path, nth))


# --- Pydantic's errors -----------------------------------------------------------------------------------------------


def findings_of(invalid: ValidationError, data: object) -> list[Finding]:
    """What Pydantic refused of data, in our words."""
    return [finding for error in invalid.errors(include_url=False) for finding in _of_error(error, data)]


def _of_error(error: ErrorDetails, data: object) -> Iterable[Finding]:
    path, is_key = _trail(error, data)
    cause = error.get("ctx", {}).get("error")
    if error["type"] == "missing" and len(path) > 1:  # an unknown key beside it may well have been meant to be it
        return [Finding(path, _sentence(error), needs=((*path[:-1], UNKNOWN),))]
    if error["type"] == "union_tag_invalid":
        path = (*path, "model")
    if error["type"] == "union_tag_not_found" and (wrong := nearest_name("model", map(str, error["input"]))):
        return [unknown_key(wrong, ["model"], ()).below(path)]
    if isinstance(cause, Refused):
        return [finding.below(path)._replace(key=finding.key or is_key) for finding in cause.findings]
    return [Finding(path, _sentence(error), key=is_key)]


def _trail(error: ErrorDetails, data: Any) -> tuple[Path, bool]:
    """The location followed through the data as far as it leads, and whether it is a key that is to blame.

    Pydantic puts tags of unions and the like in between, which are no keys of the file.
    """
    trail: list[str | int] = []
    location = error["loc"]
    for nth, step in enumerate(location):
        is_there = (isinstance(data, dict) and step in data) or (
            isinstance(data, list) and isinstance(step, int) and step < len(data)
        )
        if is_there:
            data = data[step]
        elif not (error["type"] == "missing" and nth == len(location) - 1):
            continue
        trail.append(step)
    return tuple(trail), location[-1:] == ("[key]",)


_SENTENCES: Final[Mapping[str, str]] = {
    "missing": "is missing",
    "int_type": "must be a whole number, not {input}",
    "int_from_float": "must be a whole number, not {input}",
    "float_type": "must be a number, not {input}",
    "bool_type": "must be true or false, not {input}",
    "string_type": "must be text, not {input}{quotes}",
    "string_too_short": "must not be empty",
    "string_too_long": "must be at most {max_length} characters long",
    "string_pattern_mismatch": "must be one line without tabs, not {input}",
    "dict_type": "must be a mapping of keys to values, not {input}",
    "model_type": "must be a mapping of keys to values, not {input}",
    "model_attributes_type": "must be a mapping of keys to values, not {input}",
    "tuple_type": "must be a list, not {input}",
    "list_type": "must be a list, not {input}",
    "too_short": "needs at least {min_length} of them, not {actual_length}",
    "too_long": "can have at most {max_length} of them, not {actual_length}",
    "literal_error": "must be {expected}, not {input}{nearest}",
    "union_tag_invalid": "{tag!r} is not a model; allowed: {expected_tags}{nearest}",
    "union_tag_not_found": "needs a `model`, such as source: {{model: perfect}}, or the `fidelity` of a Werner pair",
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
    for key in context.keys() & {"gt", "ge", "lt", "le"}:
        context[key] = shown(context[key]).removesuffix(".0")
    quotes = "; a number that is meant as a name goes into quotes" if isinstance(error["input"], int | float) else ""
    hint = nearest(str(wrong), allowed)
    return template.format(input=shown(error["input"]), nearest=hint, quotes=quotes, **context)
