"""Programs of one node share its memory and nothing else: neither qubits nor requests nor letters nor numbers."""

from __future__ import annotations

from pathlib import Path

from tests.applications.worlds import network, run

FOREIGN = "which program lender"
CALLED = "of program lender of node alice was called by program borrower"


async def test_a_program_cannot_touch_what_another_of_its_node_has(tmp_path: Path) -> None:
    """Not even if it finds the handle: in one process, Python hides nothing."""
    config = network({"lender": "lends", "borrower": "borrows"}, {"lender": "lends_too"})
    done = await run(config, tmp_path)
    told = done.results["alice"]["borrower"]
    assert all(one.startswith("InvalidOperation: ") for one in told), told
    assert sum(FOREIGN in one for one in told) == 7
    assert sum(CALLED in one for one in told) == 9
    assert len(told) == 16
    assert done.results["alice"]["lender"] == 1  # the qubit is as its program left it
    assert done.notes == {}
    touched = [event.event for event in done.events if "alice.0" in event.qubits]
    assert touched == ["create", "gate", "measure"]
    assert not [event for event in done.events if event.event in ("send", "mark", "refused")]


async def test_requests_letters_channels_and_random_numbers_belong_to_a_name(tmp_path: Path) -> None:
    """Two programs do the same at both nodes, with the same names of channels and no tags: nothing crosses over."""
    alice, bob = (
        {name: {"run": "asks_and_draws", "args": {"peer": peer, "n": n}} for name, n in (("one", 2), ("two", 1))}
        for peer in ("bob", "alice")
    )
    done = await run(network(alice, bob), tmp_path)
    numbers = set()
    for name in ("one", "two"):
        (pairs, outcomes, letter, number), (pairs_of_bob, outcomes_of_bob, letter_to_bob, number_of_bob) = (
            done.results[node][name] for node in ("alice", "bob")
        )
        assert pairs == pairs_of_bob  # differing n would be a RequestMismatch
        assert outcomes == outcomes_of_bob
        assert letter == letter_to_bob == [name, "on c"]
        numbers |= {number, number_of_bob}
    assert len(numbers) == 4
