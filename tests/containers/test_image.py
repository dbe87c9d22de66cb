"""The image: small, nobody's root, nothing in it that should not be, and a health check that can tell."""

from __future__ import annotations

import json
import os
import signal
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from qnode import __version__
from tests.cli.commands import qnode
from tests.containers.engine import BASE_IMAGE, IMAGE, ROOT, Engine
from tests.containers.networks import Deployed
from tests.engines.needs import wait_for

pytestmark = pytest.mark.engine

MOST_ADDED = 120_000_000  # bytes beside the official image of Python; most of it NumPy and Stim


def test_it_has_the_command_and_adds_little(docker: Engine) -> None:
    assert docker.docker("run", "--rm", IMAGE, "--version") == f"qnode {__version__}\n"
    size, base = (int(docker.docker("image", "inspect", name, "--format", "{{.Size}}")) for name in (IMAGE, BASE_IMAGE))
    assert 0 < size - base < MOST_ADDED


def test_its_processes_are_nobody_s_root_and_can_write_nowhere_but_where_runs_go(docker: Engine) -> None:
    def shell(script: str) -> str:
        return docker.docker("run", "--rm", "--entrypoint", "sh", IMAGE, "-c", script)

    assert shell("id --user; id --group").split() == ["10001", "10001"]
    assert (
        shell("for path in / /opt/qnode /network /etc /runs; do test -w $path && echo $path; done; true") == "/runs\n"
    )


def test_what_is_in_it_is_what_was_locked(docker: Engine) -> None:
    site_packages = "/opt/qnode/lib/python3.11/site-packages"
    script = f"""
from importlib.metadata import distributions
print(*sorted(f"{{one.name.lower()}}=={{one.version}}" for one in distributions(path=["{site_packages}"])))
"""
    installed = docker.docker("run", "--rm", "--entrypoint", "python", IMAGE, "-c", script)
    locked = (ROOT / "docker" / "requirements.txt").read_text().splitlines()[1:]
    assert installed.split() == sorted([*locked, f"qnode=={__version__}"])


def test_nothing_of_the_checkout_but_the_packages_gets_into_its_layers(docker: Engine, tmp_path: Path) -> None:
    docker.docker("save", "--output", tmp_path / "image.tar", IMAGE)
    names = set(_files_of(tmp_path / "image.tar"))
    assert "opt/qnode/healthcheck.py" in names
    added = {name for name in names if "qnode" in name}
    assert added
    for name in added:
        assert not name.endswith((".key", ".git")), name
        assert not any(part in (".qnode", ".venv", "tests", "configs", "keys") for part in name.split("/")[:5]), name
    history = docker.docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", IMAGE)
    environment = json.loads(docker.docker("image", "inspect", IMAGE, "--format", "{{json .Config.Env}}"))
    for text in (history, *environment):
        assert not any(word in text.lower() for word in ("secret", "token", "password", ".key")), text


def _files_of(image: Path) -> Iterator[str]:
    """All that any of its layers has, also what a later one removed."""
    with tarfile.open(image) as outer:
        for member in outer.getmembers():
            if member.name.endswith("layer.tar"):
                with tarfile.open(fileobj=outer.extractfile(member)) as layer:
                    yield from (name.removeprefix("./") for name in layer.getnames())


def test_the_health_check_tells_who_has_joined_and_answers(network: Deployed) -> None:
    network.write()
    network.compose("up", "--detach", "oracle")
    wait_for(lambda: network.state("oracle")["Health"]["Status"] == "healthy", "a healthy oracle")
    network.compose("run", "--detach", "--name", "lonely", "alice")
    check = ("exec", "lonely", "python", "-S", "-E", "/opt/qnode/healthcheck.py")
    wait_for(lambda: network.engine.docker(*check, check=False) == "", "a node that has joined")
    pid = int(network.engine.docker("inspect", "lonely", "--format", "{{.State.Pid}}"))
    os.kill(pid, signal.SIGSTOP)
    said = network.engine.docker(*check, check=False)
    os.kill(pid, signal.SIGCONT)
    network.engine.docker("rm", "--force", "lonely")
    assert said.endswith("is stopped\n")


def test_a_container_that_waits_has_not_joined(network: Deployed) -> None:
    network.write()
    network.compose("run", "--detach", "--no-deps", "--name", "early", "--entrypoint", "sleep", "alice", "60")
    said = network.engine.docker("exec", "early", "python", "-S", "-E", "/opt/qnode/healthcheck.py", check=False)
    network.engine.docker("rm", "--force", "early")
    assert "it has not joined yet" in said


def test_the_file_for_compose_is_good_and_names_no_secret(network: Deployed) -> None:
    network.write()
    network.compose("config", "--quiet")
    secrets = [path.read_text() for path in (network.folder / "keys").iterdir()]
    text = (network.folder / "compose.yaml").read_text()
    assert not any(line in text for secret in secrets for line in secret.splitlines() if line.startswith("secret"))
    assert qnode("check", "net.yaml", cwd=network.folder).code == 0
