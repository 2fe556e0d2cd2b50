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

from cems_tui.starter.captions import near_miss_of
from cems_tui.starter.clip_scorer import load_clip, similarity
from cems_tui.starter.degrade import KINDS as DAMAGES
from cems_tui.starter.measure import Case, cases, real_pictures
from cems_tui.starter.nima_head import NimaHead, load_nima, mean_mark
from cems_tui.starter.nima_scorer import as_unit
from cems_tui.starter.results import CLASSES
from cems_tui.starter.statistics import Share
from cems_tui.starter.tables import table

NEGATIVES = ("relation", "colour", "noun", "count", "size", "place")
HARD = ("relation", "colour", "noun")
SEVERITIES = (0.25, 0.5, 0.75)


@torch.no_grad()
def caption_test(
    clip: Any, asked: Sequence[Case], pictures: NDArray[np.uint8]
) -> dict[str, dict[str, Share]]:
    """Class → kind of negative → how often the true caption scores higher; `hard` is over
    relations, colours and nouns together."""
    rng = random.Random("negatives")
    right = _scores(clip, pictures, [case.prompt for case in asked])
    found: dict[str, dict[str, list[bool]]] = {kind: {} for kind in CLASSES}
    for negative in NEGATIVES:
        wrong = [near_miss_of(case.prompt, negative, rng) for case in asked]
        at = [i for i, text in enumerate(wrong) if text is not None]
        other = _scores(clip, pictures[at], [text for text in wrong if text is not None])
        for place, index in enumerate(at):
            told = found[asked[index].kind].setdefault(negative, [])
            told.append(right[index] > other[place])
    return {
        kind: {
            **{negative: Share.over(told.get(negative, ())) for negative in NEGATIVES},
            "hard": Share.over(mark for negative in HARD for mark in told.get(negative, ())),
        }
        for kind, told in found.items()
    }


def _scores(clip: Any, pictures: NDArray[np.uint8], captions: Sequence[str]) -> list[float]:
    scores: list[float] = []
    for start in range(0, len(captions), 100):
        x = as_unit(pictures[start : start + 100])
        scores += similarity(clip, x, captions[start : start + 100]).tolist()
    return scores


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
    """`python -m cems_tui.starter.scorer_test --pack DIR [--pictures N]`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=2000)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    asked = cases(-(-chosen.pictures // len(CLASSES)), "the scorers' own test")
    pictures = real_pictures(asked)
    told = caption_test(load_clip(chosen.pack / "scorers" / "clip"), asked, pictures)
    rows = [[kind, *(str(share) for share in shares.values())] for kind, shares in told.items()]
    print(f"True caption above a wrong one, {len(asked)} real compositions:\n")
    print(table(["class", *NEGATIVES, "relation, colour or noun"], rows))
    damaged = damage_test(load_nima(chosen.pack / "scorers" / "nima"), pictures[:: len(CLASSES)])
    rows = [[name, *(str(share) for share in shares)] for name, shares in damaged.items()]
    print("\nClean picture above its damaged copy, by severity of the damage:\n")
    print(table(["damage", *(str(severity) for severity in SEVERITIES)], rows))


if __name__ == "__main__":
    main()
