"""A value that a program returned, in the words of JSON."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def plain(value: object) -> Any:
    """The nearest that JSON has, made new: tuples and arrays become lists, complex numbers [re, im], bytes hex digits.

    Numbers that JSON has not (nan, inf) and keys that are no text become text.
    """
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case complex():
            return [plain(value.real), plain(value.imag)]
        case bytes():
            return value.hex()
        case np.ndarray():
            return plain(value.tolist())
        case list() | tuple():
            return [plain(item) for item in value]
        case dict():
            return {key if isinstance(key, str) else str(key): plain(item) for key, item in value.items()}
    raise TypeError(f"{type(value).__name__} has no form in JSON")
