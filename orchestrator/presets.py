"""Hardware that people have built, as it comes with qnode: `hardware: nv_center` in a configuration.

They are files of this package, read as its modules are; what they say is checked by the tests.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from orchestrator.hardware import HardwareConfig, PresetName
from orchestrator.written import Written


def text(name: PresetName) -> str:
    """The file, with the sources of its values in comments."""
    return files("qnode").joinpath("hardware", f"{name}.yaml").read_text(encoding="utf-8")


@cache
def preset(name: PresetName) -> HardwareConfig:
    """What is in it, as one could have written it under `kinds`."""
    return HardwareConfig.model_validate(Written.from_text(text(name), name).data)


def over_preset(hardware: HardwareConfig) -> HardwareConfig:
    """With what the preset that it names says where it says nothing itself."""
    if hardware.hardware is None:
        return hardware
    whole: HardwareConfig = hardware.over(preset(hardware.hardware))
    return whole
