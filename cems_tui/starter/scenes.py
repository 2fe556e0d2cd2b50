"""What a training picture shows: things, their places and the background.

Places are multiples of eight pixels, the patch of the latents. A sprite then always meets
the patches in the same phase, which a small network learns far sooner than all 64.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from cems_tui.starter.vocabulary import BACKGROUNDS, COLOURS, NOUNS

SIZE_PX = 64
STEP_PX = 8
MAX_OBJECTS = 4
JITTERED = 0.15
"""Share of groups that may stand a step aside of their nominal place."""

_COLOURABLE = """
    cat dog rabbit fish butterfly apple car bus train rocket boat star flower house book heart
    balloon gift umbrella robot turtle owl mushroom donut
"""
COLOURABLE = frozenset(_COLOURABLE.split())
"""Nouns that are asked for in colour more often."""


@dataclass(frozen=True, slots=True)
class Thing:
    """One to three equal objects."""

    noun: str
    count: int = 1
    colour: str | None = None
    size: str | None = None
    """`small`, `big` or None."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Things in relation to each other, before a background."""

    things: tuple[Thing, ...]
    relation: str | None = None
    """Where the first thing is seen from the second; None for one, three or four things."""
    background: str | None = None
    """A key of BACKGROUNDS, a colour, or None for a pale neutral ground."""

    @property
    def objects(self) -> int:
        """How many sprites the picture holds."""
        return sum(thing.count for thing in self.things)


@dataclass(frozen=True, slots=True)
class Placed:
    """One sprite in the picture; left, top and size in pixels."""

    noun: str
    colour: str | None
    left: int
    top: int
    size: int


def random_thing(rng: random.Random, count: int = 1, sized: float = 0.0) -> Thing:
    """A thing drawn uniformly over the nouns; `sized` is the share with a size word."""
    noun = rng.choice(tuple(NOUNS))
    coloured = rng.random() < (0.4 if noun in COLOURABLE else 0.15)
    colour = rng.choice(COLOURS) if coloured else None
    size = rng.choice(("small", "big")) if rng.random() < sized else None
    return Thing(noun, count, colour, size)


def random_background(rng: random.Random) -> str | None:
    """None for a third of the scenes, a plain colour for some, a place for the others."""
    draw = rng.random()
    if draw < 0.36:
        return None
    if draw < 0.48:
        return rng.choice(COLOURS)
    return rng.choice(tuple(BACKGROUNDS))


def random_scene(rng: random.Random) -> Scene:
    """A scene of the training distribution: mostly one object, or two in relation."""
    background = random_background(rng)
    draw = rng.random()
    relation = None
    if draw < 0.42:
        things: tuple[Thing, ...] = (random_thing(rng, 1, 0.3),)
    elif draw < 0.54:
        things = (random_thing(rng, rng.choice((2, 2, 3)), 0.2),)
    elif draw < 0.93:
        counts = (1, 1) if draw < 0.84 else rng.choice(((1, 2), (2, 1), (2, 2), (3, 1), (1, 3)))
        things = tuple(random_thing(rng, count, 0.15) for count in counts)
        relation = rng.choice(("left", "right", "above", "below", "beside"))
    else:
        things = tuple(random_thing(rng) for _ in range(rng.choice((3, 3, 4))))
    return Scene(things, relation, background)


def place(scene: Scene, rng: random.Random) -> tuple[Placed, ...]:
    """Where each sprite of `scene` goes: near its nominal place, on the eight-pixel grid."""
    if len(scene.things) == 1:
        return _place_alone(scene.things[0], rng)
    if scene.relation is not None:
        return _place_pair(scene, rng)
    return _place_several(scene.things, rng)


def _jitter(rng: random.Random, steps: int = 1) -> int:
    """Now and then a step aside. Nothing in a caption explains it, so a small network that
    meets it often draws a thing half here and half there."""
    return STEP_PX * rng.randint(-steps, steps) if rng.random() < JITTERED else 0


def _at(thing: Thing, x: int, y: int, size: int) -> Placed:
    """The thing centred near (x, y), inside the picture and on the grid."""
    snap = [min(max(0, (c - size // 2) // STEP_PX * STEP_PX), SIZE_PX - size) for c in (x, y)]
    return Placed(thing.noun, thing.colour, snap[0], snap[1], size)


def _place_alone(thing: Thing, rng: random.Random) -> tuple[Placed, ...]:
    if thing.count == 1:
        size = {"small": 24, "big": 56}.get(thing.size or "", 40)
        return (_at(thing, rng.choice((32, 40)), rng.choice((32, 40)), size),)
    size = {"small": 20, "big": 32}.get(thing.size or "", 28)
    shift = _jitter(rng)
    if thing.count == 2:
        return tuple(_at(thing, x, 32 + shift, size) for x in (16, 48))
    return tuple(_at(thing, x, y, size) for x, y in ((32 + shift, 16), (16, 48), (48, 48)))


def _place_pair(scene: Scene, rng: random.Random) -> tuple[Placed, ...]:
    """Each of the two groups has one half of the picture; copies line up in it."""
    upright = scene.relation in ("above", "below")
    halves = (16, 48) if scene.relation in ("left", "above", "beside") else (48, 16)
    placed: list[Placed] = []
    for thing, half in zip(scene.things, halves, strict=True):
        size = (28, 24, 20)[thing.count - 1]
        size += {"small": -8 if thing.count == 1 else -4, "big": 4}.get(thing.size or "", 0)
        if thing.count == 3:
            size = 20
        middles = {1: (32,), 2: (18, 46), 3: (10, 32, 54)}[thing.count]
        shift = _jitter(rng) if thing.count < 3 else 0
        for middle in middles:
            x, y = (middle + shift, half) if upright else (half, middle + shift)
            placed.append(_at(thing, x, y, size))
    return tuple(placed)


def _place_several(things: tuple[Thing, ...], rng: random.Random) -> tuple[Placed, ...]:
    """Three in a row, four in a square."""
    if len(things) == 3:
        y = 32 + _jitter(rng)
        return tuple(_at(thing, x, y, 20) for thing, x in zip(things, (10, 32, 54), strict=True))
    corners = ((16, 16), (48, 16), (16, 48), (48, 48))
    return tuple(_at(thing, x, y, 28) for thing, (x, y) in zip(things, corners, strict=True))
