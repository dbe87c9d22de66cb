"""For tests of runs: nothing in their logs is against an invariant."""

from __future__ import annotations

from pathlib import Path

from orchestrator.cli.verify import check


def assert_verified(folder: Path | None) -> None:
    """The event log of a saved run keeps every invariant."""
    assert folder is not None
    checker, _ = check(folder)
    assert not checker.violations
    assert checker.events
