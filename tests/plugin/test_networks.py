"""Where a test's network comes from, and who runs it."""

from __future__ import annotations

import sys

import pytest

from tests.launch.processes import linux_only
from tests.plugin.inside import ALICE_AND_BOB, COINS, Inside

pytest_plugins = ["pytester"]

YAML = """\
version: 1
seed: 1
nodes:
  alice: {program: "programs.py:alice"}
  bob: {program: "programs.py:bob"}
links: {fibre: {between: [alice, bob], length: 10 km}}
"""

FORMS = """
from orchestrator import Program


def agree(net, n=4, seed=1):
    run = net.run_sync()
    assert run["alice"] == run["bob"]
    assert (len(run["bob"]), run.seed) == (n, seed)


@pytest.mark.qnode(nodes={"alice": alice, "bob": bob}, links=[("alice", "bob", "10 km")], seed=1)
def test_functions(net):
    agree(net)


@pytest.mark.qnode(
    nodes={"alice": Program(alice, tosses=3), "bob": Program(bob, tosses=3)}, links=[("alice", "bob")], seed=2
)
def test_programs_with_arguments(net):
    agree(net, n=3, seed=2)


@pytest.mark.qnode("files/net.yaml")
def test_a_file(net):
    agree(net)


@pytest.mark.qnode("files/net.yaml", set=["links.fibre.length=20km"], seed=3)
def test_a_file_with_changes(net):
    agree(net, seed=3)
    assert net.config.links["fibre"].length == 20_000


@pytest.mark.qnode("files/net.yaml", set="links.fibre.length=30km", seed=None)
def test_a_file_with_one_change(net):
    agree(net)
    assert net.config.links["fibre"].length == 30_000


@pytest.mark.qnode("files/programs.py", seed=1)
def test_a_file_of_programs(net):
    agree(net)


@pytest.mark.qnode(
    {"nodes": {"alice": "files/programs.py:alice", "bob": bob}, "links": {"l": {"between": ["alice", "bob"]}}},
    seed=4,
)
def test_a_mapping(net):
    agree(net, seed=4)


def test_several(qnode_cluster):
    for seed in (1, 2):
        agree(qnode_cluster(nodes={"alice": alice, "bob": bob}, links=[("alice", "bob")], seed=seed), seed=seed)


@pytest.mark.qnode("files/net.yaml")
class TestClass:
    def test_its_class_has_the_marker(self, net):
        agree(net)

    @pytest.mark.qnode("files/net.yaml", seed=9)
    def test_the_nearest_marker_counts(self, net):
        agree(net, seed=9)
"""


def test_a_network_comes_from_whatever_describes_one(inside: Inside) -> None:
    inside.write(FORMS, "sub/test_it.py")
    inside.file("sub/files/net.yaml", YAML)
    inside.file("sub/files/programs.py", ALICE_AND_BOB)
    inside.passes(10)
    assert inside.kept() == []


@pytest.mark.parametrize(
    ("marker", "sentence"),
    [
        ("", "*the fixture `net` needs a network: @pytest.mark.qnode(*the fixture `qnode_cluster`"),
        ("@pytest.mark.qnode()", "@pytest.mark.qnode of test_it: qnode: this is no network; write a file's path, *"),
        ("@pytest.mark.qnode(3)", "*qnode: 3 is no network; write a file's path, a mapping*"),
        ('@pytest.mark.qnode("none.yaml")', "*none.yaml: *No such file*"),
        (
            '@pytest.mark.qnode("n.yaml", links=[])',
            "*n.yaml: beside a file there may be `set` and `seed`, and not links",
        ),
        ('@pytest.mark.qnode("n.yaml", set=3)', "*set: 3 is no override; write set=*"),
        ('@pytest.mark.qnode(nodes={"a": alice}, links=5)', "*links: 5 are no links; write [[](*"),
        ("@pytest.mark.qnode(nodes=5)", "*nodes: 5 are no nodes; write {*"),
        ('@pytest.mark.qnode(nodes={"a": lambda node: None})', "*nodes.a: a lambda (*cannot travel*"),
        ('@pytest.mark.qnode(nodes={"a": alice}, sed=3)', "*sed: unknown key*seed*"),
    ],
)
def test_what_is_no_network_is_told_in_a_sentence(inside: Inside, marker: str, sentence: str) -> None:
    inside.write(f"{marker}\ndef test_it(net):\n    pass\n")
    result = inside.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([sentence])
    result.stdout.no_fnmatch_line("*Traceback*")


LOOPS = f"""
pids, servers = set(), set()


@pytest.mark.parametrize("nth", range(3))
@pytest.mark.qnode(nodes={{"alice": numbers, "bob": numbers}})
async def test_fresh_processes(net, nth):
    for _ in range(2):
        run = await net.run()
        pids.update(run[node][0] for node in ("alice", "bob"))
        servers.update(run[node][1] for node in ("alice", "bob"))


@pytest.mark.qnode(nodes={{"alice": numbers}})
def test_without_a_loop(net):
    servers.add(net.run_sync()["alice"][1])


async def test_at_the_same_time(qnode_cluster):
    import asyncio

    nets = [qnode_cluster(nodes={{"alice": alice, "bob": bob}}, links=[("alice", "bob")], seed=n) for n in range(2)]
    runs = await asyncio.gather(*(net.run() for net in nets))
    assert [run.seed for run in runs] == [0, 1]


{COINS}
async def test_inside_async_with(net):
    async with net as entered:
        assert (await entered.run())["alice"] == (await net.run())["bob"]


def test_they_were_all_from_one_server():
    assert (len(pids), len(servers)) == (12, 1)
"""


@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_each_test_has_a_loop_and_all_share_a_warm_launcher(inside: Inside, mode: str) -> None:
    inside.write(LOOPS)
    inside.passes(7, "-o", f"asyncio_mode={mode}")


WITHOUT_ASYNCIO = ("-p", "no:asyncio", "-o", "asyncio_mode=", "-o", "asyncio_default_fixture_loop_scope=")


def test_without_a_plugin_for_async_tests_a_sentence_says_so(inside: Inside) -> None:
    inside.write(
        f"{COINS}async def test_async(net):\n    pass\n\n\n"
        f"{COINS}def test_sync(net):\n    assert net.run_sync().failure is None\n"
    )
    result = inside.command(*WITHOUT_ASYNCIO)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["this test is an `async def`, *: python -m pip install pytest-asyncio; or write `def`, and `net.run_sync()`*"]
    )


SURROUNDINGS = """
import os


async def told(node: Node) -> list[str]:
    return [os.getcwd(), os.environ.get("OF_THIS_TEST", ""), os.getppid()]


@pytest.mark.qnode(nodes={"alice": told})
def test_others(net, monkeypatch, tmp_path):
    usual = net.run_sync()["alice"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OF_THIS_TEST", "yes")
    changed = net.run_sync()["alice"]
    assert changed[:2] == [str(tmp_path), "yes"]
    assert net.run_sync()["alice"] == changed  # from the same server
    monkeypatch.undo()
    assert net.run_sync()["alice"] == usual
    assert usual[:2] == [os.getcwd(), ""]
    for nth in range(3):
        monkeypatch.setenv("OF_THIS_TEST", str(nth))
        assert net.run_sync()["alice"][1] == str(nth)
    monkeypatch.undo()
    assert net.run_sync()["alice"][2] != usual[2]  # for not all are kept
"""


def test_nodes_have_the_environment_and_the_folder_of_their_test(inside: Inside) -> None:
    inside.write(SURROUNDINGS)
    inside.passes(1)


BY_HAND = f"""
LEFT = []


{COINS}
async def test_left_standing(net):
    view = await net.run_until("60 us")
    assert view is not None
    LEFT.extend(net.pids.values())


{COINS}
@pytest.mark.asyncio(loop_scope="module")
async def test_left_standing_in_a_loop_that_stays(net):
    assert await net.run_until("60 us") is not None
    LEFT.extend(net.pids.values())


{COINS}
async def test_failed_on_the_way(net):
    assert await net.run_until("60 us") is None


def test_nothing_is_left():
    assert len(LEFT) == 6
    for pid in LEFT:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
"""


def test_a_run_that_a_test_leaves_standing_ends_with_it(inside: Inside) -> None:
    inside.write(BY_HAND)
    result = inside.run()
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["seed 1, stopped at *us.*", "look * .qnode/runs/test_failed_on_the_way-1"])
    assert inside.kept() == ["test_failed_on_the_way-1"]


CONFTEST = """
from qnode import Node


async def {name}(node: Node) -> str:
    return __file__
"""


@pytest.mark.parametrize("mode", ["prepend", "importlib"])
def test_programs_are_found_wherever_pytest_has_put_their_module(inside: Inside, mode: str) -> None:
    """Two files called conftest.py, of which only one can be the module of that name; two test files of a name."""
    for folder in ("one", "one/two"):
        inside.file(f"{folder}/conftest.py", CONFTEST.format(name="near"))
        package = "from .conftest import near" if mode == "importlib" else "from conftest import near"
        inside.file(
            f"{folder}/test_{folder[-3:]}.py",
            f"import pytest\n{package}\n\n\nasync def own(node):\n    return __file__\n\n\n"
            '@pytest.mark.qnode(nodes={"a": near, "b": own})\n'
            "def test_files(net):\n"
            "    run = net.run_sync()\n"
            f'    assert run["a"].endswith("/{folder}/conftest.py")\n'
            '    assert run["b"] == __file__\n',
        )
    inside.passes(2, f"--import-mode={mode}")


def test_a_folder_that_is_called_like_an_installed_package_hides_no_program(inside: Inside) -> None:
    """Without an __init__.py, nodes that import `email.test_it` would look into the other package."""
    inside.write(f"{COINS}def test_it(net):\n    assert net.run_sync().failure is None\n", "email/test_it.py")
    inside.passes(1, "--import-mode=importlib")


STRANGERS = """
import functools
import os

from tests.launch.processes import children

BEFORE = children(os.getpid())


@pytest.fixture
def net():
    return "a stranger's"


@pytest.fixture
def qnode_cluster():
    return "another"


async def test_async(net, qnode_cluster):
    raise AssertionError("another plugin runs it")


def test_sync(net, request):
    assert net == "a stranger's"
    assert children(os.getpid()) == BEFORE
    assert not list(request.session.items[0].iter_markers())


def runs_it(test):
    @functools.wraps(test)
    def wrapper(*args, **kwargs):
        with pytest.raises(StopIteration):
            test(*args, **kwargs).send(None)

    return wrapper


@runs_it
async def test_not_async_any_more(golden, request):
    assert not list(request.node.iter_markers())
"""
RUNNER = """
import inspect

import pytest


def pytest_pyfunc_call(pyfuncitem):
    return inspect.iscoroutinefunction(pyfuncitem.obj) or None
"""


@linux_only
@pytest.mark.parametrize("options", [(), WITHOUT_ASYNCIO])
def test_fixtures_and_tests_of_others_are_left_alone(inside: Inside, options: tuple[str, ...]) -> None:
    inside.file("conftest.py", RUNNER)
    inside.write(STRANGERS)
    inside.passes(2, "-k", "sync", "--deselect", "test_it.py::test_not_async_any_more", *options)
    inside.passes(1, "-k", "any_more", *options)


OWN = """
import orchestrator
import pytest


def test_own():
    assert orchestrator.MINE


@pytest.mark.qnode(nodes={"alice": None})
def test_network(net):
    pass
"""


@pytest.mark.parametrize("command", [("pytest",), (sys.executable, "-m", "pytest")])
def test_a_project_may_have_a_package_called_orchestrator(inside: Inside, command: tuple[str, ...]) -> None:
    inside.file("orchestrator/__init__.py", "MINE = True\n")
    inside.file("test_it.py", OWN)
    result = inside.pytester.run(*command, "-p", "no:cacheprovider", "-p", "no:hypothesispytest")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["qnode needs its package `orchestrator`, and another one of that name hides it here"])
