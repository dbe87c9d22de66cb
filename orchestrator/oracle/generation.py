"""How pairs come about: attempts on a link, drawn as a whole and never looped over, and halves that age from birth.

A link with a sequential source makes one attempt after the other, for its requests in turn; how many it takes is one
draw from their geometric distribution, so an attempt that succeeds once in a million costs nothing. Batches that are
measured at birth have their turns among the others (`stints.py`). Other sources serve everybody at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from orchestrator.oracle.counts import Counts
from orchestrator.oracle.events import Event
from orchestrator.oracle.ledger import Ledger
from orchestrator.oracle.matching import Demand, Key, Matching
from orchestrator.oracle.stints import Run, Stint
from orchestrator.oracle.timekeeper import Timekeeper
from orchestrator.oracle.turns import Job, Turns
from qnode.ids import NodeName, PairId, QubitId, other_half
from qnode.quantum import waiting
from qnode.quantum.bell import PHI_PLUS
from qnode.quantum.noisy import Stretch
from qnode.quantum.pair_expectation import correction_gate, expected_fidelity
from qnode.quantum.pair_source import Herald, PairSource
from qnode.quantum.pair_states import pair_state
from qnode.wire.items import Paired
from qnode.wire.messages import NEVER_NS

_MOST_EXPECTED: Final = 10_000  # fidelities that are remembered: on a grid there may be one for each of its offsets


class Sources(Protocol):
    """Which source the link between two nodes has."""

    def source(self, one: NodeName, other: NodeName) -> tuple[PairSource, bool]:
        """Of the link between two neighbours, and whether `one` is its end b."""


class Making:
    """A pair that a link is making: it comes into being at `born_ns`, unless somebody gives up before."""

    __slots__ = ("attempts", "begun_ns", "born_ns", "halves", "job", "link")

    def __init__(
        self,
        link: Link | None,
        job: Job,
        halves: tuple[QubitId, QubitId],
        attempts: list[Stretch],
        begun_ns: int,
        born_ns: int,
    ) -> None:
        self.link = link
        self.job = job
        self.halves = halves
        self.attempts = attempts
        self.begun_ns = begun_ns
        self.born_ns = born_ns


class Link:
    """What a link does.

    Attributes:
        jobs: What waits for its turn.
        making: The pair that is being made, after all stints.
        stints: What it does for batches, in order of time; some are over.
        free_ns: When it has done all of that.
        told_ns: Until when it does what a node has been told of: that is not put off any more.
    """

    __slots__ = ("free_ns", "jobs", "making", "stints", "told_ns")

    def __init__(self) -> None:
        self.jobs = Turns()
        self.making: Making | None = None
        self.stints: list[Stint] = []
        self.free_ns = 0
        self.told_ns = 0


class Generation:
    """All links of a network.

    Attributes:
        making: What is known of a pair that is being made, by its halves that are under way.
        broken: Links that make nothing for now, by their ends, sorted.
    """

    def __init__(
        self,
        ledger: Ledger,
        sources: Sources,
        matching: Matching,
        time: Timekeeper,
        *,
        counts: Counts,
        emit: Callable[[Event], None] | None,
    ) -> None:
        self._ledger = ledger
        self._sources = sources
        self._matching = matching
        self._time = time
        self._emit = emit
        self._counts = counts
        self._links: dict[tuple[NodeName, NodeName], Link] = {}
        self.making: dict[QubitId, Making] = {}
        self.broken: set[tuple[NodeName, NodeName]] = set()
        self._expected: dict[tuple[NodeName, NodeName, int, tuple[int, int]], tuple[float, float]] = {}

    def serve(self, first: Demand, second: Demand) -> None:
        """Make the pairs of two requests that met; `first` was the earlier and does not correct."""
        if self.broken and first.ends in self.broken:
            self._link(first.ends).jobs.add(Job(first, second))
            return
        source, turned = self._sources.source(first.node, second.node)
        labs = self._ledger.labs
        if not source.heralds and not labs[first.node].ages and not labs[second.node].ages:
            self._make_perfect(first, second, source, turned=turned)
            return
        job = Job(first, second)
        if not source.sequential:
            for _ in range(job.left):
                self._make(None, job, source, turned=turned, begun_ns=self._time.now_ns)
            return
        self._come(self._link(first.ends), job)

    def run(self, run: Run) -> None:
        """Make the attempts of a batch that is measured at birth."""
        link = self._link(run.first.ends)
        if run.first.ends in self.broken:
            link.jobs.add(run)
        elif self._sources.source(*run.first.ends)[0].sequential:
            self._come(link, run)
        else:
            self._begin_stint(link, [run], self._time.now_ns, whole=True)

    def give_up(self, run: Run) -> None:
        """Neither end wants a batch any more: its attempts are not made."""
        link, now_ns = self._link(run.first.ends), self._time.now_ns
        making = link.making
        if making is not None and now_ns < making.begun_ns:
            self._make_later(making, link)
        stints = [stint for stint in link.stints if stint.lasts(now_ns)]
        if self._sources.source(*run.first.ends)[0].sequential:
            its = [nth for nth, stint in enumerate(stints) if run in stint.runs]
            for stint in reversed(stints[its[0] :] if its else []):  # what comes after may come sooner
                self._stop(link, stint)
        else:
            for stint in stints:
                if run in stint.runs:
                    stint.stop(now_ns)
        if run in link.jobs:
            link.jobs.remove(run)
        self._next(link)

    def _link(self, ends: tuple[NodeName, NodeName]) -> Link:
        return self._links.setdefault(ends, Link())

    def _come(self, link: Link, job: Job) -> None:
        """Something is to be made by a link that makes one thing after the other.

        What is less urgent waits, even if it is being made: attempts have no memory, so nothing is lost by that but the
        one under way. Batches that are as urgent bring the turn to an end that has begun.
        """
        now_ns, making = self._time.now_ns, link.making
        if making is not None and making.job.priority < job.priority and now_ns < making.born_ns:
            self._make_later(making, link)
        behind: list[Run] = []  # those whose turn it is, for that goes behind all that come meanwhile
        for stint in reversed([stint for stint in link.stints if stint.lasts(now_ns)]):
            if stint.priority < job.priority:
                self._stop(link, stint)
            elif stint.priority == job.priority:
                if stint.whole:
                    self._end_turn(link, stint)
                run = stint.last
                if run is not None and run in link.jobs and run not in behind and stint.lasts(now_ns):
                    behind.insert(0, run)
        for waits in behind:
            link.jobs.remove(waits)
        for one in (job, *behind):
            link.jobs.add(one)
        if link.making is None:
            self._next(link)

    def _stop(self, link: Link, stint: Stint) -> None:
        """A link leaves what it does for batches: their turns come again."""
        link.free_ns = max(self._time.now_ns, stint.begun_ns, link.told_ns)
        for run in reversed(stint.stop(self._time.now_ns)):
            link.jobs.put_first(run)

    def _end_turn(self, link: Link, stint: Stint) -> None:
        """A link leaves what it does for batches when the turn is over that has begun."""
        for run in stint.stop(self._time.now_ns, in_turn=True):
            link.jobs.add(run)
        link.free_ns = max(stint.end_ns, link.told_ns)

    def _begin_stint(self, link: Link, runs: Sequence[Run], begun_ns: int, *, whole: bool) -> None:
        ends = runs[0].first.ends
        source, _ = self._sources.source(*ends)
        stint = Stint(runs, begun_ns, source.attempt_ns, whole=whole)
        stint.stretches = self._attempted(ends, begun_ns, source, stint.attempts)
        link.stints = [one for one in link.stints if one.lasts(self._time.now_ns)] + [stint]
        if source.sequential:
            link.free_ns = stint.end_ns

    def reachable(self, first: Demand, second: Demand) -> float:
        """The fidelity that the end which gets less of it may expect, on average over what is heralded."""
        source, turned = self._sources.source(first.node, second.node)
        weights = [herald.probability for herald in source.heralds] or [1.0]
        least = [min(self._fidelities(source, nth, turned, first.node, second.node)) for nth in range(len(weights))]
        return sum(weight * one for weight, one in zip(weights, least, strict=True)) / sum(weights)

    def check_holds(self, first: Demand, second: Demand) -> None:
        """Whether pairs of theirs can be held. Raises as `Register.check_holds`."""
        source, _ = self._sources.source(first.node, second.node)
        for herald in source.heralds:
            self._ledger.register.check_holds(pair_state(herald.rho), f"half of {first.node}", f"half of {second.node}")

    def delivered(self, qubit: QubitId) -> None:
        """A half reaches its node, wanted or not: its link may go on."""
        making = self.making.get(qubit)
        if making is not None:
            self._over(making)
            if making.link is not None:
                making.link.told_ns = making.link.free_ns
                self._next(making.link)

    def told(self, run: Run, last_ns: int) -> None:
        """An end has the outcomes of a batch whose last attempt begins then."""
        run.known = True
        link, source = self._link(run.first.ends), self._sources.source(*run.first.ends)[0]
        if source.sequential:
            link.told_ns = max(link.told_ns, last_ns + source.attempt_ns)

    def withdraw(self, demand: Demand) -> tuple[Demand, Demand] | None:
        """One end gives up. Two requests that meet because of that are returned, and are to be served.

        A pair that is not born yet is not made. If pairs are left to be made, the other end waits for another request.
        """
        link = self._links.get(demand.ends)
        if link is None:
            return None
        making, other = link.making, None
        for job in [job for job in link.jobs if demand in (job.first, job.second)]:
            link.jobs.remove(job)
            other = job.first if demand is job.second else job.second
        if making is not None and demand in (making.job.first, making.job.second):
            other = making.job.first if demand is making.job.second else making.job.second
            if self._time.now_ns < making.born_ns:
                self._give_up(making)
        met = self._matching.again(other) if other is not None and other.left else None
        self._next(link)
        return met

    def lose(self, node: NodeName) -> None:
        """A node is gone: its links make nothing more, and what they have begun and not made comes to nothing."""
        links = dict.fromkeys(demand.ends for demand in self._matching.of(node))
        links |= dict.fromkeys(
            making.job.first.ends for making in self.making.values() if node in making.job.first.ends
        )
        for making in [one for ends in links for one in self._makings(ends)]:
            if self._time.now_ns < making.born_ns:
                self._give_up(making)
            else:
                self._over(making)
        for ends, link in self._links.items():
            if node in ends:
                link.jobs.clear()
                for stint in link.stints:
                    stint.stop(self._time.now_ns)
                link.free_ns = link.told_ns = min(link.free_ns, self._time.now_ns)

    def cut(self, ends: tuple[NodeName, NodeName]) -> None:
        """A link is broken: a pair that it is making is to be made anew, once it is mended."""
        self.broken.add(ends)
        link, now_ns = self._link(ends), self._time.now_ns
        for making in self._makings(ends):
            if now_ns < making.born_ns:
                self._make_later(making, link)
        for stint in reversed([stint for stint in link.stints if stint.lasts(now_ns)]):
            self._stop(link, stint)

    def _make_later(self, making: Making, link: Link) -> None:
        """A pair that is being made is made when its turn comes again, if both ends still want it."""
        job = making.job
        if making.halves[0] in job.first.under_way and making.halves[1] in job.second.under_way:
            self._give_up(making)
            job.left += 1
            link.jobs.put_first(job)

    def mend(self, ends: tuple[NodeName, NodeName]) -> None:
        """A broken link goes on with what waits for it."""
        self.broken.discard(ends)
        link = self._link(ends)
        if self._sources.source(*ends)[0].sequential:
            self._next(link)
            return
        for job in link.jobs.clear():
            if isinstance(job, Run):
                self.run(job)
            else:
                self.serve(job.first, job.second)

    def _makings(self, ends: tuple[NodeName, NodeName]) -> list[Making]:
        """What is being made between two nodes. Of perfect pairs nothing is kept meanwhile, so they are looked for."""
        found = [making for making in dict.fromkeys(self.making.values()) if making.job.first.ends == ends]
        source, _ = self._sources.source(*ends)
        if source.heralds or source.born_ns != source.delivered_ns:
            return found
        theirs = {half: demand for demand in self._matching.of(ends[1], ends[0]) for half in demand.under_way}
        for mine in self._matching.of(*ends):
            jobs: dict[Key, Job] = {}
            for half in mine.under_way:
                other = other_half(half)
                demand = None if other is None or half in self.making else theirs.get(other[2])
                if other is not None and demand is not None:
                    job = jobs.setdefault(demand.key, Job(mine, demand))
                    found.append(Making(None, job, (half, other[2]), [], 0, NEVER_NS))
        return found

    def _give_up(self, making: Making) -> None:
        if making.link is not None and self._time.now_ns < making.begun_ns:
            making.link.jobs.never_began()
        self._over(making)
        if making.link is not None:
            making.link.free_ns = max(self._time.now_ns, making.begun_ns)
        self._counts.pairs -= 1
        for end, qubit in zip((making.job.first, making.job.second), making.halves, strict=True):
            if qubit in end.under_way:  # else it was withdrawn
                end.under_way.remove(qubit)
                end.left += 1
                self._ledger.trace_out((qubit,))
        for stretch in making.attempts:
            stretch.stop(self._time.now_ns)

    def _next(self, link: Link) -> None:
        """Begin with the next pair, of whose turn it is; and with what batches have before that."""
        if self.broken and (job := link.jobs.next()) is not None and job.first.ends in self.broken:
            return
        while link.jobs and link.making is None:
            job = link.jobs.take()
            if not job.left:
                continue
            begun_ns = max(self._time.now_ns, link.free_ns)
            if isinstance(job, Run):
                self._next_turn(link, job, begun_ns)
                continue
            source, turned = self._sources.source(job.first.node, job.second.node)
            self._make(link, job, source, turned=turned, begun_ns=begun_ns)
            if job.left:
                link.jobs.add(job)  # one pair each in turn: the link is shared fairly

    def _next_turn(self, link: Link, run: Run, begun_ns: int) -> None:
        """A batch has its turn; if only batches are as urgent, they have all turns there are, in one go."""
        others = link.jobs.of(run.priority)
        batches = [job for job in others if isinstance(job, Run)]
        whole = len(batches) == len(others)
        if whole:
            link.jobs.over()
            for batch in batches:
                link.jobs.remove(batch)
        self._begin_stint(link, [run, *batches] if whole else [run], begun_ns, whole=whole)
        if run.left:
            link.jobs.add(run)

    def _make_perfect(self, first: Demand, second: Demand, source: PairSource, *, turned: bool) -> None:
        """What `_make` would do, for Phi+ that comes for sure and stays: the most frequent case, and the quickest."""
        time, ledger = self._time, self._ledger
        first_ns = time.now_ns + source.delivered_ns[turned]
        second_ns = time.now_ns + source.delivered_ns[not turned]
        for _ in range(first.left):
            pair, mine, theirs = ledger.create_perfect_pair(first.node, second.node)
            first.under_way.append(mine)
            second.under_way.append(theirs)
            if self._emit:
                self._log(first, second, pair, (mine, theirs), 0)
            time.schedule(first_ns, first.node, Paired(first.wanted.request, pair, mine))
            time.schedule(second_ns, second.node, Paired(second.wanted.request, pair, theirs))
        self._counts.pairs += first.left
        first.left = second.left = 0

    def _log(self, first: Demand, second: Demand, pair: PairId, halves: tuple[QubitId, QubitId], attempts: int) -> None:
        self._emit(  # type: ignore[misc]  # whoever calls has looked whether there is a log
            Event(
                self._time.now_ns,
                self._time.round,
                first.node,
                "generate",
                program=first.wanted.program,
                qubits=halves,
                pair=pair,
                request=first.wanted.request,
                peer=second.node,
                n=attempts,
            )
        )

    def _make(self, link: Link | None, job: Job, source: PairSource, *, turned: bool, begun_ns: int) -> None:
        first, second, ledger, time = job.first, job.second, self._ledger, self._time
        job.left -= 1
        first.left -= 1
        second.left -= 1
        pair, mine, theirs = ledger.next_pair(first.node, second.node)
        k = self._attempts(source, pair)
        start_ns = min(begun_ns + (k - 1) * source.attempt_ns, NEVER_NS)
        nth, herald = self._heralded(source, pair)
        ends = (first.node, second.node)
        born_ns, delivered_ns = (
            [min(start_ns + offset, NEVER_NS) for offset in (offsets[turned], offsets[not turned])]
            for offsets in (source.born_ns, source.delivered_ns)
        )
        attempts = self._attempted(ends, begun_ns, source, k)
        state = PHI_PLUS if herald is None else pair_state(herald.rho)
        ledger.create_pair(ends, (mine, theirs), state, (born_ns[0], born_ns[1]), turned=turned)
        gate = correction_gate(herald)
        if gate is not None:
            delivered_ns[1] = ledger.correct(second.node, theirs, gate, delivered_ns[1])
        due_ns = [time.on_grid(at_ns) for at_ns in delivered_ns]
        late_ns = (due_ns[0] - delivered_ns[0], due_ns[1] - delivered_ns[1])
        fidelities = self._fidelities(source, nth, turned, *ends, late_ns)
        self._counts.pairs += 1
        for demand, qubit in ((first, mine), (second, theirs)):
            demand.under_way.append(qubit)
        if self._emit:
            self._log(first, second, pair, (mine, theirs), k if source.success_probability < 1 else 0)
        making = Making(link, job, (mine, theirs), attempts, begun_ns, min(born_ns))
        if link is not None:
            link.free_ns = max(start_ns + source.attempt_ns, min(delivered_ns))
            link.making = making
        if link is not None or making.born_ns > time.now_ns:
            self.making[mine] = self.making[theirs] = making
        for at_ns, demand, qubit, fidelity in zip(due_ns, (first, second), (mine, theirs), fidelities, strict=True):
            self._time.schedule(at_ns, demand.node, Paired(demand.wanted.request, pair, qubit, fidelity))

    def _attempted(self, ends: tuple[NodeName, NodeName], begun_ns: int, source: PairSource, n: int) -> list[Stretch]:
        """So many attempts dephase what both ends store."""
        if not source.attempt_dephasing:
            return []
        made = [self._ledger.attempted(node, begun_ns, source, n, self._time.now_ns) for node in ends]
        return [stretch for stretch in made if stretch is not None]

    def _over(self, making: Making) -> None:
        for half in making.halves:
            self.making.pop(half, None)
        if making.link is not None:
            making.link.making = None
            making.link.jobs.over()

    def _attempts(self, source: PairSource, pair: PairId) -> int:
        """How many attempts it takes, the successful one included."""
        p = source.success_probability
        return 1 if p >= 1.0 else waiting.attempts(self._ledger.coin(f"attempts {pair}"), p)

    def _heralded(self, source: PairSource, pair: PairId) -> tuple[int, Herald | None]:
        heralds = source.heralds
        if len(heralds) < 2:
            return 0, heralds[0] if heralds else None
        draw = self._ledger.coin(f"herald {pair}") * source.success_probability
        for nth, herald in enumerate(heralds):
            if draw < herald.probability:
                return nth, herald
            draw -= herald.probability
        return len(heralds) - 1, heralds[-1]

    def _fidelities(
        self,
        source: PairSource,
        nth: int,
        turned: bool,
        first: NodeName,
        second: NodeName,
        late_ns: tuple[int, int] = (0, 0),
    ) -> tuple[float, float]:
        """What each end may expect of its pair, from data of the link and the memories."""
        key = (first, second, nth, late_ns)
        found = self._expected.get(key)
        if found is None:
            if len(self._expected) >= _MOST_EXPECTED:
                self._expected.clear()
            labs = (self._ledger.labs[first], self._ledger.labs[second])
            found = self._expected[key] = expected_fidelity(source, nth, labs, turned=turned, late_ns=late_ns)
        return found
