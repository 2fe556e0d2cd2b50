"""Prompts for benchmarking the pack: drawn from its own grammar, never used in training."""

from __future__ import annotations

import random

from cems_tui.starter.captions import describe
from cems_tui.starter.scenes import Scene, random_scene

SEED = "benchmark prompts of the starter pack"
"""Training draws its scenes with other seeds."""


def benchmark_prompts(count: int, seed: str = SEED) -> list[tuple[str, str]]:
    """`count` different prompts, each with its complexity class as group.

    The classes take turns, so that the rarer ones are as well known as the others.
    """
    chance = random.Random(seed)
    waiting: dict[str, list[str]] = {name: [] for name in CLASSES}
    seen: set[str] = set()
    prompts: list[tuple[str, str]] = []
    while len(prompts) < count:
        scene = random_scene(chance)
        prompt = describe(scene, chance)
        if prompt in seen:
            continue
        seen.add(prompt)
        waiting[class_of(scene)].append(prompt)
        if all(waiting.values()):
            prompts.extend((queue.pop(0), name) for name, queue in waiting.items())
    return prompts[:count]


CLASSES = ("one object", "two objects", "three or more")


def class_of(scene: Scene) -> str:
    """The complexity class of a scene, by the number of its objects."""
    return CLASSES[min(scene.objects, 3) - 1]
