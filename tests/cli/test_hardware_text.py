"""What `qnode check` says of what nodes are made of."""

from __future__ import annotations

from pathlib import Path

from orchestrator.cli.plan_text import plan_text
from orchestrator.loader import loads
from orchestrator.topology import describe


def shown(nodes: str) -> list[str]:
    """The lines about hardware."""
    text = plan_text(describe(loads(f"version: 1\nnodes: {{{nodes}}}"), Path(), seed=1), given_seed="")
    return [line.strip() for line in text.splitlines() if line.startswith(("  hardware of", "  a", "   "))][1:]


def test_of_ideal_nodes_there_is_nothing_to_say() -> None:
    assert not any("hardware of" in line for line in shown("a: {}, ab: {qubits: 3}"))


def test_equal_nodes_share_what_is_said_of_them() -> None:
    (_, *lines) = shown("'a[0..1]': {hardware: nv_center, cutoff: 1 s}, b: {}")
    assert [line.split("   ")[0] for line in lines[1:]] == [
        "a0, a1",
        "memory",
        "gates of one",
        "gates of two",
        "measurements",
        "new qubits",
        "moves",
        "at a time",
    ]
    assert lines[1].endswith("communication   1 slot, T1 3600 s, T2 1.58 s, halves kept for 1 s")
    assert lines[5].endswith("3.7 us, 0 read as 1 with 5 %, 1 read as 0 with 0.5 %")
    assert lines[6].endswith("2 us, |1> with 5 %")


def test_every_kind_of_error_is_named() -> None:
    lines = shown("a: {gates: {single: {pauli: [0.1, 0, 0.02]}, two: {kraus: [[[1, 0], [0, 1]]]}}, gate_set: [x, h]}")
    assert [line.split("   ")[-1].strip() for line in lines[-3:]] == ["Paulis with 12 %", "1 Kraus operator", "x, h"]
