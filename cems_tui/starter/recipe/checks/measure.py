"""Fresh prompts with their scenes, and pictures of them drawn in batches.

The prompts are drawn from the training grammar with seeds that training does not use.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cems_tui.starter.captions import describe
from cems_tui.starter.recipe.checks.results import CLASSES
from cems_tui.starter.recipe.world.painter import paint
from cems_tui.starter.scenes import Placed, Scene, place, random_scene

BATCH = 25


@dataclass(frozen=True, slots=True)
class Case:
    """A prompt and its scene."""

    prompt: str
    scene: Scene

    @property
    def kind(self) -> str:
        """The complexity class: how many objects there are."""
        return CLASSES[min(self.scene.objects, len(CLASSES)) - 1]

    def placed(self) -> tuple[Placed, ...]:
        """Where the sprites of this case's composition are."""
        return place(self.scene, random.Random(self.prompt))

    def picture(self) -> NDArray[np.uint8]:
        """A real composition of the scene, (64, 64, 3); always the same one."""
        return paint(self.placed(), self.scene.background, random.Random(f"ground {self.prompt}"))


def cases(per_class: int, seed: str = "measure") -> list[Case]:
    """Different prompts drawn from the grammar, `per_class` of each class."""
    rng = random.Random(seed)
    found: dict[str, list[Case]] = {kind: [] for kind in CLASSES}
    seen: set[str] = set()
    while any(len(made) < per_class for made in found.values()):
        scene = random_scene(rng)
        case = Case(describe(scene, rng), scene)
        if len(found[case.kind]) < per_class and case.prompt not in seen:
            seen.add(case.prompt)
            found[case.kind].append(case)
    return [case for made in found.values() for case in made]


def real_pictures(asked: Sequence[Case]) -> NDArray[np.uint8]:
    """A composition of each case, (N, 64, 64, 3)."""
    return np.stack([case.picture() for case in asked])


@torch.no_grad()
def generate(
    pipeline: Any,
    prompts: Sequence[str],
    steps: int,
    guidance: float,
    batch: int = BATCH,
    first_seed: int = 0,
    side: int | None = None,
) -> tuple[NDArray[np.uint8], float]:
    """The pictures (N, 64, 64, 3), seeds counted from `first_seed`, and the seconds of each.

    Args:
        side: of the pictures in pixels; None is the size that was taught.
    """
    size = {} if side is None else {"width": side, "height": side}
    made = []
    began = time.perf_counter()
    for start in range(0, len(prompts), batch):
        part = list(prompts[start : start + batch])
        seeds = [torch.Generator().manual_seed(first_seed + start + i) for i in range(len(part))]
        made.append(
            pipeline(
                part,
                num_inference_steps=steps,
                guidance_scale=guidance,
                generator=_generators(pipeline, seeds),
                output_type="np",
                **size,
            ).images
        )
    seconds = (time.perf_counter() - began) / len(prompts)
    return (np.concatenate(made).clip(0, 1) * 255).round().astype(np.uint8), seconds


def _generators(pipeline: Any, seeds: list[torch.Generator]) -> Any:
    """One generator a picture, or one for all where the pipeline takes only one."""
    return seeds[0] if type(pipeline).__name__ == "AmusedPipeline" else seeds
