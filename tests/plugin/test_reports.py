"""What a person sees of a test that fails, and what is left of it; options, golden logs, one process."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from tests.plugin.inside import COINS, Inside

pytest_plugins = ["pytester"]

FAILING = f"""
{COINS}
def test_passes(net):
    assert net.run_sync().failure is None


{COINS}
async def test_fails(net):
    await net.run(seed=5)
    run = await net.run()
    assert run["alice"] == "heads"


@pytest.mark.qnode(nodes={{"alice": alice, "bob": failing}}, links=[("alice", "bob", "10 km")])
def test_a_program_fails(net):
    net.run_sync()


@pytest.mark.xfail
{COINS}
def test_expected(net):
    net.run_sync()
    raise AssertionError
"""


def test_a_failure_says_when_it_stopped_and_how_to_see_it_again(inside: Inside) -> None:
    inside.write(FAILING)
    result = inside.run()
    result.assert_outcomes(passed=1, failed=2, xfailed=1)
    text = result.stdout.str()
    result.stdout.fnmatch_lines(
        [
            '>       assert run["alice"] == "heads"',
            "*- qnode: test_fails -*",
            "seed 1, stopped at 200.14 us. Last events: * | 200.14 us bob measure z alice~bob#3@bob -> ?, request 8",
            "repeat   pytest test_it.py::test_fails --qnode-seed 1 --qnode-inline --pdb",
            "look     qnode events .qnode/runs/test_fails-2",
            "         (the last of 2 runs of this test)",
            "*Captured stdout call*",
            "alice | alice tosses 4",
            ">       net.run_sync()",
            "E       qnode.errors.ProgramFailed: program main of node bob failed at 50.035 us:",
            f'E         File "{inside.folder}/test_it.py", line *, in failing',
            "E       ValueError: on purpose",
            "test_it.py:*: ProgramFailed",
            "*- qnode: test_a_program_fails -*",
            "seed *, stopped at 50.035 us. Last events: * | 50.035 us bob program_failed ValueError: on purpose",
        ]
    )
    assert "orchestrator/" not in text
    assert inside.kept() == ["test_a_program_fails-1", "test_fails-1", "test_fails-2"]
    drawn = json.loads((inside.folder / ".qnode/runs/test_a_program_fails-1/run.json").read_text())["seed"]
    assert f"repeat   pytest test_it.py::test_a_program_fails --qnode-seed {drawn} " in text


AWKWARD = """it's $(touch gone); a/b [c] "d" é"""
NAMED = f"""
@pytest.mark.parametrize("word", [{AWKWARD!r}, {"x" * 300!r}])
{COINS}
def test_named(net, word):
    assert net.run_sync()["alice"] == word


@pytest.mark.qnode(nodes={{"alice": numbers}}, clock="real", seed=1)
def test_real(net):
    assert net.run_sync()["alice"] == 1
"""


def test_what_a_failure_says_to_type_can_be_typed(inside: Inside) -> None:
    inside.write(NAMED, "sub dir/test_it.py")
    result = inside.run()
    result.assert_outcomes(failed=3)
    lines = [line for line in result.outlines if line.startswith(("repeat ", "look "))]
    repeat, look, long, _, real, _ = (line.partition(" ")[2].strip() for line in lines)
    again = inside.shell(repeat)
    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines(["qnode: seed 1, inline", "-> assert net.run_sync()[[]*"])  # the debugger's arrow
    assert not (inside.folder / "gone").exists()
    assert (inside.folder / shlex.split(look)[-1] / "events.jsonl").exists()
    assert "--qnode-inline" in long
    assert "--qnode-inline" not in real  # for there it cannot be run so
    assert len(max(inside.kept(), key=len)) < 100
    assert all(re.fullmatch(r"[\w-]+", name) for name in inside.kept())


SEEDS = f"""
PAIR = {{"nodes": {{"alice": alice, "bob": bob}}, "links": [("alice", "bob")]}}


{COINS}
def test_of_the_marker(net):
    assert [net.run_sync(seed=seed).seed for seed in (2, None)] == [2, 7]


def test_its_own(qnode_cluster):
    assert [qnode_cluster(**PAIR, **more).run_sync().seed for more in ({{}}, {{"seed": 3}})] == [7, 3]


def test_all_are_written(qnode_cluster):
    assert qnode_cluster(**PAIR, seed=4).run_sync()["alice"] != qnode_cluster(**PAIR).run_sync(seed=5)["alice"]
    raise AssertionError("after seeds 4 and 5")
"""


def test_options_keep_runs_and_set_the_seeds_that_a_test_does_not_say(inside: Inside) -> None:
    inside.write(SEEDS)
    result = inside.run("--qnode-keep", "--qnode-seed", "7")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            "qnode: seed 7, keep",
            "E*after seeds 4 and 5",
            "seed 5, stopped at *",
            "repeat   pytest test_it.py::test_all_are_written --qnode-inline --pdb",
        ]
    )
    assert inside.kept() == [
        f"{name}-{n}" for name in ("test_all_are_written", "test_its_own", "test_of_the_marker") for n in (1, 2)
    ]


SUBTESTS = f"""
{COINS}
async def test_parts(net, subtests):
    view = await net.run_until("60 us")
    with subtests.test("one"):
        assert view is None, "the first part"
    with subtests.test("two"):
        assert (await net.run())["alice"] == "heads", "the second part"


{COINS}
def test_passes(net, subtests):
    with subtests.test("one"):
        assert net.run_sync().failure is None
"""


@pytest.mark.skipif(not hasattr(pytest, "Subtests"), reason="pytest 9 brought them")
def test_a_subtest_that_fails_hides_nothing_and_keeps_the_run(inside: Inside) -> None:
    inside.write(SUBTESTS)
    result = inside.run()
    assert result.parseoutcomes()["failed"] == 3
    result.stdout.fnmatch_lines(
        [
            "E*AssertionError: the first part",
            "E*AssertionError: the second part",
            "contains 2 failed subtests",
            "*- qnode: test_parts -*",
            "seed 1, stopped at 200.14 us.*",
        ]
    )
    result.stdout.no_fnmatch_line("*RuntimeError*")
    assert inside.kept() == ["test_parts-1"]


TEARDOWN = f"""
@pytest.fixture
def checked(net):
    yield net
    raise AssertionError("in the end")


{COINS}
def test_fails_in_teardown(checked):
    checked.run_sync()


{COINS}
def test_spoils_its_log(net):
    (net.run_sync().folder / "events.jsonl").write_bytes(b'{{"event":"\\xff"}}\\n')
    raise AssertionError("on purpose")


{COINS}
def test_spoils_its_run(net):
    (net.run_sync().folder / "run.json").write_bytes(b"\\xff\\n")
    raise AssertionError("on purpose")


{COINS}
def test_removes_the_folder_that_it_is_in(net, monkeypatch, tmp_path):
    net.run_sync()
    monkeypatch.chdir(tmp_path)
    tmp_path.rmdir()
    raise AssertionError("on purpose")
"""


def test_whatever_became_of_a_run_its_test_is_reported(inside: Inside) -> None:
    inside.write(TEARDOWN)
    result = inside.run()
    result.assert_outcomes(passed=1, errors=1, failed=3)
    result.stdout.fnmatch_lines(
        [
            "E*AssertionError: in the end",
            "*- qnode: test_fails_in_teardown -*",
            "seed 1, stopped at 200.14 us. Last events: *",
            "look * .qnode/runs/test_fails_in_teardown-1",
            "*- qnode: test_spoils_its_log -*",
            "seed 1, stopped at 200.14 us.",
            "*- qnode: test_spoils_its_run -*",
            "*run.json*",
            "*- qnode: test_removes_the_folder_that_it_is_in -*",
            "nothing can be said of its last run: FileNotFoundError: *",
        ]
    )
    assert "test_fails_in_teardown-1" in inside.kept()


# ---------------------------------------------------------------- golden event logs

GOLDEN = """
@pytest.mark.parametrize("what", ["a b"])
@pytest.mark.qnode(nodes={{"alice": alice, "bob": bob}}, links=[("alice", "bob", "{length} km")], seed=1)
def test_it(net, golden, what):
    golden(net.run_sync())
    golden(net.run_sync(seed=2), "other seed")
"""


def test_a_golden_log_is_written_compared_and_told_apart(inside: Inside) -> None:
    inside.write(GOLDEN.format(length=10))
    first = inside.run()
    first.assert_outcomes(failed=1)
    first.stdout.fnmatch_lines(
        [
            "E*there is no golden event log golden/test_it.test_it-a-b.jsonl yet",
            "E*look at this run:   qnode events .qnode/runs/test_it-a-b-1",
            "E*if it is right:     pytest 'test_it.py::test_it[[]a b]' --qnode-update",
        ]
    )
    assert not (inside.folder / "golden").exists()
    inside.passes(1, "--qnode-update")
    assert sorted(path.name for path in (inside.folder / "golden").iterdir()) == [
        "other-seed.jsonl",
        "test_it.test_it-a-b.jsonl",
    ]
    inside.passes(1)

    inside.write(GOLDEN.format(length=20))
    other = inside.run()
    other.assert_outcomes(failed=1)
    other.stdout.fnmatch_lines(
        [
            "E*the event log is another one than golden/test_it.test_it-a-b.jsonl, from event 5 on (32 events in the *",
            "E*0 ns bob request 1 pair, with alice, request 1",
            "E*0 ns alice generate alice~bob#0@alice alice~bob#0@bob, with bob, *",
            "E*- golden   50.035 us alice deliver alice~bob#0@alice, with bob, *",
            "E*+ now      100.069 us alice deliver alice~bob#0@alice, with bob, *",
            "E*t: 50035, now 100069",
            "E*if the new one is right: * --qnode-update",
        ]
    )


def test_a_golden_log_that_goes_on_or_is_none_is_told(inside: Inside) -> None:
    inside.write(GOLDEN.format(length=10))
    inside.passes(1, "--qnode-update")
    path = inside.folder / "golden" / "test_it.test_it-a-b.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    inside.run().stdout.fnmatch_lines(["E*- golden   (the log ends)", "E*+ now      200.14 us run_ended done"])
    path.write_text("".join([*lines[:3], "what?\n", *lines[4:]]))
    inside.run().stdout.fnmatch_lines(["E*from event 4 on *", "E*- golden   what?"])
    path.write_bytes("".join(lines).encode().replace(b'"alice"', b'"\xff"', 1))
    inside.run().stdout.fnmatch_lines(["E*- golden   {*\N{REPLACEMENT CHARACTER}*"])
    path.write_text("".join(lines).rstrip("\n"))
    inside.run().stdout.fnmatch_lines(
        [
            "E*from event 32 on *",
            "E*- golden   200.14 us run_ended done",
            "E*+ now      200.14 us run_ended done",
            "E*the same event, in other bytes: *}', now *}\\n'",
        ]
    )


TWO = """
@pytest.mark.parametrize("what", ["a b", "a-b"])
@pytest.mark.qnode(nodes={"alice": alice, "bob": bob}, links=[("alice", "bob")], seed=1)
def test_it(net, golden, what):
    run = net.run_sync()
    golden(run, "of both")
    golden(run)
"""


def test_two_tests_do_not_share_a_golden_log_by_accident(inside: Inside) -> None:
    inside.write(TWO)
    result = inside.run("--qnode-update")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["E*golden/test_it.test_it-a-b.jsonl: it is the golden event log of test_it.py::test_it[[]a b] already; *"]
    )


ONE_NAME = f"""
{COINS}
def test_it(net, golden):
    golden(net.run_sync())


{COINS}
class TestClass:
    def test_it(self, net, golden):
        golden(net.run_sync(seed=2))
"""


def test_tests_of_one_name_have_golden_logs_of_their_own(inside: Inside) -> None:
    twice = f"{COINS}def test_it(net, golden):\n    golden(net.run_sync())\n    golden(net.run_sync(seed=2))\n"
    inside.write(ONE_NAME)
    inside.write(twice, "test_other.py")
    result = inside.run("--qnode-update")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        ["E*golden/test_other.test_it.jsonl: it is the golden event log of another run of this test already; *"]
    )
    assert sorted(path.name for path in (inside.folder / "golden").iterdir()) == [
        "test_it.TestClass.test_it.jsonl",
        "test_it.test_it.jsonl",
        "test_other.test_it.jsonl",
    ]
    inside.passes(2, "test_it.py")


def test_a_run_on_the_real_clock_has_no_golden_log(inside: Inside) -> None:
    inside.write(
        '@pytest.mark.qnode(nodes={"a": numbers}, clock="real", seed=1)\n'
        "def test_it(net, golden):\n    golden(net.run_sync())\n"
    )
    inside.run("--qnode-update").stdout.fnmatch_lines(
        ["E*this run cannot be compared with golden/test_it.test_it.jsonl: *"]
    )


# ---------------------------------------------------------------- in one process

INLINE = """
import asyncio
import random


async def draws(node: Node):
    words = {"a", "b", "c", "d", "e", "f"}
    return [random.random(), list(words), os.getpid() == int(os.environ["PYTEST_PID"])]


@pytest.fixture(autouse=True)
def pid(monkeypatch):
    monkeypatch.setenv("PYTEST_PID", str(os.getpid()))


@pytest.mark.qnode(nodes={"alice": draws, "bob": draws}, links=[("alice", "bob")], seed=1)
async def test_it(net, golden, request):
    run = await net.run()
    assert run["alice"][2] is request.config.option.qnode_inline
    assert run["alice"][0] != run["bob"][0]
    told = [run[node][:2] for node in ("alice", "bob")]
    golden(run)
    with open("told", "a") as file:
        print(told, file=file)


@pytest.mark.qnode(nodes={"alice": numbers}, clock="real", seed=1)
def test_real(net):
    net.run_sync()
"""


def test_in_one_process_the_same_test_has_the_same_outcome(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    inside.write(INLINE)
    monkeypatch.setenv("PYTHONHASHSEED", "77")
    inside.command("--qnode-update").assert_outcomes(passed=2)
    result = inside.command("--qnode-inline")
    result.assert_outcomes(passed=1, skipped=1)
    assert result.outlines.count("qnode: inline") == 1
    apart, together = (inside.folder / "told").read_text().splitlines()
    assert apart == together


def test_a_program_that_embeds_pytest_is_not_started_again(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    inside.write(INLINE)
    result = inside.run("--qnode-inline")
    result.stderr.fnmatch_lines(["ERROR: --qnode-inline: start this program with PYTHONHASHSEED=0 in its environment"])


DEBUGGED = """
async def alice(node: Node) -> None:
    secret = 41
    breakpoint()
    raise ValueError(secret)


@pytest.mark.qnode(nodes={"alice": alice}, seed=1)
def test_it(net):
    net.run_sync()
"""


def test_a_debugger_stands_in_the_program(inside: Inside) -> None:
    """Where it says breakpoint(), and where it fails."""
    inside.write(DEBUGGED)
    result = inside.command("--qnode-inline", "--pdb", stdin=b"p secret + 1\nc\np secret + 2\nq\n")
    result.stdout.fnmatch_lines(["(Pdb) 42", "E*ValueError: 41", "-> raise ValueError(secret)", "(Pdb) 43"])


# ---------------------------------------------------------------- what is printed


def test_what_programs_print_is_captured_with_what_the_test_prints(inside: Inside) -> None:
    inside.write(
        f"{COINS}def test_quiet(net, capsys):\n"
        '    net.run_sync()\n    assert capsys.readouterr().out == "alice | alice tosses 4\\n"\n'
    )
    result = inside.run()
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*tosses*")


def test_reports_travel_from_the_workers_of_xdist(inside: Inside) -> None:
    test = f"{COINS}def test_it(net, nth):\n    net.run_sync()\n    assert nth\n"
    inside.write(f'@pytest.mark.parametrize("nth", range(6))\n{test}')
    result = inside.command("-n", "2")
    result.assert_outcomes(passed=5, failed=1)
    result.stdout.fnmatch_lines(
        ["*- qnode: test_it[[]0] -*", "look     qnode events .qnode/runs/test_it-0-1", "alice | alice tosses 4"]
    )
    assert inside.kept() == ["test_it-0-1"]


def test_a_suite_without_the_plugin(inside: Inside) -> None:
    inside.write(f"{COINS}def test_it(net):\n    pass\n\n\ndef test_other():\n    pass\n")
    result = inside.command("-p", "no:qnode")
    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines(["E*fixture 'net' not found"])
