"""What a program gets that uses the API wrongly: an error that names the line and the remedy, and no harm done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qnode.errors import ProgramFailed
from tests.api.networks import PROGRAMS, line_of, network, run
from tests.programs_api.misuse import ACTIONS

FILE = "misuse.py"


async def told(function: str, runs: Path, *, bob: str = "idle", **options: Any) -> tuple[str, str, tuple[str, ...]]:
    result = (await run(network(FILE, {"alice": function, "bob": bob}, **options), runs))["alice"]
    assert result is not None, "nothing was raised"
    name, sentence, notes = result
    return name, sentence, notes


@pytest.mark.parametrize(
    ("function", "fate", "verb", "bob"),
    [
        ("uses_a_measured_qubit", "measured", "x", "idle"),
        ("uses_a_qubit_measured_with_another", "measured", "cnot", "idle"),
        ("uses_a_discarded_qubit", "discarded", "measure", "idle"),
        ("uses_a_discarded_qubit_with_another", "discarded", "measure", "idle"),
        ("uses_a_sent_qubit", "sent away", "mark", "idle"),
        ("sends_a_sent_qubit", "sent away", "send_qubit", "idle"),
        ("applies_to_a_discarded_qubit", "discarded", "apply", "idle"),
        ("discards_twice", "discarded", "discard", "idle"),
        ("resets_a_measured_half", "measured", "reset", "entangles"),
    ],
)
async def test_a_dead_handle_names_the_line_that_ended_it_and_the_line_that_used_it(
    function: str, fate: str, verb: str, bob: str, tmp_path: Path
) -> None:
    name, sentence, notes = await told(function, tmp_path, bob=bob)
    ended, used = line_of(FILE, function, "the end"), line_of(FILE, function, "the misuse")
    assert name == "DeadQubit"
    assert f"was {fate} at {ended};" in sentence
    assert "keep the new qubit" in sentence
    assert notes == (f"used again by {verb} at {used}",)


EXPECTED: dict[str, tuple[str, str]] = {
    "cnot with itself": ("InvalidOperation", "cnot needs different qubits; alice.0 was given twice"),
    "apply with itself": ("InvalidOperation", "needs different qubits"),
    "measure twice at once": ("InvalidOperation", "measure needs different qubits"),
    "measure nothing": ("InvalidOperation", "at least one qubit"),
    "bad basis": ("InvalidOperation", "'w' is no basis; use Pauli.X, Pauli.Y or Pauli.Z"),
    "angle is nan": ("InvalidOperation", "rx() needs finite angles in radians; got nan"),
    "angle is infinite": ("InvalidOperation", "finite angles in radians; got inf"),
    "angle is text": ("InvalidOperation", "finite angles in radians; got 'half'"),
    "angle is complex": ("InvalidOperation", "finite angles in radians; got 1j"),
    "not unitary": ("InvalidOperation", "which is not unitary"),
    "unitary with nan": ("InvalidOperation", "which is not unitary"),
    "unitary of the wrong size": ("InvalidOperation", "shape (4, 4) for 2 qubits; got shape (2, 2)"),
    "unitary that is no matrix": ("InvalidOperation", "shape (4, 4) for 2 qubits; got shape (16,)"),
    "unitary of rows of unequal length": ("InvalidOperation", "shape (2, 2) for 1 qubit"),
    "send a set": ("NotPackable", "the message contains a value of type set, which cannot be packed; use None"),
    "send a qubit": ("NotPackable", "the message contains a value of type Qubit"),
    "record a qubit": ("NotPackable", "the record 'mine' contains a value of type Qubit"),
    "send to nobody": ("InvalidOperation", "there is no node 'nobody' to send to"),
    "receive from nobody": ("InvalidOperation", "there is no node 'nobody' to receive from"),
    "message about no pair": ("InvalidOperation", "qubit alice.0 is not a half of a pair"),
    "entangle with a stranger": ("NoSuchNode", "alice knows no other node 'nobody'; its neighbours are: bob"),
    "entangle with who does not ask": ("GenerationTimeout", "alice got no pair with carol within 0.001 s"),
    "entangle with itself": ("NoSuchNode", "alice knows no other node 'alice'"),
    "send a qubit to no neighbour": ("NotANeighbour", "alice has no link to 'carol'"),
    "receive a qubit from no neighbour": ("NotANeighbour", "alice has no link to 'carol'"),
    "no pairs": ("InvalidOperation", "n >= 1; got 0"),
    "minus one pair": ("InvalidOperation", "n >= 1; got -1"),
    "half a pair": ("InvalidOperation", "1.5"),
    "more pairs than slots": ("OutOfMemory", "9 wanted, 6 of 8 free"),
    "fidelity above one": ("InvalidOperation", "min_fidelity must lie in [0, 1]; got 1.01"),
    "fidelity below zero": ("InvalidOperation", "min_fidelity must lie in [0, 1]; got -0.01"),
    "fidelity is nan": ("InvalidOperation", "min_fidelity must lie in [0, 1]; got nan"),
    "tag is a number": ("InvalidOperation", "text; got 5"),
    "channel is a number": ("InvalidOperation", "text; got 5"),
    "program is a number": ("InvalidOperation", "text; got 5"),
    "label is a number": ("InvalidOperation", "text; got 5"),
    "more qubits than slots": ("OutOfMemory", "node alice has too few free memory slots: "),
    "copy": ("InvalidOperation", "qubit alice.0 cannot be copied: no state can be cloned"),
    "deep copy": ("InvalidOperation", "cannot be copied"),
}


def test_every_misuse_has_its_expectation() -> None:
    assert set(EXPECTED) == set(ACTIONS)


@pytest.mark.parametrize("action", ACTIONS)
async def test_a_misuse_is_told_in_words_that_help(action: str, tmp_path: Path) -> None:
    alice = {"program": f"{FILE}:acts", "args": {"action": action}}
    result = (await run(network(FILE, {"alice": alice, "bob": "idle"}), tmp_path))["alice"]
    assert result is not None, "nothing was raised"
    name, words = EXPECTED[action]
    assert result[0] == name, result
    assert words in result[1]


async def test_after_every_misuse_everything_still_works(tmp_path: Path) -> None:
    outcomes = (await run(network(FILE, {"alice": "acts_and_goes_on", "bob": "idle"}), tmp_path))["alice"]
    assert outcomes in ([0, 0], [1, 1])


async def test_one_qubit_too_many_says_what_to_do_and_where(tmp_path: Path) -> None:
    name, sentence, (note,) = await told("takes_all_slots", tmp_path)
    assert name == "OutOfMemory"
    assert "measure or discard a qubit, or raise `qubits:`" in sentence
    assert note.startswith("asked for at ")
    assert FILE in note


async def test_a_slot_is_free_once_its_measurement_is_over_and_not_before(tmp_path: Path) -> None:
    alice = {"program": f"{FILE}:measures_with_a_busy_slot", "gates": {"measure": {"duration": "5 us"}}}
    early, late = (await run(network(FILE, {"alice": alice}), tmp_path))["alice"]
    assert early[0] == "OutOfMemory"
    assert late is None


@pytest.mark.parametrize("inline", [True, False], ids=["inline", "a process"])
async def test_calls_from_another_thread_or_loop_are_refused_with_the_remedy(inline: bool, tmp_path: Path) -> None:
    run_ = await run(network(FILE, {"alice": "calls_from_a_thread", "bob": "idle"}), tmp_path, inline=inline)
    found = run_["alice"]
    assert len(found) == 14
    for one in found:
        assert one is not None
        assert one[0] == "WrongLoop", one
        assert "outside node alice's own event loop" in one[1]
        assert "loop.call_soon_threadsafe" in one[1]


async def test_another_nodes_qubit_cannot_be_used_whatever_one_calls(tmp_path: Path) -> None:
    """Nodes in one process can reach each other's objects; that is all that they can."""
    config = network(FILE, {"alice": "lends_its_qubit", "bob": "uses_anothers_qubit"})
    run_ = await run(config, tmp_path)
    found = run_["bob"]
    assert [one and one[0] for one in found] == [
        "WrongLoop",
        *["InvalidOperation"] * 6,
        "WrongLoop",
    ], found
    for one in found[1:-1]:
        assert "alice.0, which node alice holds; use send_qubit() or teleportation" in one[1]
    assert run_["alice"] == 1  # nobody touched it


# ---------------------------------------------------------------- programs that end badly


async def failure(function: str, runs: Path, *, inline: bool = False, file: str = FILE) -> str:
    with pytest.raises(ProgramFailed) as caught:
        await run(
            network(file, {"alice": function, "bob": {"program": f"{PROGRAMS / FILE}:idle"}}), runs, inline=inline
        )
    assert caught.value.exit_code == 1
    return str(caught.value)


@pytest.mark.parametrize("inline", [True, False], ids=["inline", "processes"])
async def test_a_program_that_raises_is_shown_with_node_name_and_traceback(inline: bool, tmp_path: Path) -> None:
    text = await failure("raises", tmp_path, inline=inline)
    assert text.startswith("program main of node alice failed at 0 ns:\nTraceback (most recent call last):\n")
    path, _, line = line_of(FILE, "raises", "here it goes wrong").rpartition(":")
    assert f'File "{path}", line {line}, in raises' in text
    assert text.endswith("KeyError: 'missing'")
    assert "qnode/runtime" not in text  # our own frames help nobody


async def test_a_failing_task_of_a_program_shows_its_own_line(tmp_path: Path) -> None:
    text = await failure("fails_in_a_task", tmp_path, inline=True)
    _, _, line = line_of(FILE, "raises", "here it goes wrong").rpartition(":")
    assert f"line {line}, in raises" in text


@pytest.mark.parametrize("inline", [True, False], ids=["inline", "processes"])
@pytest.mark.parametrize("function", ["exits", "exits_in_a_task"])
async def test_a_program_that_exits_ends_the_run_like_any_other_error(
    function: str, inline: bool, tmp_path: Path
) -> None:
    text = await failure(function, tmp_path, inline=inline)
    assert text.startswith("program main of node alice failed")
    assert text.endswith("SystemExit: 3")


async def test_returning_what_cannot_be_packed_names_the_program_its_line_and_the_remedy(tmp_path: Path) -> None:
    text = await failure("returns_a_set", tmp_path, inline=True)
    lines = (PROGRAMS / FILE).read_text().splitlines()
    number = 1 + next(n for n, line in enumerate(lines) if "async def returns_a_set" in line)
    assert f"what program main of node alice returned ({PROGRAMS / FILE}:{number}) contains a value of type set" in text
    assert "use None, numbers, text" in text


@pytest.mark.parametrize(
    ("function", "file", "words"),
    [
        ("nothing", FILE, "has no function 'nothing'; its async functions are:"),
        ("not_async", FILE, "not_async must be an `async def` that takes a Node"),
        ("main", "missing.py", "there is no such file; program paths are relative to the configuration's folder"),
        ("main", "broken.py", "SyntaxError"),
        ("main", "imports_nothing.py", "No module named 'there_is_no_such_module'"),
        ("takes_nothing", "takes.py", "takes_nothing() takes 0 positional arguments"),
    ],
)
async def test_a_program_that_cannot_start_says_why(function: str, file: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("async def main(node:\n    pass\n")
    (tmp_path / "imports_nothing.py").write_text("import there_is_no_such_module\nasync def main(node): pass\n")
    (tmp_path / "takes.py").write_text("async def takes_nothing(): pass\n")
    place = PROGRAMS / file if (PROGRAMS / file).exists() else tmp_path / file
    assert words in await failure(function, tmp_path / "runs", inline=True, file=str(place))


# ---------------------------------------------------------------- what only the oracle can know


async def test_a_joint_state_that_grows_too_large_is_told_at_the_next_await_with_the_line_of_the_gate(
    tmp_path: Path,
) -> None:
    config = network(FILE, {"alice": "grows_too_large", "bob": "entangles_six"}, max_state_vector_qubits=5, until="1 s")
    run_ = await run(config, tmp_path)
    ((name, sentence, notes),) = run_["alice"]
    assert name == "ComponentTooLarge"
    assert "holds at most 5" in sentence
    assert notes == (f"issued at {line_of(FILE, 'grows_too_large', 'the gate that goes too far')}",)
    assert any(event.event == "refused" and event.name == "ComponentTooLarge" for event in run_.events)


async def test_a_local_joint_state_that_grows_too_large_is_told_at_the_call(tmp_path: Path) -> None:
    config = network(FILE, {"alice": "grows_too_large_here"}, max_state_vector_qubits=5)
    result = (await run(config, tmp_path))["alice"]
    assert result is not None
    assert result[0] == "ComponentTooLarge"
    assert "holds at most 5" in result[1]


FORGOTTEN = [
    "sends it",
    "discards it",
    "measures it and does not wait",
    "gives the measurement up",
    "returns at once",
    "keeps it for a while",
    "discards it and waits for ever",
]


def refusing(then: str, **settings: Any) -> dict[str, Any]:
    alice = {"program": f"{FILE}:refused", "args": {"then": then}}
    return network(FILE, {"alice": alice, "bob": "entangles"}, formalism="stabilizer", **settings)


@pytest.mark.parametrize("then", FORGOTTEN)
@pytest.mark.parametrize("clock", ["inline", "virtual", "real"])
async def test_a_refused_gate_is_not_forgotten_whatever_becomes_of_its_qubit(
    then: str, clock: str, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {"clock": "real"} if clock == "real" else {}
    with pytest.raises(ProgramFailed) as caught:
        await run(refusing(then, **settings), tmp_path, inline=clock == "inline")
    assert caught.value.exit_code == 1
    text = str(caught.value)
    assert text.startswith("program main of node alice failed at ")
    assert "stabilizer" in text
    assert text.endswith(f"\nissued at {line_of(FILE, 'refused', 'the gate')}")


@pytest.mark.parametrize("then", ["catches it", "catches it later", "catches it after a second one"])
@pytest.mark.parametrize("clock", ["inline", "real"])
async def test_a_refused_gate_that_a_program_has_caught_fails_nothing(then: str, clock: str, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"clock": "real"} if clock == "real" else {}
    name, _, notes = (await run(refusing(then, **settings), tmp_path, inline=clock == "inline"))["alice"]
    assert name == "NotClifford"
    assert list(notes) == [f"issued at {line_of(FILE, 'refused', 'the gate')}"]


@pytest.mark.parametrize("clock", ["virtual", "real"])
async def test_a_refused_gate_is_told_of_its_own_qubit_while_others_go_on(clock: str, tmp_path: Path) -> None:
    config = network(
        FILE,
        {"alice": "is_refused_while_another_goes_on", "bob": "entangles_two"},
        formalism="stabilizer",
        clock=clock,
    )
    one, two = (await run(config, tmp_path, inline=False))["alice"]
    assert one is not None
    assert one[0] == "NotClifford"
    assert two is None


# ---------------------------------------------------------------- what happens at the call


@pytest.mark.parametrize("clock", ["virtual", "real"])
async def test_a_qubit_is_measured_at_the_call_whoever_awaits_the_outcome_and_when(clock: str, tmp_path: Path) -> None:
    config = network(FILE, {"alice": "measures_at_the_call", "bob": "entangles"}, clock=clock)
    assert (await run(config, tmp_path, inline=False))["alice"] == [0, 0, 1, 1]


async def test_a_qubit_is_sent_at_the_call(tmp_path: Path) -> None:
    result = await run(network(FILE, {"alice": "sends_at_the_call", "bob": "receives_two"}), tmp_path)
    assert result["alice"] == ["sent away", "sent away"]
    assert result["bob"] == [1, 0]
