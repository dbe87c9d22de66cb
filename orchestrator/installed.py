"""Where the interpreter keeps what was installed: it is the same from one run to the next, and every node finds it."""

from __future__ import annotations

import site
import sysconfig
from pathlib import Path
from typing import Final

PLACES: Final = tuple(
    dict.fromkeys(
        one
        for place in (
            *map(sysconfig.get_path, ("stdlib", "platstdlib", "purelib", "platlib")),
            *site.getsitepackages(),
            site.getusersitepackages(),
        )
        for one in (Path(place), Path(place).resolve())
    )
)


def is_installed(path: Path) -> bool:
    """Whether a file or folder lies where installers put modules: by where that is, whatever folders are called."""
    return any(one.is_relative_to(place) for one in (path, path.resolve()) for place in PLACES)
