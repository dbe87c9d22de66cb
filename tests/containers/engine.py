"""A Docker engine of our own, for a test session, in a network namespace of its own: this machine's is left alone.

No registry is asked. What stands in for the official image of Python is Debian's, made once; and beside it lie the
packages that docker/Dockerfile installs, downloaded as this machine downloads packages.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.engines.needs import DEADLINE_S, alone, daemon, require, wait_for

ROOT: Final = Path(__file__).parents[2]
CACHE: Final = "QNODE_ENGINE_CACHE"  # a folder in which what takes long to make stays for the next session
(BASE_IMAGE,) = re.findall("^ARG PYTHON=(.+)$", (ROOT / "docker" / "Dockerfile").read_text(), re.MULTILINE)
IMAGE: Final = "qnode:tested"
_BUILD_S: Final = 900.0
_PATH: Final = "PATH=/usr/local/bin:/usr/bin:/bin"
_STAND_IN: Final = """\
FROM bare
COPY . /packages
ENV PIP_NO_INDEX=1 PIP_FIND_LINKS=/packages
"""


@dataclass(frozen=True)
class Engine:
    """A running one; its commands answer with what they print."""

    host: str
    composer: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "DOCKER_HOST": self.host, "DOCKER_BUILDKIT": "0", "COMPOSE_ANSI": "never"}

    def docker(self, *words: str | Path, check: bool = True, timeout: float = DEADLINE_S) -> str:
        """`docker` with these words: its output and, if it may fail, what it says of that."""
        return self._said(["docker", *map(str, words)], check, timeout)

    def compose(self, folder: Path, *words: str, check: bool = True) -> str:
        """`docker compose` in a folder."""
        return self._said([str(self.composer), "--project-directory", str(folder), *words], check, DEADLINE_S, folder)

    def _said(self, words: list[str], check: bool, timeout: float, folder: Path = ROOT) -> str:
        done = subprocess.run(
            words, cwd=folder, env=self.environment, capture_output=True, text=True, timeout=timeout, check=False
        )
        assert not check or done.returncode == 0, f"{' '.join(words)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout if check else done.stdout + done.stderr


@contextlib.contextmanager
def engine(folder: Path) -> Iterator[Engine]:
    """One that has the image of Python and ours. Skips where it cannot be started."""
    require(("dockerd", "docker", "unshare", "ip", "mmdebstrap"), "docker.io iptables iproute2 util-linux mmdebstrap")
    composer = compose_binary()
    socket = folder / "docker.sock"
    words = ["dockerd", "--storage-driver=overlay2", f"--host=unix://{socket}", f"--pidfile={folder}/pid"]
    words += [f"--data-root={folder}/data", f"--exec-root={folder}/exec", "--bip=10.78.0.1/24"]
    words += ["--default-address-pool=base=10.79.0.0/16,size=24"]
    apart = ["unshare", "--net", "--mount", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    log = folder / "dockerd.log"
    with alone("docker"), daemon(*apart, *words, log=log):
        started = Engine(f"unix://{socket}", composer)
        wait_for(lambda: "Server Version" in started.docker("info", check=False), "an engine", log=log)
        with _cache() as cache:
            _stand_in(started, cache)
        built = ("build", "--quiet", "--tag", IMAGE, "--file", f"{ROOT}/docker/Dockerfile", str(ROOT))
        started.docker(*built, timeout=_BUILD_S)
        yield started


def compose_binary() -> Path:
    """Compose itself: the script that its package installs swallows exit codes. Skips where it is not installed."""
    spec = importlib.util.find_spec("compose")
    if spec is None or spec.origin is None:
        pytest.skip("Compose is not installed: pip install 'qnode[engines]'")
    return Path(spec.origin).with_name("docker-compose")


@contextlib.contextmanager
def _cache() -> Iterator[Path]:
    kept = os.environ.get(CACHE)
    if kept:
        Path(kept).mkdir(parents=True, exist_ok=True)
        yield Path(kept)
    else:
        with tempfile.TemporaryDirectory(prefix="qnode-engine-") as folder:
            yield Path(folder)


def _stand_in(started: Engine, cache: Path) -> None:
    bare = cache / "bare.tar"
    if not bare.exists():
        new = bare.with_suffix(".new.tar")
        _run("mmdebstrap", "--variant=essential", "--include=python3-venv,ca-certificates,libstdc++6", "--quiet",
             '--customize-hook=chroot "$1" python3 -m venv /usr/local', "bookworm", str(new))  # fmt: skip
        new.rename(bare)
    started.docker("import", "--change", f"ENV {_PATH}", bare, "bare", timeout=_BUILD_S)
    packages = cache / "packages"
    wanted = [word for name in ("requirements", "build-requirements") for word in ("-r", f"{ROOT}/docker/{name}.txt")]
    _run(sys.executable, "-m", "pip", "--quiet", "download", "--only-binary=:all:", "--python-version=3.11",
         f"--find-links={packages}", f"--dest={packages}", *wanted)  # fmt: skip
    (packages / "Dockerfile").write_text(_STAND_IN)
    started.docker("build", "--quiet", "--tag", BASE_IMAGE, packages, timeout=_BUILD_S)


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, timeout=_BUILD_S, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: {done.returncode}\n{done.stderr[-4000:]}"
