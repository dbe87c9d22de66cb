"""The files for Compose, Kubernetes and Slurm, read back by parsers, schemas and shells that are not ours."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import loader
from orchestrator.cli.elsewhere import DEFAULT_IMAGE
from orchestrator.deploy import compose, kubernetes, parts, sbatch
from orchestrator.topology import describe
from qnode.errors import ConfigError
from tests.cli.commands import typed

ROOT: Final = Path(__file__).parents[2]
SCHEMAS: Final = ("1.37", "1.30")  # what is new, and what clusters still have

NAMES: Final = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,30}", fullmatch=True).filter(lambda name: name != "oracle")
TEXTS: Final = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def deployed(*nodes: str, name: str = "net", program: str = "net.py:main", **more: Any) -> parts.Deployed:
    """A network of these nodes, to be run elsewhere."""
    data = {"version": 1, "name": name, "nodes": {node: {"program": program} for node in nodes}, **more}
    return parts.Deployed(describe(loader.from_mapping(data), Path("/somewhere"), 1), "net.yaml", made_by="qnode")


# --- Compose -------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A network of ranges, with all policies."""
    (tmp_path / "net.yaml").write_text(
        "version: 1\nname: Über alles\nnodes:\n"
        '  alice: {program: "net.py:main", restart: resume}\n'
        '  Bob_2: {program: "net.py:main", restart: fresh}\n'
        '  "r[00..10]": {program: "net.py:main"}\n'
        "failures: {restarts: 5}\n"
    )
    (tmp_path / "net.py").write_text("from qnode import Node\n\n\nasync def main(node: Node) -> None:\n    pass\n")
    return tmp_path


def test_each_node_is_a_service_with_its_command_key_and_policy(folder: Path) -> None:
    done = typed("compose", "net.yaml", "--seed", "5", "--set", "events=false", cwd=folder)
    assert done.code == 0, done.err
    found = yaml.safe_load(done.out)
    nodes = ["alice", "Bob_2", *(f"r{n:02}" for n in range(11))]
    assert list(found["services"]) == ["oracle", *nodes]
    for node in nodes:
        service = found["services"][node]
        same = ["/network/net.yaml", node, "--set", "events=false", "--seed", "5"]
        assert service["command"] == [
            *("node", *same, "--oracle", "tcp://oracle:5700", "--keys", f"/run/secrets/{node}.key"),
        ]
        assert service["secrets"] == [f"{node}.key"]
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
    assert found["services"]["oracle"]["secrets"] == ["oracle.key"]
    assert found["services"]["oracle"]["command"][:2] == ["oracle", "/network/net.yaml"]
    policies = {name: service.get("restart") for name, service in found["services"].items()}
    assert policies["oracle"] == policies["alice"] == policies["Bob_2"] == "on-failure:5"
    assert {policies[f"r{n:02}"] for n in range(11)} == {"no"}
    assert found["secrets"] == {f"{name}.key": {"file": f"./keys/{name}.key"} for name in ("oracle", *nodes)}
    assert found["volumes"] == {"runs": {}}
    assert found["name"] == "ber-alles"


def test_a_seed_that_nobody_gave_is_drawn_once_for_all(folder: Path) -> None:
    services = yaml.safe_load(typed("compose", "net.yaml", cwd=folder).out)["services"]
    seeds = {service["command"][service["command"].index("--seed") + 1] for service in services.values()}
    assert len(seeds) == 1


def test_keys_inside_of_the_folder_that_containers_see_are_hidden_from_them(folder: Path) -> None:
    within = yaml.safe_load(typed("compose", "net.yaml", "--keys", "secret/keys", cwd=folder).out)
    assert within["services"]["alice"]["tmpfs"] == ["/tmp", "/network/secret/keys"]
    (folder / "deeper").mkdir()
    (folder / "net.yaml").rename(folder / "deeper" / "net.yaml")
    (folder / "net.py").rename(folder / "deeper" / "net.py")
    beside = yaml.safe_load(typed("compose", "deeper/net.yaml", cwd=folder).out)
    assert beside["services"]["alice"]["tmpfs"] == ["/tmp"]
    assert beside["services"]["alice"]["volumes"][0]["source"] == "./deeper"
    for keys in (".", "deeper", ".."):
        refused = typed("compose", "deeper/net.yaml", "--keys", keys, cwd=folder)
        assert refused.code == 2
        assert "holds the configuration, which every container sees" in refused.err


def test_an_image_of_a_registry_may_be_pulled_and_ours_is_never_taken_from_there(folder: Path) -> None:
    ours = yaml.safe_load(typed("compose", "net.yaml", cwd=folder).out)["services"]["alice"]
    assert (ours["image"], ours["pull_policy"]) == (DEFAULT_IMAGE, "never")
    theirs = typed("compose", "net.yaml", "--image", "registry.example/lab/qnode:1", cwd=folder)
    assert "pull_policy" not in yaml.safe_load(theirs.out)["services"]["alice"]
    built = yaml.safe_load(typed("compose", "net.yaml", "--build", str(ROOT), cwd=folder).out)["services"]
    assert built["oracle"]["build"] == {"context": str(ROOT), "dockerfile": "docker/Dockerfile"}
    assert "build" not in built["alice"]
    refused = typed("compose", "net.yaml", "--build", ".", cwd=folder)
    assert (refused.code, "has no docker/Dockerfile" in refused.err) == (2, True)


def file_for(kind: str, what: parts.Deployed) -> str:
    if kind == "compose":
        return compose.compose(what, compose.Places())
    return kubernetes.kubernetes(what, {}, keys="keys", storage="1Gi")


@pytest.mark.parametrize("program", ["../net.py:main", "/net.py:main", "a/../../net.py:main"])
@pytest.mark.parametrize("kind", ["compose", "kubernetes"])
def test_a_program_that_no_container_would_find_is_refused(program: str, kind: str) -> None:
    what = deployed("alice", program=program)
    with pytest.raises(ConfigError, match="is outside the configuration's folder"):
        file_for(kind, what)


@given(st.lists(NAMES, min_size=1, max_size=6, unique=True), TEXTS, TEXTS.filter(lambda text: text.strip() != ""))
def test_whatever_names_and_folders_are_compose_is_told_exactly_those(nodes: list[str], text: str, image: str) -> None:
    what = deployed(*nodes)
    what = parts.Deployed(what.network, "net.yaml", ("--set", text), image, "qnode")
    found = yaml.safe_load(compose.compose(what, compose.Places(folder=f"./{text}", keys=f"./{text}/k")))
    assert list(found["services"]) == ["oracle", *nodes]
    for node, service in found["services"].items():
        assert node in service["secrets"][0]
        command = [word.replace("$$", "$") for word in service["command"]]
        assert command[command.index("--set") + 1] == text
        assert service["image"].replace("$$", "$") == image
        assert service["volumes"][0]["source"].replace("$$", "$") == f"./{text}"
    assert list(found["secrets"]) == [f"{name}.key" for name in ("oracle", *nodes)]


# --- Kubernetes ----------------------------------------------------------------------------------------------------


def manifests(text: str) -> list[dict[str, Any]]:
    """All of them, each valid: strictly, so that nothing is there that Kubernetes does not know."""
    found = list(yaml.safe_load_all(text))
    for manifest in found:
        for version in SCHEMAS:
            kubernetes_validate.validate(manifest, version, strict=True)
    return found


def test_the_manifests_are_valid_and_belong_together(folder: Path) -> None:
    (folder / "net.py").write_text((folder / "net.py").read_text() + "    import helpers.more\n")
    (folder / "helpers").mkdir()
    (folder / "helpers" / "__init__.py").write_text("")
    (folder / "helpers" / "more.py").write_text("\tTRICKY = 1 #\u00e9 \U0001f600\n\n")
    (folder / "secret.txt").write_text("nothing for a cluster")
    done = typed("kubernetes", "net.yaml", "--image", "lab/qnode:1", "--storage", "5Gi", cwd=folder)
    assert done.code == 0, done.err
    assert "not yet run on a cluster" in done.out
    files, claim, service, oracle, *nodes = manifests(done.out)
    assert [one["kind"] for one in (files, claim, service, oracle)] == [
        *("ConfigMap", "PersistentVolumeClaim", "Service", "Job"),
    ]
    assert [one["metadata"]["name"] for one in nodes[:3]] == ["ber-alles-alice", "ber-alles-bob-2", "ber-alles-r00"]
    assert len(nodes) == 13
    assert claim["spec"]["resources"]["requests"]["storage"] == "5Gi"
    assert service["spec"]["selector"].items() <= oracle["spec"]["template"]["metadata"]["labels"].items()
    for job, name in zip([oracle, *nodes[:2]], ["oracle", "alice", "Bob_2"], strict=True):
        pod = job["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert container["args"][container["args"].index("--keys") + 1] == f"/keys/{name}.key"
        assert pod["securityContext"]["runAsNonRoot"]
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        assert volumes["keys"]["secret"]["secretName"] == job["metadata"]["name"]
        assert f"create secret generic {job['metadata']['name']} --from-file={name}.key=" in done.out
        assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
        shown = {item["path"]: files["data"][item["key"]] for item in volumes["files"]["configMap"]["items"]}
        assert shown == {
            path: (folder / path).read_text()
            for path in ("net.yaml", "net.py", "helpers/__init__.py", "helpers/more.py")
        }
    assert f"tcp://{service['metadata']['name']}:5700" in nodes[0]["spec"]["template"]["spec"]["containers"][0]["args"]
    policies = [(job["spec"]["backoffLimit"], job["spec"]["template"]["spec"]["restartPolicy"]) for job in nodes[:3]]
    assert policies == [(5, "OnFailure"), (5, "OnFailure"), (0, "Never")]


ALICE: Final = deployed("alice")


@given(st.dictionaries(TEXTS.filter(bool), TEXTS.map(lambda text: text + "\n") | TEXTS, min_size=1, max_size=4))
def test_whatever_is_in_files_is_in_the_config_map(files: Mapping[str, str]) -> None:
    text = kubernetes.kubernetes(ALICE, files, keys="keys", storage="1Gi")
    config_map, *_, oracle, _ = yaml.safe_load_all(text)
    (volume, *_) = oracle["spec"]["template"]["spec"]["volumes"]
    assert {item["path"]: config_map["data"][item["key"]] for item in volume["configMap"]["items"]} == files


@pytest.mark.parametrize(
    ("nodes", "sentence"),
    [
        (["Bob", "bob"], "both Bob and bob would be net-bob"),
        (["a_b", "a-b"], "both a_b and a-b would be net-a-b"),
        (["alice_"], "net-alice- has - or _ at its end"),
        (["a" * 60], "has 64 characters, of 63"),
        (["Oracle"], "both oracle and Oracle would be net-oracle"),
    ],
)
def test_names_that_kubernetes_cannot_tell_apart_are_refused(nodes: list[str], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        kubernetes.kubernetes(deployed(*nodes), {}, keys="keys", storage="1Gi")
    assert sentence in str(caught.value)


@given(st.text(max_size=100), st.lists(NAMES, min_size=1, max_size=5, unique=True))
def test_names_are_as_kubernetes_wants_them_or_refused(network: str, nodes: list[str]) -> None:
    try:
        names = kubernetes.object_names(network, nodes)
    except ConfigError:
        return
    found = [names.of(name) for name in ("oracle", *nodes)]
    assert len(set(found)) == len(found)
    for name in found:
        assert len(name) <= 63
        assert name.strip("-") == name
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
        assert name[0].isalpha()


@pytest.mark.parametrize("image", ["", "a b", "a\nb", "-rm", "$X"])
@pytest.mark.parametrize("kind", ["compose", "kubernetes"])
def test_an_image_that_cannot_be_called_so_is_refused(image: str, kind: str, folder: Path) -> None:
    done = typed(kind, "net.yaml", f"--image={image}", cwd=folder)
    assert (done.code, "is no name; write one such as lab.example/qnode:1" in done.err) == (2, True)


def test_files_too_large_for_a_config_map_are_refused() -> None:
    with pytest.raises(ConfigError, match="have 1,000,001 bytes, and a ConfigMap takes 1,000,000"):
        kubernetes.kubernetes(deployed("alice"), {"x": "x" * 1_000_001}, keys="keys", storage="1Gi")


@pytest.mark.parametrize("size", ["", "0", "1 Gi", "-1Gi", "1GB", "big"])
def test_a_size_that_is_none_is_refused(size: str, folder: Path) -> None:
    done = typed("kubernetes", "net.yaml", f"--storage={size}", cwd=folder)
    assert (done.code, "is no size; write one such as 10Gi" in done.err) == (2, True)


# --- Slurm ---------------------------------------------------------------------------------------------------------


def options(script: str) -> Iterator[str]:
    return (line.removeprefix("#SBATCH ") for line in script.splitlines() if line.startswith("#SBATCH "))


def test_the_script_asks_for_hosts_and_runs_the_same(folder: Path) -> None:
    done = typed("slurm", "net.yaml", "--hosts", "4", "--seed", "7", cwd=folder)
    assert done.code == 0, done.err
    assert "--nodes=4" in list(options(done.out))
    assert done.out.splitlines()[-1] == "exec qnode run net.yaml --seed 7 --on slurm"
    placed = typed("slurm", "net.yaml", "--set", "hosts=[a,b]", cwd=folder)
    assert "--nodes=2" in list(options(placed.out))
    assert "--nodes=1" in list(options(typed("slurm", "net.yaml", cwd=folder).out))


@given(TEXTS, TEXTS)
def test_whatever_its_words_are_the_shell_gets_exactly_those(word: str, name: str) -> None:
    word = word.replace("\0", "")
    text = sbatch.script(name, "job", 2, arguments=[word], made_by="qnode", bin_folder=word.replace(":", ""))
    printed = text.replace("exec qnode run", "printf '%s\\0'").replace("export PATH=", "ignored=")
    done = subprocess.run(["bash", "-c", printed], capture_output=True, timeout=60, check=True)
    assert done.stdout == b"\0".join([word.encode(), b"--on", b"slurm", b""])
