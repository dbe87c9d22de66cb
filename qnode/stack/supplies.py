"""How often pairs come, and how good they are: of a link, of links joined by swaps, and of what is distilled of them.

Waits are geometric, on a grain of time: those of links are, and of what is distilled of their pairs the mean is right.
What waits, decays, so that vectors are means over the waits. For two links these are the closed forms of PHYSICS.md,
section 6. In longer chains each link waits for all before it or they for it, as if the ends of what is joined already
were one pair, which is how it is with sequential swaps; the time until all are there is right for links alike, and for
others nearly so.
"""

from __future__ import annotations

from math import expm1, inf, log, log1p
from typing import Final, NamedTuple

from qnode.stack.expectation import both_stored, decayed, distilled, link_pair, step_errors, swapped, turned
from qnode.wire.stack import LinkFacts, NodeFacts, Scheme, StackSpec, Vector

Ends = tuple[NodeFacts, NodeFacts]

EULER: Final = 0.5772156649015329
_SUMMED: Final = 0.05  # below this success probability a sum over attempts is long, and its integral good
_NOTHING: Final = 1e-13


class Supply(NamedTuple):
    """Pairs between two nodes.

    Attributes:
        vector: What is to be expected of one when it comes.
        mean_ns: From one to the next, if they are made one after the other; so long the first takes, too.
        grain_ns: They come at multiples of it.
        raw: How many link pairs are made for one, on all links together.
        at_once: Whether several can be made at the same time.
        links: It is as if it were there when the last of so many links alike is; `link_ns` is the mean of each.
    """

    vector: Vector
    mean_ns: float
    grain_ns: float
    raw: float = 1.0
    at_once: bool = False
    links: float = 1.0
    link_ns: float = 0.0


def of_link(facts: LinkFacts, ends: Ends) -> Supply:
    """Of the link between two nodes, as the first knows it."""
    failed_ns = (facts.attempt_ns or facts.made_ns) * (1.0 / facts.success - 1.0)
    mean = failed_ns + max(facts.made_ns, facts.attempt_ns)
    return Supply(link_pair(facts, *ends), mean, mean * facts.success, at_once=not facts.attempt_ns)


# ---------------------------------------------------------------- waiting


class _Meeting(NamedTuple):
    """Of two that are both waited for, and tried anew if one comes later than the other by more than the cut-off.

    Attributes:
        mean_ns: Until both are there.
        kept: The probability that neither had to be given up.
        one_waits, other_waits: How likely each of them is the earlier one, of those that are kept.
        for_other_ns, for_one_ns: The mean of how long that is then, without a cut-off.
    """

    mean_ns: float
    kept: float
    one_waits: float
    other_waits: float
    for_other_ns: float
    for_one_ns: float


def _meet(one: Supply, other: Supply, cutoff_ns: float = inf) -> _Meeting:
    """Both geometric, on the finer of the two grains, so that means are right."""
    grain = min(one.grain_ns, other.grain_ns)
    if not grain:  # one of them is there as soon as it is wanted
        later = max(one.mean_ns, other.mean_ns)
        return _Meeting(
            later, 1.0, float(one.mean_ns < later), float(other.mean_ns < later), other.mean_ns, one.mean_ns
        )
    p, q = (min(1.0, grain / supply.mean_ns) for supply in (one, other))
    either = p + q - p * q
    first, second = p * (1.0 - q) / either, q * (1.0 - p) / either
    in_time = (_within(q, grain, cutoff_ns), _within(p, grain, cutoff_ns))
    kept = p * q / either + first * in_time[0] + second * in_time[1]
    waited = first * in_time[0] / q + second * in_time[1] / p  # until the other comes, or the cut-off
    mean = grain * (1.0 / either + waited) / kept
    return _Meeting(mean, kept, first * in_time[0] / kept, second * in_time[1] / kept, grain / q, grain / p)


def _follow(chain: Supply, link: Supply, links: float, link_ns: float) -> _Meeting:
    """A link and all before it: how long is known, and by that who waits. A link that is late has no memory."""
    mean = max(mean_of_last(links, link_ns, chain.grain_ns), chain.mean_ns, link.mean_ns)
    late = min(1.0, (mean - chain.mean_ns) / link.mean_ns) if link.mean_ns else 0.0
    for_chain_ns = (mean - link.mean_ns) / (1.0 - late) if late < 1.0 else 0.0
    return _Meeting(mean, 1.0, late, 1.0 - late, link.mean_ns, for_chain_ns)


def mean_of_last(links: float, link_ns: float, grain_ns: float) -> float:
    """The mean until the last of so many links alike has succeeded; their number need not be whole.

    The sum of 1 - (1 - q^t)^n over t; for small p its integral, H_n / -ln(1-p) + 1/2 (`chains.mean_attempts_of_all`).
    """
    p = min(1.0, grain_ns / link_ns) if grain_ns else 0.0
    if p > _SUMMED:
        total, missing = 1.0, 1.0 - p
        while missing * links > _NOTHING:
            total += -expm1(links * log1p(-missing))
            missing *= 1.0 - p
        return total * grain_ns
    attempts = _harmonic(links)
    return attempts * grain_ns / -log1p(-p) + grain_ns / 2.0 if p else attempts * link_ns


def _harmonic(x: float) -> float:
    """H_x, for any x >= 1, by its asymptotic series from x + 6 on."""
    far = x + 6.5
    return log(far) + EULER + 1.0 / (24.0 * far * far) - sum(1.0 / (x + k) for k in range(1, 7))


def _within(p: float, grain_ns: float, cutoff_ns: float) -> float:
    """The probability that a geometric wait ends within the cut-off."""
    if p == 1.0 or cutoff_ns == inf:
        return 1.0
    return -expm1((cutoff_ns // grain_ns) * log1p(-p))


def waited(vector: Vector, mean_ns: float, grain_ns: float, ends: Ends, chance: float = 1.0) -> Vector:
    """The mean over a geometric wait of both halves, if with this chance there is one."""
    z_lost, xy_lost = _losses(mean_ns, grain_ns, ends, inf)
    return decayed(vector, chance * z_lost, chance * xy_lost) if z_lost or xy_lost else vector


def _losses(mean_ns: float, grain_ns: float, ends: Ends, cutoff_ns: float) -> tuple[float, float]:
    """What both halves lose of <ZZ>, and of <XX> and <YY>, in a geometric wait that ends within the cut-off."""
    one, other = ends
    return (
        _mean_loss(1.0 / one.t1_ns + 1.0 / other.t1_ns, mean_ns, grain_ns, cutoff_ns),
        _mean_loss(1.0 / one.t2_ns + 1.0 / other.t2_ns, mean_ns, grain_ns, cutoff_ns),
    )


def _mean_loss(rate: float, mean_ns: float, grain_ns: float, cutoff_ns: float) -> float:
    """1 - E[exp(-rate wait)]; with x what a grain leaves, E[x^K] = p x / (1 - (1-p) x)."""
    if not rate or not mean_ns:
        return 0.0
    if grain_ns <= 0.0 or grain_ns >= mean_ns:
        return -expm1(-rate * mean_ns)
    p = grain_ns / mean_ns
    lost = -expm1(-rate * grain_ns)
    left = p * (1.0 - lost) / (p + (1.0 - p) * lost)
    if cutoff_ns != inf:
        grains = cutoff_ns // grain_ns
        within = _within(p, grain_ns, cutoff_ns)
        if not within:
            return 0.0
        left *= -expm1(grains * (log1p(-p) - rate * grain_ns)) / within
    return 1.0 - left


# ---------------------------------------------------------------- swapping


def joined(one: Supply, other: Supply, nodes: tuple[NodeFacts, NodeFacts, NodeFacts], spec: StackSpec) -> Supply:
    """A chain and the link behind it, made at the same time and joined by the node between once both are there."""
    left, middle, right = nodes
    cutoff_ns = inf if spec.cutoff_ns is None else float(spec.cutoff_ns)
    grain, chance = min(one.grain_ns, other.grain_ns), spec.swap_success
    slow, fast = max(one.link_ns or one.mean_ns, other.mean_ns), min(one.link_ns or one.mean_ns, other.mean_ns)
    ratio = fast / slow if slow else 1.0
    alike = 2.0 * ratio * ratio / (1.0 + ratio)  # so that two of them have nearly their mean
    links = one.links + alike if slow > other.mean_ns or ratio == 1.0 else 1.0 + one.links * alike
    simple = one.links == 1.0 or cutoff_ns < inf
    meeting = _meet(one, other, cutoff_ns) if simple else _follow(one, other, links, slow)
    lost = [0.0, 0.0]
    for likely, mean_ns, ends in (
        (meeting.one_waits, meeting.for_other_ns, (left, middle)),
        (meeting.other_waits, meeting.for_one_ns, (middle, right)),
    ):
        for axis, part in enumerate(_losses(mean_ns, grain, ends, cutoff_ns)):
            lost[axis] += likely * part  # never both
    again = cutoff_ns < inf or chance < 1.0  # then it begins anew, whatever had been there
    return Supply(
        decayed(swapped(one.vector, other.vector, middle.mixing, middle.flip, middle.single), *lost),
        meeting.mean_ns / chance,
        grain,
        (one.raw + other.raw) / (meeting.kept * chance),
        one.at_once and other.at_once,
        1.0 if again else links,
        0.0 if again else slow,
    )


# ---------------------------------------------------------------- distilling


def improved(supply: Supply, scheme: Scheme, method: str, ends: Ends, message_ns: float) -> Supply:
    """What a scheme makes of it; `message_ns`: of a message from one end to the other."""
    step_ns = max(node.swap_ns for node in ends) + message_ns
    better = supply
    for _ in range(scheme.steps):
        better = _step(better, supply if scheme.pumping else better, method, ends, step_ns)
    return better


def _step(control: Supply, target: Supply, method: str, ends: Ends, step_ns: float) -> Supply:
    """The control pair is there first, unless both can be made at once; then the earlier one waits."""
    grain = min(control.grain_ns, target.grain_ns)
    if target.at_once:
        meeting = _meet(control, target)
        made_ns, waits = meeting.mean_ns, (meeting.one_waits, meeting.other_waits)
    else:
        made_ns, waits = control.mean_ns + target.mean_ns, (1.0, 0.0)
    first = waited(control.vector, target.mean_ns, grain, ends, chance=waits[0])
    second = waited(target.vector, control.mean_ns, grain, ends, chance=waits[1])
    first, second = (turned(vector, method, *ends) for vector in (first, second))
    chance, vector = distilled(first, second, method, *step_errors(*ends))
    if not chance:
        return Supply(vector, inf, grain, inf, target.at_once)
    return Supply(
        both_stored(vector, step_ns, *ends),
        (made_ns + step_ns) / chance,
        grain,
        (control.raw + target.raw) / chance,
        target.at_once,
    )
