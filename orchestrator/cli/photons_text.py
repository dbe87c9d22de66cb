"""What pulses of light are made by, go through and end in, in words; what is ideal is not worth one."""

from __future__ import annotations

from collections.abc import Iterator

from qnode.photons.hardware import PS_PER_S, Channel, Detector, Encoding, PhotonLink, Source


def photon_rows(light: PhotonLink) -> list[tuple[str, str]]:
    """A part and what there is to say of it."""
    tap = f"{light.tap}, at {_percent(light.tap_at)} of the way" if light.tap_at else light.tap
    wrong = f"{_percent(light.misalignment)} of the photons go to the wrong detector" if light.misalignment else ""
    rows = [
        ("source", ", ".join(_source(light.source))),
        ("encoding", ", ".join(_encoding(light.encoding))),
        ("channel", ", ".join(_channel(light.channel))),
        ("detectors", ", ".join(_detector(light.detector))),
        ("alignment", wrong),
        ("tap", tap),
    ]
    return [(part, text) for part, text in rows if text]


def _source(source: Source) -> Iterator[str]:
    yield source.model.replace("_", " ")
    match source.model:
        case "weak_coherent":
            yield f"{', '.join(f'{mean:g}' for mean in source.intensities)} photons in a pulse"
        case "entangled":
            yield f"{source.intensities[0]:g} pairs in a pulse"
        case _:
            if source.efficiency < 1:
                yield f"{_percent(1 - source.efficiency)} empty"
            if source.multiphoton:
                yield f"{_percent(source.multiphoton)} of two"
    if source.period_ps:
        yield f"{PS_PER_S / source.period_ps / 1e6:.6g} MHz"


def _encoding(encoding: Encoding) -> Iterator[str]:
    yield encoding.model.replace("_", " ")
    if encoding.model == "time_bin":
        yield f"bins {encoding.separation_ps} ps apart"
        if encoding.visibility < 1:
            yield f"visibility {_percent(encoding.visibility)}"


def _channel(channel: Channel) -> Iterator[str]:
    if channel.varies:
        least = min(channel.losses_db)
        yield f"at least {least:g} dB, from {channel.times_s[0]:g} to {channel.times_s[-1]:g} s"
    elif channel.loss_db:
        yield f"{channel.loss_db:.4g} dB"
    if channel.coupling < 1:
        yield f"{_percent(channel.coupling)} get in"


def _detector(detector: Detector) -> Iterator[str]:
    if detector.efficiency < 1:
        yield _percent(detector.efficiency)
    if detector.dark_clicks:
        yield f"dark clicks {detector.dark_clicks:g}"
    for name, time_ps in (("dead", detector.dead_ps), ("jitter", detector.jitter_ps), ("window", detector.window_ps)):
        if time_ps:
            yield f"{name} {time_ps:g} ps" if time_ps < 1000 else f"{name} {time_ps / 1000:g} ns"
    if detector.afterpulse:
        yield f"{_percent(detector.afterpulse)} afterpulses"


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"
