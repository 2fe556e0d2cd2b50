"""The pictures of the README: the app in a real terminal, and what the pack draws.

Draws prompts with the starter pack in a fresh home, opens `cems` in tmux there, goes from place
to place by its keys, and writes what stands on the screen as PNG files, cell by cell.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont
from rich.ansi import AnsiDecoder
from rich.cells import cell_len
from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import DIMMED_MONOKAI

from cems_tui.text import counted
from cems_tui.views.figures import DOLLARS
from tests.cli.cems import ROOT, cems, environment
from tests.tmux import Tmux

PICTURES = ROOT / ".pictures"
"""Where the README looks."""

PROMPTS = (
    "a cat to the left of a red car at night",
    "two small dogs under a tree",
    "a rocket above the moon in space",
    "three green stars",
    "a snowman and a blue house in the snow",
    "an owl to the right of a crown",
    "a big yellow fish underwater",
    "a robot with a pink balloon",
    "two boats in the sea",
    "a penguin below a purple umbrella",
    "a strawberry cake",
    "a butterfly above a flower in a meadow",
)
PICTURE = "▀" * 20
"""Of half cells, as one stands on the screen."""

SIZE = (120, 36)
SMALL = (80, 24)

FONT_PX = 20
CELL = (12, 24)
"""Pixels of a cell, into which DejaVu Sans Mono of that size fits."""

COLOURS = 128
"""Of a file, which keeps it small."""

BLOCKS: Mapping[str, tuple[float, float, float, float]] = {
    "▀": (0, 0, 1, 0.5),
    "▄": (0, 0.5, 1, 1),
    "█": (0, 0, 1, 1),
    "▌": (0, 0, 0.5, 1),
    "▐": (0.5, 0, 1, 1),
}
"""Which part of its cell a block fills: left, top, right, bottom. Fonts leave seams between."""

BRAILLE = 0x2800
"""The letter without a dot; its eight bits are dots, in this order of column and row."""

DOTS = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))


def screenshot(coloured: str, size: tuple[int, int]) -> Image.Image:
    """A screen with its escape codes, as a terminal would draw it."""
    page = Image.new("RGB", (size[0] * CELL[0], size[1] * CELL[1]))
    pen = ImageDraw.Draw(page)
    for row, (text, style) in enumerate(_runs(coloured)):
        column = 0
        for piece, look in zip(text, style, strict=True):
            _draw(pen, (column, row), piece, look)
            column += cell_len(piece)
    return page.quantize(COLOURS, dither=Image.Dither.NONE)


def _runs(coloured: str) -> list[tuple[str, list[Style]]]:
    """A line's letters, and how each looks."""
    console, lines = Console(width=10_000), []
    for line in AnsiDecoder().decode(coloured.rstrip("\n")):
        segments = [part for part in line.render(console) if part.text != "\n"]
        text = "".join(part.text for part in segments)
        lines.append((text, [part.style or Style() for part in segments for _ in part.text]))
    return lines


def _draw(pen: ImageDraw.ImageDraw, cell: tuple[int, int], letter: str, look: Style) -> None:
    front, back = _rgb(look.color, front=True), _rgb(look.bgcolor, front=False)
    if look.reverse:
        front, back = back, front
    left, top = cell[0] * CELL[0], cell[1] * CELL[1]

    def fill(part: tuple[float, float, float, float], colour: tuple[int, int, int]) -> None:
        x0, y0, x1, y1 = (round(share * CELL[n % 2]) for n, share in enumerate(part))
        pen.rectangle((left + x0, top + y0, left + x1 - 1, top + y1 - 1), fill=colour)

    fill((0, 0, cell_len(letter), 1), back)
    if letter in BLOCKS:
        fill(BLOCKS[letter], front)
    elif (dots := ord(letter[0]) - BRAILLE) in range(256):
        for bit, (column, row) in enumerate(DOTS):
            if dots >> bit & 1:
                x, y = column / 2 + 0.125, row / 4 + 0.0625
                fill((x, y, x + 0.25, y + 0.125), front)
    elif letter.strip():
        pen.text((left, top), letter, fill=front, font=_font(bool(look.bold)))
        if look.underline:
            pen.line((left, top + CELL[1] - 3, left + CELL[0] - 1, top + CELL[1] - 3), fill=front)


def _rgb(colour: Color | None, *, front: bool) -> tuple[int, int, int]:
    found = (colour or Color.default()).get_truecolor(DIMMED_MONOKAI, foreground=front)
    return found.red, found.green, found.blue


def _font(bold: bool) -> ImageFont.FreeTypeFont:
    properties = font_manager.FontProperties(
        family="DejaVu Sans Mono", weight="bold" if bold else "normal"
    )
    return ImageFont.truetype(font_manager.findfont(properties), FONT_PX)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture of the sheet."""

    image: Path
    prompt: str
    below: str


def sheet(drawn: Sequence[Drawn], across: int = 6, picture_px: int = 160) -> Image.Image:
    """Pictures in rows, with prompt, function and price below each."""
    gap, lines, line_px, letters = 12, 3, 14, 25
    tile = picture_px + gap, picture_px + lines * line_px + gap
    rows = -(-len(drawn) // across)
    page = Image.new("RGB", (across * tile[0] + gap, rows * tile[1] + gap), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(12)
    for number, one in enumerate(drawn):
        x, y = gap + number % across * tile[0], gap + number // across * tile[1]
        with Image.open(one.image) as picture:
            large = picture.resize((picture_px, picture_px), Image.Resampling.NEAREST)
        page.paste(large, (x, y))
        told = [*textwrap.wrap(one.prompt, letters)[: lines - 1], one.below]
        pen.text((x, y + picture_px + 1), "\n".join(told), fill="black", font=font, spacing=2)
    return page.quantize(COLOURS, dither=Image.Dither.NONE)


def drawn_by_the_pack(home: Path) -> list[Drawn]:
    """The prompts, each by the function that routing picks, with a seed of its own."""
    asked = home.parent / "prompts.jsonl"
    lines = [json.dumps({"prompt": prompt, "seed": n}) for n, prompt in enumerate(PROMPTS, 1)]
    asked.write_text("\n".join(lines))
    ran = cems("generate", "-f", str(asked), "--json", home=home)
    assert ran.code == 0, ran.err
    return [
        Drawn(
            Path(one["image"]),
            one["prompt"],
            f"{one['function'].removeprefix('starter-')} · {DOLLARS.per_thousand(one['cost_usd'])}",
        )
        for one in ran.lines
    ]


def measured_by_the_pack(home: Path) -> None:
    """A benchmark of some of the prompts that the app can show."""
    asked = home.parent / "benchmark.jsonl"
    lines = [json.dumps({"prompt": prompt, "group": _group(prompt)}) for prompt in PROMPTS]
    asked.write_text("\n".join(lines))
    functions = "starter-turbo@1,starter-small@8,starter-base@8,starter-base@20"
    ran = cems(
        *("bench", "run", "--prompts", str(asked), "--functions", functions),
        *("--seeds", "2", "--name", "objects"),
        home=home,
    )
    assert ran.code == 0, ran.err


def _group(prompt: str) -> str:
    if any(word in prompt for word in (" of ", "above", "below")):
        return "relation"
    return "counting" if prompt.startswith(("two", "three")) else "scene"


def photographed(home: Path, keep: Callable[[str, Image.Image], None]) -> None:
    """Every place of the app, as it stands after its keys."""
    with Tmux(home.parent, SIZE, environment(home)) as window:

        def take(name: str, size: tuple[int, int] = SIZE) -> None:
            keep(name, screenshot(window.settled(), size))

        def see(*words: str) -> None:
            """Until these stand there beside a picture."""
            window.wait(lambda screen: all(word in screen for word in (*words, PICTURE)))

        window.run([sys.executable, "-m", "cems_tui"])
        window.wait_for("Describe a picture above")
        for number, prompt in enumerate((PROMPTS[2], PROMPTS[1], PROMPTS[0]), 1):
            window.press("C-u")
            window.type(prompt)
            window.wait_for("known ground")
            window.press("C-g")
            see(f"Session · {counted(number, 'picture')}", "promised", "idle")
        take("studio")
        window.press("C-t")
        window.resize(*SMALL)
        see("1–7 of 8")
        take("studio-light", SMALL)
        window.press("C-t")
        window.resize(*SIZE)
        window.press("F6")
        see("newest first", "instead")
        take("gallery")
        window.press("F7")
        window.wait_for("◆ you")
        take("router")
        window.press("F8")
        window.wait_for("an oracle gains")
        take("bench")
        window.press("F9")
        window.wait_for("routing.tradeoff")
        take("settings")
        window.press("F4")
        window.wait_for("sdxl-turbo")
        window.press("g", *["j"] * 4)
        window.wait_for("─ sdxl-turbo")
        take("models")
        window.press("C-q")
        window.wait_for("exit 0")


def main(arguments: Sequence[str] | None = None) -> None:
    """`python -m tests.experiments.screenshots [--out DIR]`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=PICTURES)
    out: Path = parser.parse_args(arguments).out
    out.mkdir(exist_ok=True)

    def keep(name: str, picture: Image.Image) -> None:
        file = out / f"{name}.png"
        picture.save(file, optimize=True)
        print(f"{file.name}  {file.stat().st_size / 1000:.0f} kB")

    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        keep("sheet", sheet(drawn_by_the_pack(home)))
        measured_by_the_pack(home)
        photographed(home, keep)


if __name__ == "__main__":
    main()
