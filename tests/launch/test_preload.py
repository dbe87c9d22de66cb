"""What is imported once for all nodes: the installed modules that programs import, and never the programs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

import pytest

from orchestrator import Cluster
from orchestrator import installed as installed_modules
from orchestrator.launch.forkserver import START_METHOD
from orchestrator.launch.preload import modules_of
from tests.launch.processes import children, linux_only

HERE: Final = Path(__file__).parent

READ: Final[dict[str, tuple[dict[str, str], tuple[str, ...]]]] = {
    "a module": ({"p.py": "import fractions"}, ("fractions",)),
    "inside a package": ({"p.py": "import xml.dom.minidom as m"}, ("xml.dom.minidom",)),
    "names out of one": ({"p.py": "from xml import dom, sax"}, ("xml", "xml.dom", "xml.sax")),
    "branches and attempts": (
        {"p.py": "try:\n import tomllib\nexcept ImportError:\n import csv\nif 1:\n import cmd\nelse:\n import bdb"},
        ("tomllib", "csv", "cmd", "bdb"),
    ),
    "with and classes": ({"p.py": "with open('x'):\n    import csv\nclass A:\n    import cmd"}, ("csv", "cmd")),
    "not in functions": ({"p.py": "def f():\n    import csv\nasync def g():\n    import cmd"}, ()),
    "not for types": ({"p.py": "import typing\nif typing.TYPE_CHECKING:\n    import csv"}, ("typing",)),
    "through a local file": ({"p.py": "import q", "q.py": "import csv"}, ("csv",)),
    "through a local package": (
        {"p.py": "from pack import inner", "pack/__init__.py": "import cmd", "pack/inner.py": "import csv"},
        ("cmd", "csv"),
    ),
    "in a circle": ({"p.py": "import q\nimport csv", "q.py": "import p"}, ("csv",)),
    "ours, by name alone": (
        {"p.py": "import qnode.protocols.ghz\nfrom orchestrator import Cluster"},
        ("qnode.protocols.ghz", "orchestrator", "orchestrator.Cluster"),
    ),
    "local before installed": ({"p.py": "import csv", "csv.py": "import cmd"}, ("cmd",)),
    "built in": ({"p.py": "import sys, time"}, ()),
    "nowhere": ({"p.py": "import no_such_module"}, ()),
    "broken": ({"p.py": "import csv\n("}, ()),
    "not text": ({"p.py": "\0"}, ()),
}  # fmt: skip


@pytest.mark.parametrize("case", READ)
def test_a_program_is_read_for_what_it_imports(case: str, tmp_path: Path) -> None:
    files, expected = READ[case]
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert set(modules_of(["p.py:main"], (tmp_path,))) == set(expected)


def test_a_program_that_is_a_module_is_found_where_the_programs_will_find_it(tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").write_text("")
    (tmp_path / "pack" / "inner.py").write_text("import csv")
    assert modules_of(["pack.inner:main"], (tmp_path,)) == ("csv",)
    assert modules_of(["pack.other:main", "nowhere.at_all:main", "missing.py:main"], (tmp_path,)) == ()


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "p.py").write_text("import csv")
    assert modules_of(["p.py:main"], (tmp_path,)) == ("csv",)
    (tmp_path / "p.py").write_text("import fractions")
    assert modules_of(["p.py:main"], (tmp_path,)) == ("fractions",)


def test_reading_a_program_imports_nothing(tmp_path: Path) -> None:
    (tmp_path / "p.py").write_text("import this\nimport q")
    (tmp_path / "q.py").write_text("raise RuntimeError('executed')")
    assert modules_of(["p.py:main"], (tmp_path,)) == ("this",)
    assert "this" not in sys.modules


def test_a_folder_is_not_installed_for_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is edited between two runs must not be kept from the first."""
    for name in ("site-packages", "dist-packages"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"mine_{name[:4]}.py").write_text("import csv")
        monkeypatch.syspath_prepend(str(tmp_path / name))
    (tmp_path / "p.py").write_text("import mine_site, mine_dist")
    assert modules_of(["p.py:main"], (tmp_path,)) == ("csv",)


# ---------------------------------------------------------------- in real processes

PLAIN: Final = "import os\nPID = os.getpid()\n"
THREADED: Final = f"{PLAIN}import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
RAISES_ONCE: Final = f"{PLAIN}if not hasattr(os, 'told'):\n    os.told = 1\n    raise SystemExit(3)\n"
NAMES: Final = ["shared_one", "threaded", "shared_two", "local_one", "raising"]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with packages that somebody installed, and one with a program that imports them."""
    packages, programs = tmp_path / "packages", tmp_path / "programs"
    packages.mkdir()
    programs.mkdir()
    (packages / "shared_one.py").write_text(PLAIN)
    (packages / "shared_two.py").write_text(PLAIN)
    (packages / "threaded.py").write_text(THREADED)
    (packages / "raising.py").write_text(RAISES_ONCE)
    (programs / "local_one.py").write_text(PLAIN)
    imports = [f"import {name}" for name in NAMES if name != "raising"]
    guarded = ["try:", "    import raising", "except SystemExit:", "    import raising"]
    program = (HERE / "ending.py").read_text().replace("from __future__ import annotations\n", "")
    (programs / "ending.py").write_text("\n".join([*imports, *guarded, program]))
    path = filter(None, (str(packages), os.environ.get("PYTHONPATH")))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    monkeypatch.syspath_prepend(str(packages))
    monkeypatch.setattr(installed_modules, "PLACES", (*installed_modules.PLACES, packages))
    return programs


@linux_only
async def test_installed_modules_are_shared_and_local_ones_never(
    method: str, temporary: Path, installed: Path, tmp_path: Path
) -> None:
    """A module that starts a thread cannot be forked: it is left to the nodes, and the others are shared all the same.

    One that cannot be imported ahead is left to them as well.
    """
    nodes = {name: {"program": "ending.py:where_it_was_imported", "args": {"names": NAMES}} for name in ("a", "b")}
    config = {"version": 1, "seed": 1, "nodes": nodes}
    async with Cluster.from_dict(config, base=installed, runs=tmp_path / "runs") as net:
        for _ in range(2):
            run = await net.run()
            (own_a, *of_a), (own_b, *of_b) = run["a"], run["b"]
            assert own_a != own_b
            shared = [name for name, one, other in zip(NAMES, of_a, of_b, strict=True) if one == other]
            own = [name for name, pid in zip(NAMES, of_a, strict=True) if pid == own_a]
            if method == "fork":
                assert shared == ["shared_one", "shared_two"]
                assert own == ["threaded", "local_one", "raising"]
            else:
                assert own == NAMES


AT_FIRST: Final = """\
import sys; modules = set(sys.modules)
import gc
import os

FROZEN = gc.get_freeze_count()

async def main(node):
    threads = {name: value for name, value in os.environ.items() if name.endswith("_NUM_THREADS")}
    return [threads, FROZEN > 0, "stim" in modules]
"""


@linux_only
async def test_forked_nodes_find_everything_imported_and_frozen_and_no_process_has_threads_to_lose(
    temporary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(START_METHOD, "fork")
    for name in [name for name in os.environ if name.endswith("_NUM_THREADS")]:
        monkeypatch.delenv(name)
    (tmp_path / "first.py").write_text(AT_FIRST)
    config = {"version": 1, "nodes": {"alice": {"program": "first.py:main"}}}
    async with Cluster.from_dict(config, base=tmp_path, runs=tmp_path / "runs") as net:
        run = await net.run()
        forkserver = children(os.getpid())[-1]
        assert len(os.listdir(f"/proc/{forkserver}/task")) == 1
    one = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    assert run["alice"] == [one, True, True]
