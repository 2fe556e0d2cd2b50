"""Whether a picture shows what was asked: a pure decision over what a detector saw.

Standard library only. What counts as right:
  object    as many of the noun are seen as were asked for, or more; `named` needs one of each
  count     exactly as many, and nothing that was not asked for
  colour    the colour asked for; a noun asked for without a colour may have any
  size      nearer to the size class asked for than to the next one, where the layout knows one
  relation  by the mean centres of the two groups, along the larger of their two distances
  ground    the place or plain colour asked for
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations

from cems_tui.starter.scenes import Scene, Thing

NEUTRAL = "plain"
"""What the ground is called when the scene names none."""

UNCLEAR = "unclear"
"""The noun of something that is there but that nobody would name."""

LEAST_APART_PX = 5.0
"""Centres nearer than this along the axis stand in no relation."""

ALIKE_GROUNDS = (frozenset({NEUTRAL, "white"}),)
"""Grounds that differ by less than their own variation."""


@dataclass(frozen=True, slots=True)
class Detection:
    """One object that was seen; lengths in pixels of a 64 px picture."""

    noun: str
    colour: str | None
    x: float
    y: float
    size: float
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything that was seen in one picture."""

    detections: tuple[Detection, ...]
    ground: str = NEUTRAL


@dataclass(frozen=True, slots=True)
class Natural:
    """Noun → the colours it has without being asked, so that a red apple is an apple."""

    colours: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def fits(self, thing: Thing, seen: Detection) -> bool:
        """Whether what was seen has the colour asked for."""
        if thing.colour is None or thing.colour == seen.colour:
            return True
        own = self.colours.get(thing.noun, frozenset())
        return thing.colour in own and (seen.colour is None or seen.colour in own)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is right in one picture; None where the prompt does not ask for it."""

    named: bool
    """At least one of each noun asked for."""
    objects: bool
    """At least as many of each noun as asked for."""
    count: bool
    """Exactly as many, and nothing else."""
    colour: bool | None
    size: bool | None
    relation: bool | None
    """None also where an object is missing: a relation needs both."""
    ground: bool
    missing: tuple[str, ...] = ()
    """The nouns of which too few were seen."""

    @property
    def complete(self) -> bool:
        """Whether everything that was asked for is right."""
        return (
            self.objects
            and self.count
            and self.ground
            and self.colour is not False
            and self.size is not False
            and self.relation is not False
        )


def check(scene: Scene, seen: Seen, natural: Natural | None = None) -> Verdict:
    """The verdict over one picture of `scene`."""
    natural = natural or Natural()
    wanted = _wanted(scene)
    have = {noun: sum(d.noun == noun for d in seen.detections) for noun in wanted}
    missing = tuple(noun for noun, many in wanted.items() if have[noun] < many)
    exact = have == wanted and len(seen.detections) == sum(wanted.values())
    groups = _groups(scene, seen.detections, natural)
    return Verdict(
        named=all(have.values()),
        objects=not missing,
        count=exact,
        colour=_colours(scene, groups, natural),
        size=_sizes(scene, groups),
        relation=None if missing else _relation(scene, groups),
        ground=_same_ground(scene.background or NEUTRAL, seen.ground),
        missing=missing,
    )


def _wanted(scene: Scene) -> dict[str, int]:
    wanted: dict[str, int] = {}
    for thing in scene.things:
        wanted[thing.noun] = wanted.get(thing.noun, 0) + thing.count
    return wanted


Groups = tuple[tuple[Detection, ...], ...]


def _groups(scene: Scene, detections: Sequence[Detection], natural: Natural) -> Groups:
    """The detections of each thing, the most confident first.

    Things of the same noun share its detections out in the way that makes most of the
    colours, sizes and the relation right.
    """
    best: Groups = tuple(() for _ in scene.things)
    best_marks = -1
    for order in permutations(range(len(scene.things))):
        left = sorted(detections, key=lambda seen: -seen.confidence)
        taken: dict[int, tuple[Detection, ...]] = {}
        for index in order:
            thing = scene.things[index]
            own = [seen for seen in left if seen.noun == thing.noun]
            own.sort(key=lambda seen, thing=thing: not natural.fits(thing, seen))  # type: ignore[misc]
            taken[index] = tuple(own[: thing.count])
            left = [seen for seen in left if seen not in taken[index]]
        groups = tuple(taken[index] for index in range(len(scene.things)))
        marks = _marks(scene, groups, natural)
        if marks > best_marks:
            best, best_marks = groups, marks
        if len(_wanted(scene)) == len(scene.things):
            break
    return best


def _marks(scene: Scene, groups: Groups, natural: Natural) -> int:
    found = (
        _colours(scene, groups, natural),
        _sizes(scene, groups),
        _relation(scene, groups) if all(groups) else False,
    )
    return sum(mark is not False for mark in found)


def _colours(scene: Scene, groups: Groups, natural: Natural) -> bool | None:
    asked = [pair for pair in zip(scene.things, groups, strict=True) if pair[0].colour]
    if not asked:
        return None
    return all(
        len(group) == thing.count and all(natural.fits(thing, seen) for seen in group)
        for thing, group in asked
    )


def _sizes(scene: Scene, groups: Groups) -> bool | None:
    verdicts = [
        _size_fits(thing.size, bounds, group)
        for thing, group in zip(scene.things, groups, strict=True)
        if thing.size and (bounds := size_bounds(scene, thing))
    ]
    return all(verdicts) if verdicts else None


def _size_fits(size: str, bounds: tuple[float, float], group: Sequence[Detection]) -> bool:
    if not group:
        return False
    mean = sum(seen.size for seen in group) / len(group)
    return mean < bounds[0] if size == "small" else mean > bounds[1]


def size_bounds(scene: Scene, thing: Thing) -> tuple[float, float] | None:
    """Below the first a thing is small, above the second big, in pixels; None for layouts
    that draw every size alike."""
    if len(scene.things) == 1:
        small, usual, big = (24, 40, 56) if thing.count == 1 else (20, 28, 32)
    elif len(scene.things) == 2 and thing.count < 3:
        usual = (28, 24)[thing.count - 1]
        small, big = usual - (8 if thing.count == 1 else 4), usual + 4
    else:
        return None
    return (small + usual) / 2, (usual + big) / 2


def _relation(scene: Scene, groups: Groups) -> bool | None:
    if scene.relation is None or len(groups) != 2:
        return None
    if not all(groups):
        return False
    (x0, y0), (x1, y1) = (_centre(group) for group in groups)
    across, down = x0 - x1, y0 - y1
    along = across if scene.relation in ("left", "right", "beside") else down
    other = down if along == across else across
    if abs(along) < LEAST_APART_PX or abs(along) < abs(other):
        return False
    if scene.relation == "beside":
        return True
    return along < 0 if scene.relation in ("left", "above") else along > 0


def _centre(group: Sequence[Detection]) -> tuple[float, float]:
    return sum(d.x for d in group) / len(group), sum(d.y for d in group) / len(group)


def _same_ground(asked: str, seen: str) -> bool:
    return asked == seen or any({asked, seen} <= alike for alike in ALIKE_GROUNDS)
