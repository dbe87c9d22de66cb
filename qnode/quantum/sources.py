"""How a link's pairs come about, from physical parameters: what an attempt heralds, how often, and when.

Photons are counted by threshold detectors: a click says that there was a photon, or that the detector clicked in the
dark. An attempt succeeds with exactly one click (in each round of `double_click`), and what is heralded then is
computed as the whole state of two memories, not only as its fidelity.

Symbols: eta is the probability that a photon of an end is detected, everything on its way included; d the probability
that a detector clicks in the dark, in one window; V the visibility of two photons' interference, the squared overlap
of their modes.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import erfc, exp, expm1, inf, pi, sqrt
from typing import Final, NamedTuple

import numpy as np

from qnode.quantum.bell import BELL_STATES, PHI_PLUS, PSI_MINUS, PSI_PLUS, BellState
from qnode.quantum.fidelity import is_density_matrix
from qnode.quantum.gates import Matrix
from qnode.quantum.pair_source import Herald, PairSource

NS_PER_S: Final = 1e9

Two = tuple[float, float]
"""One value for each end."""


class NeverSucceeds(ValueError):
    """A source none of whose attempts could ever make a pair."""

    def __init__(self) -> None:
        super().__init__("no attempt could ever succeed: neither a photon nor a dark click can herald a pair")


# --- abstract models: a state, and how often -------------------------------------------------------------------------


def werner_state(fidelity: float) -> Matrix:
    """Phi+ mixed with white noise, shape (4, 4): F for Phi+, (1 - F)/3 for each other (Werner, PRA 40 4277, 1989)."""
    other = (1 - fidelity) / 3
    return bell_diagonal_state((fidelity, other, other, other))


def bell_diagonal_state(weights: tuple[float, float, float, float]) -> Matrix:
    """A mixture of Bell states, shape (4, 4); the weights of Phi+, Psi+, Phi-, Psi-, as in `BELL_STATES`."""
    kets = [bell.ket() for bell in BELL_STATES]
    return np.asarray(sum(w * np.outer(ket, ket.conj()) for w, ket in zip(weights, kets, strict=True)), np.complex128)


def abstract(
    rho: Matrix,
    *,
    duration_ns: int,
    success_probability: float = 1.0,
    sequential: bool = False,
    attempt_dephasing: float = 0.0,
) -> PairSource:
    """Pairs in a given state, whatever makes them: born when they are delivered, at the end of an attempt.

    Args:
        rho: Of (end a, end b), shape (4, 4); it is delivered as it is, as the pair that should be Phi+.
        duration_ns: Of an attempt.
        success_probability: Of an attempt, more than 0.
        sequential: Whether attempts are made one after another, and not for all pairs at once.
        attempt_dephasing: Probability of a Z on every other stored qubit of both nodes, in each attempt.
    Raises:
        ValueError: If rho is no density matrix of two qubits.
    """
    if rho.shape != (4, 4) or not is_density_matrix(rho):
        raise ValueError("a state of two qubits is a Hermitian 4x4 matrix of trace 1 without negative eigenvalues")
    return PairSource(
        heralds=_heralds((success_probability, PHI_PLUS, rho)),
        attempt_ns=duration_ns,
        born_ns=(duration_ns, duration_ns),
        delivered_ns=(duration_ns, duration_ns),
        sequential=sequential,
        attempt_dephasing=attempt_dephasing,
    )


# --- the way of the photons ------------------------------------------------------------------------------------------


class Arms(NamedTuple):
    """The ways between a station and both ends.

    Attributes:
        seconds: How long light takes from or to each end.
        preparation_s: From the beginning of an attempt until the first photon can be emitted.
        bins_s: Between the two rounds of an attempt, if it has two.
    """

    seconds: Two
    preparation_s: float = 0.0
    bins_s: float = 0.0

    def to_the_middle(self, heralds: tuple[Herald, ...], attempt_dephasing: float) -> PairSource:
        """Both ends emit so that the photons meet at the station, which tells each end when it knows.

        The nearer end emits later and is told earlier: each half has aged by twice its own way when it is delivered.
        """
        latest = max(self.seconds)
        start = self.preparation_s
        known = start + latest + self.bins_s
        return PairSource(
            heralds=heralds,
            attempt_ns=_ns(known + latest),
            born_ns=_both(start + latest - way for way in self.seconds),
            delivered_ns=_both(known + way for way in self.seconds),
            sequential=True,
            attempt_dephasing=attempt_dephasing,
        )

    def from_the_middle(self, heralds: tuple[Herald, ...], attempt_dephasing: float) -> PairSource:
        """The station emits; each end absorbs a photon, and tells the other end, over the whole link, that it did."""
        whole = sum(self.seconds)
        start = self.preparation_s
        delivered = _both(start + other + whole for other in reversed(self.seconds))
        return PairSource(
            heralds=heralds,
            attempt_ns=max(delivered),
            born_ns=_both(start + way for way in self.seconds),
            delivered_ns=delivered,
            sequential=True,
            attempt_dephasing=attempt_dephasing,
        )


def transmission(attenuation_db_per_m: float, length_m: float) -> float:
    """Probability that a photon passes a fibre: 10**(-dB/10)."""
    return float(10 ** (-attenuation_db_per_m * length_m / 10))


def in_window(window_s: float, lifetime_s: float, blur_s: float) -> float:
    """Share of photons whose click falls into a window that begins when the first of them can arrive.

    Args:
        window_s: Length of the window.
        lifetime_s: The photons decay exponentially with it, as spontaneous emission does; 0: they arrive at once.
        blur_s: Standard deviation of the (Gaussian) error of emission and detection together.

    The sum of both is exponentially modified Gaussian (Grushka, Anal. Chem. 44 1733, 1972); this is its distribution
    function at the window's end less that at its beginning.
    """
    if blur_s == 0:
        return -expm1(-window_s / lifetime_s) if lifetime_s else 1.0
    return _modified_gaussian(window_s, lifetime_s, blur_s) - _modified_gaussian(0.0, lifetime_s, blur_s)


def _modified_gaussian(x: float, tau: float, sigma: float) -> float:
    gaussian = erfc(-x / sigma / sqrt(2)) / 2
    return gaussian - _tail(x, tau, sigma) if tau else gaussian


def _tail(x: float, tau: float, sigma: float) -> float:
    """exp(-x/tau + sigma**2/(2 tau**2)) * Phi((x - sigma**2/tau)/sigma), so written that no factor overflows."""
    z = (sigma / tau - x / sigma) / sqrt(2)
    if z < 0:
        return exp(-x / tau + (sigma / tau) ** 2 / 2) * erfc(z) / 2
    return exp(-((x / sigma) ** 2) / 2) * _scaled_erfc(z) / 2


class Overlap(NamedTuple):
    """How alike the modes of both ends' photons are, when their emission times fluctuate.

    Attributes:
        mean: Of the overlap |<f1|f2>|, which a single photon's coherence depends on.
        square: Of its square, the visibility V of two photons' interference.
    """

    mean: float
    square: float


ALIKE: Final = Overlap(1.0, 1.0)


def overlap(visibility: float = 1.0, *, jitter_s: float = 0.0, lifetime_s: float = 0.0) -> Overlap:
    """The overlap of photons that are alike to `visibility`, and whose times of emission fluctuate.

    Args:
        visibility: Without the fluctuation.
        jitter_s: Standard deviation of each end's (Gaussian) time of emission, independent in each attempt and round.
        lifetime_s: Decay time of the photons' intensity.

    Photons of spontaneous emission that are apart by D overlap by exp(-|D|/(2 lifetime)) (Kambs & Becher, NJP 20
    115003, 2018); D is Gaussian of variance 2 jitter**2, and the mean of exp(-k |D|) is exp(z**2) erfc(z) with
    z = k jitter.
    """
    if jitter_s == 0:
        return Overlap(sqrt(visibility), visibility)
    rate = jitter_s / lifetime_s if lifetime_s else inf
    return Overlap(sqrt(visibility) * _scaled_erfc(rate / 2), visibility * _scaled_erfc(rate))


def _scaled_erfc(z: float) -> float:
    """exp(z**2) erfc(z); for large z >= 0 by its asymptotic series, whose first left-out term is below 1e-12."""
    if z < 25:
        return exp(z * z) * erfc(z)
    if z == inf:
        return 0.0
    inverse = 1 / (2 * z * z)
    return (1 - inverse * (1 - 3 * inverse * (1 - 5 * inverse * (1 - 7 * inverse)))) / (z * sqrt(pi))


# --- a station with detectors in the middle --------------------------------------------------------------------------


class _Clicks(NamedTuple):
    """Probabilities of exactly one click, and the coherence that it leaves.

    Attributes:
        none: Of one click if no photon was sent: D0 = 2d(1-d).
        one: If only this end sent one: (1-d)(eta + 2d(1-eta)).
        two: If both did: (1-d)(etaA + etaB - 2 etaA etaB + etaA etaB (1+V)/2 + 2d(1-etaA)(1-etaB)).
        coherence: Between "A sent it" and "B sent it", both detectors together.
    """

    none: float
    one: Two
    two: float
    coherence: float


def _clicks(efficiency: Two, dark: float, alike: Overlap) -> _Clicks:
    a, b = efficiency
    quiet = 1 - dark
    met = a * b * (1 + alike.square) / 2  # both at the same detector
    return _Clicks(
        none=2 * dark * quiet,
        one=(quiet * (a + 2 * dark * (1 - a)), quiet * (b + 2 * dark * (1 - b))),
        two=quiet * (a + b - 2 * a * b + met + 2 * dark * (1 - a) * (1 - b)),
        coherence=quiet * sqrt(a * b) * alike.mean,
    )


def single_click(
    arms: Arms,
    efficiency: Two,
    bright_state: Two,
    *,
    dark: float = 0.0,
    alike: Overlap = ALIKE,
    phase_noise: float = 0.0,
    attempt_dephasing: float = 0.0,
) -> PairSource:
    """One photon, from either end: sqrt(1-a)|0>|no photon> + sqrt(a)|1>|photon> at both, one click in the middle.

    Which detector clicked tells Psi+ from Psi-. Cabrillo et al., PRA 59 1025 (1999); Humphreys et al., Nature 558 268
    (2018). With W10 = aA(1-aB)DA and W01 = (1-aA)aB DB an attempt succeeds with p = (1-aA)(1-aB)D0 + W10 + W01 +
    aA aB D2, and F = (W10 + W01 + 2C)/(2p), C = (1-d) sqrt(aA(1-aA)aB(1-aB) etaA etaB V) exp(-sigma**2/2).

    Args:
        arms: Where the station is.
        efficiency: eta of each end.
        bright_state: Share a of the bright state at each end.
        dark: d.
        alike: Of the two photons.
        phase_noise: Standard deviation sigma of the phase between both ways, in radians, Gaussian.
        attempt_dephasing: Probability of a Z on every other stored qubit of both nodes, in each attempt.
    Raises:
        NeverSucceeds: If there can be no click, or never exactly one.
    """
    a, b = bright_state
    clicks = _clicks(efficiency, dark, alike)
    weights = ((1 - a) * (1 - b) * clicks.none, (1 - a) * b * clicks.one[1], a * (1 - b) * clicks.one[0])
    coherence = sqrt(a * (1 - a) * b * (1 - b)) * clicks.coherence * exp(-(phase_noise**2) / 2)
    heralds = _psi_heralds((*weights, a * b * clicks.two), coherence)
    return arms.to_the_middle(heralds, attempt_dephasing)


def double_click(
    arms: Arms,
    efficiency: Two,
    *,
    dark: float = 0.0,
    alike: Overlap = ALIKE,
    attempt_dephasing: float = 0.0,
) -> PairSource:
    """One photon from each end, in either of two modes; exactly one click in each mode heralds a pair.

    The modes are two rounds with a spin flip in between (Barrett & Kok, PRA 71 060310, 2005), or two polarisations at
    once. The same detector twice tells Psi+, both of them Psi-. p = (DA DB + D0 D2)/2 and
    F = (DA DB + (1-d)**2 etaA etaB V)/(4p). V belongs to the coherence here as the product of both modes' overlaps.

    Args and errors are those of `single_click`.
    """
    clicks = _clicks(efficiency, dark, alike)
    odd, even = clicks.one[0] * clicks.one[1] / 4, clicks.none * clicks.two / 4
    return arms.to_the_middle(_psi_heralds((even, odd, odd, even), clicks.coherence**2 / 4), attempt_dephasing)


def _psi_heralds(weights: tuple[float, float, float, float], coherence: float) -> tuple[Herald, ...]:
    """Psi+ and Psi- alike often; `weights` of |00>, |01>, |10>, |11> and the coherence are those of both together."""
    p = sum(weights)
    if p <= 0:
        raise NeverSucceeds
    heralds = []
    for frame, sign in ((PSI_PLUS, 1), (PSI_MINUS, -1)):
        rho = np.diag(np.array(weights, np.complex128))
        rho[1, 2] = rho[2, 1] = sign * coherence
        heralds.append((p / 2, frame, rho / p))
    return _heralds(*heralds)


# --- a source of photon pairs in the middle --------------------------------------------------------------------------


def midpoint_source(
    arms: Arms, efficiency: Two, mean_pairs: float, *, dark: float = 0.0, attempt_dephasing: float = 0.0
) -> PairSource:
    """Parametric down-conversion between both ends: each must see a photon in one of its two modes.

    Several pairs at once, losses and dark clicks spoil the correlation; two clicks at one end are turned into one by a
    coin, which leaves a Werner state, by symmetry: F = 1 - 3E/2 with E the error rate in every basis. Ma, Fung & Lo,
    PRA 76 012307 (2007), in exact form: with l = mean_pairs/2 and N = etaA + etaB - etaA etaB, both ends click with
    p = 1 - (1-d)**2/(1+etaA l)**2 - (1-d)**2/(1+etaB l)**2 + (1-d)**4/(1+N l)**2, and wrongly with
    pE = p/2 - (1-d)**2 etaA etaB l(1+l)/((1+etaA l)(1+etaB l)(1+N l)).

    Args:
        arms: Where the source is.
        efficiency: eta of each end.
        mean_pairs: Mean number of pairs in one pulse.
        dark: d, of each of the two detectors at each end.
        attempt_dephasing: Probability of a Z on every other stored qubit of both nodes, in each attempt.
    Raises:
        NeverSucceeds: If one of the ends can see nothing.
    """
    (a, b), mode = efficiency, mean_pairs / 2
    apart = (1 + a * mode) * (1 + b * mode)
    either = 1 + (a + b - a * b) * mode
    shared = a * b * mode * (1 + mode)  # apart - either: what both ends see of the same pairs
    quiet = (1 - dark) ** 2
    # p, written as (both ends click, each by itself) + (more because of the same pairs): small values do not cancel
    p = _clicks_alone(a * mode, dark) * _clicks_alone(b * mode, dark)
    p += quiet**2 * shared * (apart + either) / (apart * either) ** 2
    if p <= 0:
        raise NeverSucceeds
    error = max(0.0, 0.5 - quiet * shared / (apart * either) / p)  # below 0 by rounding
    return arms.from_the_middle(_heralds((p, PHI_PLUS, werner_state(1 - 1.5 * error))), attempt_dephasing)


def _clicks_alone(x: float, dark: float) -> float:
    """1 - (1-d)**2/(1+x)**2: one end clicks that sees x photons of each mode, on average."""
    return (x + dark) * (2 + x - dark) / (1 + x) ** 2


# --- small things ----------------------------------------------------------------------------------------------------


def _heralds(*outcomes: tuple[float, BellState, Matrix]) -> tuple[Herald, ...]:
    return tuple(Herald(p, frame, np.ascontiguousarray(rho, np.complex128).tobytes()) for p, frame, rho in outcomes)


def _ns(seconds: float) -> int:
    return round(seconds * NS_PER_S)


def _both(seconds: Iterable[float]) -> tuple[int, int]:
    a, b = map(_ns, seconds)
    return a, b
