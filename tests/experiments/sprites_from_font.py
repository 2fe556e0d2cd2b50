"""Where the sprites come from: renders them from the Noto Colour Emoji font, once, by hand.

    python -m tests.experiments.sprites_from_font NotoColorEmoji.ttf [--out FOLDER]

Nothing else needs the font: the sprites are part of the project. `sprites/NOTICE.md` says which
font they were rendered from; another version may draw some of them differently.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from cems_tui.starter.vocabulary import NOUNS

HERE = Path(__file__).parents[2] / "cems_tui" / "starter" / "sprites"
STRIKE_PX = 109
"""The one bitmap size the font has."""
MARGIN_PX = 6
"""Left free on each side, for the rim that the painter draws."""


def render(emoji: str, font: ImageFont.FreeTypeFont) -> Image.Image:
    """The emoji in the middle of a transparent square, about 140 px."""
    canvas = Image.new("RGBA", (176, 176), (0, 0, 0, 0))
    ImageDraw.Draw(canvas).text((16, 16), emoji, font=font, embedded_color=True)
    box = canvas.getbbox()
    if box is None:
        raise SystemExit(f"the font draws nothing for {emoji}")
    glyph = canvas.crop(box)
    side = max(glyph.size) + 2 * MARGIN_PX
    square = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    square.paste(glyph, ((side - glyph.width) // 2, (side - glyph.height) // 2))
    return square


def main(arguments: list[str] | None = None) -> None:
    """One PNG for each noun of the vocabulary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("font", type=Path)
    parser.add_argument("--out", type=Path, default=HERE)
    chosen = parser.parse_args(arguments)
    font = ImageFont.truetype(str(chosen.font), STRIKE_PX)
    chosen.out.mkdir(parents=True, exist_ok=True)
    for noun, emoji in NOUNS.items():
        waiting = chosen.out / f"{noun}.png.part"
        render(emoji, font).save(waiting, "PNG", optimize=True)
        os.replace(waiting, chosen.out / f"{noun}.png")


if __name__ == "__main__":
    main()
