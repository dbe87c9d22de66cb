"""How much light arrives, and when."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from qnode.photons.hardware import Channel


def transmission(channel: Channel, at_s: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Probability that a photon arrives, at each of some network times in seconds; its coupling included."""
    loss = np.full(at_s.shape, channel.loss_db)
    if channel.times_s:
        loss += np.interp(at_s, channel.times_s, channel.losses_db, left=np.inf, right=np.inf)
    found: npt.NDArray[np.float64] = channel.coupling * 10.0 ** (-loss / 10.0)
    return found


def best_transmission(channel: Channel, from_s: float, to_s: float) -> float:
    """The largest transmission at any time in between; both ends included."""
    inside = [time for time in channel.times_s if from_s < time < to_s]
    return float(transmission(channel, np.array([from_s, *inside, to_s])).max())


def steady_transmission(channel: Channel) -> float | None:
    """The transmission of a channel that stays as it is; None for another one."""
    return None if channel.varies else float(transmission(channel, np.zeros(1))[0])
