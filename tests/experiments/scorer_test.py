"""How well the pack's scorers tell right from wrong on real compositions.

The CLIP-like scorer has to prefer the true caption to one with a single thing wrong; the
NIMA head has to mark a clean picture above its damaged copy.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cems_tui.scoring.nima_head import NimaHead, load_nima, mean_mark
from cems_tui.starter.captions import MISSES, near_miss
from cems_tui.starter.recipe.checks.measure import Case, cases, real_pictures
from cems_tui.starter.recipe.checks.results import CLASSES
from cems_tui.starter.recipe.checks.shares import Share
from cems_tui.starter.recipe.checks.tables import table
from cems_tui.starter.recipe.networks.clip_scorer import (
    image_features,
    load_clip,
    normalised,
    text_features,
)
from cems_tui.starter.recipe.networks.nima_scorer import as_unit
from cems_tui.starter.recipe.networks.tokenizer import encode
from cems_tui.starter.recipe.world.degrade import KINDS as DAMAGES

HARD = ("relation", "colour", "noun")
SEVERITIES = (0.25, 0.5, 0.75)


@torch.no_grad()
def caption_test(
    clip: Any, asked: Sequence[Case], pictures: NDArray[np.uint8]
) -> dict[str, dict[str, Share]]:
    """Class → kind of negative → how often the true caption scores higher; `hard` is over
    relations, colours and nouns together."""
    rng = random.Random("negatives")
    parts = (pictures[start : start + 100] for start in range(0, len(pictures), 100))
    seen = torch.cat([image_features(clip, normalised(as_unit(part)))[0] for part in parts])
    right = _cosines(clip, seen, [case.prompt for case in asked])
    found: dict[str, dict[str, list[bool]]] = {kind: {} for kind in CLASSES}
    for negative in MISSES:
        wrong = [near_miss(case.prompt, rng, negative) for case in asked]
        at = [i for i, case in enumerate(asked) if wrong[i] != case.prompt]
        other = _cosines(clip, seen[at], [wrong[i] for i in at])
        for place, index in enumerate(at):
            told = found[asked[index].kind].setdefault(negative, [])
            told.append(right[index] > other[place])
    return {
        kind: {
            **{negative: Share.over(told.get(negative, ())) for negative in MISSES},
            "hard": Share.over(mark for negative in HARD for mark in told.get(negative, ())),
        }
        for kind, told in found.items()
    }


def _joined(one: dict[str, Share], other: dict[str, Share]) -> dict[str, Share]:
    return {
        name: Share(share.right + other[name].right, share.of + other[name].of)
        for name, share in one.items()
    }


def _cosines(clip: Any, seen: Tensor, captions: Sequence[str]) -> list[float]:
    if not captions:
        return []
    said = text_features(clip, torch.from_numpy(encode(captions)).long())
    return list((seen * said).sum(-1).tolist())


@torch.no_grad()
def damage_test(nima: NimaHead, pictures: NDArray[np.uint8]) -> Mapping[str, list[Share]]:
    """Damage → for each of SEVERITIES, how often the clean picture is marked higher."""
    chance = torch.Generator().manual_seed(0)
    clean = as_unit(pictures)
    marks = mean_mark(nima(clean))
    found: dict[str, list[Share]] = {}
    for damage in DAMAGES:
        found[damage.__name__] = []
        for severity in SEVERITIES:
            worse = mean_mark(nima(damage(clean, severity, chance).clamp(0, 1)))
            found[damage.__name__].append(Share.over((marks > worse).tolist()))
    return found


def main(arguments: list[str] | None = None) -> None:
    """`python -m tests.experiments.scorer_test --pack DIR [--pictures N]`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=2000)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    asked = cases(-(-chosen.pictures // len(CLASSES)), "the scorers' own test")
    pictures = real_pictures(asked)
    told = caption_test(load_clip(chosen.pack / "scorers" / "clip"), asked, pictures)
    told["three or four"] = _joined(told["three"], told["four"])
    rows = [[kind, *(str(share) for share in shares.values())] for kind, shares in told.items()]
    print(f"True caption above a wrong one, {len(asked)} real compositions:\n")
    print(table(["class", *MISSES, "relation, colour or noun"], rows))
    damaged = damage_test(load_nima(chosen.pack / "scorers" / "nima"), pictures[:: len(CLASSES)])
    rows = [[name, *(str(share) for share in shares)] for name, shares in damaged.items()]
    print("\nClean picture above its damaged copy, by severity of the damage:\n")
    print(table(["damage", *(str(severity) for severity in SEVERITIES)], rows))


if __name__ == "__main__":
    main()
