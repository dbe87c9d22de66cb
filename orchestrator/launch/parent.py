"""Asking the kernel to signal this process when its parent is gone, in the middle of whatever it is doing."""

from __future__ import annotations

import ctypes
import sys
from typing import Any, Final

_PR_SET_PDEATHSIG: Final = 1
_PRCTL: Final[Any] = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def end_with_parent(number: int) -> None:
    """Have that signal sent once whoever started this process is gone; only Linux can.

    Whoever went before this was asked sends nothing: look afterwards whether it is still there.
    """
    if _PRCTL is not None:
        _PRCTL(_PR_SET_PDEATHSIG, number, 0, 0, 0)
