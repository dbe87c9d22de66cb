"""Networks in containers: the same bytes as on one machine, whatever is done to containers and their network."""

from __future__ import annotations

import pytest

from tests.containers.engine import IMAGE, ROOT
from tests.containers.networks import CONFIG, Deployed, same_run
from tests.engines.needs import wait_for

pytestmark = pytest.mark.engine


def test_teleportation_comes_up_ends_and_is_the_run_of_one_machine(network: Deployed) -> None:
    config, program = ((ROOT / "configs" / name).read_text() for name in ("teleportation.yaml", "teleport.py"))
    network.write(config.replace("teleport.py", "net.py"), program)
    printed = network.up()
    assert network.exit_codes() == {"alice": 0, "bob": 0, "oracle": 0}, printed
    assert "net.py:bob" in network.logs("oracle")
    assert "the oracle is here" in network.logs("alice")
    assert "net.py:bob" not in network.logs("bob")
    assert same_run(network.result(), network.run_here())


def test_a_program_that_fails_is_the_oracle_s_exit_code_and_in_its_log(network: Deployed) -> None:
    program = "from qnode import Node\n\n\nasync def alice(node: Node):\n    raise RuntimeError('no luck')\n"
    network.write(program=program + "\n\nasync def bob(node: Node):\n    await node.receive('alice')\n")
    network.up()
    assert network.exit_codes()["oracle"] == 1
    assert "RuntimeError: no luck" in network.logs("oracle")


def test_each_container_sees_its_own_key_and_no_other(network: Deployed) -> None:
    network.write()
    for service in ("oracle", "alice", "bob"):
        look = "cd / && cat run/secrets/* && ls run/secrets network && id --user; ls network/keys 2>&1; true"
        seen = network.compose("run", "--rm", "--no-deps", "--entrypoint", "sh", service, "-c", look)
        assert f'name = "{service}"' in seen
        assert [line for line in seen.split() if line.endswith(".key")] == [f"{service}.key"]
        assert "net.py" in seen
        assert "10001" in seen.split()
        assert seen.endswith("'network/keys': Permission denied\n")


def test_a_node_that_crashes_is_started_again_and_the_run_is_the_same(network: Deployed) -> None:
    network.write(CONFIG.replace("alice: {", "alice: {restart: resume, "))
    network.compose("up", "--detach")
    network.wait_for_line("alice", "round 10")
    network.crash("alice")
    wait_for(lambda: network.state("alice")["RestartCount"] == 1, "another start of alice")
    network.wait_for_end()
    assert network.exit_codes() == {"alice": 0, "bob": 0, "oracle": 0}, network.logs("oracle")
    assert same_run(network.result(), network.run_here())


def test_an_oracle_that_crashes_is_started_again_and_the_run_is_the_same(network: Deployed) -> None:
    network.write()
    network.compose("up", "--detach")
    network.wait_for_line("alice", "round 10")
    network.crash("oracle")
    wait_for(lambda: network.state("oracle")["RestartCount"] == 1, "another start of the oracle")
    network.wait_for_end()
    assert network.exit_codes() == {"alice": 0, "bob": 0, "oracle": 0}, network.logs("oracle")
    assert same_run(network.result(), network.run_here())


def test_a_node_that_crashes_and_is_not_to_come_back_is_lost(network: Deployed) -> None:
    network.write(patience_s=1)
    network.compose("up", "--detach")
    network.wait_for_line("alice", "round 10")
    network.crash("alice")
    network.wait_for_end()
    assert network.state("alice")["RestartCount"] == 0
    assert network.exit_codes()["oracle"] == 4, network.logs("oracle")


@pytest.mark.parametrize("service", ["alice", "oracle"])
def test_a_container_cut_off_the_network_and_joined_again_goes_on(service: str, network: Deployed) -> None:
    network.write()
    network.compose("up", "--detach")
    network.wait_for_line("alice", "round 10")
    container = network.container(service)
    network.engine.docker("network", "disconnect", "lasting_default", container)
    network.engine.docker("network", "connect", "--alias", service, "lasting_default", container)
    network.wait_for_end()
    assert network.exit_codes() == {"alice": 0, "bob": 0, "oracle": 0}, network.logs("oracle")
    assert same_run(network.result(), network.run_here())


@pytest.mark.parametrize("service", ["alice", "oracle"])
def test_a_container_that_is_paused_is_only_slow(service: str, network: Deployed) -> None:
    network.write()
    network.compose("up", "--detach")
    network.wait_for_line("alice", "round 10")
    network.compose("pause", service)
    assert network.state(service)["Status"] == "paused"
    network.compose("unpause", service)
    network.wait_for_end()
    assert network.exit_codes() == {"alice": 0, "bob": 0, "oracle": 0}, network.logs("oracle")
    assert same_run(network.result(), network.run_here())


def test_compose_down_in_the_midst_leaves_nothing(network: Deployed) -> None:
    network.write()
    network.compose("up", "--detach")
    network.wait_for_line("alice", "round 10")
    network.compose("stop", "--timeout", "20")
    assert network.exit_codes()["oracle"] == 130
    assert '"interrupted"' in (network.result() / "run.json").read_text()


def test_the_image_is_the_one_that_was_named(network: Deployed) -> None:
    network.write()
    assert network.compose("config", "--images").split() == [IMAGE] * 3
