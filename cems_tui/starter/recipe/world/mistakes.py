"""Scenes with one thing wrong: what a checker of pictures has to refuse."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace

from cems_tui.starter.scenes import Scene, Thing
from cems_tui.starter.vocabulary import BACKGROUNDS, COLOURS, NOUNS

OPPOSITE = {"left": "right", "right": "left", "above": "below", "below": "above"}


def wrong_noun(scene: Scene, rng: random.Random) -> Scene | None:
    """One thing is another noun, which the scene does not have yet."""
    own = {thing.noun for thing in scene.things}
    noun = rng.choice([noun for noun in NOUNS if noun not in own])
    return _changed(scene, lambda thing: replace(thing, noun=noun), rng)


def wrong_colour(scene: Scene, rng: random.Random) -> Scene | None:
    """One coloured thing has another colour."""

    def repaint(thing: Thing) -> Thing | None:
        others = [colour for colour in COLOURS if colour != thing.colour]
        return replace(thing, colour=rng.choice(others)) if thing.colour else None

    return _changed(scene, repaint, rng)


def wrong_count(scene: Scene, rng: random.Random) -> Scene | None:
    """One thing more or less."""

    def recount(thing: Thing) -> Thing:
        others = [count for count in (thing.count - 1, thing.count + 1) if 1 <= count <= 3]
        return replace(thing, count=rng.choice(others))

    return _changed(scene, recount, rng)


def wrong_size(scene: Scene, rng: random.Random) -> Scene | None:
    """A small thing is big, or a big one small."""

    def resize(thing: Thing) -> Thing | None:
        other = {"small": "big", "big": "small"}.get(thing.size or "")
        return replace(thing, size=other) if other else None

    return _changed(scene, resize, rng)


def wrong_relation(scene: Scene, rng: random.Random) -> Scene | None:
    """The two things are the other way round."""
    other = OPPOSITE.get(scene.relation or "")
    if other is None or scene.things[0] == scene.things[1]:
        return None
    return replace(scene, relation=other)


def wrong_ground(scene: Scene, rng: random.Random) -> Scene | None:
    """Another place."""
    others = [name for name in BACKGROUNDS if name != scene.background]
    return replace(scene, background=rng.choice(others))


KINDS: Mapping[str, Callable[[Scene, random.Random], Scene | None]] = {
    "noun": wrong_noun,
    "colour": wrong_colour,
    "count": wrong_count,
    "size": wrong_size,
    "relation": wrong_relation,
    "ground": wrong_ground,
}
"""What is wrong → the scene made so; None where the scene has nothing of that kind."""


def _changed(
    scene: Scene, change: Callable[[Thing], Thing | None], rng: random.Random
) -> Scene | None:
    """`scene` with one of the things changed that can be."""
    possible = [(i, new) for i, thing in enumerate(scene.things) if (new := change(thing))]
    if not possible:
        return None
    index, new = rng.choice(possible)
    things = (*scene.things[:index], new, *scene.things[index + 1 :])
    return replace(scene, things=things)
