"""What a run would be, in words: processes, nodes, links, delays, memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Final

from orchestrator.cli.hardware_text import hardware_rows
from orchestrator.cli.pairs_text import pair_rows
from orchestrator.cli.photons_text import photon_rows
from orchestrator.delays import SameForAll
from orchestrator.placing import ORACLE
from orchestrator.text import columns, count, span
from orchestrator.topology import LinkDescription, Network, NodeDescription, ProgramDescription
from qnode.photons.hardware import PhotonLink
from qnode.quantum.hardware import Hardware
from qnode.quantum.pair_source import PairSource
from qnode.runtime.logs import format_time

_MANY: Final = 24  # rows; from here on, equal ones are summed up
_FIRST, _LAST = 16, 4
_ALL_PAIRS: Final = 100  # nodes up to which the delay between every two is looked at

# Proportional set sizes of idle processes in MiB, as Linux tells them of forked ones; what programs import and what
# states take come on top.
_ORACLE_MIB: Final = 10
_LAUNCHER_MIB: Final = 45  # and the command itself
_PROCESS_MIB: Final = 5
_NODE_MIB: Final = 1


def plan_text(network: Network, *, given_seed: str, width: int | None = None, whole: bool = False) -> str:
    """All there is to know before a run.

    Args:
        given_seed: Who gave the seed; "" if it is drawn for each run.
        width: Lines of tables are cut to it.
        whole: A row for every node and link; otherwise many equal ones share a row.
    """
    paragraphs = [
        columns([("node", "qubits", "programs"), *_nodes(network, whole=whole)], width=width, right={1}),
    ]
    if hardware := _hardware(network, whole=whole):
        paragraphs.append(columns([("hardware of", "part", "what is not ideal"), *hardware], width=width))
    if network.links:
        header = ("link", "between", "length", "delay")
        paragraphs.append(columns([header, *_links(network, whole=whole)], width=width, right={2, 3}))
    if network.place:
        paragraphs.append(columns([("host", "address", "what runs there"), *_hosts(network)], width=width))
    if pairs := _pairs(network, whole=whole):
        paragraphs.append(columns([("pairs of", "part", "what it is"), *pairs], width=width))
    if photons := _photons(network, whole=whole):
        paragraphs.append(columns([("photons of", "part", "what it is"), *photons], width=width))
    facts = [
        ("messages", _classical(network)),
        ("ends", _end(network)),
        *([("observed", _observed(network))] if network.observe else []),
        (
            "seed",
            f"{network.seed}, {given_seed}" if given_seed else "drawn for each run, printed and saved",
        ),
        ("states", f"{network.formalism}; state vectors of up to {count(network.max_state_vector_qubits, 'qubit')}"),
        ("processes", _processes(network)),
        ("memory", _memory(network)),
    ]
    paragraphs.append(columns(facts))
    return "\n".join(paragraphs)


# --- nodes and links -----------------------------------------------------------------------------------------------


def _nodes(network: Network, *, whole: bool) -> list[tuple[str, ...]]:
    nodes = list(network.nodes.values())
    rows = [(node.name, (str(node.qubits), _programs(node))) for node in nodes]
    if whole or len(rows) <= _MANY:
        return [(name, *row) for name, row in rows]
    return _some([(span(names), *row) for row, names in _alike(rows)], "nodes", 3)


def _hardware(network: Network, *, whole: bool) -> list[tuple[str, ...]]:
    """The parts of all nodes that are not ideal; those of equal nodes once."""
    names: dict[Hardware, list[str]] = {}
    for node in network.nodes.values():
        names.setdefault(node.hardware, []).append(node.name)
    rows: list[tuple[str, ...]] = [
        (span(those) if nth == 0 else "", *row)
        for hardware, those in names.items()
        for nth, row in enumerate(hardware_rows(hardware))
    ]
    return rows if whole else _some(rows, "hardware", 3)


def _links(network: Network, *, whole: bool) -> list[tuple[str, ...]]:
    links = network.links
    if whole or len(links) <= _MANY:
        return [(link.name, f"{link.a} - {link.b}", *_size(link)) for link in links]
    alike: dict[tuple[str, ...], list[LinkDescription]] = {}
    for link in links:
        alike.setdefault((link.name.partition("[")[0], *_size(link)), []).append(link)
    return _some([(name, _between(found), *size) for (name, *size), found in alike.items()], "links", 4)


def _hosts(network: Network) -> list[tuple[str, ...]]:
    """Every host, for each is a machine that somebody has to set up."""
    on: dict[str, list[str]] = {host: [] for host in network.hosts}
    for name, host in network.place.items():
        on[host].append(name)
    rows: list[tuple[str, ...]] = []
    for host, names in on.items():
        nodes = [name for name in names if name != ORACLE]
        parts = (["the oracle"] if ORACLE in names else []) + ([span(nodes)] if nodes else [])
        rows.append((host, network.hosts[host] or "-", ", ".join(parts) or "nothing"))
    return rows


def _pairs(network: Network, *, whole: bool) -> list[tuple[str, ...]]:
    """How links make pairs that are not perfect; those of equal links once."""
    names: dict[PairSource, list[str]] = {}
    for link in network.links:
        names.setdefault(link.source, []).append(link.name)
    rows: list[tuple[str, ...]] = [
        (span(those, "link") if nth == 0 else "", *row)
        for source, those in names.items()
        for nth, row in enumerate(pair_rows(source))
    ]
    return rows if whole else _some(rows, "pairs", 3)


def _photons(network: Network, *, whole: bool) -> list[tuple[str, ...]]:
    """What links send pulses of light with; those of equal links once."""
    names: dict[PhotonLink, list[str]] = {}
    for link in network.links:
        if link.photons is not None:
            names.setdefault(link.photons._replace(first=""), []).append(link.name)
    rows: list[tuple[str, ...]] = [
        (span(those, "link") if nth == 0 else "", *row)
        for photons, those in names.items()
        for nth, row in enumerate(photon_rows(photons))
    ]
    return rows if whole else _some(rows, "photons", 3)


def _between(links: Sequence[LinkDescription]) -> str:
    first, last = links[0], links[-1]
    if len(links) == 1:
        return f"{first.a} - {first.b}"
    return f"{first.a} - {first.b} .. {last.a} - {last.b} ({count(len(links), 'link')})"


def _alike(rows: Iterable[tuple[str, tuple[str, ...]]]) -> list[tuple[tuple[str, ...], list[str]]]:
    """Equal rows with the names of all that have them, in the order of the first of each."""
    found: dict[tuple[str, ...], list[str]] = {}
    for name, row in rows:
        found.setdefault(row, []).append(name)
    return list(found.items())


def _some(rows: list[tuple[str, ...]], of_what: str, width: int) -> list[tuple[str, ...]]:
    if len(rows) <= _MANY:
        return rows
    dots = ("...", *[""] * (width - 2), f"{len(rows) - _FIRST - _LAST:,} more rows of {of_what}: --all shows them")
    return [*rows[:_FIRST], dots, *rows[-_LAST:]]


def _programs(node: NodeDescription) -> str:
    return ", ".join(_program(program) for program in node.programs) or "-"


def _program(program: ProgramDescription) -> str:
    name = "" if program.name == "main" else f"{program.name}: "
    args = ", ".join(f"{key}={value!r}" for key, value in program.args.items())
    return f"{name}{program.run}({args}){' (service)' if program.service else ''}"


def _size(link: LinkDescription) -> tuple[str, str]:
    return length(link.length_m), format_time(link.delay_ns)


def length(metres: float) -> str:
    """As people say it: 25 km, 300 m."""
    return f"{metres / 1000:g} km" if metres >= 1000 else f"{metres:g} m"


# --- facts ---------------------------------------------------------------------------------------------------------


def _classical(network: Network) -> str:
    names = list(network.nodes)
    if isinstance(network.delays, SameForAll):
        return f"{format_time(network.delays.delay_ns(names[0], names[-1]) or 0)} between any two nodes"
    if len(names) < 2:
        return "none: there is one node"
    some = len(names) > _ALL_PAIRS
    pairs = ((names[0], other) for other in names[1:]) if some else combinations(names, 2)
    delays = [(network.delays.delay_ns(a, b), a, b) for a, b in pairs]
    known = [delay for delay, _, _ in delays if delay is not None]
    if not known:
        return "none: no two nodes can reach each other along the links"
    where = f"from {names[0]} to others" if some else "between any two nodes"
    least, most = format_time(min(known)), format_time(max(known))
    text = f"{least} {where}" if least == most else f"{least} to {most} {where}"
    cannot = [(a, b) for delay, a, b in delays if delay is None]
    if cannot:
        text += f"; {count(len(cannot), 'pair')} of nodes cannot talk, such as {cannot[0][0]} and {cannot[0][1]}"
    return text


def _end(network: Network) -> str:
    waits = any(not program.service for node in network.nodes.values() for program in node.programs)
    when = "when every program that is no service has returned" if waits else "when it is ended: all are services"
    return f"{when}, or at {format_time(network.until_ns)}" if network.until_ns is not None else when


def _observed(network: Network) -> str:
    return ", ".join(f"fidelity to {one.target or 'phi+'} at {one.mark!r}" for one in network.observe)


def _processes(network: Network) -> str:
    n = -(-len(network.nodes) // network.nodes_per_process)
    many = "" if network.nodes_per_process == 1 else f", {count(network.nodes_per_process, 'node')} each"
    return f"{n + 1:,}: the oracle and {n:,} for nodes{many}; and their launcher"


def _memory(network: Network) -> str:
    n = -(-len(network.nodes) // network.nodes_per_process)
    mib = _ORACLE_MIB + _LAUNCHER_MIB + _PROCESS_MIB * n + _NODE_MIB * len(network.nodes)
    most = 16 * 2**network.max_state_vector_qubits
    return f"about {_bytes(mib * 2**20)} at the start; the largest joint state takes {_bytes(most)}"


def _bytes(n: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if n < 1024:
            return f"{n:.0f} {unit}"
        n /= 1024
    return f"{n:.1f} GiB"
