"""Decodes latents once, and again from the same latents where memory ran out: in tiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cems_tui.errors import OutOfMemory, says_no_memory
from cems_tui.generation.ladder import Rung, next_rung, tile_sides
from cems_tui.generation.pipeline import MakeRoom


def can_tile(decoder: Any) -> bool:
    """Whether an autoencoder of diffusers decodes in tiles."""
    return hasattr(decoder, "use_tiling") and (
        hasattr(decoder, "tile_latent_min_size") or hasattr(decoder, "tile_sample_stride_height")
    )


@dataclass(slots=True)
class PatientDecoder:
    """One picture's way from latents to pixels, however little room there is."""

    decoder: Any
    model: str
    width: int
    """Pixels."""

    height: int
    """Pixels."""

    make_room: MakeRoom
    give_back: Callable[[], None]
    """Returns to the device what was freed."""

    tiled_from_start: bool = False
    """Whether the whole is known not to fit."""

    side: int | None = None
    """Of the tiles that it was decoded in; None while it was not in tiles."""

    rungs: list[str] = field(default_factory=list)
    """What was tried beyond the plain call, in words."""

    def decode(self, call: Callable[[], Any], latents: Any) -> Any:
        """What `call` gives, which decodes the latents.

        Raises:
            OutOfMemory: there is no room, not even for the smallest tiles.
        """
        tried: list[Rung] = []
        if not self.tiled_from_start and (made := _unless_full(call)) is not None:
            return made
        if self.tiled_from_start:
            tried.append("free others")
        able: tuple[Rung, ...] = ("free others", "tiled decode")
        while (rung := next_rung("decode", tried, able)) is not None:
            tried.append(rung)
            self.give_back()
            tries = self._after_others if rung == "free others" else self._in_tiles
            if (made := tries(call, latents)) is not None:
                return made
        in_tiles = f", not even in tiles of {self.side} pixels" if self.side else ""
        raise OutOfMemory(
            f"the device ran out of memory while {self.model} was decoding "
            f"{self.width}x{self.height}{in_tiles}"
        )

    def _after_others(self, call: Callable[[], Any], _latents: Any) -> Any | None:
        if not (left := self.make_room()):
            return None  # nothing changed: it would fail again
        self.rungs.append(f"freed {', '.join(left)}")
        return _unless_full(call)

    def _in_tiles(self, call: Callable[[], Any], latents: Any) -> Any | None:
        if not can_tile(self.decoder):
            return None
        for side in tile_sides(self.width, self.height):
            self.side = side
            self.give_back()
            with _tiles(self.decoder, side, self.width // latents.shape[-1]):
                made = _unless_full(call)
            if made is not None:
                self.rungs.append(f"tiled decode, {side} pixels a tile")
                return made
        return None


def _unless_full(call: Callable[[], Any]) -> Any | None:
    """What a call gives; None where memory ran out. The error is gone then, and with it what its
    traceback held."""
    try:
        return call()
    except Exception as error:
        if not says_no_memory(error):
            raise
    return None


@contextmanager
def _tiles(decoder: Any, side: int, pixels_per_latent: int) -> Iterator[None]:
    """Within the block the decoder works in tiles; afterwards it is as it was."""
    before = {
        name: value
        for name, value in vars(decoder).items()
        if name == "use_tiling" or name.startswith("tile_")
    }
    try:
        if hasattr(decoder, "tile_latent_min_size"):
            decoder.use_tiling = True
            decoder.tile_sample_min_size = side
            decoder.tile_latent_min_size = side // pixels_per_latent
        else:
            decoder.enable_tiling(side, side, side * 3 // 4, side * 3 // 4)
        yield
    finally:
        for name, value in before.items():
            setattr(decoder, name, value)
