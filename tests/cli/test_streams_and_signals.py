"""A command whose streams are closed, or that is interrupted before it has begun."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cli.commands import carried_out, command

# A Ctrl-C at the moment in which a module is imported, either right there or where Python drops what is raised.
INTERRUPTED = """
import signal, sys

class Pressed:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

class Presses:
    def find_spec(self, name, *_):
        if name == {module!r}:
            sys.meta_path.remove(self)
            {press}

sys.meta_path.insert(0, Presses())
from orchestrator.cli import main
sys.exit(main({arguments!r}))
"""

PRESS = {"": "signal.raise_signal(signal.SIGINT)", "in a finaliser": "Pressed()"}


@pytest.mark.parametrize(
    ("name", "module", "press"),
    [
        ("check", "numpy", ""),  # a command that launches nothing; on the way there, all are alike
        ("run", "orchestrator.cli.endings", ""),
        ("run", "asyncio", ""),
        *(("run", module, press) for module in ("orchestrator.cli.arguments", "numpy") for press in PRESS),
        *(
            pytest.param(name, module, "in a finaliser", marks=pytest.mark.slow)
            for name, module in (("check", "numpy"), ("run", "orchestrator.cli.endings"), ("run", "asyncio"))
        ),
    ],
)
def test_ctrl_c_while_modules_are_imported_is_told_in_a_word(name: str, module: str, press: str, project: Path) -> None:
    script = INTERRUPTED.format(module=module, press=PRESS[press], arguments=[name, "coin.yaml"])
    done = carried_out([sys.executable, "-c", script], cwd=project)
    assert done == (130, "", "interrupted\n")
    assert not (project / ".qnode").exists()


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("--help",), 0), (("run", "coin.yaml"), 0), (("check", "coin.yam"), 2), (("rnu",), 2)],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_what_is_closed_is_not_written_to(arguments: tuple[str, ...], code: int, closed: str, project: Path) -> None:
    done = carried_out(["sh", "-c", f'"$@" {closed}', "sh", *command(*arguments)], cwd=project)
    assert done.code == code, done.err
    assert "Traceback" not in done.err
