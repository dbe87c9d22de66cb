"""What is done once before processes are forked: every node finds what it would have made itself, and nothing more."""

from __future__ import annotations

import gc
import os
import random
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from qnode.core.coins import derive_key
from qnode.quantum.hardware import IDEAL
from qnode.runtime.process import reseed
from qnode.runtime.programs import load_program, read_ahead
from qnode.runtime.rehearsal import rehearse
from qnode.wire.plan import NodeSpec, ProcessSpec

_PROGRAM = "import marks\nmarks.executed += 1\n\nasync def main(node):\n    return {!r}\n"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    modules = set(sys.modules)
    generators = random.getstate(), np.random.get_state()
    yield
    read_ahead((), ())
    for name in sys.modules.keys() - modules:
        del sys.modules[name]
    random.setstate(generators[0])
    np.random.set_state(generators[1])


def test_numpy_draws_what_its_own_seeding_with_all_words_of_the_key_would_give() -> None:
    node = NodeSpec("alice", 0, IDEAL, (), (), bytes(range(32)))
    reseed(ProcessSpec(0, b"", (node,)))
    drawn = np.random.normal(size=3), np.random.random(1000)
    key = derive_key(node.key, "module-level generators", 0)
    np.random.seed(list(np.frombuffer(key, np.uint32)))
    expected = np.random.normal(size=3), np.random.random(1000)
    assert [list(one) for one in drawn] == [list(one) for one in expected]


def test_a_program_that_was_read_ahead_is_executed_when_it_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "marks.py").write_text("executed = 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    program = tmp_path / "program.py"
    program.write_text(_PROGRAM.format("before"))
    read_ahead(("program.py:main", "program.py:other"), (str(tmp_path),))
    import marks  # type: ignore[import-not-found]

    assert marks.executed == 0
    program.unlink()
    main = load_program("program.py:main", (str(tmp_path),))
    assert (main.__code__.co_filename, marks.executed) == (str(program), 1)
    assert main is load_program("program.py:main", (str(tmp_path),))
    assert marks.executed == 1


def test_the_next_run_reads_its_programs_again(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("async def before(node): ...\n")
    read_ahead(("program.py:before",), (str(tmp_path),))
    program.write_text("async def after_an_edit(node): ...\n")
    read_ahead(("program.py:after_an_edit",), (str(tmp_path),))
    assert load_program("program.py:after_an_edit", (str(tmp_path),)).__name__ == "after_an_edit"


def test_what_cannot_be_compiled_is_left_to_whoever_loads_it(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("async def main(node:\n")
    (tmp_path / "warned.py").write_text('async def main(node):\n    return 1 is 1, "x"\n')
    read_ahead(("broken.py:main", "warned.py:main", "absent.py:main", "json:loads"), (str(tmp_path),))
    with pytest.raises(SyntaxError):
        load_program("broken.py:main", (str(tmp_path),))
    with pytest.warns(SyntaxWarning, match="literal"):
        load_program("warned.py:main", (str(tmp_path),))


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_rehearsal_leaves_no_descriptor_no_thread_and_no_known_randomness() -> None:
    gc.collect()  # what other tests have left is not closed in between
    rehearse()
    before, threads = os.listdir("/proc/self/fd"), threading.active_count()
    rehearse()
    drawn = random.random(), np.random.random()
    rehearse()
    assert (os.listdir("/proc/self/fd"), threading.active_count()) == (before, threads)
    assert drawn[0] != random.random()
    assert drawn[1] != np.random.random()
