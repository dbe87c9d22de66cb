"""Which process runs on which host: `hosts` and `place` of a configuration. Pure.

What is not placed is dealt out evenly: each host gets one block of the nodes in the network's order, so that neighbours
in a chain mostly share a host, and in the end all hosts have as many nodes as each other, or one more, as far as what
was placed leaves room for that. The oracle is on the first host if nobody says otherwise.
"""

from __future__ import annotations

import heapq
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from orchestrator import shapes
from orchestrator.near import nearest
from orchestrator.problems import Finding, Path
from orchestrator.values import (
    NAME_PATTERN,
    NODE_PATTERN,
    Also,
    Model,
    Name,
    NameOfOther,
    checked_member,
    refused,
    without_own_keys,
)

ORACLE: Final = "oracle"  # no node may be called so
_MOST_LISTED: Final = 8


def _address(text: str) -> str:
    if not _ADDRESS.fullmatch(text):
        raise refused(f"{text!r} cannot be an address: write a name or a number, such as lab1.local or 192.168.1.5")
    return text


_ADDRESS: Final = re.compile(r"[A-Za-z0-9_.:%-]{1,253}")
Address = Annotated[
    str, AfterValidator(_address), WithJsonSchema({"type": "string", "pattern": f"^{_ADDRESS.pattern}$"})
]


class HostConfig(Model):
    """A machine that processes run on."""

    address: Address | None = Field(
        None, description="Under which the others reach it, such as 192.168.1.5; left out: found out when it joins."
    )


def _hosts(value: object) -> object:
    """A list of names is short for hosts of which nothing else is said."""
    if not isinstance(value, list | tuple):
        return without_own_keys(value)
    named: dict[str, dict[str, Any]] = {}
    for nth, name in enumerate(value):
        if not isinstance(name, str):
            raise refused(f"{name!r} is no host's name; write names, such as [lab1, lab2]", nth)
        if name in named:
            raise refused(f"host {name!r} is already there", nth)
        named[name] = {}
    return named


def _placed(pattern: str) -> str:
    return pattern if pattern == ORACLE else checked_member(pattern)


Hosts = Annotated[
    dict[Name, HostConfig],
    BeforeValidator(_hosts),
    Also({"type": "array", "items": {"type": "string", "pattern": NAME_PATTERN}, "uniqueItems": True}),
]
Placed = Annotated[
    str,
    AfterValidator(_placed),
    WithJsonSchema({"type": "string", "pattern": f"^(?:{ORACLE}|{NODE_PATTERN.strip('^$')})$"}),
]
Place = Annotated[dict[Placed, NameOfOther], BeforeValidator(without_own_keys)]


def findings(hosts: Mapping[str, HostConfig], place: Mapping[str, str], nodes: Iterable[str]) -> Iterator[Finding]:
    """What is wrong between hosts, places and nodes.

    Args:
        nodes: The names of all nodes, ranges written out.
    """
    known = set(nodes)
    where: dict[str, str] = {}
    for pattern, host in place.items():
        path: Path = ("place", pattern)
        if host not in hosts:
            listed = f"known hosts: {', '.join(list(hosts)[:_MOST_LISTED])}" if hosts else "`hosts` names none"
            detail = f"no host {host!r}{nearest(host, hosts)}; {listed}"
            yield Finding(path, detail, needs=(("hosts",), ("hosts", host)))
        names = shapes.expand(pattern)
        missing = [name for name in names if name not in known and name != ORACLE]
        if missing:
            more = f", nor {len(missing) - 1} more of {pattern!r}" if len(missing) > 1 else ""
            needs: tuple[Path, ...] = (("nodes",), ("nodes", "*"), ("graphs",), *(("nodes", one) for one in missing))
            hint = nearest(missing[0], [*known, ORACLE])
            yield Finding(path, f"no node {missing[0]!r}{more}{hint}", needs=needs, key=True)
        twice = next((name for name in names if name in where), None)
        if twice is not None:
            yield Finding(path, f"{twice!r} has a place already, by {where[twice]!r}", key=True)
        where.update(dict.fromkeys(names, pattern))


def spread(hosts: Sequence[str], place: Mapping[str, str], nodes: Sequence[str]) -> dict[str, str]:
    """Where everything runs: the host of the oracle and of each node, in that order; {} if there are no hosts.

    Args:
        place: What was said of it, by patterns of names; good, see `findings`.
        nodes: All nodes, in the network's order.
    """
    if not hosts:
        return {}
    said = {name: host for pattern, host in place.items() for name in shapes.expand(pattern)}
    left = [name for name in nodes if name not in said]
    room = _room(hosts, Counter(said[name] for name in nodes if name in said), len(left))
    dealt = iter(left)
    for host in hosts:
        said.update((next(dealt), host) for _ in range(room[host]))
    return {name: said.get(name, hosts[0]) for name in (ORACLE, *nodes)}


def _room(hosts: Sequence[str], there: Mapping[str, int], n: int) -> Mapping[str, int]:
    """How many more of n each host gets, so that those with the fewest are filled up first."""
    fewest = [(there.get(host, 0), nth) for nth, host in enumerate(hosts)]
    heapq.heapify(fewest)
    room: Counter[str] = Counter()
    for _ in range(n):
        count, nth = fewest[0]
        heapq.heapreplace(fewest, (count + 1, nth))
        room[hosts[nth]] += 1
    return room
