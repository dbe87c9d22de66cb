"""Statistical assertions that say how often they are wrong, and about what.

A test of frequencies fails a correct program sometimes; here with a probability that is stated and proved (Chernoff's
bound holds for every number of trials, small ones too; no normal approximation). With a fixed seed it either always
passes or never, so the false alarm matters once: when the seed or the program changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, log, nextafter

FALSE_ALARM = 1e-9


def relative_entropy(q: float, p: float) -> float:
    """D(q || p) of two coins in nats; infinite where q needs an outcome that p never has.

    Source: Cover & Thomas, section 2.3.
    """
    return _term(q, p) + _term(1 - q, 1 - p)


def _term(q: float, p: float) -> float:
    if q <= 0:
        return 0.0
    return inf if p <= 0 else q * log(q / p)


def accepted_interval(trials: int, p: float, false_alarm: float = FALSE_ALARM) -> tuple[float, float]:
    """The relative frequencies (lowest, highest) that `assert_frequency` accepts.

    At 10_000 trials of a fair coin: 0.4673 to 0.5327. A true 0.55 is accepted in 3 runs of 10_000, 0.57 hardly ever.
    """
    bound = log(2 / false_alarm) / trials
    return _edge(p, 0.0, bound), _edge(p, 1.0, bound)


def _edge(p: float, end: float, bound: float) -> float:
    """The frequency between p and an end of [0, 1] where the relative entropy reaches the bound, by bisection."""
    if relative_entropy(end, p) <= bound:
        return end
    inner, outer = p, end
    while abs(outer - inner) > nextafter(1.0, 2.0) - 1.0:
        middle = (inner + outer) / 2
        if middle in (inner, outer):
            break
        inner, outer = (middle, outer) if relative_entropy(middle, p) <= bound else (inner, middle)
    return inner


def assert_frequency(hits: int, trials: int, p: float, *, false_alarm: float = FALSE_ALARM) -> None:
    """Hits of independent trials are as frequent as probability p says.

    A correct program fails here with probability at most false_alarm (Chernoff's bound, two-sided). It would catch a
    wrong probability as soon as that is well outside `accepted_interval`: choose `trials` by looking at it. It does
    not see dependence between trials: `assert_independent` does.

    Args:
        hits: How often it happened.
        trials: How often it could have.
        p: Its probability in [0, 1]; 0 and 1 accept only what is certain.
        false_alarm: The probability with which a correct program may fail.
    """
    if not (0 <= hits <= trials and trials > 0 and 0 <= p <= 1 and 0 < false_alarm < 1):
        raise ValueError(f"no frequency: {hits} hits of {trials} at p = {p}, false alarm {false_alarm}")
    if trials * relative_entropy(hits / trials, p) <= log(2 / false_alarm):
        return
    low, high = accepted_interval(trials, p, false_alarm)
    raise AssertionError(
        f"{hits} of {trials} trials are {hits / trials:.6g}, but p = {p:.6g} accepts {low:.6g} to {high:.6g}"
        f" (a correct program fails here with probability {false_alarm:.3g})"
    )


def assert_independent(one: Sequence[int], other: Sequence[int], *, false_alarm: float = FALSE_ALARM) -> None:
    """Two sequences of bits, the n-th of each belonging together, agree as often as independent ones would.

    What `one` shows is taken as given, and so is how many ones `other` has: for independent pairs every order of
    `other` is then equally likely, and agreement in the positions where `one` is 1 is drawing without replacement,
    for which the same Chernoff bound holds (Hoeffding 1963, section 6). It would catch generators that are copies
    of each other, or shifted seeds (agreement 1 or 0), and any correlation that moves the agreement out of the
    interval; two biased but independent coins pass. It does not see dependence that leaves single agreements alone,
    such as each bit repeating the other's previous one: compare shifted sequences for that.

    Args:
        one: Bits, 0 or 1.
        other: As many bits.
        false_alarm: The probability with which a correct program may fail.
    """
    trials, marked, ones = len(one), sum(one), sum(other)
    if trials != len(other) or not trials or {*one, *other} - {0, 1}:
        raise ValueError("two sequences of bits of one length, at least one bit each")
    if not marked:
        return
    both = sum(a & b for a, b in zip(one, other, strict=True))
    p = ones / trials
    if marked * relative_entropy(both / marked, p) <= log(2 / false_alarm):
        return
    low, high = accepted_interval(marked, p, false_alarm)
    raise AssertionError(
        f"of {marked} positions where the first is 1, the second is 1 in {both}, {both / marked:.6g}; independent of"
        f" each other, p = {p:.6g} accepts {low:.6g} to {high:.6g}"
        f" (a correct program fails here with probability {false_alarm:.3g})"
    )
