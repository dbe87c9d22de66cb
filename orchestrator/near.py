"""The name that was probably meant by one that is not there."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(wrong: str, allowed: Iterable[str]) -> str:
    """A hint for a sentence: ` (did you mean 'alice'?)`, or nothing when no name is near."""
    close = nearest_name(wrong, allowed)
    return f" (did you mean {close!r}?)" if close else ""


def nearest_name(wrong: str, allowed: Iterable[str]) -> str | None:
    """The name that was probably meant: the nearest one if it is near, by letters and not by their case."""
    folded = {name.casefold(): name for name in reversed(tuple(allowed))}
    close = get_close_matches(wrong.casefold(), tuple(folded), n=1, cutoff=0.6)
    return folded[close[0]] if close else None
