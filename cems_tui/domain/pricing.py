"""What a picture costs: rent for device memory over time.

CEMS (Lee & Lee, CIKM 2024, eq. 4): seconds × ⌈GB⌉ × 0.0000166667 $ per GB·s. Loading is a
term of its own. A price that cannot be known is None, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

from cems_tui.domain.function import Expected, Provenance

GIGABYTE = 1_000_000_000
"""Bytes; decimal, as device memory is billed."""

CEMS_USD_PER_GB_SECOND = 0.0000166667
"""The unit price of CEMS, eq. 4 (the list price of a serverless GB·s)."""


@dataclass(frozen=True, slots=True)
class Cost:
    """A price and who says so. `usd` is None when it cannot be known."""

    usd: float | None = None
    source: Provenance | None = None
    interval: tuple[float, float] | None = None
    """90 % interval of `usd`; None where nothing was measured that could tell."""

    @property
    def priced(self) -> bool:
        return self.usd is not None


UNPRICED = Cost()


@dataclass(frozen=True, slots=True)
class Pricing:
    """Rent for memory over time, as serverless clouds bill it."""

    usd_per_gb_second: float = CEMS_USD_PER_GB_SECOND

    usd_per_kwh: float | None = None
    """What a kilowatt-hour of electricity costs; None where nobody said. It is told beside the
    price of a picture, no part of it."""

    def usd(self, seconds: float, memory_bytes: int) -> float:
        """US dollars for holding `memory_bytes` for `seconds`, gigabytes rounded up (eq. 4)."""
        return seconds * ceil(memory_bytes / GIGABYTE) * self.usd_per_gb_second

    def cost(
        self, seconds: float | None, memory_bytes: int | None, source: Provenance | None
    ) -> Cost:
        """The price of one picture: priced when both seconds and bytes are known."""
        if seconds is None or memory_bytes is None or source is None:
            return UNPRICED
        return Cost(self.usd(seconds, memory_bytes), source)

    def of(self, expected: Expected) -> Cost:
        """The price of one picture that takes what `expected` says."""
        cost = self.cost(expected.seconds, expected.memory_bytes, expected.provenance)
        ends, memory = expected.seconds_interval, expected.memory_bytes
        if cost.usd is None or ends is None or memory is None:
            return cost
        return replace(cost, interval=(self.usd(ends[0], memory), self.usd(ends[1], memory)))

    def energy_usd(self, watt_hours: float | None) -> float | None:
        """US dollars for electricity; None where how much, or its price, is not known."""
        if watt_hours is None or self.usd_per_kwh is None:
            return None
        return watt_hours / 1000 * self.usd_per_kwh

    def load_usd(
        self, load_seconds: float | None, load_bytes: int | None, *, resident: bool
    ) -> float | None:
        """The price of bringing the weights to the device: 0 when resident, None when unknown."""
        if resident:
            return 0.0
        if load_seconds is None or load_bytes is None:
            return None
        return self.usd(load_seconds, load_bytes)
