"""What is said in one place: words of the source that only one module may have."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]

HOMES: Final = {
    r"get_close_matches": "orchestrator/near.py",
    r"^_?EXIT_\w+(: Final)? = ": "qnode/exits.py",
    r"exit_code(: ClassVar\[int\])? = \d": "",
    r"\"\.qnode\"": "orchestrator/folders.py",
    r"\"\.gitignore\"": "orchestrator/folders.py",
    r"except SyntaxError": "orchestrator/sources.py",
    r"PathFinder": "orchestrator/sources.py",
    r"^def log_path": "orchestrator/oracle/spec.py",
    r"\"run\.json\"": "orchestrator/head.py",
}


@pytest.mark.parametrize("words", HOMES)
def test_it_is_said_once(words: str) -> None:
    files = [file for package in ("qnode", "orchestrator") for file in (ROOT / package).rglob("*.py")]
    found = {str(file.relative_to(ROOT)) for file in files if re.search(words, file.read_text(), re.MULTILINE)}
    assert found == ({HOMES[words]} if HOMES[words] else set())
