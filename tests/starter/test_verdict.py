"""The verdict over a picture: what is seen against what was asked."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cems_tui.starter.recipe.checks.correctness import NEUTRAL, Detection, Natural, Seen, check
from cems_tui.starter.recipe.world.mistakes import KINDS
from cems_tui.starter.scenes import Scene, Thing, place, random_scene

scenes = st.integers(0, 10**9).map(lambda seed: random_scene(random.Random(seed)))


def as_painted(scene: Scene, seed: int = 0) -> Seen:
    """What a faultless detector sees in a composition of `scene`."""
    detections = tuple(
        Detection(p.noun, p.colour, p.left + p.size / 2, p.top + p.size / 2, p.size)
        for p in place(scene, random.Random(seed))
    )
    return Seen(detections, scene.background or NEUTRAL)


def at(noun: str, x: float, y: float, colour: str | None = None, size: float = 28) -> Detection:
    return Detection(noun, colour, x, y, size)


@given(scenes, st.integers(0, 99))
@settings(max_examples=300, deadline=None)
def test_a_true_composition_is_complete(scene: Scene, seed: int) -> None:
    assert check(scene, as_painted(scene, seed)).complete


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "size"])
@given(scene=scenes, seed=st.integers(0, 99))
@settings(max_examples=150, deadline=None)
def test_a_composition_of_another_scene_is_refused(kind: str, scene: Scene, seed: int) -> None:
    wrong = KINDS[kind](scene, random.Random(seed))
    if wrong is not None and {wrong.background, scene.background} != {None, "white"}:
        assert not check(wrong, as_painted(scene, seed)).complete


def test_a_small_thing_is_not_a_big_one() -> None:
    small = Scene((Thing("cat", 1, None, "small"),))
    big = Scene((Thing("cat", 1, None, "big"),))
    assert check(small, as_painted(small)).size is True
    assert check(big, as_painted(small)).size is False
    assert check(Scene((Thing("cat"),)), as_painted(small)).size is None


def test_an_empty_picture_shows_nothing() -> None:
    verdict = check(Scene((Thing("cat", 2), Thing("dog")), "left"), Seen(()))
    assert not verdict.named
    assert verdict.missing == ("cat", "dog")
    assert verdict.relation is None, "a relation needs both"


def test_one_cat_of_two_is_named_but_does_not_make_the_objects() -> None:
    verdict = check(Scene((Thing("cat", 2),)), Seen((at("cat", 20, 30),)))
    assert verdict.named
    assert not verdict.objects
    assert not verdict.complete


def test_something_nobody_asked_for_spoils_the_count_alone() -> None:
    verdict = check(Scene((Thing("cat"),)), Seen((at("cat", 20, 30), at("unclear", 50, 30))))
    assert verdict.objects
    assert not verdict.count
    assert not verdict.complete


def test_the_colours_of_two_equal_nouns_are_shared_out() -> None:
    scene = Scene((Thing("cat", 1, "red"), Thing("cat", 1, "blue")), "left")
    right = Seen((at("cat", 48, 30, "blue"), at("cat", 16, 30, "red")))
    turned = Seen((at("cat", 16, 30, "blue"), at("cat", 48, 30, "red")))
    assert check(scene, right).complete
    assert check(scene, turned).relation is False


def test_a_red_apple_is_an_apple_but_a_green_one_is_not_red() -> None:
    natural = Natural({"apple": frozenset({"red"})})
    red = Scene((Thing("apple", 1, "red"),))
    assert check(red, Seen((at("apple", 32, 32),)), natural).colour is True
    assert check(red, Seen((at("apple", 32, 32, "green"),)), natural).colour is False
    assert check(red, Seen((at("apple", 32, 32),))).colour is False
    any_colour = Scene((Thing("apple"),))
    assert check(any_colour, Seen((at("apple", 32, 32, "green"),))).colour is None


@pytest.mark.parametrize(
    ("relation", "right"),
    [("left", False), ("right", True), ("above", False), ("below", False), ("beside", True)],
)
def test_relations_go_by_the_larger_distance(relation: str, right: bool) -> None:
    scene = Scene((Thing("cat"), Thing("dog")), relation)
    assert check(scene, Seen((at("cat", 48, 26), at("dog", 16, 36)))).relation is right


def test_white_and_pale_grounds_are_not_told_apart() -> None:
    scene = Scene((Thing("cat"),), None, "white")
    assert check(scene, Seen((at("cat", 32, 32),), NEUTRAL)).ground
    assert not check(replace(scene, background="night"), Seen((at("cat", 32, 32),))).ground
