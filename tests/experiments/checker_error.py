"""What the checker itself gets wrong on real compositions, where the truth is known.

Published before it judges any generated picture: a share it reports is worth no more than
these figures allow.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cems_tui.starter.recipe.checks.checker import Checker, load_checker
from cems_tui.starter.recipe.checks.correctness import Detection, Seen, check
from cems_tui.starter.recipe.checks.measure import Case, cases, real_pictures
from cems_tui.starter.recipe.checks.results import CLASSES
from cems_tui.starter.recipe.checks.shares import Share
from cems_tui.starter.recipe.world.mistakes import KINDS

Figures = dict[str, dict[str, Share]]
PARTS = ("objects", "count", "colour", "size", "relation", "ground")
REACH_PX = 12.0
"""Farthest a detection may lie from the object it stands for."""


def own_error(checker: Checker, asked: Sequence[Case], pictures: NDArray[np.uint8]) -> Figures:
    """Class → what → share: objects missed and false alarms, verdicts on the true caption,
    and refusals of captions with one thing wrong, `refuses noun` and so on."""
    seen = checker.look(pictures)
    figures: Figures = {}
    for kind in CLASSES:
        own = [(case, look) for case, look in zip(asked, seen, strict=True) if case.kind == kind]
        verdicts = [check(case.scene, look, checker.natural) for case, look in own]
        figures[kind] = {
            **_objects([case for case, _ in own], [look for _, look in own]),
            "complete": Share.over(verdict.complete for verdict in verdicts),
            **{part: Share.over(getattr(v, part) for v in verdicts) for part in PARTS},
            **_refusals(checker, own),
        }
    return figures


def _objects(asked: Sequence[Case], seen: Sequence[Seen]) -> dict[str, Share]:
    """Objects missed, and detections of what is not there, each of all objects painted."""
    missed = alarms = total = 0
    for case, look in zip(asked, seen, strict=True):
        left: list[Detection] = list(look.detections)
        for item in case.placed():
            total += 1
            x, y = item.left + item.size / 2, item.top + item.size / 2
            near = [
                one
                for one in left
                if one.noun == item.noun and (one.x - x) ** 2 + (one.y - y) ** 2 < REACH_PX**2
            ]
            if near:
                left.remove(near[0])
            else:
                missed += 1
        alarms += len(left)
    return {"missed": Share(missed, total), "false alarms": Share(alarms, total)}


def _refusals(checker: Checker, own: Sequence[tuple[Case, Seen]]) -> dict[str, Share]:
    rng = random.Random("near misses")
    marks: dict[str, list[bool]] = {name: [] for name in KINDS}
    for case, look in own:
        for name, spoil in KINDS.items():
            wrong = spoil(case.scene, rng)
            if wrong is not None:
                marks[name].append(not check(wrong, look, checker.natural).complete)
    shares = {f"refuses {name}": Share.over(found) for name, found in marks.items()}
    every = [mark for found in marks.values() for mark in found]
    return {**shares, "refuses any": Share.over(every)}


@torch.no_grad()
def round_tripped(vae: Any, pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The pictures as the pack's autoencoder gives them back."""
    made = []
    for start in range(0, len(pictures), 50):
        part = torch.from_numpy(np.array(pictures[start : start + 50]))
        x = part.permute(0, 3, 1, 2).float() / 127.5 - 1
        back = vae.decode(vae.encode(x).latents).sample
        made.append(((back / 2 + 0.5).clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy())
    return np.concatenate(made)


def as_markdown(figures: Figures) -> str:
    """One row for each figure, one column for each class."""
    names = list(next(iter(figures.values())))
    lines = [f"| | {' | '.join(figures)} |", "|---" * (len(figures) + 1) + "|"]
    for name in names:
        cells = [str(shares[name]) for shares in figures.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """`python -m tests.experiments.checker_error --checker DIR [--vae DIR] [--pictures N]`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checker", type=Path, required=True, help="the checker's folder")
    parser.add_argument("--vae", type=Path, help="the autoencoder's folder")
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--out", type=Path, help="the figures as JSON")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    checker = load_checker(chosen.checker)
    asked = cases(-(-chosen.pictures // len(CLASSES)), "the checker's own error")
    pictures = real_pictures(asked)
    found = {"real compositions": own_error(checker, asked, pictures)}
    if chosen.vae:
        from diffusers import AutoencoderTiny

        vae = AutoencoderTiny.from_pretrained(str(chosen.vae), torch_dtype=torch.float32).eval()
        found["through the autoencoder"] = own_error(checker, asked, round_tripped(vae, pictures))
    for title, figures in found.items():
        print(f"{title}, {len(asked)} pictures\n\n{as_markdown(figures)}\n")
    if chosen.out:
        chosen.out.write_text(json.dumps(_as_json(found), indent=1) + "\n")


def _as_json(found: dict[str, Figures]) -> dict[str, Any]:
    return {
        title: {
            kind: {name: share.as_json() for name, share in shares.items()}
            for kind, shares in figures.items()
        }
        for title, figures in found.items()
    }


if __name__ == "__main__":
    main()
