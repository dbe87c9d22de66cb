"""Which versions the image is made of: all that qnode needs, as the package index has them today.

`make lock` writes docker/requirements.txt, what is in the image, and docker/build-requirements.txt, what builds it.
Versions, without hashes: an image for another CPU type is made of other files.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
EXTRAS: Final = ("mqtt", "prometheus")  # a container has no way to install them later
HEAD: Final = "# {what}. Written by `make lock`; the image takes exactly these.\n"


def resolved(*wanted: str) -> list[str]:
    """`name==version` of each package that would be installed for these, in alphabetical order."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-"]
    done = subprocess.run([*command, *wanted], stdout=subprocess.PIPE, check=True, cwd=ROOT)
    found = (package["metadata"] for package in json.loads(done.stdout)["install"])
    return sorted(f"{one['name'].lower()}=={one['version']}" for one in found if one["name"] != "qnode")


def main() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for name, what, wanted in (
        ("requirements.txt", "What is in the image beside qnode", [f".[{','.join(EXTRAS)}]"]),
        ("build-requirements.txt", "What builds qnode", project["build-system"]["requires"]),
    ):
        (ROOT / "docker" / name).write_text(HEAD.format(what=what) + "\n".join(resolved(*wanted)) + "\n")


if __name__ == "__main__":
    main()
