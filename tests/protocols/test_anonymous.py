"""Anonymous transmission: it arrives, and nothing that is said tells who has sent it."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise, permutations, product
from typing import Any

import numpy as np
import pytest

from orchestrator import Cluster, Program
from orchestrator.run import Run
from qnode import BellState, Node
from qnode.protocols.anonymous import (
    OTHER,
    RECEIVER,
    SENDER,
    anonymous_bit,
    anonymous_pair,
    anonymous_pair_from_w,
    help_anonymously,
    help_over_w,
    receive,
    receive_over_w,
    send,
    send_over_w,
)
from qnode.protocols.broadcast import announce, anonymous_parity
from qnode.protocols.ghz import share_ghz
from qnode.protocols.ghz_switch import leaf_of_ghz, serve_ghz
from qnode.protocols.w_state import share_w
from qnode.quantum.fidelity import fidelity
from qnode.testing import assert_frequency
from tests.protocols.branching_pa import Networks, Said, werner
from tests.protocols.multiparty import (
    EXACT,
    FALSE_ALARM,
    PAULIS,
    Nets,
    chain_of,
    chances,
    exactly,
    ghz_ket,
    hold,
    joint_states,
    names,
    projector,
    tensor,
    w_ket,
    werner_w,
)
from tests.protocols.test_w_state import noisy_w

N = 4
ROUNDS = 120
PHI_PLUS = BellState(0, 0).ket()


async def pair_and_hold(node: Node, everyone: list[str], role: str, rounds: int, switch: str = "") -> None:
    for _ in range(rounds):
        qubit = await (leaf_of_ghz(node, switch=switch) if switch else share_ghz(node, everyone))
        await hold(node, await anonymous_pair(node, qubit, everyone=everyone, role=role), "pair")


async def pair_from_w_and_hold(node: Node, everyone: list[str], role: str, rounds: int) -> int:
    made = 0
    for _ in range(rounds):
        qubit = await anonymous_pair_from_w(node, await share_w(node, everyone), everyone=everyone, role=role)
        made += qubit is not None
        await hold(node, qubit, "pair")
    return made


async def make_pair(node: Node, everyone: list[str], role: str) -> None:
    half = await anonymous_pair(node, await share_ghz(node, everyone), everyone=everyone, role=role)
    if half is not None:
        half.discard()


async def put_and_hold(node: Node, everyone: list[str], bit: int) -> None:
    """What `anonymous_bit` does, until it measures."""
    mine = await share_ghz(node, everyone)
    if bit:
        mine.z()
    await hold(node, mine)


async def bits(node: Node, everyone: list[str], sent: list[int]) -> list[int]:
    return [await anonymous_bit(node, await share_ghz(node, everyone), everyone=everyone, bit=bit) for bit in sent]


async def adds_up(node: Node, everyone: list[str], bit: int) -> int:
    return await anonymous_parity(node, bit, everyone=everyone)


async def listen_to_parity(node: Node, everyone: list[str], bit: int) -> tuple[int, ...]:
    """Take part, and tell all that the others have told: their coins, and what each of them announces."""
    others = [name for name in everyone if name != node.name]
    for name in others:
        await node.send(name, 0, channel="coins")
    coins = [await node.receive(name, channel="coins", type=int) for name in others]
    said = await announce(node, (bit + sum(coins)) % 2, everyone=everyone)
    return (*coins, *(said[name] for name in others))


async def listen_to_w(node: Node, everyone: list[str], rounds: int) -> list[tuple[int, ...]]:
    """Be one of the others, and tell what those have announced."""
    heard = []
    for _ in range(rounds):
        told = await listen_to_parity(node, everyone, await (await share_w(node, everyone)).measure())
        heard.append(told[len(everyone) - 1 :])
        await hold(node, None)
    return heard


def messages(run: Run) -> Counter[tuple[str, str | None]]:
    """How many each node sends to each other one."""
    return Counter((one.node, one.peer) for one in run.events if one.event == "send")


def expected_messages(n: int, *, to_all: int, to_next: int) -> dict[tuple[str, str], int]:
    """The same from everybody, whoever the sender is: what all announce, and what states along the chain take."""
    every = dict.fromkeys(permutations(names(n), 2), to_all)
    return every | dict.fromkeys(pairwise(names(n)), to_all + to_next)


def roles(sender: int, receiver: int, n: int = N) -> list[str]:
    return [SENDER if place == sender else RECEIVER if place == receiver else OTHER for place in range(n)]


def pairs(program: Any, sender: int, receiver: int, rounds: int, nets: Nets, n: int = N, **more: Any) -> Run:
    given = {"everyone": names(n), "rounds": rounds}
    return in_chain([Program(program, role=role, **given) for role in roles(sender, receiver, n)], nets, **more)


def in_chain(programs: list[Program], nets: Nets, **more: Any) -> Run:
    return exactly(nets(**chain_of(programs, len(programs), **more)))


@pytest.mark.parametrize(("sender", "receiver"), list(permutations(range(N), 2)))
def test_sender_and_receiver_are_left_with_a_bell_pair(sender: int, receiver: int, qnode_cluster: Nets) -> None:
    run = pairs(pair_and_hold, sender, receiver, 6, qnode_cluster, formalism="density_matrix")
    for state in joint_states(run, [f"n{sender}", f"n{receiver}"], "pair"):
        assert fidelity(state, PHI_PLUS) == pytest.approx(1, abs=EXACT)


@pytest.mark.parametrize("n", [3, 4])
@pytest.mark.parametrize("q", [0.06, 0.15])
def test_depolarised_qubits(n: int, q: float, qnode_cluster: Nets) -> None:
    """A switch with Werner pairs of fidelity 1 - q depolarises each qubit with q: tests/protocols/test_ghz.py."""
    given = {"everyone": names(n), "rounds": 4, "switch": "hub"}
    leaves = {f"n{place}": Program(pair_and_hold, role=role, **given) for place, role in enumerate(roles(0, n - 1, n))}
    nodes = {"hub": Program(serve_ghz, leaves=names(n), n=4), **leaves}
    links = {"star": {"star": ["hub", *names(n)], "length": "10 km", "fidelity": 1 - q}}
    run = exactly(qnode_cluster(nodes=nodes, links=links, seed=3, formalism="density_matrix"))
    left = 1 - 4 * q / 3
    for state in joint_states(run, ["n0", f"n{n - 1}"], "pair"):
        assert fidelity(state, PHI_PLUS) == pytest.approx((1 + left**2 + 2 * left**n) / 4, abs=EXACT)


@pytest.mark.parametrize("bit", [0, 1])
def test_the_state_that_is_read_is_the_same_whoever_sends_a_bit(bit: int, qnode_cluster: Nets) -> None:
    """And so is the distribution of all that is announced: that of even, or of odd parities."""
    phase_flipped = ghz_ket(N) * np.array([1] + [0] * (2**N - 2) + [(-1) ** bit])
    for sender in range(N):
        programs = [Program(put_and_hold, everyone=names(N), bit=bit * (place == sender)) for place in range(N)]
        (state,) = joint_states(in_chain(programs, qnode_cluster, formalism="density_matrix"), names(N))
        assert state == pytest.approx(projector(phase_flipped), abs=EXACT)
        for outcomes, chance in chances(state, "X" * N).items():
            assert chance == pytest.approx(2 / 2**N if sum(outcomes) % 2 == bit else 0, abs=EXACT)


@pytest.mark.parametrize("sender", range(N))
def test_all_read_the_bits_of_a_node(sender: int, qnode_cluster: Nets) -> None:
    sent = [1, 0, 0, 1, 1, 0]
    silent = [0] * len(sent)
    programs = [Program(bits, everyone=names(N), sent=sent if place == sender else silent) for place in range(N)]
    run = in_chain(programs, qnode_cluster)
    assert [run[name] for name in names(N)] == [sent] * N


async def test_what_is_said_for_a_pair_does_not_depend_on_the_sender(networks: Networks) -> None:
    """Every run that there can be, and every message: three coins and the flip of the GHZ state, all as likely."""
    transcripts = []
    for sender, receiver in [(0, 1), (2, 1), (1, 2)]:
        given = [Program(make_pair, everyone=names(3), role=role) for role in roles(sender, receiver, 3)]
        heard: dict[Said, float] = defaultdict(float)
        nodes = dict(zip(names(3), given, strict=True))
        for chance, _, said in await networks.overheard(nodes, {"line": {"chain": names(3), "length": "10 km"}}):
            heard[said] += chance
        assert list(heard.values()) == pytest.approx([1 / 16] * 16, abs=EXACT)
        transcripts.append(set(heard))
    assert transcripts == transcripts[:1] * 3


@pytest.mark.parametrize(("sender", "receiver"), [(0, 3), (2, 1), (3, 2)])
def test_a_qubit_arrives(sender: int, receiver: int, qnode_cluster: Nets) -> None:
    programs = [Program(help_anonymously, everyone=names(N)) for _ in range(N)]
    programs[sender] = Program(send, everyone=names(N), theta=1.1, phi=0.4)
    programs[receiver] = Program(receive, everyone=names(N))
    run = in_chain(programs, qnode_cluster)
    assert run.fidelity("received", "sent") == pytest.approx(1, abs=EXACT)
    assert messages(run) == expected_messages(N, to_all=3, to_next=3)  # for the pair and for two bits


def test_a_w_state_does_it_with_probability_2_of_n(qnode_cluster: Nets) -> None:
    """Of 120 rounds at p = 1/2 0.21 to 0.79 are accepted. n1 listens: sender and receiver say 1 as often as others."""
    nobody = sum(chance for outcomes, chance in chances(projector(w_ket(N)), "Z" * N).items() if not any(outcomes[2:]))
    assert nobody == pytest.approx(2 / N, abs=EXACT)
    given = {"everyone": names(N), "rounds": ROUNDS}
    programs = [Program(pair_from_w_and_hold, role=role, **given) for role in roles(2, 0)]
    programs[1] = Program(listen_to_w, **given)
    run = in_chain(programs, qnode_cluster, events=False)
    assert run["n0"] == run["n2"]
    assert run["n3"] == 0
    for said in zip(*run["n1"], strict=True):
        assert_frequency(sum(said), ROUNDS, 1 / 2, false_alarm=FALSE_ALARM)
    assert_frequency(run["n0"], ROUNDS, 2 / N, false_alarm=FALSE_ALARM)
    states = joint_states(run, ["n2", "n0"], "pair")
    assert len(states) == run["n0"]
    for state in states:
        assert fidelity(state, PHI_PLUS) == pytest.approx(1, abs=EXACT)


async def test_pairs_of_a_noisy_w_state_are_as_many_and_as_good_as_they_should(networks: Networks) -> None:
    """Over all outcomes: n2 sends to n1, who applies X to what is left once n0 has found 0."""
    flip = tensor(PAULIS["X"], PAULIS["I"])
    left = flip @ noisy_w(3, werner_w(0.9)).reshape(2, 4, 2, 4)[0, :, 0] @ flip
    given = {"everyone": names(3), "rounds": 1}
    programs = [Program(pair_from_w_and_hold, role=role, **given) for role in (OTHER, RECEIVER, SENDER)]
    nodes = dict(zip(names(3), programs, strict=True))
    looks = await networks.looks("5 ms", nodes, werner("n0 n1 n2", 0.9), draws=False)
    kept = [(chance, view.reduced_state("n1", "n2")) for chance, (view, _) in looks if view.qubits("n1")]
    assert sum(chance for chance, _ in kept) == pytest.approx(np.trace(left).real, abs=EXACT)
    assert sum(chance * state for chance, state in kept) == pytest.approx(left, abs=EXACT)
    assert fidelity(left / np.trace(left), PHI_PLUS) < 0.9


@pytest.mark.parametrize("found", [(1, 0, 0), (0, 0, 1), (0, 1, 1)])
async def test_a_parity_is_told_and_nothing_else(found: tuple[int, ...], networks: Networks) -> None:
    """To n1, who hears two coins and two announcements: all eight that have this sum are alike, whoever has a 1."""
    nodes = {f"n{place}": Program(adds_up, everyone=names(3), bit=bit) for place, bit in enumerate(found)}
    nodes["n1"] = Program(listen_to_parity, everyone=names(3), bit=found[1])
    heard: dict[tuple[int, ...], float] = defaultdict(float)
    for probability, run in await networks.runs(nodes, {"line": {"chain": names(3), "length": "10 km"}}):
        assert run["n0"] == run["n2"] == sum(found) % 2
        heard[run["n1"]] += probability
    possible = [view for view in product((0, 1), repeat=4) if sum(view) % 2 == (found[0] + found[2]) % 2]
    assert heard == pytest.approx(dict.fromkeys(possible, 1 / 8), abs=EXACT)


@pytest.mark.qnode("../../configs/anonymous.yaml")
def test_the_example_arrives(net: Cluster) -> None:
    (seen,) = net.run_sync().observed
    assert seen.node == "n3"
    assert seen.value == pytest.approx(1, abs=EXACT)


@pytest.mark.parametrize(("sender", "receiver"), [(0, 2), (2, 1)])
def test_a_qubit_arrives_over_w_states(sender: int, receiver: int, qnode_cluster: Nets) -> None:
    """However many of them fail: three nodes share each over two pairs, and one in three is of no use."""
    used = []
    for seed in range(6):
        programs = [Program(help_over_w, everyone=names(3)) for _ in range(3)]
        programs[sender] = Program(send_over_w, everyone=names(3), theta=1.1, phi=0.4)
        programs[receiver] = Program(receive_over_w, everyone=names(3))
        run = in_chain(programs, qnode_cluster, formalism="density_matrix", seed=seed)
        assert run.fidelity("received", "sent") == pytest.approx(1, abs=EXACT)
        used.append(run.counts["pairs"])
        shared = run.counts["pairs"] // 2
        assert messages(run) == expected_messages(3, to_all=2 * (shared + 2), to_next=shared)  # coins and their sums
    assert set(used) > {2}  # some at once, some after states that failed
    assert not any(pairs % 2 for pairs in used)


@pytest.mark.qnode("../../configs/anonymous_w.yaml")
def test_the_example_arrives_over_w_states(net: Cluster) -> None:
    """Over the second one, or a later: with this seed the first has failed."""
    run = net.run_sync()
    (seen,) = run.observed
    assert seen.node == "n3"
    assert seen.value == pytest.approx(1, abs=EXACT)
    assert run.counts["pairs"] in range(8, 100, 4)
