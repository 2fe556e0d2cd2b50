"""Contact sheets: pictures of fresh prompts with the prompts below, to look at."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from cems_tui.starter.recipe.checks.measure import Case, cases, generate, real_pictures
from cems_tui.starter.recipe.checks.pack_evaluation import SEED, functions_of
from cems_tui.starter.recipe.checks.results import CLASSES

PER_CLASS = 48
ACROSS = 12
PICTURE_PX = 128
LINES, LINE_PX = 4, 12
LETTERS = 22
"""Letters of a line that fit below a picture."""
GAP_PX = 8


def sheet(asked: Sequence[Case], pictures: NDArray[np.uint8]) -> Image.Image:
    """One block for each class, rows of twelve, prompts below their pictures."""
    tile = (PICTURE_PX + GAP_PX, PICTURE_PX + LINES * LINE_PX + GAP_PX)
    blocks = [[i for i, case in enumerate(asked) if case.kind == kind] for kind in CLASSES]
    rows = sum(-(-len(block) // ACROSS) for block in blocks)
    title_px = 28
    page = Image.new("RGB", (ACROSS * tile[0], rows * tile[1] + len(CLASSES) * title_px), "white")
    pen = ImageDraw.Draw(page)
    small, large = ImageFont.load_default(11), ImageFont.load_default(18)
    top = 0
    for kind, block in zip(CLASSES, blocks, strict=True):
        pen.text((4, top + 3), kind, fill="black", font=large)
        top += title_px
        for place, index in enumerate(block):
            x, y = place % ACROSS * tile[0], top + place // ACROSS * tile[1]
            picture = Image.fromarray(pictures[index])
            page.paste(picture.resize((PICTURE_PX, PICTURE_PX), Image.Resampling.NEAREST), (x, y))
            lines = textwrap.wrap(asked[index].prompt, LETTERS)[:LINES]
            pen.text((x, y + PICTURE_PX + 1), "\n".join(lines), fill="black", font=small, spacing=1)
        top += -(-len(block) // ACROSS) * tile[1]
    return page


def main(arguments: list[str] | None = None) -> None:
    """`python -m tests.experiments.sheet --pack DIR --out FILE.png [--function NAME | --real]`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--function", default="starter-base@20")
    parser.add_argument("--per-class", type=int, default=PER_CLASS)
    parser.add_argument("--real", action="store_true", help="real compositions to compare with")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    asked = cases(chosen.per_class, SEED)
    if chosen.real:
        pictures = real_pictures(asked)
    else:
        from cems_tui.starter.recipe.networks.architectures import load_pipeline

        (function,) = functions_of(chosen.pack, [chosen.function])
        pipeline = load_pipeline(chosen.pack / function.pipeline)
        prompts = [case.prompt for case in asked]
        pictures, _ = generate(pipeline, prompts, function.steps, function.guidance)
    sheet(asked, pictures).save(chosen.out)


if __name__ == "__main__":
    main()
