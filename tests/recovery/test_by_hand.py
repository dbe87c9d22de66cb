"""An oracle that was started by hand and is killed: whoever starts it again with --resume loses nothing."""

from __future__ import annotations

import json
import signal
import time
from functools import partial
from pathlib import Path
from typing import Final

import yaml

from orchestrator import Cluster
from orchestrator.cli.taking_up import earlier
from tests import tally
from tests.cli.commands import DEADLINE_S, ended, err, qnode, started
from tests.recovery.kills import PROGRAMS, network, size

TOKEN: Final = "0123456789abcdef"
by_hand: Final = partial(started, QNODE_TOKEN=TOKEN)


def write(folder: Path, **changes: object) -> None:
    (folder / "busy.py").write_text((PROGRAMS / "busy.py").read_text())
    (folder / "busy.yaml").write_text(yaml.safe_dump({**network("never", 400), **changes}))


def wait_until_record_has(folder: Path, length: int) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while size(folder) < length:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_an_oracle_that_was_killed_goes_on_with_resume(tmp_path: Path) -> None:
    write(tmp_path)
    undisturbed = json.loads(qnode("run", "busy.yaml", "--json", cwd=tmp_path).out)
    words = ("oracle", "busy.yaml", "--listen", "ipc://s", "--json")
    folder = tmp_path / ".qnode/runs/busy-2"
    with by_hand(*words, cwd=tmp_path, afresh=True) as oracle:
        assert "listening" in err(oracle).readline()
        under_way = qnode(
            "oracle", "busy.yaml", "--listen", "ipc://t", "--resume", "busy-2", cwd=tmp_path, QNODE_TOKEN=TOKEN
        )
        assert under_way.code == 2
        assert "is under way" in under_way.err
        with (
            by_hand("node", "busy.yaml", "alice", "--oracle", "ipc://s", cwd=tmp_path) as alice,
            by_hand("node", "busy.yaml", "bob", "--oracle", "ipc://s", cwd=tmp_path) as bob,
        ):
            wait_until_record_has(folder, 20_000)
            oracle.send_signal(signal.SIGSTOP)  # else the run might be over before it is killed
            oracle.send_signal(signal.SIGKILL)
            tally.count("SIGKILL oracle")
            oracle.wait()
            with by_hand(*words, "--resume", "busy-2", cwd=tmp_path) as again:
                done = ended(again)
            assert done.code == 0, done.err
            assert (ended(alice).code, ended(bob).code) == (0, 0)
    told = json.loads(done.out)
    assert told["folder"] == str(folder)
    assert told["results"] == undisturbed["results"]
    assert (folder / "events.jsonl").read_bytes() == (Path(undisturbed["folder"]) / "events.jsonl").read_bytes()
    over = qnode(*words, "--resume", "busy-2", cwd=tmp_path, QNODE_TOKEN=TOKEN)
    assert over.code == 2
    assert "this run has ended (done): there is nothing to resume" in over.err


def test_an_oracle_that_takes_up_what_there_is_goes_on_ends_so_again_or_begins_another(tmp_path: Path) -> None:
    """Whoever starts it again need not know which run it was, nor whether it was killed."""
    write(tmp_path)
    undisturbed = json.loads(qnode("run", "busy.yaml", "--json", cwd=tmp_path).out)
    words = ("oracle", "busy.yaml", "--listen", "ipc://s", "--json", "--take-up")
    with (
        by_hand("node", "busy.yaml", "alice", "--oracle", "ipc://s", cwd=tmp_path) as alice,
        by_hand("node", "busy.yaml", "bob", "--oracle", "ipc://s", cwd=tmp_path) as bob,
    ):
        with by_hand(*words, cwd=tmp_path, afresh=True) as oracle:
            wait_until_record_has(tmp_path / ".qnode/runs/busy-2", 20_000)
            oracle.send_signal(signal.SIGSTOP)  # else the run might be over before it is killed
            oracle.send_signal(signal.SIGKILL)
            tally.count("SIGKILL oracle")
            oracle.wait()
        with by_hand(*words, cwd=tmp_path) as again:
            done = ended(again)
        assert done.code == 0, done.err
        assert (ended(alice).code, ended(bob).code) == (0, 0)
    told = json.loads(done.out)
    assert told["folder"].endswith("busy-2")
    assert told["results"] == undisturbed["results"]
    assert earlier_of(tmp_path) is None  # it has ended well: who starts it again wants another run
    head = tmp_path / ".qnode/runs/busy-2/run.json"
    head.write_text(json.dumps({**json.loads(head.read_text()), "ended": "failed", "exit_code": 1}))
    failed = qnode(*words, cwd=tmp_path, QNODE_TOKEN=TOKEN)
    assert failed.code == 1
    assert "busy-2 has ended (failed), and nothing has changed since" in failed.err
    for ending, is_other in (("killed", False), ("interrupted", True)):
        head.write_text(json.dumps({**json.loads(head.read_text()), "ended": ending}))
        assert (earlier_of(tmp_path) is None) is is_other
    head.write_text(json.dumps({**json.loads(head.read_text()), "ended": "failed"}))
    assert earlier_of(tmp_path) is not None
    assert earlier_of(tmp_path, seed=8) is None
    (tmp_path / "busy.py").write_text((tmp_path / "busy.py").read_text() + "# mended\n")
    assert earlier_of(tmp_path) is None


def earlier_of(folder: Path, *, seed: int | None = None) -> object:
    return earlier(Cluster.from_yaml(folder / "busy.yaml"), folder / ".qnode/runs", seed)


def test_a_damaged_record_is_refused_with_its_offset_and_another_configuration_too(tmp_path: Path) -> None:
    write(tmp_path)
    words = ("oracle", "busy.yaml", "--listen", "ipc://s")
    folder = tmp_path / ".qnode/runs/busy-1"
    with by_hand(*words, cwd=tmp_path, afresh=True) as oracle:
        assert "listening" in err(oracle).readline()
        with (
            by_hand("node", "busy.yaml", "alice", "--oracle", "ipc://s", "--patience", "1", cwd=tmp_path) as alice,
            by_hand("node", "busy.yaml", "bob", "--oracle", "ipc://s", "--patience", "1", cwd=tmp_path) as bob,
        ):
            wait_until_record_has(folder, 20_000)
            oracle.send_signal(signal.SIGKILL)
            oracle.wait()
            for node in (alice, bob):
                left = ended(node)
                assert left.code == 4
                assert "is gone" in left.err
                assert "Traceback" not in left.err
    record = folder / "record"
    data = record.read_bytes()
    other = qnode(*words, "--resume", "busy-1", "--seed", "8", cwd=tmp_path, QNODE_TOKEN=TOKEN)
    assert "is the record of another run, or of another configuration" in other.err
    record.write_bytes(data[:10_000] + bytes([data[10_000] ^ 1]) + data[10_001:])
    damaged = qnode(*words, "--resume", "busy-1", cwd=tmp_path, QNODE_TOKEN=TOKEN)
    assert damaged.code != 0
    assert f"{record} is damaged at byte" in damaged.err
    assert "Traceback" not in damaged.err
    assert len(record.read_bytes()) == len(data)
