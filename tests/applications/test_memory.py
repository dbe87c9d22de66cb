"""Memory slots of a node that are a program's own: always, for a block, or for a time that is booked ahead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator import Cluster
from qnode.errors import ConfigError
from tests.applications.worlds import PROGRAMS, network, run

TOO_FEW = "OutOfMemory: node alice has too few free memory slots: "


def sleeping(seconds: float, **more: Any) -> dict[str, Any]:
    return {"run": "sleeps", "args": {"seconds": seconds}, **more}


async def test_slots_of_its_own_are_nobody_elses_until_the_program_is_over(tmp_path: Path) -> None:
    """`keys` uses none of its three, and nobody gets them; when it has returned, everybody does."""
    late = {"run": "waits_for", "args": {"n": 3}}
    config = network({"keys": sleeping(1e-3, memories=3), "rest": "fills", "late": late})
    done = await run(config, tmp_path)
    made, told = done.results["alice"]["rest"]
    held = "(keys holds 0 and has 3 of its own; rest holds 1)"
    assert made == 1
    assert told.startswith(f"{TOO_FEW}1 wanted, 0 of 4 free {held}; ")
    assert done.results["alice"]["late"] == 1_000_000


async def test_a_program_has_its_own_slots_and_of_the_others_what_is_free(tmp_path: Path) -> None:
    config = network({"keys": {"run": "fills", "memories": 3}, "rest": "fills"})
    done = await run(config, tmp_path)
    assert [done.results["alice"][name][0] for name in ("keys", "rest")] == [4, 0]
    assert "(keys holds 4 and has 3 of its own)" in done.results["alice"]["rest"][1]


async def test_what_can_never_be_had_is_refused_at_once_and_says_who_has_it(tmp_path: Path) -> None:
    config = network({"keys": sleeping(1e-3, memories=3), "rest": {"run": "asks_for_too_many", "args": {"n": 2}}})
    done = await run(config, tmp_path)
    reserved, entangled, times = done.results["alice"]["rest"]
    assert reserved == entangled
    assert reserved.startswith(f"{TOO_FEW}2 wanted, 1 of 4 free (keys holds 0 and has 3 of its own); ")
    assert times == "InvalidOperation: reserve() needs now <= start < end; it is 0.0 s, and start=2.0, end=1.0"


async def test_slots_of_ones_own_cannot_be_reserved_besides(tmp_path: Path) -> None:
    """Else it would wait for itself, and everybody behind it."""
    rest = {"run": "reserves", "args": {"n": 3, "at_ns": 10, "lasting_ns": 5}}
    done = await run(network({"keys": {"run": "may_reserve", "args": {"n": 4}, "memories": 1}, "rest": rest}), tmp_path)
    assert done.results["alice"]["keys"].startswith(
        f"{TOO_FEW}4 wanted, 3 of 4 free (keys holds 0 and has 1 of its own); "
    )
    assert done.results["alice"]["rest"] == [10, 15]


async def test_reservations_are_entered_first_come_first_served(tmp_path: Path) -> None:
    """c wants one slot, which is free all the time, and does not overtake b, who wants three and was first."""
    programs = {
        name: {"run": "reserves", "args": {"n": n, "at_ns": at_ns, "lasting_ns": 1000}}
        for name, n, at_ns in (("a", 3, 0), ("b", 3, 100), ("c", 1, 200))
    }
    done = await run(network(programs), tmp_path)
    assert done.results["alice"] == {"a": [0, 1000], "b": [1000, 2000], "c": [1000, 2000]}


async def test_slots_are_booked_ahead_or_refused_with_who_has_them_when(tmp_path: Path) -> None:
    windows = [[2, 1e-3, 2e-3], [3, 1.5e-3, 3e-3], [2, 1.2e-3, 3e-3], [4, 3e-3, 4e-3]]
    done = await run(network({"x": {"run": "books", "args": {"windows": windows}}}), tmp_path)
    first, refused, second, last = done.results["alice"]["x"]
    assert (first, second, last) == (1_000_000, 1_200_000, 3_000_000)
    booked = "(3 slots wanted, and at 1500000 ns 2 of 4 are reserved: x 2 from 1000000 ns to 2000000 ns)"
    assert refused.startswith(f"{TOO_FEW}3 wanted, 4 of 4 free {booked}; ")


@pytest.mark.parametrize(("until", "entered"), [(1e-3, 1_000_000), (1.4e-3, 1_400_000), (3e-3, None)])
async def test_booked_slots_that_somebody_sits_in_are_the_first_to_come_free(
    until: float, entered: int | None, tmp_path: Path
) -> None:
    """Nobody is thrown out of a slot. If the time is over before enough came free, whoever wanted to enter is told."""
    programs = {
        "sits": {"run": "holds", "args": {"n": 3, "until": until}},
        "books": {"run": "books", "args": {"windows": [[2, 1e-3, 2e-3]]}},
        "later": {"run": "reserves", "args": {"n": 3, "at_ns": 500_000, "lasting_ns": 10}},
    }
    done = await run(network(programs), tmp_path, check=entered is not None)
    if entered is None:
        (failure,) = done.summary.failures
        assert (failure.program, failure.at_ns) == ("books", 2_000_000)
        assert "the time for which 2 slots were reserved is over, and they never were free" in failure.traceback
        return
    assert done.results["alice"]["books"] == [entered]
    assert done.results["alice"]["later"][0] == entered + 100_000  # though it has waited for longer


async def test_who_gives_up_waiting_in_the_instant_in_which_a_slot_comes_free_loses_none(tmp_path: Path) -> None:
    done = await run(network({"x": "gives_up"}, {"x": sleeping(0)}, slots=2), tmp_path)
    assert done.results["alice"]["x"] == [2]


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ({"memories": 5}, "nodes.alice.programs.x.memories: there are 4 memory slots, and as their own want x 5"),
        ({"communication": 1}, "programs.x.communication: there are 0 communication slots, and as their own want x 1"),
        ({"start": "2 ms", "stop": "2 ms"}, "nodes.alice.programs.x.stop: must be later than its start, 0.002 s"),
    ],
)
def test_a_configuration_that_cannot_be_kept_is_refused(program: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Cluster.from_dict(network({"x": sleeping(0, **program)}), base=PROGRAMS)
    assert said in str(refused.value)
