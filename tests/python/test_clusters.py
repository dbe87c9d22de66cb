"""A cluster from a file, a mapping, a Python file or code; its runs with and without `async with`, and in scripts."""

from __future__ import annotations

import asyncio
import functools
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from orchestrator import Cluster, Program, Service, saved
from qnode.errors import ConfigError, ProgramFailed
from qnode.ids import NodeName
from qnode.protocols.teleportation import receive_teleported
from tests.launch.processes import children, linux_only
from tests.python.programs import coin

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

NOT_A_NODE: Any = 3
PAIR: dict[str, Any] = {"nodes": {"alice": coin.alice, "bob": coin.bob}, "links": [("alice", "bob")], "seed": 1}


# --- where a cluster comes from ------------------------------------------------------------------------------------


async def test_functions_of_a_module_run_as_nodes(tmp_path: Path) -> None:
    run = await Cluster(**PAIR, runs=tmp_path).run()
    assert run["alice"] == run["bob"]
    assert len(run["bob"]) == 3
    assert [(link.name, link.length_m) for link in run.network.links] == [("alice-bob", 0.0)]


@pytest.mark.parametrize("inline", [False, True])
async def test_what_is_built_in_code_is_run_with_its_arguments(inline: bool, tmp_path: Path) -> None:
    net = Cluster(
        nodes={
            "alice": Program(coin.alice, tosses=2),
            "bob": functools.partial(coin.bob, tosses=2),
            "carol": {"qubits": 3, "programs": {"a": coin.Tools.idle, "b": Program(coin.polite, word="you")}},
            "dave": {"program": coin.polite, "args": {"word": "me"}},
            "eve": {"programs": {"s": Service(coin.Tools.idle, word="served"), "t": {"run": coin.polite}}},
            "frank": "coin.py:Tools.idle",
            "r[0..2]": None,
        },
        links=[("alice", "bob", "10 km"), ("bob", "carol", {"length": "3 km"}), {"chain": ["carol", "r[0..2]"]}],
        base=HERE / "programs",
        name="built",
        seed=5,
        runs=tmp_path,
    )
    run = await net.run(inline=inline)
    assert (len(run["alice"]), run["alice"]) == (2, run["bob"])
    assert (run["carol.a"], run["carol.b"]) == ("carol idle", "decorated carol you")
    assert (run["dave"], run["eve.t"], run["eve.s"]) == ("decorated dave me", "decorated eve please", "eve served")
    assert run["frank"] == "frank idle"
    assert run.network.nodes[NodeName("carol")].qubits == 3
    assert {link.name: link.length_m for link in run.network.links} == {
        "alice-bob": 10_000.0,
        "bob-carol": 3_000.0,
        "link[0]": 0.0,
        "link[1]": 0.0,
        "link[2]": 0.0,
    }
    assert (run.name, run.seed, run.id) == ("built", 5, "built-1")


async def test_a_python_file_is_a_network_of_its_functions(tmp_path: Path) -> None:
    """Of those that can be started: not of what needs more than a node, is private, nested or no coroutine."""
    net = Cluster.from_python(HERE / "programs" / "coin.py", runs=tmp_path)
    assert list(net.config.nodes) == [
        "alice",
        "bob",
        "polite",
    ]
    run = await net.run()
    assert run["alice"] == run["bob"]
    assert run.name == "coin"
    assert len(run.network.links) == 3


async def test_a_file_can_be_run_with_changes(tmp_path: Path) -> None:
    file = ROOT / "configs" / "teleportation.yaml"
    net = Cluster.from_yaml(file, set=["links.fibre.length=20km", "seed=9"], runs=tmp_path)
    run = await net.run(inline=True)
    assert (run.network.links[0].length_m, run.seed) == (20_000.0, 9)
    net = Cluster.from_python(HERE / "programs" / "coin.py", set=["links.*.length=1km"], runs=tmp_path)
    assert {link.length_m for link in net.set_up().network.links} == {1000.0}


async def test_a_program_of_an_installed_package_travels_by_its_name(tmp_path: Path) -> None:
    net = Cluster(nodes={"a": Program(receive_teleported, sender="b"), "b": None}, links=[("a", "b")], runs=tmp_path)
    assert net.config.nodes["a"].all_programs["main"].run == "qnode.protocols.teleportation:receive_teleported"


def test_a_network_without_links_or_programs_is_a_network_too(tmp_path: Path) -> None:
    run = Cluster(nodes={"a": coin.Tools.idle, "b": None}, runs=tmp_path).run_sync(on_output=None)
    assert run["a"] == "a idle"
    assert run.network.links == ()


# --- what cannot be ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        (lambda node: None, r"nodes.a: a lambda \(.*test_clusters.py:\d+\) cannot travel .* write an `async def`"),
        (
            coin.make(),
            r"nodes.a: nested \(.*coin.py:\d+\) is defined inside make, .*; move it to the top of the module",
        ),
        (coin.plain, r"nodes.a: plain \(.*coin.py:\d+\) must be an `async def` that takes a Node"),
        (
            coin.Tools().bound,
            "nodes.a: Tools.bound is a method of an object that only this process has; make it a static",
        ),
        (42, r"nodes.a: 42 is no program; give an `async def` that takes a Node, or 'file.py:function'"),
        (
            functools.partial(coin.alice, NOT_A_NODE),
            "give the arguments of a functools.partial by name; the first is the node",
        ),
        (Program(coin.alice, tosses=object()), r"nodes\.a\.programs\.main\.args\.tosses"),
        ("coin.py", "does not name a program"),
    ],
)
def test_what_cannot_be_a_program_is_refused_with_the_remedy(program: Any, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        Cluster(nodes={"a": program})


def test_a_function_that_its_module_has_replaced_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    before = coin.alice
    monkeypatch.setattr(coin, "alice", coin.bob)
    with pytest.raises(ConfigError, match="has another alice now than the one given"):
        Cluster(nodes={"a": before})


@pytest.mark.parametrize("link", [("a",), ("a", "b", 3), "ab", ("a", "b", "1 km", "2 km")])
def test_what_is_no_link_is_refused_with_an_example(link: Any) -> None:
    with pytest.raises(ConfigError, match=r"links\[0\]: .* is no link; write \('alice', 'bob'\)"):
        Cluster(nodes={"a": None, "b": None}, links=[link])


def test_an_unknown_setting_is_refused_like_an_unknown_key() -> None:
    with pytest.raises(ConfigError, match=r"sed: unknown key \(did you mean 'seed'\?\)"):
        Cluster(nodes={"a": None}, sed=1)


def test_a_file_without_programs_is_refused_with_an_example(tmp_path: Path) -> None:
    file = tmp_path / "none.py"
    for text, sentence in {
        "def alice(node): ...": r"no top-level function is a node; write `async def alice\(node: Node\)",
        "async def alice(node: Node, theta): ...": r"with defaults for whatever else it takes \(there are: alice\)",
        "async def (": "none.py, line 1: this is not Python",
        "\0": "this is not Python",
    }.items():
        file.write_text(text)
        with pytest.raises(ConfigError, match=sentence):
            Cluster.from_python(file)
    with pytest.raises(ConfigError, match="No such file"):
        Cluster.from_python(tmp_path / "nowhere.py")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("async def a(node): ...\nasync def b(x: Node): ...\nasync def c(x: 'qnode.Node'): ...", ["a", "b", "c"]),
        ("import qnode\nasync def a(x: qnode.Node, /, y=1, *, z=2): ...\nasync def b(x, node): ...", ["a"]),
        ("async def a(node: Node, *, must): ...\nasync def b(node: Node, *more, **rest): ...", ["b"]),
        ("async def a(node: Node): ...\nasync def a(node: Node): ...", ["a"]),
        (
            "async def a(node: Other): ...\nif True:\n    async def b(node): ...\nclass C:\n    async def c(node): ...",
            ["a"],
        ),
        ("raise SystemExit\nasync def a(node: Node): ...", ["a"]),
    ],
)
def test_which_functions_of_a_file_are_nodes(text: str, names: list[str], tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text(text)
    assert list(Cluster.from_python(file).config.nodes) == names


# --- running -------------------------------------------------------------------------------------------------------


@linux_only
async def test_a_run_by_itself_leaves_no_launcher_and_runs_inside_with_share_one(tmp_path: Path) -> None:
    net = Cluster(**PAIR, runs=tmp_path)
    before = set(children(os.getpid()))
    await net.run()
    assert set(children(os.getpid())) == before
    async with net:
        first = await net.run()
        launcher = set(children(os.getpid())) - before
        second = await net.run()
        assert set(children(os.getpid())) - before == launcher
        assert len(launcher) <= 1
    assert set(children(os.getpid())) == before
    assert first.events_bytes == second.events_bytes


async def test_two_runs_of_one_cluster_at_once_are_refused_and_two_clusters_run_side_by_side(tmp_path: Path) -> None:
    net, other = Cluster(**PAIR, runs=tmp_path), Cluster(**PAIR, runs=tmp_path)
    first, beside = asyncio.ensure_future(net.run()), asyncio.ensure_future(other.run())
    await asyncio.sleep(0)
    with pytest.raises(ConfigError, match="a run of it is under way; make a second Cluster"):
        await net.run()
    assert (await first)["bob"] == (await beside)["bob"] == (await net.run())["bob"]


async def test_run_sync_in_a_running_loop_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"an event loop is running here; use `await net.run\(\)`"):
        Cluster(**PAIR, runs=tmp_path).run_sync()
    assert saved.listing(tmp_path) == []


def test_output_is_shown_where_the_cluster_is_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = Cluster(**PAIR, runs=tmp_path)
    net.run_sync()
    assert capsys.readouterr().out == "alice | tossed 3\n"
    net.run_sync(on_output=None)
    assert capsys.readouterr().out == ""


def test_a_program_that_was_edited_is_read_again_in_one_process_too(tmp_path: Path) -> None:
    file = tmp_path / "changing.py"
    for word in ("first", "second"):
        file.write_text(f"async def main(node): return {word!r}")
        os.utime(file, ns=(len(word), len(word)))  # a cache of bytecode must not answer for it
        run = Cluster(nodes={"a": "changing.py:main"}, base=tmp_path, runs=tmp_path / "runs").run_sync(inline=True)
        assert run["a"] == word


SCRIPT = """
    from pathlib import Path
    import helper
    from orchestrator import Cluster
    from qnode import Node

    print("loaded")

    async def alice(node: Node) -> str:
        return helper.greet(node.name)

    class Inner:
        @staticmethod
        async def main(node: Node) -> str:
            return node.name

    if __name__ == "__main__":
        net = Cluster(nodes={"alice": alice, "bob": Inner.main}, seed=1)
        run = net.run_sync(on_output=None)
        print(run["alice"], run["bob"], (run.folder / "log").read_text().split())
"""


def script(
    folder: Path, text: str, *arguments: str, name: str = "net.py", **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a script in a folder of its own, as a person would."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "net.py").write_text(textwrap.dedent(text))
    (folder / "helper.py").write_text("def greet(name):\n    return f'hello-{name}'\n")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *(arguments or ["net.py"])]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False, **options
    )


def test_a_script_is_its_programs_file_and_its_main_part_runs_once(tmp_path: Path) -> None:
    ended = script(tmp_path / "with space", SCRIPT)
    assert ended.stdout.split("\n")[0] == "loaded"
    assert ended.stdout.split("\n")[1].startswith("hello-alice bob")
    assert sorted(ended.stdout.split("\n")[1].partition("[")[2].rstrip("]").split(", ")) == sorted(
        ["'alice'", "'|'", "'loaded'", "'bob'", "'|'", "'loaded'"]
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_programs_import_from_where_the_script_imports_from(tmp_path: Path) -> None:
    lib = tmp_path / "lib"
    lib.mkdir()
    (lib / "words.py").write_text("WORD = 'from lib'\n")
    (lib / "programs.py").write_text("import words\nasync def main(node):\n    return words.WORD\n")
    text = """
        import sys
        sys.path.append("lib")
        import programs
        from orchestrator import Cluster
        if __name__ == "__main__":
            run = Cluster(nodes={"a": programs.main}, seed=1).run_sync()
            again = Cluster.from_yaml(run.folder / "config.yaml").run_sync()
            print(run["a"], again["a"])
    """
    ended = script(tmp_path, text)
    assert (ended.stdout, ended.stderr) == ("from lib from lib\n", "")


def test_a_module_of_a_package_is_run_with_its_relative_imports(tmp_path: Path) -> None:
    package = tmp_path / "pkg"
    package.mkdir()
    (package / "__init__.py").write_text("")
    ended = script(package, SCRIPT.replace("import helper", "from . import helper"))
    assert ended.returncode == 1  # started as a script, it has no package
    ended = subprocess.run(
        [sys.executable, "-m", "pkg.net"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.stdout.split("\n")[1].startswith("hello-alice bob")
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize(
    "start", ["net.run_sync(on_output=None)", "import asyncio\nasyncio.run(net.run(on_output=None))"]
)
def test_a_script_without_a_main_guard_is_told_to_have_one(start: str, tmp_path: Path) -> None:
    text = textwrap.dedent(SCRIPT).partition("if __name__")[0] + f"net = Cluster(nodes={{'alice': alice}})\n{start}\n"
    ended = script(tmp_path, text)
    assert ended.returncode == 1
    assert 'Put what starts the network under `if __name__ == "__main__":`' in " ".join(ended.stderr.split())


def test_programs_typed_at_a_prompt_without_source_are_refused_with_the_remedy(tmp_path: Path) -> None:
    text = "from orchestrator import Cluster\nasync def alice(node): ...\nCluster(nodes={'alice': alice})\n"
    ended = script(tmp_path, "", "-", input=text)
    assert ended.returncode == 1
    assert "alice: its source is not known here; put it into a .py file" in ended.stderr


async def test_an_error_in_a_program_names_its_line_and_the_saved_run(tmp_path: Path) -> None:
    with pytest.raises(ProgramFailed, match=r"(?s)coin.py.*line \d+.*AssertionError: a is not a node") as caught:
        await Cluster(nodes={"a": coin._helper}, runs=tmp_path).run()
    assert caught.value.exit_code == 1
