"""What a pipeline tries, and in which order, when the device has no room: a rule, without any.

What is left after it, another function, is the session's to choose.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

Stage = Literal["load", "encode", "denoise", "decode"]
"""Where room ran out."""

Rung = Literal["free others", "tiled decode", "part by part"]

RUNGS: tuple[Rung, ...] = ("free others", "tiled decode", "part by part")
"""From what costs a picture the least. Others leave, and the same is tried once more; the decoder
goes over the latents in tiles; layers stay in main memory and are brought in turn."""

_LARGEST_TILE = 512
_LEAST_TILE = 128
_TILE_MULTIPLE = 64


def next_rung(stage: Stage, tried: Collection[Rung], able: Collection[Rung]) -> Rung | None:
    """The next thing to try; None when there is nothing left. Pure.

    Nothing is tried twice, nor a later rung before an earlier one that could help.

    Args:
        stage: where room ran out last; tiles help only the decoder.
        tried: what was tried for this picture.
        able: what can be tried here.
    """
    return next(
        (
            rung
            for rung in RUNGS
            if rung in able and rung not in tried and (rung != "tiled decode" or stage == "decode")
        ),
        None,
    )


def tile_sides(width: int, height: int) -> tuple[int, ...]:
    """Sides in pixels of the tiles that a picture is decoded in, the largest first. Pure.

    At most half of its longer side and 512, then half of that, down to 128: what decoding takes
    falls with the square. Empty for a picture that is hardly larger than the smallest tile.
    """
    sides = []
    side = min(_LARGEST_TILE, max(width, height) // 2)
    while (side := side // _TILE_MULTIPLE * _TILE_MULTIPLE) >= _LEAST_TILE:
        sides.append(side)
        side //= 2
    return tuple(sides)
