"""What a picture took of electricity, by the device's counters: NVML's, or a processor's RAPL.

They count whatever the device does, so a picture drawn beside other work took less than that. Where
there is no counter, or the user may not read it, the answer is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cems_tui.generation.device import nvml_card

JOULES_PER_WATT_HOUR = 3600.0

_POWERCAP = Path("/sys/class/powercap")
"""Where Linux tells the energy of processors; mostly readable by root alone."""


class EnergyMeter:
    """Measures from `start` on; one picture at a time."""

    def __init__(self, device_type: str, powercap: Path = _POWERCAP) -> None:
        """Read nothing yet.

        Args:
            device_type: the torch device type that draws.
            powercap: the folder of RAPL's zones.
        """
        self._device_type = device_type
        self._powercap = powercap
        self._before: Mapping[str, float] = {}

    def start(self) -> None:
        """Count from now."""
        self._before = self._joules()

    def watt_hours(self) -> float | None:
        """Since `start`; None where no counter tells, or where none has moved yet."""
        now = self._joules()
        if not self._before or now.keys() != self._before.keys():
            return None
        spent = sum(self._since(counter, now[counter]) for counter in now)
        return spent / JOULES_PER_WATT_HOUR if spent > 0.0 else None

    def _joules(self) -> Mapping[str, float]:
        """Every counter there is, by its name."""
        if self._device_type == "cuda":
            return _of_card()
        return _of_packages(self._powercap) if self._device_type == "cpu" else {}

    def _since(self, counter: str, now: float) -> float:
        """A counter of RAPL begins anew at its end."""
        before = self._before[counter]
        if now >= before:
            return now - before
        end = _number(self._powercap / counter / "max_energy_range_uj")
        return 0.0 if end is None else now + end - before


def _of_card() -> Mapping[str, float]:
    with nvml_card() as card:
        if card is None:
            return {}
        import pynvml

        try:
            return {"card": pynvml.nvmlDeviceGetTotalEnergyConsumption(card) / 1e3}
        except pynvml.NVMLError:
            return {}  # older than Volta


def _of_packages(powercap: Path) -> Mapping[str, float]:
    """Of whole packages: what is in them, cores and memory controller, is counted there."""
    found = {}
    for zone in sorted(powercap.glob("intel-rapl:*")):
        if zone.name.count(":") == 1 and (told := _number(zone / "energy_uj")) is not None:
            found[zone.name] = told
    return found


def _number(file: Path) -> float | None:
    """Joules; the file tells millionths."""
    try:
        return int(file.read_text()) / 1e6
    except (OSError, ValueError):
        return None
