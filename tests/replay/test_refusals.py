"""What cannot be replayed, or not from here: refused with the reason, and what can be done about it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from orchestrator import replay
from orchestrator.node_replay import replay_node
from orchestrator.oracle.record import MAGIC, entry_of
from orchestrator.oracle.spec import payloads_path, record_path
from orchestrator.program_files import kept
from orchestrator.replayable import Wish, replayable
from orchestrator.run import Run
from qnode.errors import ConfigError
from tests.replay import networks
from tests.replay.networks import replayed

MAIN = """\
from helpers.numbers import LAST


async def alice(node):
    import late

    await node.send("bob", LAST)
    return late.VALUE


async def bob(node):
    return await node.receive("alice")
"""
OTHER = "async def carol(node):\n    return 5\n"
FILES = {
    "main.py": MAIN,
    "other.py": OTHER,
    "helpers/__init__.py": "",
    "helpers/numbers.py": "from .deeper import LAST\nimport json\n",
    "helpers/deeper.py": "LAST = 3\n",
    "late.py": "VALUE = [1, 2]\n",
    "unused.py": "nothing\n",
}
BESIDE = set(FILES) - {"unused.py"}


async def project(folder: Path, **settings: Any) -> Run:
    """A run of programs in several files."""
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    described = networks.config({"alice": "", "bob": "", "carol": ""}, **settings)
    for name, file in (("alice", "main"), ("bob", "main"), ("carol", "other")):
        described["nodes"][name]["program"] = f"{file}.py:{name}"
    return await networks.run(described, folder / "runs", base=folder, inline=True)


def refused(run: Run | Path, node: str = "alice", **options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        replay(run, node, on_output=None, **options)
    return str(caught.value)


# ---------------------------------------------------------------- programs


async def test_a_run_keeps_the_files_that_its_programs_are_made_of(tmp_path: Path) -> None:
    """Those that they import wherever they do so, and none besides."""
    run = await project(tmp_path)
    files = kept(run.folder)
    assert set(files) == BESIDE
    for name, file in files.items():
        assert file.place == str(tmp_path / name)
        assert (run.folder / "programs" / name).read_text() == FILES[name]


@pytest.mark.parametrize("name", sorted(BESIDE - {"other.py"}))
async def test_every_changed_file_is_named_and_the_copy_still_does(name: str, tmp_path: Path) -> None:
    run = await project(tmp_path)
    (tmp_path / name).write_text(FILES[name] + "\n# changed\n")
    for node in ("alice", "bob"):
        said = refused(run, node)
        assert f"{tmp_path / name} has changed since the run (--saved takes the copy kept with the run)" in said
        assert "--anyway" in said
        assert replay(run, node, anyway=True, on_output=None).how == "end"
        assert replay_node(replayable(run.folder, Wish(node, saved_programs=True))).diverged is None
    replayed(run, "carol", said=False)  # who is made of something else


async def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    run = await project(tmp_path)
    (tmp_path / "late.py").unlink()
    assert f"{tmp_path / 'late.py'} is not there" in refused(run)


async def test_a_file_that_is_named_and_a_file_that_is_not_used_may_change(tmp_path: Path) -> None:
    run = await project(tmp_path)
    (tmp_path / "unused.py").write_text("something else\n")
    (tmp_path / "main.py").touch()
    replayed(run, "alice", said=False)


async def test_a_run_that_was_copied_is_replayed_where_its_programs_never_were(tmp_path: Path) -> None:
    origin = tmp_path / "there"
    run = await project(origin)
    results = run.results
    here = tmp_path / "here"
    shutil.copytree(run.folder, here)
    shutil.rmtree(origin)
    for node in ("alice", "bob", "carol"):
        ready = replayable(here, Wish(node))
        assert ready.remarks == ("the programs are not where they were; these are the copies saved with the run",)
        done = replay_node(ready)
        assert (done.how, done.diverged) == ("end", None)
        assert done.ended["main"].result
    assert results["alice"]["main"] == [1, 2]


async def test_programs_that_have_moved_are_found_where_one_says(tmp_path: Path) -> None:
    origin, moved = tmp_path / "there", tmp_path / "moved"
    run = await project(origin)
    here = tmp_path / "here"
    shutil.copytree(run.folder, here)
    shutil.rmtree(origin / "runs")
    origin.rename(moved)
    assert replay_node(replayable(here, Wish("alice", base=moved))).diverged is None
    (moved / "helpers" / "deeper.py").write_text("LAST = 40\n")
    with pytest.raises(ConfigError, match=r"moved/helpers/deeper\.py has changed"):
        replayable(here, Wish("alice", base=moved))
    found = replay_node(replayable(here, Wish("alice", base=moved, anyway=True))).diverged
    assert found is not None
    assert found.what == "operation 1 (send): payload was 3, and now is 40"
    assert found.where == f"{moved}/main.py:7"


async def test_a_program_outside_of_the_configurations_folder_is_kept_too(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "talks.py").write_text("async def alice(node):\n    return 1\n")
    described = networks.config({"alice": ""})
    described["nodes"]["alice"]["program"] = "../shared/talks.py:alice"
    (tmp_path / "base").mkdir()
    run = await networks.run(described, tmp_path / "runs", base=tmp_path / "base", inline=True)
    shutil.rmtree(tmp_path / "shared")
    done = replay_node(replayable(run.folder, Wish("alice")))
    assert (done.how, done.diverged) == ("end", None)


async def test_a_copy_that_was_changed_is_named(tmp_path: Path) -> None:
    run = await project(tmp_path)
    (run.folder / "programs" / "late.py").write_text("VALUE = 2\n")
    with pytest.raises(ConfigError, match=r"programs/late\.py has changed"):
        replayable(run.folder, Wish("alice", saved_programs=True))


async def test_a_file_that_is_too_long_to_keep_is_known_by_its_digest(tmp_path: Path) -> None:
    (tmp_path / "long.py").write_text(f"async def alice(node):\n    return 1\n\n\nTEXT = '{'x' * 2**20}'\n")
    described = networks.config({"alice": ""})
    described["nodes"]["alice"]["program"] = "long.py:alice"
    run = await networks.run(described, tmp_path / "runs", base=tmp_path, inline=True)
    assert not kept(run.folder)["long.py"].is_copied
    replayed(run, "alice", said=False)
    (tmp_path / "long.py").write_text("async def alice(node):\n    return 1\n")
    assert refused(run).count("--saved") == 0


# ---------------------------------------------------------------- the rest


async def test_a_node_that_is_not_there_gets_the_nearest_name(tmp_path: Path) -> None:
    run = await project(tmp_path)
    assert "no node 'alise' (did you mean 'alice'?); there are: alice, bob, carol" in refused(run, "alise")
    assert "carol had 1 life" in refused(run, "carol", life=2)


@pytest.mark.parametrize("name", ["qnode", "python", "numpy", "stim"])
async def test_another_version_is_named(name: str, tmp_path: Path) -> None:
    run = await project(tmp_path)
    file = run.folder / "run.json"
    data = msgspec.json.decode(file.read_bytes())
    here = data["versions"][name]
    data["versions"][name] = "0.0.1"
    file.write_bytes(msgspec.json.encode(data))
    assert f"it was run with {name} 0.0.1, and here is {here}" in refused(run)
    assert replay(run, "alice", anyway=True, on_output=None).how == "end"


async def test_another_configuration_is_named(tmp_path: Path) -> None:
    run = await project(tmp_path)
    file = run.folder / "config.yaml"
    file.write_text(file.read_text().replace("seed: 3", "seed: 4"))
    assert "its config.yaml was changed" in refused(run)


async def test_a_run_without_a_record_is_refused(tmp_path: Path) -> None:
    run = await project(tmp_path)
    record_path(run.folder).unlink()
    assert "it has no record (No such file or directory)" in refused(run)


async def test_a_damaged_record_is_refused_with_the_offset_and_a_torn_one_goes_as_far_as_it_can(tmp_path: Path) -> None:
    run = await project(tmp_path)
    path = record_path(run.folder)
    whole = path.read_bytes()
    for offset in range(len(MAGIC), len(whole), 211):
        path.write_bytes(whole[:offset] + bytes([whole[offset] ^ 0x10]) + whole[offset + 1 :])
        said = refused(run)
        assert "is damaged at byte " in said or "of another version" in said
    for length in (len(whole) - 1, len(whole) - 20):
        path.write_bytes(whole[:length])
        done = replay(run, "alice", on_output=None)
        assert (done.diverged, done.how) == (None, "end")


@pytest.mark.parametrize("content", [b"", b"nothing", MAGIC, MAGIC + entry_of(b"\xc0")])
async def test_what_is_no_record_is_refused(content: bytes, tmp_path: Path) -> None:
    run = await project(tmp_path)
    record_path(run.folder).write_bytes(content)
    assert "this run cannot be replayed" in refused(run)


async def test_a_run_on_the_real_clock_is_refused(tmp_path: Path) -> None:
    described = networks.config({"alice": ("sleeps", {"steps": 2})})
    run = await networks.run({**described, "clock": "real"}, tmp_path)
    assert "it ran on the real clock" in refused(run)


@pytest.mark.parametrize(
    ("program", "what"), [("goes_outside", "something from outside"), ("cannot_tell", "a function")]
)
async def test_a_node_that_something_entered_is_replayed_only_to_there(program: str, what: str, tmp_path: Path) -> None:
    described = networks.config({"alice": program, "bob": ("sleeps", {"steps": 4})})
    run = await networks.run(described, tmp_path, inline=True)
    said = refused(run)
    assert f"at 2 ms, step 2, {what}" in said
    assert "stop before that with --until" in said
    refused(run, until="2 ms")
    assert replay(run, "alice", until="1.9 ms", on_output=None).steps == 1
    replayed(run, "bob", said=False)  # nothing entered there


async def test_a_long_message_that_is_not_there_is_named(tmp_path: Path) -> None:
    described = networks.config({"alice": ("parcels", {"peer": "bob"}), "bob": ("parcels", {"peer": "alice"})})
    run = await networks.run(described, tmp_path)
    (file,) = payloads_path(run.folder).glob("0/*")  # the same one twice is kept once
    content = file.read_bytes()
    file.write_bytes(content[:-1] + b"\1")
    assert "this payload was changed" in refused(run)
    file.unlink()
    assert f"a long message that alice received is not here ({file.name})" in refused(run)
    replayed(run, "bob")
