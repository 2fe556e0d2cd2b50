"""What is tried when there is no room: its order, and latents that are decoded again."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops

from cems_tui.cancel import never
from cems_tui.errors import GenerationError, OutOfMemory, WeightsError, says_no_memory
from cems_tui.generation.families.registry import EngineSettings, load
from cems_tui.generation.ladder import RUNGS, Rung, Stage, next_rung, tile_sides
from cems_tui.generation.pipeline import Job, MakeRoom, Picture, nothing_to_free
from tests.generation.tiny_pipelines import function

Folder = Callable[[str], Path]
SIDE = 512

stages = st.sampled_from(get_args(Stage))
some_rungs = st.sets(st.sampled_from(RUNGS))


@given(stages, some_rungs)
def test_every_ladder_ends_after_each_rung_that_can_help_was_tried_once_in_order(
    stage: Stage, able: set[Rung]
) -> None:
    tried: list[Rung] = []
    while (rung := next_rung(stage, tried, able)) is not None:
        tried.append(rung)
    helpful = [rung for rung in RUNGS if rung in able]
    if stage != "decode":
        helpful = [rung for rung in helpful if rung != "tiled decode"]
    assert tried == helpful


@given(st.integers(1, 8192), st.integers(1, 8192))
def test_tiles_are_parts_of_the_picture_and_shrink(width: int, height: int) -> None:
    sides = tile_sides(width, height)
    assert all(128 <= side <= 512 and side % 64 == 0 for side in sides)
    assert all(side <= max(width, height) // 2 for side in sides)
    assert all(less <= more // 2 for more, less in pairwise(sides))
    assert bool(sides) == (max(width, height) >= 256)


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 9 bytes"), True),
        (RuntimeError("std::bad_alloc"), True),
        (MemoryError(), True),
        (OSError(12, "Cannot allocate memory"), True),
        (OutOfMemory("full"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (WeightsError("x says: out of memory"), False),
        (ValueError(), False),
    ],
)
def test_every_library_that_finds_no_room_is_understood(error: Exception, full: bool) -> None:
    assert says_no_memory(error) is full


class Drawing:
    """A tiny pipeline whose decoder has room for so many latents at once."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
        self.function = function(folder)
        self.pipeline: Any = load(self.function, EngineSettings(device="cpu"))
        self.pipe = self.pipeline._pipe
        self.denoised = 0
        self.decoded: list[int] = []
        self.room = room
        self.error: Exception = RuntimeError("DefaultCPUAllocator: can't allocate memory")
        decode, denoise = self.pipe.vae.decoder.forward, self.pipe.unet.forward

        def decoder(latents: Any, *more: Any, **named: Any) -> Any:
            self.decoded.append(latents.shape[-1])
            if latents.shape[-1] > self.room:
                raise self.error
            return decode(latents, *more, **named)

        def denoiser(*given: Any, **named: Any) -> Any:
            self.denoised += 1
            return denoise(*given, **named)

        monkeypatch.setattr(self.pipe.vae.decoder, "forward", decoder)
        monkeypatch.setattr(self.pipe.unet, "forward", denoiser)

    def draw(self, make_room: MakeRoom = nothing_to_free) -> Picture:
        self.denoised, self.decoded = 0, []
        job = Job("a cat", 1, 2, 0.0, SIDE, SIDE)
        picture: Picture = self.pipeline.generate(job, lambda *_: None, never, make_room)
        return picture


@pytest.fixture
def drawing(tiny_folder: Folder, monkeypatch: pytest.MonkeyPatch) -> Drawing:
    return Drawing(tiny_folder("stable-diffusion"), monkeypatch, room=10**6)


def latent_side(drawing: Drawing) -> int:
    return int(SIDE // drawing.pipe.vae_scale_factor)


def test_latents_without_room_are_decoded_in_tiles_and_not_denoised_again(drawing: Drawing) -> None:
    whole = drawing.draw().image
    drawing.room = latent_side(drawing) // 2
    tiled = drawing.draw()
    assert drawing.denoised == 2, "two steps, once"
    assert tiled.fallback == ("tiled decode, 256 pixels a tile",)
    assert tiled.image.size == whole.size
    assert 0 < mean_difference(whole, tiled.image) < 20


def test_tiles_shrink_until_they_fit(drawing: Drawing) -> None:
    drawing.room = latent_side(drawing) // 4
    assert drawing.draw().fallback == ("tiled decode, 128 pixels a tile",)
    assert drawing.denoised == 2


def test_the_next_picture_begins_in_tiles_and_says_so(drawing: Drawing) -> None:
    drawing.room = latent_side(drawing) // 2
    drawing.draw()
    again = drawing.draw()
    assert again.fallback == ("tiled decode, 256 pixels a tile",)
    assert max(drawing.decoded) <= drawing.room, "nothing was tried that failed before"


def test_others_leave_before_a_picture_is_decoded_in_tiles(drawing: Drawing) -> None:
    whole = drawing.draw().image
    drawing.room = latent_side(drawing) // 2

    def make_room() -> list[str]:
        drawing.room = latent_side(drawing)
        return ["other-model"]

    picture = drawing.draw(make_room)
    assert picture.fallback == ("freed other-model",)
    assert picture.image.tobytes() == whole.tobytes()
    assert drawing.denoised == 2


def test_a_picture_whose_smallest_tile_has_no_room_is_out_of_memory_with_the_numbers(
    drawing: Drawing,
) -> None:
    drawing.room = 0
    with pytest.raises(OutOfMemory, match=r"decoding 512x512, not even in tiles of 128 pixels"):
        drawing.draw()
    assert not drawing.pipe.vae.use_tiling
    drawing.room = 10**6
    assert drawing.draw().image.size == (SIDE, SIDE)


def test_a_decoder_that_is_broken_is_not_asked_twice(drawing: Drawing) -> None:
    drawing.room, drawing.error = 0, RuntimeError("shapes do not match")
    with pytest.raises(GenerationError, match="shapes do not match"):
        drawing.draw()
    assert len(drawing.decoded) == 1


def mean_difference(one: Image.Image, other: Image.Image) -> float:
    """Of 0..255."""
    counts = ImageChops.difference(one, other).convert("L").histogram()
    return sum(level * count for level, count in enumerate(counts)) / sum(counts)
