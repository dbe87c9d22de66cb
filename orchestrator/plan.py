"""From the network to what each process is told when it starts. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from orchestrator.delays import FromMatrix, SameForAll
from orchestrator.failures import NEVER
from orchestrator.oracle.spec import LinkSpec, OracleSpec, log_path, payloads_path
from orchestrator.oracle.staging import Staged
from orchestrator.stacks import facts
from orchestrator.topology import LinkDescription, Network, NodeDescription
from qnode.core.coins import derive_key
from qnode.ids import NodeName
from qnode.wire.items import Newcomer
from qnode.wire.messages import StartProgram, StopProgram
from qnode.wire.plan import BLOCKED_S, NodeSpec, ProcessSpec, ProgramSpec, RunSpec
from qnode.wire.stack import LinkFacts

PHI_PLUS_OF_PAIR: Final = ""  # how a bare `fidelity` travels


@dataclass(frozen=True)
class LaunchPlan:
    """All processes of a run: one oracle, and as many node processes as it takes."""

    run: RunSpec
    oracle: OracleSpec
    processes: tuple[ProcessSpec, ...]

    @property
    def programs(self) -> tuple[str, ...]:
        """Where the functions of all programs are, each once."""
        nodes = (node for process in self.processes for node in process.nodes)
        return tuple(sorted({program.run for node in nodes for program in node.programs}))


def plan(
    network: Network,
    *,
    run_id: str,
    token: bytes,
    directory: str,
    folder: str,
    path: tuple[str, ...] = (),
    blocked_s: float = BLOCKED_S,
) -> LaunchPlan:
    """What to start.

    Args:
        run_id: The run's name.
        token: What lets its processes speak to each other.
        directory: Where the sockets live; short, for the operating system limits the length of their paths.
        folder: Where record, event log and long payloads are written; "" for nowhere.
        path: Folders, besides the network's own, that programs may be in and import from.
        blocked_s: Wall time after which a program that blocks its loop is named.
    """
    names = tuple(network.nodes)
    size = network.nodes_per_process
    groups = [names[start : start + size] for start in range(0, len(names), size)]
    run = RunSpec(
        run_id=run_id,
        names=names,
        clock=network.clock,
        speed=network.speed,
        tick_ns=network.tick_ns,
        formalism=network.formalism,
        max_state_vector_qubits=network.max_state_vector_qubits,
        observed=_observed_labels(network),
        log_local=network.events or any(fault.on is not None for fault in network.faults),
        base=str(network.base),
        path=path,
        oracle=f"ipc://{directory}/o",
        peers=f"ipc://{directory}/{{}}",
        parcels=str(payloads_path(folder)) if folder else f"{directory}/p",
        processes={name: number for number, group in enumerate(groups) for name in group},
        blocked_s=blocked_s,
        log=str(log_path(folder)) if folder else "",
    )
    processes = tuple(
        ProcessSpec(number, token, tuple(_node(network, network.nodes[name]) for name in group))
        for number, group in enumerate(groups)
    )
    return LaunchPlan(run, _oracle(network, run, token, folder), processes)


def _node(network: Network, node: NodeDescription) -> NodeSpec:
    return NodeSpec(
        name=node.name,
        incarnation=0,
        hardware=node.hardware,
        neighbours=network.neighbours(node.name),
        programs=tuple(
            ProgramSpec(one.name, one.run, dict(one.args), one.service, one.memories, late=bool(one.start_ns))
            for one in node.programs
        ),
        key=derive_key(network.seed, "node", node.name),
        delays_ns=dict(_delays_to(network, node.name)) if network.clock == "real" else {},
        all_shared=any(link.source.attempt_dephasing for link in network.links_of(node.name)),
        links=tuple(_link_facts(network, link, node.name) for link in network.links_of(node.name)),
        stack=network.stack,
    )


def _link_facts(network: Network, link: LinkDescription, node: NodeName) -> LinkFacts:
    peer = link.b if link.a == node else link.a
    return facts(link, peer, network.nodes[node].hardware, network.nodes[peer].hardware)


def _delays_to(network: Network, receiver: NodeName) -> Iterator[tuple[str, int]]:
    for sender in network.nodes:
        delay_ns = network.delays.delay_ns(sender, receiver)
        if delay_ns is not None:
            yield sender, delay_ns


def _oracle(network: Network, run: RunSpec, token: bytes, folder: str) -> OracleSpec:
    delays = network.delays
    sources = {source: nth for nth, source in enumerate(dict.fromkeys(link.source for link in network.links))}
    numbers = {hardware: nth for nth, hardware in enumerate(dict.fromkeys(n.hardware for n in network.nodes.values()))}
    return OracleSpec(
        run_id=run.run_id,
        name=network.name,
        seed=network.seed,
        programs={
            node.name: tuple(program.name for program in node.programs if not program.service)
            for node in network.nodes.values()
        },
        incarnations=dict.fromkeys(network.nodes, 0),
        links=tuple(
            LinkSpec(link.a, link.b, link.delay_ns, sources[link.source], link.transmission, link.photons)
            for link in network.links
        ),
        classical_ns=delays.delay_ns(NodeName("a"), NodeName("b")) if isinstance(delays, SameForAll) else None,
        matrix_ns=_matrix(network) if isinstance(delays, FromMatrix) else None,
        clock=network.clock,
        speed=network.speed,
        tick_ns=network.tick_ns,
        until_ns=network.until_ns,
        formalism=network.formalism,
        max_state_vector_qubits=network.max_state_vector_qubits,
        observe=_observe(network),
        address=run.oracle,
        token=token,
        folder=folder,
        events=network.events,
        sources=tuple(sources),
        hardware=tuple(numbers),
        hardware_of={node.name: numbers[node.hardware] for node in network.nodes.values()},
        services={
            node.name: names
            for node in network.nodes.values()
            if (names := tuple(program.name for program in node.programs if program.service))
        },
        limits=network.limits,
        limits_of={node.name: node.limits for node in network.nodes.values() if node.limits != network.limits},
        strangers=network.strangers,
        restart={node.name: node.restart for node in network.nodes.values() if node.restart != NEVER},
        restarts=network.failures.restarts,
        restart_ns=network.failures.restart_ns,
        detection_ns=network.failures.detection_ns,
        synced=network.recording.synced,
        segment_bytes=network.recording.segment_bytes,
        faults=network.faults,
        staged=tuple(_staged(network)),
    )


def _staged(network: Network) -> Iterator[Staged]:
    """Programs by their names alone: their nodes know the rest."""
    for node in network.nodes.values():
        for one in node.programs:
            if one.start_ns:
                yield Staged(one.start_ns, StartProgram(node.name, Newcomer(one.name, service=one.service)))
            if one.stop_ns is not None:
                yield Staged(one.stop_ns, StopProgram(node.name, one.name))


def _matrix(network: Network) -> dict[str, dict[str, int]]:
    return {
        a: {b: ns for b in network.nodes if a != b and (ns := network.delays.delay_ns(a, b)) is not None}
        for a in network.nodes
    }


def _observe(network: Network) -> dict[str, tuple[str, ...]]:
    observe: dict[str, tuple[str, ...]] = {}
    for one in network.observe:
        observe[one.mark] = (*observe.get(one.mark, ()), PHI_PLUS_OF_PAIR if one.target is None else one.target)
    return observe


def _observed_labels(network: Network) -> tuple[str, ...]:
    observe = _observe(network)
    return tuple(
        sorted({*observe, *(target for targets in observe.values() for target in targets)} - {PHI_PLUS_OF_PAIR})
    )
