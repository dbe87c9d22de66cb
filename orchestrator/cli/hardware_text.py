"""What nodes are made of, in words; what is ideal is not worth one."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.text import count
from qnode.quantum.hardware import NEVER, ErrorModel, Hardware, Slots, Timing
from qnode.runtime.logs import format_time


def hardware_rows(hardware: Hardware) -> list[tuple[str, str]]:
    """A part and what there is to say of it, for each that is not ideal; none for an ideal node."""
    rows = [
        ("communication", _slots(hardware.communication)),
        ("memory", _slots(hardware.memory)),
        ("gates of one", _timing(hardware.single)),
        ("gates of two", _timing(hardware.two)),
        ("measurements", ", ".join(filter(None, (_timing(hardware.measure), *_readout(hardware))))),
        ("new qubits", _initialise(hardware.initialise)),
        ("moves", _timing(hardware.move) if hardware.communication.size else ""),
        ("gate set", ", ".join(hardware.gate_set)),
        ("at a time", count(hardware.parallel, "operation") if hardware.parallel else ""),
    ]
    found = [(part, text) for part, text in rows if text]
    return found if found != [("memory", count(hardware.memory.size, "slot"))] else []


def _slots(slots: Slots) -> str:
    times = (("T1", slots.t1_ns), ("T2", slots.t2_ns))
    said = [f"{name} {format_time(round(time))}" for name, time in times if time != NEVER]
    if slots.cutoff_ns is not None:
        said.append(f"halves kept for {format_time(slots.cutoff_ns)}")
    return ", ".join([count(slots.size, "slot"), *said]) if slots.size else ""


def _timing(timing: Timing) -> str:
    duration = [format_time(timing.duration_ns)] if timing.duration_ns else []
    return ", ".join([*duration, *_errors(timing.error)])


def _errors(error: ErrorModel) -> Iterator[str]:
    if error.depolarise:
        yield f"depolarised with {_percent(error.depolarise)}"
    if any(error.paulis):
        yield f"Paulis with {_percent(sum(error.paulis))}"
    if error.kraus:
        yield count(len(error.kraus), "Kraus operator")


def _readout(hardware: Hardware) -> Iterator[str]:
    if hardware.p10:
        yield f"0 read as 1 with {_percent(hardware.p10)}"
    if hardware.p01:
        yield f"1 read as 0 with {_percent(hardware.p01)}"


def _initialise(timing: Timing) -> str:
    duration = [format_time(timing.duration_ns)] if timing.duration_ns else []
    wrong = [f"|1> with {_percent(sum(timing.error.paulis))}"] if timing.error else []
    return ", ".join([*duration, *wrong])


def _percent(probability: float) -> str:
    return f"{100 * probability:.4g} %"
