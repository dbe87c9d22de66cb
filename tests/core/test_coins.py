"""Named randomness: a draw belongs to its name, and to nothing else."""

from __future__ import annotations

from hashlib import blake2b
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qnode.core.coins import Coins, derive_key, generator
from qnode.ids import NodeName, local_qubit_id
from qnode.testing import assert_frequency

KEY = derive_key(1, "oracle")
names = st.text(max_size=20)


def test_a_coin_is_the_keyed_digest_of_its_name() -> None:
    """The value itself is promised: runs are compared between machines."""
    digest = blake2b(b"measure alice.3/2", key=KEY, digest_size=8).digest()
    assert Coins(KEY)("measure alice.3", 2) == (int.from_bytes(digest, "big") >> 11) / 2**53
    assert Coins(derive_key(1, "oracle"))("measure alice.3", 2) == 0.3714288899578707


@given(st.lists(st.tuples(names, st.integers(0, 5)), max_size=20), st.randoms(use_true_random=False))
def test_the_order_of_draws_decides_none(drawn: list[tuple[str, int]], random: object) -> None:
    coins = Coins(KEY)
    forward = {one: coins(*one) for one in drawn}
    backward = {one: coins(*one) for one in reversed(drawn)}
    assert forward == backward
    assert all(0.0 <= value < 1.0 for value in forward.values())


@given(st.lists(st.tuples(names, st.integers(0, 10**6)), min_size=2, max_size=20, unique=True))
def test_different_names_have_different_draws(drawn: list[tuple[str, int]]) -> None:
    """A collision of 53 bits among so few is one in 10**13."""
    coins = Coins(KEY)
    distinct = {f"{name}/{nth}" for name, nth in drawn}
    assert len({coins(*one) for one in drawn}) == len(distinct)


def test_every_bit_is_uniform_and_independent_of_the_others_and_of_the_neighbours_draw() -> None:
    # n = 4,000 at p = 1/2 accepts 0.448 to 0.552 for each of 53 bits, 52 pairs of bits and 53 pairs of draws;
    # a correct generator fails in one of these 158 with probability 1.6e-7.
    trials = 4_000
    coins = Coins(KEY)
    draws = [int(coins("measure alice.0", nth) * 2**53) for nth in range(trials + 1)]
    bits = np.array([[draw >> bit & 1 for bit in range(53)] for draw in draws])
    for bit in range(53):
        assert_frequency(int(bits[:-1, bit].sum()), trials, 0.5, false_alarm=1e-9)
        assert_frequency(int((bits[:-1, bit] == bits[1:, bit]).sum()), trials, 0.5, false_alarm=1e-9)
    for bit in range(52):
        assert_frequency(int((bits[:-1, bit] == bits[:-1, bit + 1]).sum()), trials, 0.5, false_alarm=1e-9)


def test_keys_of_different_names_seeds_and_lives_differ() -> None:
    paths: list[tuple[str | int, ...]] = [
        (),
        ("a",),
        ("a", "b"),
        ("ab",),
        ("a", 0),
        ("a", "0"),
        (0,),
        ("0",),
        ("", "a"),
    ]
    keys = [derive_key(seed, *path) for seed, path in product((0, 1, -1, 2**70), paths)]
    keys += [derive_key(derive_key(0, *path), *path) for path in paths]
    assert len(set(keys)) == len(keys)
    assert {len(key) for key in keys} == {32}


@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_nodes_and_incarnations_have_streams_of_their_own(seed: int) -> None:
    """As the runtime derives them: two nodes, two lives of one, the oracle; none is a copy or a shift of another."""
    roots = [derive_key(derive_key(seed, "node", node), "coins", life) for node in ("alice", "bob") for life in (0, 1)]
    streams = [[Coins(key)("measure", nth) for nth in range(50)] for key in (*roots, derive_key(seed, "oracle"))]
    for one, other in combinations(streams, 2):
        assert not set(one) & set(other)


def test_a_restarted_node_names_its_qubits_anew() -> None:
    lives = [local_qubit_id(NodeName("alice"), life, nth) for life in range(3) for nth in range(3)]
    assert lives[:4] == ["alice.0", "alice.1", "alice.2", "alice!1.0"]
    assert len({Coins(KEY)(f"measure {qubit}") for qubit in lives}) == len(lives)


def test_a_stream_belongs_to_its_key() -> None:
    one, same, other = generator(KEY), generator(KEY), generator(derive_key(1, "another"))
    first = one.random(100)
    assert (first == same.random(100)).all()
    assert not np.isin(first, other.random(100)).any()
    assert (first != np.random.default_rng(0).random(100)).any()


def test_draws_are_the_same_in_every_process_and_version() -> None:
    """Fixed values: whoever changes these changes every run."""
    assert derive_key(7, "node", "alice").hex()[:16] == "b196595108f81414"
    assert generator(derive_key(7, "node", "alice")).integers(0, 2**32, 3).tolist() == [
        1685210905,
        3637016717,
        1834473066,
    ]
