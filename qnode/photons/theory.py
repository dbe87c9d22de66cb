"""Closed forms of photon statistics, yields, gains and error rates: exact, not to first order.

eta: the probability that a photon at the source makes a click. dark: of a click without a photon, in one window of one
detector. misalignment: the probability that a photon goes to the wrong detector. Two threshold detectors; when both
click, the outcome is a fair coin.
"""

from __future__ import annotations

from math import ceil, exp, lgamma, log


def poisson(n: int, mean: float) -> float:
    """Probability of n photons in a pulse of a phase-randomised laser (Lo, Ma & Chen, PRL 94, 230504, eq. 1)."""
    if mean == 0:
        return 1.0 if n == 0 else 0.0
    return exp(n * log(mean) - mean - lgamma(n + 1))


def background_yield(dark: float) -> float:
    """Y_0: some click though there was no photon."""
    return dark * (2.0 - dark)


def yield_of(n: int, eta: float, dark: float = 0.0) -> float:
    """Y_n: probability that a pulse of n photons makes some click (Ma et al., PRA 72, 012326, eq. 7, exactly)."""
    return 1.0 - (1.0 - background_yield(dark)) * (1.0 - eta) ** n


def error_yield(n: int, eta: float, dark: float = 0.0, misalignment: float = 0.0) -> float:
    """e_n Y_n: probability that a pulse of n photons gives the wrong outcome, bases being the same."""
    not_right = (1.0 - dark) * (1.0 - eta * (1.0 - misalignment)) ** n
    not_wrong = (1.0 - dark) * (1.0 - eta * misalignment) ** n
    none = (1.0 - dark) ** 2 * (1.0 - eta) ** n
    return (1.0 + not_right - not_wrong - none) / 2.0


def gain(mean: float, eta: float, dark: float = 0.0) -> float:
    """Q: probability that a weak coherent pulse makes some click; sum_n poisson(n) Y_n."""
    return 1.0 - (1.0 - dark) ** 2 * exp(-mean * eta)


def error_gain(mean: float, eta: float, dark: float = 0.0, misalignment: float = 0.0) -> float:
    """Q E: probability that a weak coherent pulse gives the wrong outcome, bases being the same."""
    not_right = (1.0 - dark) * exp(-mean * eta * (1.0 - misalignment))
    not_wrong = (1.0 - dark) * exp(-mean * eta * misalignment)
    return (1.0 - not_wrong) * (1.0 + not_right) / 2.0


def error_rate(mean: float, eta: float, dark: float = 0.0, misalignment: float = 0.0) -> float:
    """E: the quantum bit error rate of weak coherent pulses whose bases are the same."""
    return error_gain(mean, eta, dark, misalignment) / gain(mean, eta, dark)


def blind_gates(dead_s: float, rate_hz: float) -> int:
    """k = ceil(tau f) - 1: how many gates after a click fall into the dead time tau, at f gates a second."""
    return max(0, ceil(round(dead_s * rate_hz, 9)) - 1)


def rate_with_dead_time(p: float, blind: int) -> float:
    """Clicks in a gate, if each gate has probability p and the next `blind` gates after a click are lost: p/(1+kp).

    Source: renewal theory; the continuous limit R/(1+R tau) is Knoll, Radiation Detection, section 4.7.
    """
    return p / (1.0 + blind * p)


def rate_with_afterpulses(p: float, afterpulse: float) -> float:
    """Clicks for each click of light or dark, if each causes one more with this probability, and so on."""
    return p / (1.0 - afterpulse)


def intercept_resend_error(share: float, bases: int = 2) -> float:
    """Error rate of the sifted bits if a share of the photons is measured in one of the bases and sent again.

    Source: Gisin et al., RMP 74, 145, section VI.A: f/4 with two bases, f/3 with three.
    """
    return share * (bases - 1) / (2 * bases)
