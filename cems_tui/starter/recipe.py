"""How much of everything the pack is made of."""

from __future__ import annotations

from dataclasses import dataclass, field

from cems_tui.starter.trainer import Plan


@dataclass(frozen=True, slots=True)
class Recipe:
    """Sizes and budgets. The defaults made the pack that is shipped."""

    pictures: int = 100_000
    held: int = 4_000
    settled: int = 30_000
    """Pictures the one-step model learns from."""
    width: int = 128
    small_width: int = 64
    workers: int = 2
    base: Plan = field(default_factory=lambda: Plan(seconds=5150))
    small: Plan = field(default_factory=lambda: Plan(seconds=1480, rate=1.5e-3, flat=0.4))
    vq: Plan = field(
        default_factory=lambda: Plan(
            seconds=600, batch=16, rate=2e-3, flat=0.4, average=0.99, decay=0.0, warm=40
        )
    )
    amused: Plan = field(
        default_factory=lambda: Plan(seconds=2400, rate=1.5e-3, flat=0.4, average=0.998, warm=100)
    )
    turbo: Plan = field(
        default_factory=lambda: Plan(seconds=1500, rate=8e-4, flat=0.4, average=0.995, warm=40)
    )
    decoder: Plan = field(
        default_factory=lambda: Plan(seconds=1120, batch=32, flat=0.3, average=0.998, decay=0.0)
    )
    clip: Plan = field(
        default_factory=lambda: Plan(
            seconds=1160, batch=128, rate=1.2e-3, flat=0.3, average=0.995, decay=0.02
        )
    )
    nima: Plan = field(default_factory=lambda: Plan(seconds=170, batch=96, flat=0.3, average=0.99))
