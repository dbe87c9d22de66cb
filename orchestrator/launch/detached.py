"""A process of ours that outlives the one that starts it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from orchestrator.launch.early import python


def start_detached(module: str, *arguments: str, output: Path, keep: int) -> int:
    """Start the `main` of a module of ours in a session of its own, away from any terminal; its process number.

    Args:
        output: The file that its standard output and error go to.
        keep: A descriptor that it inherits under the same number.
    """
    with output.open("wb") as file:
        process = subprocess.Popen(
            python(module, *arguments),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            pass_fds=(keep,),
            start_new_session=True,
        )
    process.returncode = 0  # nobody here waits for it: keep the destructor from warning that it still runs
    return process.pid
