"""What pulses are made by, go through and end in, as plain data that travels to the oracle.

Times are picoseconds, for a train of 1 GHz has a pulse each nanosecond. What is not given is ideal.
"""

from __future__ import annotations

from typing import Final, NamedTuple

PS_PER_S: Final = 10**12
MOST_CLASSES: Final = 32  # intensities of a source: five bits of a pulse's code
MOST_PHOTONS: Final = 16.0  # on average, of a pulse: so that 255 are never reached (probability below 1e-200)


class Source(NamedTuple):
    """A source of pulses.

    Attributes:
        model: "weak_coherent", "single_photon" or "entangled".
        intensities: Weak coherent: the mean photon number of each class of pulses. Entangled: the mean number of pairs.
        efficiency: Single photon: probability that a pulse is not empty.
        multiphoton: Single photon: probability that a pulse has two photons.
        period_ps: Time from pulse to pulse, unless a train says otherwise; 0: each train must.
    """

    model: str = "single_photon"
    intensities: tuple[float, ...] = (1.0,)
    efficiency: float = 1.0
    multiphoton: float = 0.0
    period_ps: int = 0


class Channel(NamedTuple):
    """The way of the light. Loss over time, if there is any, is linear in dB between the given times.

    Attributes:
        loss_db: Of the whole way, the same at all times.
        coupling: Share of the light that gets into it.
        times_s, losses_db: More loss, at network times; before the first and after the last of them nothing arrives.
    """

    loss_db: float = 0.0
    coupling: float = 1.0
    times_s: tuple[float, ...] = ()
    losses_db: tuple[float, ...] = ()

    @property
    def varies(self) -> bool:
        return bool(self.times_s)

    def part(self, share: float) -> Channel:
        """A stretch of it, which has this share of the loss in dB; without the coupling."""
        if share <= 0.0:
            return Channel()
        return Channel(self.loss_db * share, 1.0, self.times_s, tuple(loss * share for loss in self.losses_db))


class Detector(NamedTuple):
    """Each of the two threshold detectors of a receiver.

    Attributes:
        efficiency: Probability that a photon that arrives makes a click.
        dark_clicks: Probability of a click without a photon, in one window.
        dead_ps: After a click, both detectors are blind for so long.
        afterpulse: Probability that a click causes one more, later, in the same detector.
        afterpulse_ps: Mean of the exponential time after which it does.
        jitter_ps: Standard deviation of a click's time.
        resolution_ps: Times are told as multiples of this; 0: times are those of the pulses, exactly.
        window_ps: Width of the window in which a click counts; 0: all count, wherever jitter puts them.
    """

    efficiency: float = 1.0
    dark_clicks: float = 0.0
    dead_ps: int = 0
    afterpulse: float = 0.0
    afterpulse_ps: int = 0
    jitter_ps: float = 0.0
    resolution_ps: int = 0
    window_ps: int = 0


class Encoding(NamedTuple):
    """How a bit sits on a photon: in its polarisation, or in an early and a late time bin.

    Attributes:
        model: "polarisation" or "time_bin".
        separation_ps: Time bin: from the early bin to the late one.
        interferometer: Time bin: share of the light that comes out of the interferometer, beside the half that cannot
            interfere.
        visibility: Time bin: of the interference.
    """

    model: str = "polarisation"
    separation_ps: int = 0
    interferometer: float = 1.0
    visibility: float = 1.0


class PhotonLink(NamedTuple):
    """All that happens to a pulse between two nodes; both ways alike.

    Attributes:
        misalignment: Probability that a photon goes to the wrong one of the two detectors.
        tap: The node that sits on the link and decides what passes; "": nobody.
        tap_at: Where it sits, as a share of the way from the link's first node.
        first: That node.
    """

    source: Source = Source()
    channel: Channel = Channel()
    detector: Detector = Detector()
    encoding: Encoding = Encoding()
    misalignment: float = 0.0
    tap: str = ""
    tap_at: float = 0.0
    first: str = ""
