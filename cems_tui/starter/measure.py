"""How well a pipeline of the pack follows fresh prompts, judged by the pack's own networks.

The judge learnt from the same kind of pictures, so these figures compare members of the
pack with each other and with real compositions; they say nothing about other models.
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
from torch import Tensor

from cems_tui.starter.captions import describe
from cems_tui.starter.clip_scorer import image_features, normalised, text_features
from cems_tui.starter.nima_head import NimaHead, mean_mark
from cems_tui.starter.painter import paint
from cems_tui.starter.scenes import Scene, place, random_scene
from cems_tui.starter.tokens import encode
from cems_tui.starter.vocabulary import NOUNS

CLASSES = ("one", "two", "more")


@dataclass(frozen=True, slots=True)
class Case:
    """A prompt, its scene and a real picture of it."""

    prompt: str
    scene: Scene
    picture: NDArray[np.uint8]

    @property
    def kind(self) -> str:
        """One object, two, or three and four."""
        return CLASSES[min(self.scene.objects, 3) - 1]


def cases(per_class: int, seed: str = "measure") -> list[Case]:
    """Fresh draws from the grammar, `per_class` of each class."""
    rng = random.Random(seed)
    found: dict[str, list[Case]] = {kind: [] for kind in CLASSES}
    while any(len(made) < per_class for made in found.values()):
        scene = random_scene(rng)
        picture = paint(place(scene, rng), scene.background, rng)
        case = Case(describe(scene, rng), scene, picture)
        if len(found[case.kind]) < per_class:
            found[case.kind].append(case)
    return [case for made in found.values() for case in made]


@torch.no_grad()
def generate(
    pipeline: Any, prompts: Sequence[str], steps: int, guidance: float, batch: int = 24
) -> tuple[NDArray[np.uint8], float]:
    """The pictures (N, 64, 64, 3), seeds 0..N-1, and the seconds each took on average."""
    made = []
    began = time.perf_counter()
    for start in range(0, len(prompts), batch):
        part = list(prompts[start : start + batch])
        seeds = [torch.Generator().manual_seed(start + i) for i in range(len(part))]
        made.append(
            pipeline(
                part,
                num_inference_steps=steps,
                guidance_scale=guidance,
                generator=seeds,
                output_type="np",
            ).images
        )
    seconds = (time.perf_counter() - began) / len(prompts)
    return (np.concatenate(made) * 255).round().astype(np.uint8), seconds


@torch.no_grad()
def judge(
    asked: Sequence[Case], pictures: NDArray[np.uint8], clip: Any, nima: NimaHead
) -> dict[str, dict[str, float]]:
    """Class → CLIP score (0..100), share of the asked nouns that are seen, mean mark (1..10)."""
    x = torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float() / 255
    seen, middle = image_features(clip.model, normalised(x))
    tokens = torch.from_numpy(encode([case.prompt for case in asked])).long()
    scores = 100 * (seen * text_features(clip.model, tokens)).sum(-1).clamp(min=0)
    found = nouns_found(asked, clip.nouns(middle).float())
    marks = mean_mark(nima(x))
    result = {}
    for kind in CLASSES:
        at = torch.tensor([case.kind == kind for case in asked])
        result[kind] = {
            "clip": round(float(scores[at].mean()), 2),
            "nouns": round(float(found[at].mean()), 3),
            "mark": round(float(marks[at].mean()), 2),
        }
    return result


def nouns_found(asked: Sequence[Case], maps: Tensor) -> Tensor:
    """(N,) share of each case's nouns among the k most present in its noun map, k of them."""
    present = maps.softmax(1)[:, 1:].sum((2, 3))
    index = {noun: i for i, noun in enumerate(NOUNS)}
    shares = []
    for case, amounts in zip(asked, present, strict=True):
        wanted = {index[thing.noun] for thing in case.scene.things}
        top = set(amounts.topk(len(wanted)).indices.tolist())
        shares.append(len(wanted & top) / len(wanted))
    return torch.tensor(shares)
