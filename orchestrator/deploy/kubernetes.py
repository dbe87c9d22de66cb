"""Kubernetes manifests: a Job for the oracle and for each node. https://kubernetes.io/docs/reference/kubernetes-api"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from orchestrator.deploy.parts import (
    KEY_ENDING,
    PORT,
    Deployed,
    as_name,
    commented,
    indented,
    listed,
    quoted,
    require_inside,
)
from orchestrator.failures import NEVER
from qnode.errors import ConfigError
from qnode.ids import NodeName

FOLDER: Final = "/network"
RUNS: Final = "/runs"
KEYS: Final = "/keys"
ORACLE: Final = "oracle"
USER: Final = 10001  # the image's
_LONGEST: Final = 63  # characters of a label, and of the name of a Job whose pods get their name from it
_MOST_BYTES: Final = 1_000_000  # of a ConfigMap, which may have 1 MiB in all
_NOT_IN_A_KEY: Final = re.compile(r"[^-._a-zA-Z0-9]")


def kubernetes(what: Deployed, files: Mapping[str, str], *, keys: str, storage: str) -> str:
    """The manifests, several documents in one text.

    Args:
        files: The configuration and the programs: their text, by their path from the configuration's folder.
        keys: Where the files of `qnode keys` are, for the commands in the head.
        storage: How much the claim for results asks for, such as "1Gi".
    Raises:
        ConfigError: If names cannot be told apart by Kubernetes, or the files are too large.
    """
    require_inside(what.network)
    names = object_names(what.network.name, what.names)
    documents = [
        _config_map(names.base, files),
        _claim(names.base, storage),
        _service(names.base),
        _job(what, names, files, None),
        *(_job(what, names, files, node) for node in what.network.nodes),
    ]
    return commented(_head(what, names, keys)) + "".join("---\n" + "\n".join(one) + "\n" for one in documents)


class Names:
    """How the objects are called: lower case, and - for _, because Kubernetes knows no others."""

    def __init__(self, base: str, of: Mapping[str, str]) -> None:
        self.base = base
        self._of = of

    def of(self, name: str) -> str:
        """The Job's and the Secret's name for the oracle or a node."""
        return self._of[name]


def object_names(network: str, nodes: Iterable[str]) -> Names:
    """The names for a network and its nodes. Raises ConfigError if two would be the same, or one cannot be."""
    base = re.sub(r"[^a-z0-9]+", "-", network.lower()).strip("-") or "network"
    if not base[0].isalpha():  # a Service's name begins with a letter
        base = f"n{base}"
    of: dict[str, str] = {}
    taken: dict[str, str] = {}
    for name in (ORACLE, *nodes):
        mapped = f"{base}-{name.lower().replace('_', '-')}"
        other = taken.setdefault(mapped, name)
        if other != name:
            raise _refused(name, f"both {other} and {name} would be {mapped}, for it knows lower case and - alone")
        if len(mapped) > _LONGEST or mapped.endswith("-"):
            what = f"{len(mapped)} characters, of {_LONGEST}" if len(mapped) > _LONGEST else "- or _ at its end"
            raise _refused(name, f"{mapped} has {what}, which it does not take")
        of[name] = mapped
    return Names(base, of)


def _refused(node: str, detail: str) -> ConfigError:
    return ConfigError(place=f"nodes.{node}", detail=f"cannot be called so in Kubernetes: {detail}; rename it")


def _head(what: Deployed, names: Names, keys: str) -> Iterator[str]:
    yield f"{what.network.name} on Kubernetes, a Job for each process. Made by:"
    yield f"  {what.made_by}"
    yield "Checked strictly against Kubernetes' own schemas, and not yet run on a cluster: tell us what you find."
    yield "Once, with an image that the cluster can pull (--image):"
    yield f"  qnode keys {what.file} {keys}"
    for name in (ORACLE, *what.names):
        file = f"{name}{KEY_ENDING}"
        yield f"  kubectl create secret generic {names.of(name)} --from-file={file}={keys}/{file}"
    yield "Then:"
    yield f"  kubectl apply --filename {names.base}.yaml    (what this is saved as)"
    yield f"  kubectl logs --follow job/{names.of(ORACLE)}    ends with the table of results"
    yield f"  kubectl delete --filename {names.base}.yaml    the results too: they are in the claim {names.base}-runs"


def _metadata(base: str, name: str, component: str = "") -> Iterator[str]:
    yield "metadata:"
    yield f"  name: {as_name(name)}"
    yield from indented(_labels(base, component), 2)


def _labels(base: str, component: str = "") -> Iterator[str]:
    yield "labels:"
    yield "  app.kubernetes.io/name: qnode"
    yield f"  app.kubernetes.io/instance: {as_name(base)}"
    if component:
        yield f"  app.kubernetes.io/component: {component}"


def _config_map(base: str, files: Mapping[str, str]) -> Iterator[str]:
    size = sum(len(text.encode()) for text in files.values())
    if size > _MOST_BYTES:
        raise ConfigError(
            place="kubernetes",
            detail=f"configuration and programs have {size:,} bytes, and a ConfigMap takes {_MOST_BYTES:,}; put what is"
            " large into an image of your own, as a module that can be imported",
        )
    yield "# The configuration and the programs, as they were when this was made."
    yield "apiVersion: v1"
    yield "kind: ConfigMap"
    yield from _metadata(base, f"{base}-files")
    yield "data:"
    for path, text in files.items():
        yield f"  {as_name(_key(path))}: {quoted(text) if _is_odd(text) else _block(text)}"


def _key(path: str) -> str:
    """A path as the key of a ConfigMap: no two paths have the same."""
    return _NOT_IN_A_KEY.sub(lambda found: "".join(f"..{byte:02x}" for byte in found[0].encode()), path)


def _is_odd(text: str) -> bool:
    """Whether a block of lines would not say exactly this."""
    lines = text.split("\n")
    return not text.endswith("\n") or text.endswith("\n\n") or lines[0][:1] in (" ", "\t", "") or not _plain(text)


def _plain(text: str) -> bool:
    return all(char in "\n\t" or char.isprintable() for char in text)


def _block(text: str) -> str:
    return "|\n" + "\n".join(indented(text.removesuffix("\n").split("\n"), 4))


def _claim(base: str, storage: str) -> Iterator[str]:
    yield "# Where runs are saved."
    yield "apiVersion: v1"
    yield "kind: PersistentVolumeClaim"
    yield from _metadata(base, f"{base}-runs")
    yield "spec:"
    yield "  accessModes: [ReadWriteOnce]"
    yield f"  resources: {{requests: {{storage: {quoted(storage)}}}}}"


def _service(base: str) -> Iterator[str]:
    yield "# The oracle's name in the cluster. It has an address before the oracle has, so that nodes may start first."
    yield "apiVersion: v1"
    yield "kind: Service"
    yield from _metadata(base, f"{base}-oracle", ORACLE)
    yield "spec:"
    yield "  publishNotReadyAddresses: true"
    yield "  selector:"
    yield from list(indented(_labels(base, ORACLE), 2))[1:]
    yield "  ports:"
    yield f"    - {{name: qnode, port: {PORT}, protocol: TCP}}"


def _job(what: Deployed, names: Names, files: Mapping[str, str], node: NodeName | None) -> Iterator[str]:
    component = ORACLE if node is None else "node"
    name = names.of(ORACLE if node is None else node)
    policy = NEVER if node is None else what.network.nodes[node].restart
    retries = 0 if policy == NEVER else what.network.failures.restarts
    yield "apiVersion: batch/v1"
    yield "kind: Job"
    yield from _metadata(names.base, name, component)
    yield "spec:"
    yield f"  backoffLimit: {retries}"
    yield "  template:"
    yield "    metadata:"
    yield from indented(_labels(names.base, component), 6)
    yield "    spec:"
    yield f"      restartPolicy: {'Never' if policy == NEVER else 'OnFailure'}"
    yield "      automountServiceAccountToken: false"
    yield "      enableServiceLinks: false"
    yield "      securityContext:"
    yield f"        {{runAsNonRoot: true, runAsUser: {USER}, runAsGroup: {USER}, fsGroup: {USER},"
    yield "         seccompProfile: {type: RuntimeDefault}}"
    yield "      containers:"
    yield from indented(_container(what, names, node), 8)
    yield "      volumes:"
    yield from indented(_volumes(names, files, name, with_runs=node is None), 8)


def _container(what: Deployed, names: Names, node: NodeName | None) -> Iterator[str]:
    key = f"{KEYS}/{ORACLE if node is None else node}{KEY_ENDING}"
    oracle = node is None
    arguments = what.oracle(FOLDER, key, RUNS) if oracle else what.node(str(node), FOLDER, key, names.of(ORACLE))
    yield f"- name: {ORACLE if oracle else 'node'}"
    yield f"  image: {quoted(what.image)}"
    yield f"  args: {listed(arguments)}"
    if oracle:
        yield f"  ports: [{{name: qnode, containerPort: {PORT}, protocol: TCP}}]"
    yield "  readinessProbe:"
    yield "    exec: {command: [python, -S, -E, /opt/qnode/healthcheck.py]}"
    yield "    periodSeconds: 5"
    yield "    timeoutSeconds: 5"
    yield "  resources:"
    yield "    requests: {cpu: 100m, memory: 128Mi}"
    yield f"    limits: {{memory: {'4Gi' if oracle else '1Gi'}}}"
    yield "  securityContext:"
    yield "    {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}"
    yield "  volumeMounts:"
    yield f"    - {{name: files, mountPath: {FOLDER}, readOnly: true}}"
    yield f"    - {{name: keys, mountPath: {KEYS}, readOnly: true}}"
    yield "    - {name: tmp, mountPath: /tmp}"
    if oracle:
        yield f"    - {{name: runs, mountPath: {RUNS}}}"


def _volumes(names: Names, files: Mapping[str, str], secret: str, *, with_runs: bool) -> Iterator[str]:
    yield "- name: files"
    yield "  configMap:"
    yield f"    name: {names.base}-files"
    yield "    items:"
    for path in files:
        yield f"      - {{key: {as_name(_key(path))}, path: {quoted(path)}}}"
    yield "- name: keys"
    yield f"  secret: {{secretName: {as_name(secret)}, defaultMode: 256}} # 0400, and what fsGroup adds"
    yield "- {name: tmp, emptyDir: {sizeLimit: 1Gi}}"
    if with_runs:
        yield f"- {{name: runs, persistentVolumeClaim: {{claimName: {names.base}-runs}}}}"
