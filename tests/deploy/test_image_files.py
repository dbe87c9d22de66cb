"""What the image is built from: versions that are all pinned, a health check, and nothing that should stay outside."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT: Final = Path(__file__).parents[2]
PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text())


def locked(name: str) -> dict[str, Version]:
    lines = (ROOT / "docker" / name).read_text().splitlines()
    assert lines[0].startswith("# ")
    return {package: Version(version) for package, _, version in (line.partition("==") for line in lines[1:])}


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("requirements.txt", PROJECT["project"]["dependencies"]),
        ("requirements.txt", PROJECT["project"]["optional-dependencies"]["mqtt"]),
        ("requirements.txt", PROJECT["project"]["optional-dependencies"]["prometheus"]),
        ("build-requirements.txt", PROJECT["build-system"]["requires"]),
    ],
)
def test_all_that_is_needed_is_locked_at_a_version_that_will_do(name: str, wanted: list[str]) -> None:
    versions = {re.sub(r"[-_.]+", "-", package): version for package, version in locked(name).items()}
    for requirement in map(Requirement, wanted):
        assert versions[requirement.name] in requirement.specifier, f"{requirement}: run `make lock`"


def test_the_dockerfile_installs_nothing_but_what_is_locked_and_runs_as_nobody_in_particular() -> None:
    text = (ROOT / "docker" / "Dockerfile").read_text()
    code = "\n".join(line for line in text.replace("\\\n", " ").splitlines() if not line.startswith("#"))
    for install in re.findall(r"pip[^&\n]* install [^&\n]*", code):
        assert "--requirement /lock/" in install or "--no-deps /wheel/" in install, install
    assert re.findall(r"^FROM (\S+)", code, re.MULTILINE) == ["${PYTHON}"] * 2
    assert re.search(r"^ARG PYTHON=python:\d+\.\d+\.\d+-slim-[a-z]+$", code, re.MULTILINE)  # neither moves
    assert "USER 10001:10001" in code.rpartition("FROM")[2]
    assert re.findall(r"^(?:ADD|ARG|ENV) .*(?:SECRET|TOKEN|PASSWORD|KEY)", code, re.MULTILINE) == []
    copied = {word for line in re.findall(r"^COPY (?!--)(.*) ", code, re.MULTILINE) for word in line.split()}
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    assert {line[1:] for line in ignored if line.startswith("!")} == copied


# --- the health check ----------------------------------------------------------------------------------------------

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the image's system is Linux")


def health(ready: Path) -> str:
    """What it says; "" if all is well."""
    words = [sys.executable, "-S", "-E", str(ROOT / "docker" / "healthcheck.py")]
    env = {**os.environ, "QNODE_READY": str(ready)}
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode == 0) == (done.stderr == "")
    return done.stderr


@linux_only
def test_a_process_that_has_joined_and_listens_is_healthy_until_it_does_not(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    assert health(ready) == "it has not joined yet\n"
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        ready.write_text(json.dumps({"pid": os.getpid(), "address": address}))
        assert health(ready) == ""
    assert health(ready) == f"nothing listens at {address}\n"


@linux_only
def test_a_process_that_is_stopped_has_ended_or_is_gone_is_not_healthy(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    with subprocess.Popen(["sleep", "600"]) as sleeper:
        ready.write_text(json.dumps({"pid": sleeper.pid, "address": "ipc://somewhere"}))
        assert health(ready) == ""
        sleeper.send_signal(19)  # SIGSTOP
        os.waitid(os.P_PID, sleeper.pid, os.WSTOPPED | os.WNOWAIT)
        assert health(ready) == f"process {sleeper.pid} is stopped\n"
        sleeper.kill()
        os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
        assert health(ready) == f"process {sleeper.pid} has ended\n"
    assert health(ready) == f"process {sleeper.pid} is gone\n"
