"""How much of everything the pack is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cems_tui.starter.recipe.training.trainer import Plan


@dataclass(frozen=True, slots=True)
class Recipe:
    """Sizes and budgets. The defaults made the pack that is shipped."""

    pictures: int = 100_000
    held: int = 4_000
    settled: int = 30_000
    """Pictures the one-step and the masked-token model learn from."""
    width: int = 128
    small_width: int = 64
    workers: int = 2
    base: Plan = field(default_factory=lambda: Plan(seconds=10350))
    small: Plan = field(default_factory=lambda: Plan(seconds=1480, rate=1.5e-3, flat=0.4))
    vq: Plan = field(
        default_factory=lambda: Plan(
            seconds=600, batch=16, rate=2e-3, flat=0.4, average=0.99, decay=0.0, warm=40
        )
    )
    amused: Plan = field(
        default_factory=lambda: Plan(seconds=7400, rate=2e-3, flat=0.4, average=0.99, warm=40)
    )
    turbo: Plan = field(
        default_factory=lambda: Plan(steps=1200, rate=1.5e-3, flat=0.4, average=0.995, warm=40)
    )
    decoder: Plan = field(
        default_factory=lambda: Plan(seconds=2000, batch=32, flat=0.3, average=0.998, decay=0.0)
    )
    clip: Plan = field(
        default_factory=lambda: Plan(
            seconds=1720, batch=128, rate=1.2e-3, flat=0.3, average=0.995, decay=0.02
        )
    )
    nima: Plan = field(default_factory=lambda: Plan(seconds=170, batch=96, flat=0.3, average=0.99))
    checker: Plan = field(
        default_factory=lambda: Plan(
            seconds=1260, rate=2e-3, flat=0.4, average=0.99, decay=0.02, warm=40
        )
    )
    smoke_prompts: int = 40
    """Prompts of the short evaluation whose result the manifest keeps."""


def with_plans(recipe: Recipe, plans: Mapping[str, Plan]) -> Recipe:
    """The recipe with the plans of some stages exchanged."""
    changes: dict[str, Any] = dict(plans)
    return replace(recipe, **changes)
