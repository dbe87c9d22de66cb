"""Quantities: what is read, what is refused with which sentence, and that nothing is lost in between."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from math import isfinite, pi
from typing import Any, Final

import pint
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orchestrator import units
from orchestrator.units import ANGLE, ATTENUATION, LENGTH, NUMBER, RATE, SIZE, TIME, Dimension, UnitError, parse, to_ns

DIMENSIONS = (TIME, LENGTH, ATTENUATION, RATE, ANGLE, SIZE, NUMBER)


@pytest.mark.parametrize(
    ("text", "dimension", "expected"),
    [
        ("25 km", LENGTH, 25_000.0),
        ("25km", LENGTH, 25_000.0),
        ("  25   km ", LENGTH, 25_000.0),
        ("1550 nm", LENGTH, 1550e-9),
        ("0.2 dB/km", ATTENUATION, 0.0002),
        ("3 dB/m", ATTENUATION, 3.0),
        ("1 us", TIME, 1e-6),
        ("1 µs", TIME, 1e-6),
        ("1 μs", TIME, 1e-6),
        ("1e-3 s", TIME, 1e-3),
        (".5 ms", TIME, 5e-4),
        ("2. ns", TIME, 2e-9),
        ("2 min", TIME, 120.0),
        ("1 h", TIME, 3600.0),
        ("1 day", TIME, 86_400.0),
        ("0", TIME, 0.0),
        (0, TIME, 0.0),
        (0.0, LENGTH, 0.0),
        ("1_000 km", LENGTH, 1e6),
        ("80 MHz", RATE, 80e6),
        ("5/s", RATE, 5.0),
        ("180 deg", ANGLE, pi),
        ("64 MiB", SIZE, 64.0 * 2**20),
        ("-90 °", ANGLE, -pi / 2),
        ("2 %", NUMBER, 0.02),
        ("1e-3", NUMBER, 1e-3),
        (0.98, NUMBER, 0.98),
        (1, NUMBER, 1.0),
        ("-3", NUMBER, -3.0),
    ],
)
def test_a_quantity_is_read_in_si_units(text: object, dimension: Dimension, expected: float) -> None:
    assert parse(text, dimension) == expected


@pytest.mark.parametrize(
    ("value", "dimension", "sentence"),
    [
        (25, LENGTH, "25 needs a unit; write a number and one of m, km, cm, mm, um, nm"),
        ("25", LENGTH, "'25' needs a unit"),
        (1e-3, TIME, "needs a unit; write a number and one of s, ms, us, ns"),
        ("25 kilometres", LENGTH, "'kilometres' is not a unit of length"),
        ("5 1/s", RATE, "'1/s' is not a unit of rate"),  # 51/s, 5 1/s: too easily misread
        ("25 s", LENGTH, "'s' is not a unit of length"),
        ("0 parsec", LENGTH, "'parsec' is not a unit of length"),
        ("1 KM", LENGTH, "'KM' is not a unit of length"),
        ("0.2 dB", ATTENUATION, "one of dB/km, dB/m"),
        ("-1 us", TIME, "a time cannot be negative"),
        ("-0 s", TIME, "a time cannot be negative"),
        ("-0.1 km", LENGTH, "a length cannot be negative"),
        ("0,2 dB/km", ATTENUATION, "',2 dB/km' is not a unit"),
        ("soon", TIME, "'soon' is not a time"),
        ("", TIME, "'' is not a time"),
        ("inf s", TIME, "'inf s' is not a time"),
        (float("inf"), TIME, "inf is not a time"),
        (float("nan"), NUMBER, "nan is not a number"),
        ("nan", NUMBER, "write it like 0.02 or 2 %"),
        (True, NUMBER, "True is not a number"),
        (None, TIME, "None is not a time"),
        (["1 s"], TIME, r"\['1 s'\] is not a time"),
        ("1e999 s", TIME, "too large"),
        ("1e9999999 s", TIME, "is not a unit of time"),
        ("9" * 100 + " s", TIME, "is not a time"),
        ("1__0 s", TIME, "is not a unit of time"),
        ("٣ s", TIME, "is not a time"),
    ],
)
def test_anything_else_is_refused_with_what_is_allowed(value: object, dimension: Dimension, sentence: str) -> None:
    with pytest.raises(UnitError, match=sentence):
        parse(value, dimension)


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(DIMENSIONS), st.data())
def test_reading_is_exact_to_the_last_bit(number: float, dimension: Dimension, data: st.DataObject) -> None:
    unit = data.draw(st.sampled_from(sorted(dimension.units)))
    if not dimension.signed:
        number = abs(number)
    exact = Fraction(repr(number)) * dimension.units[unit]
    assert units.parse_exact(f"{number!r} {unit}", dimension) == exact
    if abs(exact) < 10**308:
        assert parse(f"{number!r}{unit}", dimension) == float(exact)


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(-0.0)
def test_a_plain_number_is_what_its_text_is(number: float) -> None:
    assert repr(parse(number, NUMBER)) == repr(parse(repr(number), NUMBER))


@given(st.text(max_size=80), st.sampled_from(DIMENSIONS))
def test_no_text_is_more_than_refused(text: str, dimension: Dimension) -> None:
    with suppress(UnitError):
        value = parse(text, dimension)
        assert isfinite(value)
        assert dimension.signed or value >= 0


@given(st.integers(min_value=0, max_value=10**15))
def test_a_whole_number_of_nanoseconds_survives_as_seconds(ns: int) -> None:
    assert to_ns(parse(f"{ns} ns", TIME)) == ns


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2.5 ns", 2), ("3.5 ns", 4), ("0.5 ns", 0), ("500 ps", 0), ("501 ps", 1), ("1.5 ns", 2), ("1 us", 1000)],
)
def test_halves_are_rounded_to_the_even_nanosecond(text: str, expected: int) -> None:
    assert to_ns(parse(text, TIME)) == expected


def test_a_year_is_exact() -> None:
    assert to_ns(parse("365 day", TIME)) == 365 * 86_400 * 10**9


# --- the same as Pint, for all that Pint can express -----------------------------------------------------------------

PINT: Final[Any] = pint.UnitRegistry()
SI: Final = {
    TIME.noun: "second",
    LENGTH.noun: "metre",
    RATE.noun: "hertz",
    ANGLE.noun: "radian",
    SIZE.noun: "byte",
    NUMBER.noun: "",
}
# Pint has no attenuation (it reads dB/km as a logarithm of something else), and 5/s is no text of one quantity to it.
BEYOND_PINT: Final = {"dB/km", "dB/m", "/s"}
UNITS: Final = [(dimension, unit) for dimension in DIMENSIONS for unit in dimension.units if unit not in BEYOND_PINT]


@pytest.mark.parametrize(("dimension", "unit"), UNITS, ids=[f"{unit or 'none'}" for _, unit in UNITS])
@settings(max_examples=30)
@given(number=st.floats(min_value=1e-30, max_value=1e30))
def test_a_quantity_means_what_pint_says(dimension: Dimension, unit: str, number: float) -> None:
    expected: float = PINT.Quantity(f"{number!r} {unit}").to(SI[dimension.noun]).magnitude
    assert parse(f"{number!r} {unit}", dimension) == pytest.approx(expected, rel=1e-14)


def test_pint_is_asked_about_all_units_but_those_it_has_not() -> None:
    assert {unit for _, unit in UNITS} | BEYOND_PINT == {unit for dimension in DIMENSIONS for unit in dimension.units}


@given(st.floats(min_value=0, allow_infinity=False), st.sampled_from(DIMENSIONS))
def test_what_is_written_is_read_again_to_the_last_bit(value: float, dimension: Dimension) -> None:
    assert parse(units.written(value, dimension), dimension) == value
