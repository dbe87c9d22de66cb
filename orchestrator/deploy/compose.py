"""`compose.yaml`: a service for the oracle and for each node. https://compose-spec.io"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from orchestrator.deploy.parts import KEY_ENDING, Deployed, as_name, commented, listed, quoted, require_inside
from orchestrator.failures import NEVER
from orchestrator.values import RESERVED_NODE_NAMES
from qnode.ids import NodeName

FOLDER: Final = "/network"  # the configuration's, in a container
RUNS: Final = "/runs"
SECRETS: Final = "/run/secrets"
ORACLE: Final = "oracle"  # no node can be called that
assert ORACLE in RESERVED_NODE_NAMES


@dataclass(frozen=True, slots=True)
class Places:
    """Folders of the machine with the engine, relative to compose.yaml's own.

    Attributes:
        folder: The configuration's.
        keys: Where the files of `qnode keys` are.
        hidden: The same as a container sees it, if it lies inside `folder`; or "".
        owner: "uid:gid" of whoever may read the keys, for processes to be; or "", for the image's own user.
        context: What to build the image from; or "".
    """

    folder: str = "."
    keys: str = "./keys"
    hidden: str = ""
    owner: str = ""
    context: str = ""


def compose(what: Deployed, places: Places) -> str:
    """The file. Raises ConfigError if a program is where no container would find it."""
    require_inside(what.network)
    parts = [
        commented(_head(what, places)),
        f"name: {project_name(what.network.name)}\n",
        "\n".join(_common(what, places)),
        "services:",
        "\n".join(_oracle(what, places)),
        *("\n".join(_node(what, node)) for node in what.network.nodes),
        "",
        "secrets: # each process sees its own key and no other",
        *(_secret(places, one) for one in (ORACLE, *what.names)),
        "",
        "volumes:",
        "  runs: {}",
        "",
    ]
    return "\n".join(parts)


def project_name(name: str) -> str:
    """A network's name as Compose takes it for a project: a-z, 0-9, _ and -, a letter or digit first."""
    return re.sub(r"[^a-z0-9_-]", "-", name.lower()).lstrip("-_") or "network"


def _head(what: Deployed, places: Places) -> Iterator[str]:
    yield f"{what.network.name} in containers, a service for each process. Made by:"
    yield f"  {what.made_by}"
    yield "It belongs in the folder where that was typed. Once:"
    if not places.context:
        yield f"  docker build --file docker/Dockerfile --tag {what.image} .    in qnode's own folder"
    yield f"  qnode keys {what.file} {places.keys}"
    if not places.owner:
        yield f"  chown -R 10001:10001 {places.keys}    the image's user, who must be able to read them"
    yield "Then, as often as you like:"
    yield f"  docker compose up{' --build' if places.context else ''}"
    yield "  docker compose logs alice, or any other service" if "alice" in what.names else "  docker compose logs"
    yield f"  mkdir -p .qnode && docker compose cp {ORACLE}:{RUNS}/. .qnode/runs && qnode results    out of the volume"
    yield "  docker compose down --volumes"


def _common(what: Deployed, places: Places) -> Iterator[str]:
    yield "x-process: &process # what oracle and nodes have in common"
    yield f"  image: {_value(what.image)}"
    if "/" not in what.image:  # what a registry has under this name is somebody else's
        yield "  pull_policy: never # it is built here, and on no registry"
    if places.owner:
        yield f"  user: {quoted(places.owner)} # who may read the keys; not root"
    yield "  read_only: true"
    yield "  cap_drop: [ALL]"
    yield '  security_opt: ["no-new-privileges:true"]'
    yield "  pids_limit: 256"
    yield "  logging: {driver: json-file, options: {max-size: 10m, max-file: '3'}}"
    yield "  volumes:"
    yield f"    - {{type: bind, source: {_value(places.folder)}, target: {FOLDER}, read_only: true}}"
    hidden = f"; other processes' keys stay out of sight, at {places.hidden}" if places.hidden else ""
    yield f"  tmpfs: {_list(['/tmp', *([places.hidden] if places.hidden else [])])} # gone with the container{hidden}"
    yield ""
    yield "x-node: &node # what all nodes have in common"
    yield "  <<: *process"
    yield "  mem_limit: 1g"
    yield f"  depends_on: {{{ORACLE}: {{condition: service_started}}}} # they wait for it, and it for them"
    yield ""


def _oracle(what: Deployed, places: Places) -> Iterator[str]:
    key = f"{ORACLE}{KEY_ENDING}"
    yield f"  {ORACLE}: # its log has the table of results; its exit code is the run's"
    yield "    <<: *process"
    if places.context:
        yield f"    build: {{context: {_value(places.context)}, dockerfile: docker/Dockerfile}}"
    yield f"    command: {_list([*what.oracle(FOLDER, f'{SECRETS}/{key}', RUNS), '--take-up'])}"
    yield f"    restart: on-failure:{what.network.failures.restarts} # after a crash it goes on from the record"
    yield f"    secrets: [{key}]"
    yield "    volumes:"
    yield f"      - {{type: bind, source: {_value(places.folder)}, target: {FOLDER}, read_only: true}}"
    yield f"      - {{type: volume, source: runs, target: {RUNS}}}"


def _node(what: Deployed, node: NodeName) -> Iterator[str]:
    key = f"{node}{KEY_ENDING}"
    policy = what.network.nodes[node].restart
    yield ""
    yield f"  {as_name(node)}:"
    yield "    <<: *node"
    yield f"    command: {_list(what.node(node, FOLDER, f'{SECRETS}/{key}', ORACLE))}"
    yield f"    secrets: [{as_name(key)}]"
    if policy == NEVER:
        yield '    restart: "no"'
    else:
        yield f"    restart: on-failure:{what.network.failures.restarts} # restart: {policy} in the configuration"


def _secret(places: Places, whose: str) -> str:
    file = f"{whose}{KEY_ENDING}"
    return f"  {as_name(file)}: {{file: {_value(f'{places.keys}/{file}')}}}"


def _value(text: str) -> str:
    """A text in which Compose finds no variable to put in."""
    return quoted(text.replace("$", "$$"))


def _list(words: list[str]) -> str:
    return listed(word.replace("$", "$$") for word in words)
