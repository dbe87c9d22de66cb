"""docs/machines.md, followed: every command of it, on two hosts of our own, which print what stands there."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from tests.cli.commands import ROOT, ended, err
from tests.machines.lan import Lan

PAGE: Final = (ROOT / "docs/machines.md").read_text()
_FILE: Final = re.compile(r"^```(?:yaml|python)\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND: Final = re.compile(r"^```console\n(lab\d)\$ qnode ([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COPIED: Final = ("coin.yaml", "coin.py", "keys/bob.key")


def unlike(said: Sequence[str], expected: Sequence[str]) -> list[str]:
    """Lines that only one of them has, whatever the order: it is that of two streams. `...` stands for anything."""
    patterns = [".*".join(map(re.escape, line.split("..."))) for line in expected if line != "..."]
    found = [line for line in expected if line != "..." and not any(_is(line, one) for one in said)]
    if "..." not in expected:
        found += [one for one in said if not any(re.fullmatch(pattern, one) for pattern in patterns)]
    return found


def _is(expected: str, said: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, expected.split("..."))), said) is not None


def test_two_laptops_come_to_what_the_page_says(lan: Lan, tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("lab1", "lab2")}
    for folder in folders.values():
        folder.mkdir()
    for name, text in _FILE.findall(PAGE):
        (folders["lab1"] / name).write_text(text)
    for name in COPIED:
        assert re.search(rf"scp .*\b{re.escape(name)}\b", PAGE), name
    check, keys, oracle, alice, bob, host = [(at, words.split(), said) for at, words, said in _COMMAND.findall(PAGE)]

    with ExitStack() as stack:

        def start(command: tuple[str, list[str], str]) -> subprocess.Popen[str]:
            at, words, _ = command
            return stack.enter_context(lan.started(at, *words, cwd=folders[at], COLUMNS="80"))

        def follow(command: tuple[str, list[str], str], running: subprocess.Popen[str]) -> None:
            done = ended(running)
            assert done.code == 0, done.err
            assert unlike((done.out + done.err).splitlines(), command[2].splitlines()) == [], done

        for command in (check, keys):
            follow(command, start(command))
        (folders["lab2"] / "keys").mkdir()
        for name in COPIED:
            shutil.copy(folders["lab1"] / name, folders["lab2"] / name)
        serving = start(oracle)
        follow_later = [(alice, start(alice)), (bob, start(bob))]
        follow(oracle, serving)
        for command, running in follow_later:
            follow(command, running)

        again = start(oracle)
        assert err(again).readline()
        starts = [start(alice), start(host)]
        assert ended(again).code == 0
        assert [ended(one).code for one in starts] == [0, 0]


def test_every_message_of_the_table_is_one_that_there_is() -> None:
    sources = "\n".join(
        " ".join(re.sub(r'"\s*\n\s*f?"', "", path.read_text()).split())
        for folder in ("orchestrator", "qnode")
        for path in (ROOT / folder).rglob("*.py")
    )
    rows = re.findall(r"^\| `([^|]*?)`(?:,[^|]*)? \|", PAGE, re.MULTILINE)
    assert len(rows) > 10
    for row in rows:
        parts = re.split(
            r"\.\.\.|^bob|'lab1'| of (?:bob|alice|carol)|node bob|coin\.py|300 s|qnode 0\.1\.0|0\.1\.1", row
        )
        for part in filter(None, (part.strip(" :") for part in parts)):
            assert part in sources, row
