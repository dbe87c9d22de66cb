"""Nearly right frames against decoders and core: whatever comes, an error of ours is raised and counted, or nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

from qnode.errors import QnodeError
from qnode.ids import NodeName
from qnode.wire.bits import unpack_bases, unpack_outcomes
from qnode.wire.messages import (
    Grant,
    Part,
    Report,
    Wake,
    decode_between_nodes,
    decode_to_cluster,
    decode_to_node,
    decode_to_oracle,
)
from qnode.wire.payload import unpack
from qnode.wire.plan import decode_process, decode_run
from tests.hostile.frames import SOON_NS, Mutator
from tests.hostile.portrait import Portrait, changes, portrait
from tests.hostile.worlds import ALICE, world

DECODERS: Final[Mapping[str, Callable[[bytes], Any]]] = {
    "to the oracle": decode_to_oracle,
    "to a node": decode_to_node,
    "to the cluster": decode_to_cluster,
    "between nodes": decode_between_nodes,
    "a payload": unpack,
    "a run": decode_run,
    "a process": decode_process,
    "outcomes": lambda data: unpack_outcomes(data, 77),
    "bases": lambda data: unpack_bases(data, 77),
}
LOOKED_AT: Final = 16  # of so many refused frames one is followed by a look at everything
FRAMES_OF_A_WORLD: Final = 400
ROUNDS: Final = 30  # she may not want to run for long: then the world is made anew


class Broken(AssertionError):
    """What a frame did that it must not; with all that it takes to see it again."""

    def __init__(self, seed: int, nth: int, frame: bytes, what: str) -> None:
        super().__init__(f"frame {nth} of seed {seed} {what}: {frame[:400].hex()}")


def decode_all(seed: int, n: int) -> Counter[str]:
    """n frames through every decoder; how often each of them had something to say about one."""
    mutator, counted = Mutator(seed), Counter[str]()
    for nth in range(n):
        frame = mutator.frame()
        for name, decode in DECODERS.items():
            try:
                decode(frame)
            except QnodeError:
                counted[f"{name}: refused"] += 1
            except Exception as error:
                raise Broken(seed, nth, frame, f"made {name} raise {error!r}") from error
            else:
                counted[f"{name}: read"] += 1
    return counted


class Hostile:
    """A core in the middle of its work, and one of its nodes that says anything at all."""

    def __init__(self, seed: int) -> None:
        self.counted: Counter[str] = Counter()
        self._seed = seed
        self._mutator = Mutator(seed)
        self._renew()

    def _renew(self) -> None:
        self._bench = world()
        self._left = FRAMES_OF_A_WORLD
        self._refused = 0
        self._spotless: Portrait | None = None  # how things were at the last refused frame, if nothing happened since

    def run(self, n: int) -> Counter[str]:
        for nth in range(n):
            self._mutator.step = self._bench.steps[ALICE] + 1
            frame = self._mutator.frame()
            try:
                said = self._say(frame)
            except Broken:
                raise
            except Exception as error:
                raise Broken(self._seed, nth, frame, f"made the core raise {error!r}") from error
            self.counted[said] += 1
            if said.startswith("refused"):
                self._look(nth, frame)
            self._left -= 1
            if said == "taken":
                self._spotless = None
                self._go_on(nth, frame)
        return self.counted

    def _say(self, frame: bytes) -> str:
        """What the service does with a frame of a connection."""
        core = self._bench.core
        try:
            message = decode_to_oracle(frame)
            if not isinstance(message, Report | Part | Wake):
                return f"read: {type(message).__name__}"
            if (message.node, message.incarnation) != (ALICE, 0):
                return "in another's name"
            match message:
                case Wake():
                    core.wake(message)
                    self._spotless = None
                    return "wake"
                case Part():
                    if not core.check_part(message):
                        return "came before"
                    core.part(message)
                    self._spotless = None
                    return "part"
                case Report():
                    if core.check(message) is not None:
                        return "came before"
                    core.report(message)
                    self._bench.steps[ALICE] = message.step
                    return "taken"
        except QnodeError as error:
            return f"refused: {error.code}"

    def _look(self, nth: int, frame: bytes) -> None:
        """Nothing has changed by a refused frame. Looking takes longer than all else: not after each."""
        if self._spotless is None:
            self._spotless = portrait(self._bench.core, ALICE)
        elif nth % LOOKED_AT == 0:
            changed = changes(self._spotless, portrait(self._bench.core, ALICE))
            if changed:
                raise Broken(self._seed, nth, frame, f"or one of {LOOKED_AT} before changed {changed}")

    def _go_on(self, nth: int, frame: bytes) -> None:
        """The others report, and time goes on until alice is asked again; or another world is made."""
        of = self._bench
        granted: Mapping[NodeName, Grant] = {}
        for _ in range(ROUNDS):
            for node in sorted(of.core.time.awaited):
                of.core.report(of.report(node, timer_ns=of.core.time.now_ns + 1 if node != ALICE else None))
            of.core.execute()
            granted = of.core.grants()
            if not granted or ALICE in granted:
                break
        self.counted["operations refused"] += of.core.counts.refused - self._refused
        self._refused = of.core.counts.refused
        try:
            of.core.operations.ledger.check_invariants()
        except AssertionError as error:
            raise Broken(self._seed, nth, frame, f"broke the ledger: {error}") from error
        if ALICE not in granted or self._left <= 0 or of.core.time.now_ns >= SOON_NS:
            self._renew()


def attack_core(seed: int, n: int) -> Counter[str]:
    """n frames, one after the other, to a core; what became of them."""
    return Hostile(seed).run(n)
