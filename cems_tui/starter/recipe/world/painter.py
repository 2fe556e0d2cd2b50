"""Scenes into pictures: emoji sprites over simple grounds, with numpy and Pillow.

The sprites lie in `sprites/`, with their origin and licences (Noto Colour Emoji).
"""

from __future__ import annotations

import random
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from cems_tui.starter.scenes import SIZE_PX, Placed
from cems_tui.starter.vocabulary import BACKGROUNDS

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

SPRITES = files("cems_tui.starter") / "sprites"
"""A PNG for each noun."""

HUES = {"red": 0, "yellow": 40, "green": 88, "blue": 152, "purple": 194, "pink": 232}
"""Hue in Pillow's 0..255."""

PLAIN = {
    "red": (212, 62, 58), "yellow": (248, 220, 98), "green": (98, 178, 96),
    "blue": (82, 140, 224), "purple": (150, 96, 190), "pink": (246, 172, 198),
    "black": (26, 26, 30), "white": (252, 252, 252),
}  # fmt: skip


@cache
def _glyph(noun: str) -> Image.Image:
    """The emoji on a transparent square, about 140 px."""
    with (SPRITES / f"{noun}.png").open("rb") as file, Image.open(file) as glyph:
        return glyph.convert("RGBA")


def _rimmed(square: Image.Image) -> Image.Image:
    """A rim of about one pixel in forty keeps pale sprites visible on pale grounds."""
    wide = square.getchannel("A").filter(ImageFilter.MaxFilter(7))
    rim = Image.new("RGBA", square.size, (30, 26, 34, 0))
    rim.putalpha(wide.filter(ImageFilter.GaussianBlur(1.5)).point(lambda a: int(a * 0.6)))
    return Image.alpha_composite(rim, square)


def _tinted(square: Image.Image, colour: str) -> Image.Image:
    """The sprite in one colour; black and white go by lightness, the others by hue."""
    alpha = square.getchannel("A")
    hsv = np.asarray(square.convert("RGB").convert("HSV")).astype(np.int32)
    hue, saturation, value = hsv[..., 0], hsv[..., 1], hsv[..., 2]
    strong = saturation > 60
    if not strong[np.asarray(alpha) > 128].mean() > 0.25:
        strong = value > 70
        saturation = np.where(strong, np.maximum(saturation, 170), saturation)
    if colour == "black":
        saturation, value = (
            np.where(strong, saturation // 5, saturation),
            np.where(strong, 24 + value // 5, value),
        )
    elif colour == "white":
        saturation, value = (
            np.where(strong, saturation // 12, saturation),
            np.where(strong, 190 + value // 4, value),
        )
    else:
        hue = np.where(strong, HUES[colour], hue)
        if colour == "pink":
            saturation = np.where(strong, np.minimum(saturation, 115), saturation)
        if colour in ("pink", "yellow"):
            value = np.where(strong, np.maximum(value, 205 + value // 5), value)
    stack = np.stack([hue, saturation, value], -1).clip(0, 255).astype(np.uint8)
    tinted = Image.fromarray(stack, "HSV").convert("RGB")
    tinted.putalpha(alpha)
    return tinted


@cache
def _painted(noun: str, colour: str | None) -> Image.Image:
    square = _glyph(noun)
    return _rimmed(_tinted(square, colour) if colour else square)


@cache
def sprite(noun: str, colour: str | None, size: int) -> tuple[Floats, Floats]:
    """(size, size, 3) colour in 0..255 and (size, size, 1) opacity in 0..1."""
    small = _painted(noun, colour).resize((size, size), Image.Resampling.LANCZOS)
    pixels = np.asarray(small, np.float32)
    return pixels[..., :3].copy(), pixels[..., 3:] / 255.0


def _rgb(red: float, green: float, blue: float) -> Floats:
    return np.array([[[red, green, blue]]], np.float32)


@cache
def _ground(kind: str, variant: int) -> Floats:
    """One of a few variants of a place, (64, 64, 3) in 0..255."""
    rng = random.Random(f"{kind}{variant}")
    down = np.linspace(0.0, 1.0, SIZE_PX, dtype=np.float32)[:, None, None]
    line = rng.choice((0.5, 0.5625))
    if kind in ("night", "space"):
        top, low = (_rgb(12, 16, 52), _rgb(44, 50, 112))
        if kind == "space":
            top, low = (_rgb(8, 4, 20), _rgb(58, 14, 84))
        ground = np.repeat(top * (1 - down) + low * down, SIZE_PX, 1)
        for _ in range(18 if kind == "night" else 40):
            ground[rng.randrange(SIZE_PX), rng.randrange(SIZE_PX)] = rng.choice((180, 235))
    elif kind == "grass":
        low = _rgb(112, 186, 72) - (down - line) * 60
        ground = np.repeat(np.where(down < line, _rgb(160, 212, 250) + 20 * down, low), SIZE_PX, 1)
    elif kind == "beach":
        shore = np.where(down < line + 0.125, _rgb(60, 150, 205), _rgb(240, 214, 150))
        ground = np.repeat(np.where(down < line - 0.0625, _rgb(150, 210, 250), shore), SIZE_PX, 1)
    elif kind == "snow":
        ground = np.repeat(np.where(down < line, _rgb(168, 192, 220), _rgb(244, 248, 254)), 64, 1)
    else:
        top, low = {
            "sky": (_rgb(92, 166, 240), _rgb(194, 228, 252)),
            "sea": (_rgb(70, 170, 220), _rgb(12, 54, 124)),
            "sunset": (_rgb(92, 60, 132), _rgb(255, 160, 88)),
        }[kind]
        ground = np.repeat(top * (1 - down) + low * down, SIZE_PX, 1)
    return ground.astype(np.float32)


def ground(background: str | None, rng: random.Random) -> Floats:
    """A fresh ground for `background`, (64, 64, 3) in 0..255."""
    if background in BACKGROUNDS:
        return _ground(background, rng.randrange(8)) + np.float32(rng.uniform(-5, 5))
    if background is None:
        level = rng.uniform(236, 250)
        colour = [level + rng.uniform(-5, 5) for _ in range(3)]
    else:
        shift = rng.uniform(-6, 6)
        colour = [channel + shift for channel in PLAIN[background]]
    return np.broadcast_to(np.array(colour, np.float32), (SIZE_PX, SIZE_PX, 3)).copy()


def paint(placed: tuple[Placed, ...], background: str | None, rng: random.Random) -> Bytes:
    """The picture, (64, 64, 3) bytes."""
    canvas = ground(background, rng).copy()
    for item in placed:
        rgb, opacity = sprite(item.noun, item.colour, item.size)
        down, across = item.top + item.size, item.left + item.size
        view = canvas[item.top : down, item.left : across]
        view[...] = view * (1 - opacity) + rgb * opacity
    return canvas.clip(0, 255).astype(np.uint8)
