"""What an evaluation found: a mark for each function and prompt, and shares of them.

Standard library only, so that tables can be made again from a file without drawing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cems_tui.starter.recipe.checks.correctness import Verdict
from cems_tui.starter.recipe.checks.shares import Share
from cems_tui.starter.scenes import Thing

CLASSES = ("one object", "two objects", "three", "four")


@dataclass(frozen=True, slots=True)
class Mark:
    """How one picture was judged: the checker's verdict beside the two scorers."""

    verdict: Verdict
    clip: float
    """100 x cosine, 0..100."""
    nima: float
    """Mean mark, 1..10."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt as far as tables need it."""

    prompt: str
    kind: str
    """Complexity class."""
    things: tuple[Thing, ...]
    relation: str | None
    ground: str | None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All marks of one pack."""

    asked: tuple[Asked, ...]
    marks: Mapping[str, tuple[Mark, ...]]
    """Function → one mark a prompt."""
    seconds: Mapping[str, float]
    """Function → processor seconds of a picture, drawn alone."""

    def shares(self, function: str, kind: str | None = None) -> dict[str, Share]:
        """What → share, over the prompts of one class or all. Colour, size and relation are
        shares of the prompts that ask for them and show their objects."""
        own = [
            mark.verdict
            for asked, mark in zip(self.asked, self.marks[function], strict=True)
            if kind is None or asked.kind == kind
        ]
        there = [verdict for verdict in own if verdict.objects]
        return {
            "named": Share.over(v.named for v in own),
            "objects": Share.over(v.objects for v in own),
            "relation": Share.over(v.relation for v in there),
            "count": Share.over(v.count for v in own),
            "colour": Share.over(v.colour for v in there),
            "size": Share.over(v.size for v in there),
            "ground": Share.over(v.ground for v in own),
            "complete": Share.over(v.complete for v in own),
        }

    def as_json(self) -> dict[str, Any]:
        """Everything, for `from_json`."""
        return {
            "asked": [asdict(asked) for asked in self.asked],
            "seconds": dict(self.seconds),
            "marks": {name: [asdict(mark) for mark in marks] for name, marks in self.marks.items()},
            "shares": {
                name: {
                    kind: {what: share.as_json() for what, share in self.shares(name, kind).items()}
                    for kind in CLASSES
                }
                for name in self.marks
            },
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Evaluation:
        """What `as_json` wrote."""
        asked = [
            Asked(**{**row, "things": tuple(Thing(**thing) for thing in row["things"])})
            for row in data["asked"]
        ]
        return cls(
            tuple(asked),
            {name: tuple(map(_mark, rows)) for name, rows in data["marks"].items()},
            dict(data["seconds"]),
        )


def _mark(row: Mapping[str, Any]) -> Mark:
    verdict = {**row["verdict"], "missing": tuple(row["verdict"]["missing"])}
    return Mark(Verdict(**verdict), row["clip"], row["nima"])


Groups = dict[str, list[tuple[str, Share]]]


def breakdown(found: Evaluation, function: str) -> Groups:
    """By noun, colour, size, relation, count and layout: how often a prompt with it is right.

    A noun is right when as many of it are seen as asked for; the others are right when their
    part of the verdict is. Each group is sorted, worst first.
    """
    rows = list(zip(found.asked, (m.verdict for m in found.marks[function]), strict=True))
    tables: dict[str, dict[str, list[bool | None]]] = {
        name: {} for name in ("noun", "colour", "size", "relation", "count", "ground", "layout")
    }

    def note(group: str, key: str | None, right: bool | None) -> None:
        if key is not None:
            tables[group].setdefault(key, []).append(right)

    for asked, verdict in rows:
        for thing in asked.things:
            there = thing.noun not in verdict.missing
            note("noun", thing.noun, there)
            note("colour", thing.colour, verdict.colour if there else None)
            note("size", thing.size, verdict.size if there else None)
        counts = "+".join(str(thing.count) for thing in asked.things)
        note("relation", asked.relation, verdict.relation if verdict.objects else None)
        note("count", counts, verdict.objects and verdict.count)
        note("ground", asked.ground, verdict.ground)
        note("layout", f"{counts} {asked.relation or ''}".strip(), verdict.complete)
    return {name: _sorted(table) for name, table in tables.items()}


def _sorted(table: Mapping[str, Iterable[bool | None]]) -> list[tuple[str, Share]]:
    shares = [(key, Share.over(marks)) for key, marks in table.items()]
    return sorted(shares, key=lambda row: (1.0 if row[1].value is None else row[1].value, row[0]))


Quality = Callable[[Mark], float]


def wins(
    found: Evaluation, quality: Quality, tolerance: float, kind: str | None = None
) -> dict[str, Share]:
    """Function → share of the prompts on which it is the cheapest within `tolerance` of the
    best; functions are ordered by their seconds a picture."""
    order = sorted(found.marks, key=lambda name: found.seconds[name])
    won = dict.fromkeys(order, 0)
    chosen = [i for i, asked in enumerate(found.asked) if kind is None or asked.kind == kind]
    for index in chosen:
        values = {name: quality(found.marks[name][index]) for name in order}
        best = max(values.values())
        won[next(name for name in order if values[name] >= best - tolerance)] += 1
    return {name: Share(count, len(chosen)) for name, count in won.items()}


def qualities(
    found: Evaluation, function: str, quality: Quality, kind: str | None = None
) -> Sequence[float]:
    """The quality of each of its pictures, of one class or all."""
    return [
        quality(mark)
        for asked, mark in zip(found.asked, found.marks[function], strict=True)
        if kind is None or asked.kind == kind
    ]
