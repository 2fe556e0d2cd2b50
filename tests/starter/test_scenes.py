"""Scenes, their pictures and their captions."""

from __future__ import annotations

import hashlib
import io
import random
import re

import numpy as np
import pytest
from PIL import Image

from cems_tui.starter.captions import describe, near_miss
from cems_tui.starter.recipe.world.painter import SPRITES, paint
from cems_tui.starter.scenes import (
    MAX_OBJECTS,
    SIZE_PX,
    Scene,
    Thing,
    place,
    random_scene,
)
from cems_tui.starter.vocabulary import NOUNS, unknown_words

SPRITE_PIXELS = "e698dc6250f63a2e492cf3bf4dabca8ca215b858e841c22d63f9135bca6d63de"
"""Digest of the sprites' RGBA pixels, in the order of their names, as the font gave them."""


def test_every_noun_has_the_sprite_that_the_font_gave() -> None:
    digest = hashlib.sha256()
    for noun in sorted(NOUNS):
        with Image.open(io.BytesIO((SPRITES / f"{noun}.png").read_bytes())) as sprite:
            assert sprite.mode == "RGBA"
            assert sprite.width == sprite.height
            digest.update(sprite.tobytes())
    assert digest.hexdigest() == SPRITE_PIXELS
    pngs = {file.name for file in SPRITES.iterdir() if file.name.endswith(".png")}
    assert pngs == {f"{noun}.png" for noun in NOUNS}


def test_the_sprites_lie_beside_their_licences() -> None:
    notice = (SPRITES / "NOTICE.md").read_text("utf-8")
    for licence in re.findall(r"`(LICENSE-\S+)`", notice):
        assert (SPRITES / licence).is_file(), licence
    assert "SIL OPEN FONT LICENSE" in (SPRITES / "LICENSE-OFL-1.1.txt").read_text("utf-8")
    assert "Apache License" in (SPRITES / "LICENSE-Apache-2.0.txt").read_text("utf-8")


def test_a_seed_gives_the_same_scene_and_captions() -> None:
    def made(seed: int) -> tuple[Scene, str]:
        rng = random.Random(seed)
        scene = random_scene(rng)
        return scene, describe(scene, rng)

    assert [made(seed) for seed in range(50)] == [made(seed) for seed in range(50)]
    assert made(1) != made(2)


def test_a_seed_gives_the_same_picture() -> None:
    def picture(seed: int) -> np.ndarray:
        rng = random.Random(seed)
        scene = random_scene(rng)
        return paint(place(scene, rng), scene.background, rng)

    assert np.array_equal(picture(3), picture(3))
    assert picture(3).shape == (SIZE_PX, SIZE_PX, 3)
    assert picture(3).dtype == np.uint8


def test_every_caption_can_be_drawn() -> None:
    rng = random.Random(0)
    for _ in range(2000):
        caption = describe(random_scene(rng), rng)
        assert unknown_words(caption) == (), caption


def test_scenes_hold_up_to_four_objects_inside_the_picture() -> None:
    rng = random.Random(0)
    for _ in range(2000):
        scene = random_scene(rng)
        placed = place(scene, rng)
        assert 1 <= len(placed) == scene.objects <= MAX_OBJECTS
        for item in placed:
            assert item.left >= 0
            assert item.top >= 0
            assert max(item.left, item.top) + item.size <= SIZE_PX


@pytest.mark.parametrize(
    ("relation", "axis", "sign"),
    [("left", "left", -1), ("right", "left", 1), ("above", "top", -1), ("below", "top", 1)],
)
def test_relations_mean_what_they_say(relation: str, axis: str, sign: int) -> None:
    rng = random.Random(0)
    for counts in ((1, 1), (2, 1), (1, 3)):
        scene = Scene((Thing("cat", counts[0]), Thing("car", counts[1])), relation)
        placed = place(scene, rng)
        cats = [getattr(item, axis) for item in placed if item.noun == "cat"]
        cars = [getattr(item, axis) for item in placed if item.noun == "car"]
        assert all(sign * (cat - car) > 0 for cat in cats for car in cars)


def test_a_near_miss_is_another_caption_of_known_words() -> None:
    rng = random.Random(0)
    changed = 0
    for _ in range(500):
        caption = describe(random_scene(rng), rng)
        wrong = near_miss(caption, rng)
        assert unknown_words(wrong) == ()
        changed += wrong != caption
    assert changed >= 490


def test_a_near_miss_of_an_unordered_pair_does_not_only_swap_it() -> None:
    rng = random.Random(0)
    for _ in range(200):
        assert near_miss("a cat and a dog", rng) != "a dog and a cat"


@pytest.mark.parametrize(
    ("kind", "caption", "expected"),
    [
        ("relation", "a cat left of a dog", {"a cat right of a dog", "a dog left of a cat"}),
        ("relation", "a cat on the left and a dog on the right",
         {"a dog on the left and a cat on the right"}),
        ("relation", "two cats over a dog", {"two cats under a dog"}),
        ("relation", "a cat and a dog", {"a cat and a dog"}),
        ("relation", "a cat, under a night sky", {"a cat, under a night sky"}),
        ("count", "two cats", {"three cats"}),
        (
            "relation",
            "a cat left of an apple",
            {"a cat right of an apple", "an apple left of a cat"},
        ),
        ("colour", "a cat", {"a cat"}),
    ],
)  # fmt: skip
def test_a_near_miss_of_a_kind_changes_that_alone(
    kind: str, caption: str, expected: set[str]
) -> None:
    rng = random.Random(0)
    assert {near_miss(caption, rng, kind) for _ in range(40)} == expected


def test_half_of_the_near_misses_of_a_related_pair_turn_it() -> None:
    rng = random.Random(0)
    found = [near_miss("a red cat left of a dog", rng) for _ in range(400)]
    turned = sum(text in ("a red cat right of a dog", "a red dog left of a cat") for text in found)
    assert turned > 200
