"""Who is told of a lost node, when, and what reaches its next life."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.worlds import LIGHT_NS, WALL_S, assert_repeated, both, network, program, run

US = 1_000
MS = 1_000_000
WAYS = ("message", "pair", "two pairs", "outcomes", "qubit", "later")
GONE = "node bob is gone: a fault script killed it"


@pytest.mark.parametrize("detection", [0, 30, 200])
async def test_whoever_waits_is_told_when_a_message_could_tell_and_not_before_it_is_noticed(
    detection: int, tmp_path: Path
) -> None:
    waiting = {f"n{nth}": program("waits", peer="bob", how=how) for nth, how in enumerate(WAYS)}
    config = network(
        {"bob": program("sleeps", lasts=1.0), **waiting, "other": program("sleeps", lasts=20e-3)},
        [{"at": "2 ms", "kill": "bob"}],
        failures={"detection_delay": f"{detection} us"},
    )
    config["links"] = {"star": {"star": ["bob", *waiting, "other"], "length": "10 km"}}
    done = await both(config, tmp_path)
    told = 2 * MS + max(LIGHT_NS, detection * US)
    for nth, how in enumerate(WAYS):
        assert done[f"n{nth}"] == f"{told if how != 'later' else 10 * MS}: {GONE}"
    assert (done["other"], done.exit_code) == ("slept", 0)


@pytest.mark.parametrize("restart", [10, 500])
@pytest.mark.parametrize("detection", [0, 2_000])
async def test_what_was_meant_for_an_earlier_life_does_not_reach_the_next(
    restart: int, detection: int, tmp_path: Path
) -> None:
    config = network(
        {"alice": program("talks", peer="bob", times=40), "bob": program("listens", peer="alice", times=99)},
        [{"at": "2 ms", "kill": "bob", "restart": "fresh"}],
        failures={"detection_delay": f"{detection} us", "restart_delay": f"{restart} us"},
    )
    done = await both(config, tmp_path)
    known_ns = 2 * MS + restart * US + LIGHT_NS  # when alice can know of the new life
    first = -(-known_ns // (100 * US))
    assert done["bob"] == [(n, n * 100 * US + LIGHT_NS) for n in range(first, 40)]


async def test_a_program_that_lets_it_pass_has_failed_if_a_script_killed_its_peer(
    tmp_path: Path,
) -> None:
    config = network(
        {"alice": program("waits_unwarily", peer="bob"), "bob": program("sleeps")}, [{"at": "2 ms", "kill": "bob"}]
    )
    failed = await both(config, tmp_path)
    assert (failed.summary.how, failed.exit_code) == ("failed", 1)
    assert failed.summary.at_ns == 2 * MS + LIGHT_NS


async def test_two_lives_end_at_the_same_instant_and_learn_of_each_other_when_they_begin(tmp_path: Path) -> None:
    config = network(
        {"alice": program("begins", peer="bob"), "bob": program("begins", peer="alice"), "carol": program("sleeps")},
        [
            {"at": "1 ms", "kill": ["alice", "bob"], "restart": "fresh"},
            {"at": "1.5 ms", "kill": "*", "restart": "fresh"},
        ],
        failures={"restart_delay": "100 us"},
    )
    done = await both(config, tmp_path)
    assert done.results == {"alice": {"main": "alice!2.0"}, "bob": {"main": "bob!2.0"}, "carol": {"main": "slept"}}


async def test_everybody_is_killed_before_anybody_begins(tmp_path: Path) -> None:
    config = network({"alice": program("sleeps"), "bob": program("sleeps")}, [{"at": 0, "kill": "*"}])
    done = await both(config, tmp_path)
    assert (done.summary.how, done.summary.at_ns, done.results) == ("done", 0, {})
    again = await both({**config, "faults": [{"at": 0, "kill": "*", "restart": "fresh"}]}, tmp_path / "fresh")
    assert again.results == {"alice": {"main": "slept"}, "bob": {"main": "slept"}}


async def test_nobody_will_release_who_is_paused_for_ever(tmp_path: Path) -> None:
    config = network({"alice": program("sleeps"), "bob": program("sleeps")}, [{"at": "1 ms", "pause": "bob"}])
    stuck = await both(config, tmp_path)
    assert (stuck.summary.how, stuck.exit_code) == ("deadlock", 3)
    healed = {**config, "faults": [{"at": "1 ms", "pause": "bob"}, {"at": "1 s", "heal": "bob"}]}
    assert (await both(healed, tmp_path / "healed")).summary.at_ns == 1_000 * MS


async def test_on_the_real_clock_a_node_is_killed_and_begins_again(tmp_path: Path) -> None:
    nodes = {
        "alice": program("asks", peer="bob", times=300),
        "bob": {"programs": {"main": {"run": "programs.py:answers", "service": True}}},
    }
    script = [{"at": "50 ms", "kill": "bob", "restart": "fresh"}, {"at": "600 ms", "break": "line", "for": "5 ms"}]
    config = network(nodes, script, clock="real", failures={"restart_delay": "1 ms"})
    done = await run(config, tmp_path)
    assert (done.summary.how, done.failure) == ("done", None)
    assert [(event.event, event.t) for event in done.events if event.event.startswith("node_")] == [
        ("node_lost", 50 * MS),
        ("node_restarted", 51 * MS),
    ]
    assert_repeated(done)
    assert done.wall_s < WALL_S


@pytest.mark.parametrize("fresh", [True, False])
async def test_who_sends_much_to_somebody_who_is_gone_does_not_wait_for_him(fresh: bool, tmp_path: Path) -> None:
    nodes = {
        "alice": program("sends_much", peer="bob", times=6),
        "bob": {"programs": {"main": {"run": "programs.py:gets_much", "args": {"peer": "alice"}, "service": True}}},
    }
    script = [{"at": "2.5 ms", "kill": "bob", "restart": "fresh" if fresh else "never"}]
    config = network(nodes, script, failures={"restart_delay": "1 ms", "detection_delay": "1 s"})
    done = await both(config, tmp_path)
    assert (done["alice"], done.exit_code) == (6, 0)
    heard = [event.t // MS for event in done.events if event.event == "receive"]
    assert heard == ([0, 1, 2, 4, 5] if fresh else [0, 1, 2])
