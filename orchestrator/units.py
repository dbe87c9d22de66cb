"""Quantities as people write them: `25 km`, `0.2 dB/km`, `1 us`, `2 %`. Pure.

Parsing is exact (fractions), so `2.5 ns` is two and a half nanoseconds and not the float beside it; a float is made
once, at the end. A bare number is refused where a unit is needed, because `length: 25` has cost people weeks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from math import isfinite, pi
from typing import Final

NS_PER_S: Final = 10**9
_EXACT_TEXT: Final = 64  # characters; bounds the size of the fractions that a file can ask for


class UnitError(ValueError):
    """A text that is not a quantity of the dimension that is wanted there; the sentence says what is."""


@dataclass(frozen=True, eq=False)
class Dimension:
    """A kind of quantity: its name in sentences, its units as factors to SI, and whether it may be negative."""

    noun: str
    units: Mapping[str, Fraction]
    signed: bool = False


def _decimal(text: str) -> Fraction:
    return Fraction(Decimal(text))


TIME: Final = Dimension(
    "time",
    {
        "s": Fraction(1),
        "ms": _decimal("1e-3"),
        "us": _decimal("1e-6"),
        "µs": _decimal("1e-6"),  # the micro sign, U+00B5
        "μs": _decimal("1e-6"),  # the Greek letter, U+03BC
        "ns": _decimal("1e-9"),
        "ps": _decimal("1e-12"),
        "min": Fraction(60),
        "h": Fraction(3600),
        "day": Fraction(86400),
    },
)
LENGTH: Final = Dimension(
    "length",
    {
        "m": Fraction(1),
        "km": Fraction(1000),
        "cm": _decimal("1e-2"),
        "mm": _decimal("1e-3"),
        "um": _decimal("1e-6"),
        "µm": _decimal("1e-6"),
        "μm": _decimal("1e-6"),
        "nm": _decimal("1e-9"),
    },
)
ATTENUATION: Final = Dimension("attenuation", {"dB/km": _decimal("1e-3"), "dB/m": Fraction(1)})
LOSS: Final = Dimension("loss", {"dB": Fraction(1)})
RATE: Final = Dimension(
    "rate",
    {
        "Hz": Fraction(1),
        "/s": Fraction(1),
        "kHz": Fraction(10**3),
        "MHz": Fraction(10**6),
        "GHz": Fraction(10**9),
    },
)
ANGLE: Final = Dimension(
    "angle",
    {"rad": Fraction(1), "mrad": _decimal("1e-3"), "deg": Fraction(pi) / 180, "°": Fraction(pi) / 180},
    signed=True,
)
SIZE: Final = Dimension(
    "size",
    {
        "B": Fraction(1),
        "kB": Fraction(10**3),
        "MB": Fraction(10**6),
        "GB": Fraction(10**9),
        "KiB": Fraction(2**10),
        "MiB": Fraction(2**20),
        "GiB": Fraction(2**30),
    },
)
NUMBER: Final = Dimension("number", {"": Fraction(1), "%": _decimal("1e-2")}, signed=True)

_NUMBER: Final = r"(?:[0-9]+(?:_[0-9]+)*(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?"
_ZERO: Final = r"(?:0+(?:_0+)*(?:\.0*)?|\.0+)(?:[eE][-+]?[0-9]{1,3})?"
_QUANTITY: Final = re.compile(rf"\s*(?P<number>[-+]?{_NUMBER})\s*(?P<unit>\S.*?)?\s*")


def parse(value: object, dimension: Dimension) -> float:
    """The quantity in SI units (seconds, metres, dB/m, hertz, radians, bytes), the float nearest to what was written.

    Args:
        value: Text with a unit; a bare number only where that has a meaning (a plain number, or zero of anything).
        dimension: What is wanted: `TIME`, `LENGTH`, `ATTENUATION`, `LOSS`, `RATE`, `ANGLE`, `SIZE` or `NUMBER`.
    Raises:
        UnitError: If it is something else; the sentence lists the units that are allowed.
    """
    if type(value) is float and dimension is NUMBER and isfinite(value):
        return value + 0.0  # which is what its text would be read as; of zeros there is one
    return _float(value, dimension) if type(value) is str else _nearest(value, dimension)


def _nearest(value: object, dimension: Dimension) -> float:
    exact = parse_exact(value, dimension)
    try:
        return float(exact)
    except OverflowError:
        raise UnitError(f"{shown(value)} is too large") from None


@lru_cache(maxsize=1024)
def _float(text: str, dimension: Dimension) -> float:
    """The same text stands in a file for many nodes."""
    return _nearest(text, dimension)


def parse_exact(value: object, dimension: Dimension) -> Fraction:
    """The same as an exact fraction."""
    match = _QUANTITY.fullmatch(_text(value, dimension))
    if match is None:
        raise UnitError(f"{shown(value)} is not a {dimension.noun}; {_allowed(dimension)}")
    number, unit = Fraction(match["number"]), match["unit"] or ""
    if number and not unit and "" not in dimension.units:
        raise UnitError(f"{shown(value)} needs a unit; {_allowed(dimension)}")
    factor = dimension.units.get(unit) if unit or "" in dimension.units else Fraction(1)
    if factor is None:
        raise UnitError(f"{shown(value)}: {unit!r} is not a unit of {dimension.noun}; {_allowed(dimension)}")
    if match["number"].startswith("-") and not dimension.signed:
        raise UnitError(f"{shown(value)}: a {dimension.noun} cannot be negative")
    return number * factor


def written(value: float, dimension: Dimension) -> str:
    """The text that `parse` reads as exactly this value: in SI units, `2.5e-09 s`."""
    unit = next(unit for unit, factor in dimension.units.items() if factor == 1)
    return f"{repr(value).removesuffix('.0')} {unit}".rstrip()


def json_schema(
    dimension: Dimension,
    *,
    title: str = "",
    least: float | None = None,
    most: float | None = None,
    examples: Sequence[object] = (),
) -> dict[str, object]:
    """What a JSON Schema can say of such a quantity: text with a unit, and zero or plain numbers where they are right.

    Args:
        dimension: Of the quantity.
        title: What it is called, if not by its dimension.
        least, most: Limits of plain numbers.
        examples: Other ones than the dimension's.
    """
    sign = "[-+]?" if dimension.signed else r"\+?"
    names = "|".join(sorted(map(re.escape, filter(None, dimension.units)), key=len, reverse=True))
    is_plain = "" in dimension.units
    with_unit = rf"{sign}{_NUMBER}\s*(?:{names}){'?' if is_plain else ''}"
    pattern = with_unit if is_plain else rf"(?:{with_unit}|\+?{_ZERO})"
    text: dict[str, object] = {"type": "string", "maxLength": _EXACT_TEXT, "pattern": rf"^\s*{pattern}\s*$"}
    limits = {key: limit for key, limit in (("minimum", least), ("maximum", most)) if limit is not None}
    number: dict[str, object] = {"type": "number", **limits} if is_plain else {"const": 0}
    return {
        "title": title or dimension.noun,
        "anyOf": [text, number],
        "examples": list(examples or _EXAMPLES[dimension.noun]),
    }


_EXAMPLES: Final[Mapping[str, Sequence[object]]] = {
    "time": ("10 us", "1 s"),
    "length": ("25 km",),
    "attenuation": ("0.2 dB/km",),
    "loss": ("20 dB",),
    "rate": ("80 MHz",),
    "angle": ("0.1 rad", "5 deg"),
    "size": ("64 MiB",),
    "number": (0.02, "2 %"),
}


def to_ns(seconds: float) -> int:
    """Seconds as integer nanoseconds, halves to the even one.

    The float stands for the shortest decimal that means it, so what was written as 2.5 ns is rounded as 2.5 ns.
    """
    return round(Fraction(Decimal(repr(seconds))) * NS_PER_S)


def to_ps(seconds: float) -> int:
    """The same as integer picoseconds."""
    return round(Fraction(Decimal(repr(seconds))) * NS_PER_S * 1000)


def _text(value: object, dimension: Dimension) -> str:
    if isinstance(value, str) and len(value) <= _EXACT_TEXT:
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(value)
    raise UnitError(f"{shown(value)} is not a {dimension.noun}; {_allowed(dimension)}")


def _allowed(dimension: Dimension) -> str:
    if dimension is NUMBER:
        return "write it like 0.02 or 2 %"
    ascii_units = [unit for unit in dimension.units if unit.isascii()]
    return f"write a number and one of {', '.join(ascii_units)}"


def shown(value: object) -> str:
    """A value as sentences quote it: what was written, cut off when it is long."""
    text = repr(value)
    return text if len(text) <= _EXACT_TEXT else f"{text[:_EXACT_TEXT]}..."
