"""What prompts outside a vocabulary scored: the estimates for prompts a router knows nothing of.

A router of models that were taught few words is asked about much more than they know. Its own
predictions say nothing there; what such prompts scored when they were drawn does. They are taken
together in bands, by whether anything in them is known and by how many words are not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import inf, isfinite, log
from typing import Any

from cems_tui.domain.decision import QualityEstimate
from cems_tui.domain.estimate import PromptEstimate

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?|\d+")

MOST_BANDS = 64


@dataclass(frozen=True, slots=True)
class KnownWords:
    """The words that models were taught, in lower case."""

    things: frozenset[str]
    """What can be drawn, in every form it was taught in."""

    others: frozenset[str]
    """Words that change the picture: colours, sizes, numbers, places."""

    silent: frozenset[str]
    """Words that change nothing, and are no sign of anything unknown."""

    def read(self, prompt: str) -> Known:
        """What is known of the prompt."""
        words = {word.replace("’", "'") for word in _WORD.findall(prompt.lower())}
        meant = words - self.silent
        things = len(meant & self.things)
        return Known(things, len(meant & self.others), len(meant - self.things - self.others))

    def to_json(self) -> dict[str, str]:
        """As a card keeps them."""
        parts = {"things": self.things, "others": self.others, "silent": self.silent}
        return {name: " ".join(sorted(words)) for name, words in parts.items()}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> KnownWords:
        """What `to_json` wrote; raises KeyError or TypeError otherwise."""
        parts = [row[name] for name in ("things", "others", "silent")]
        if not all(isinstance(part, str) for part in parts):
            raise TypeError("the known words are not text")
        return cls(*(frozenset(part.split()) for part in parts))


@dataclass(frozen=True, slots=True)
class Known:
    """How many different words of a prompt are known."""

    things: int
    others: int
    unknown: int

    @property
    def inside(self) -> bool:
        """Whether it names a thing and nothing that is unknown."""
        return self.things > 0 and self.unknown == 0

    @property
    def novelty(self) -> float:
        """The share of its words that are unknown; 1 where it names nothing known. 0 … 1."""
        if not self.things:
            return 1.0
        return self.unknown / (self.unknown + self.things + self.others)


@dataclass(frozen=True, slots=True)
class Band:
    """Prompts that are taken together, and what they scored."""

    things: bool
    """Whether they name a thing that is known."""

    most_unknown: int | None
    """The most unknown words in them; None is any number."""

    prompts: int
    """How many were drawn."""

    quality: tuple[float, ...]
    """Mean score of each function, in the card's order; equal where the pictures do not tell."""

    low: tuple[float, ...]
    """The lower end of the 90 % interval of one picture."""

    high: tuple[float, ...]

    def holds(self, known: Known) -> bool:
        """Whether prompts like this one are in it."""
        if self.things != (known.things > 0):
            return False
        return self.most_unknown is None or known.unknown <= self.most_unknown

    @classmethod
    def from_json(cls, row: Mapping[str, Any], functions: int) -> Band:
        """The band a card holds; raises KeyError, TypeError or ValueError otherwise."""
        most = row["most_unknown"]
        return cls(
            bool(row["things"]),
            None if most is None else int(most),
            int(row["prompts"]),
            *_rows(row, functions),
        )


def _rows(row: Mapping[str, Any], functions: int) -> list[tuple[float, ...]]:
    """Quality and both ends of its interval, of every function."""
    rows = [tuple(map(float, row[name])) for name in ("quality", "low", "high")]
    for values in rows:
        if len(values) != functions or not all(map(isfinite, values)):
            raise ValueError("a band does not have a finite number for every function")
    if not all(low <= mean <= high for mean, low, high in zip(*rows, strict=True)):
        raise ValueError("a mean of a band is outside its interval")
    return rows


@dataclass(frozen=True, slots=True)
class Size:
    """What pictures of a size that was never taught scored, of prompts that were."""

    ratio: float
    """Pixels of that size for each pixel of the size that was taught."""

    prompts: int
    quality: tuple[float, ...]
    """Mean score of each function, in the card's order; equal where the pictures do not tell."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    """The ends of the 90 % interval of one picture."""

    def distance(self, ratio: float) -> float:
        """How far another size is from it: on the other side of what was taught is farther."""
        apart = abs(log(self.ratio) - log(ratio))
        return apart + (inf if (self.ratio < 1.0) != (ratio < 1.0) else 0.0)

    @classmethod
    def from_json(cls, row: Mapping[str, Any], functions: int) -> Size:
        """The size a card holds; raises KeyError, TypeError or ValueError otherwise."""
        ratio = float(row["ratio"])
        if not 0.0 < ratio < inf:
            raise ValueError(f"{ratio!r} is no ratio of sizes")
        return cls(ratio, int(row["prompts"]), *_rows(row, functions))


@dataclass(frozen=True, slots=True)
class Outside:
    """Which prompts and sizes a router knows nothing of, and what such pictures scored."""

    words: KnownWords
    bands: tuple[Band, ...]
    """Asked in this order: the first that holds a prompt counts."""

    table: str
    """`sha256:…` of the score table the bands were learned from; `none` without bands."""

    sizes: tuple[Size, ...] = ()
    """Sizes that were never taught; empty where none was drawn."""

    def at_sizes(
        self, said: PromptEstimate, functions: Sequence[str], ratios: Mapping[str, float]
    ) -> PromptEstimate:
        """The estimate of pictures of other sizes: no better than such pictures were.

        Args:
            functions: in the card's order.
            ratios: pixels asked for each pixel taught, of the functions where the size is another.
        """
        estimates = dict(said.estimates)
        for m, name in enumerate(functions):
            one, ratio = estimates.get(name), ratios.get(name)
            if not self.sizes or one is None or one.quality is None or ratio is None:
                continue
            size = min(self.sizes, key=lambda size: size.distance(ratio))
            lost = self._lost_beyond(size, ratio)
            quality = min(one.quality, size.quality[m] - lost)
            interval = min(size.low[m] - lost, quality), max(size.high[m], quality)
            estimates[name] = QualityEstimate(quality, interval)
        return said if estimates == dict(said.estimates) else replace(said, estimates=estimates)

    def _lost_beyond(self, last: Size, ratio: float) -> float:
        """What quality goes on to fall by beyond the farthest size that was drawn: as it fell from
        the one before, for each doubling, at the mean of all functions. Nothing tells them apart
        there."""
        side = [size for size in self.sizes if (size.ratio < 1.0) == (last.ratio < 1.0)]
        side.sort(key=lambda size: abs(log(size.ratio)))
        beyond = abs(log(ratio)) - abs(log(last.ratio))
        if len(side) < 2 or last is not side[-1] or beyond <= 0.0:
            return 0.0
        before = side[-2]
        step = abs(log(last.ratio)) - abs(log(before.ratio))
        fell = max(0.0, (sum(before.quality) - sum(last.quality)) / len(last.quality))
        return fell * beyond / step if step > 0.0 else 0.0

    def applied(
        self, prompt: str, said: PromptEstimate, functions: Sequence[str]
    ) -> PromptEstimate:
        """The router's estimate of a prompt of known words; else what such prompts scored.

        Args:
            functions: in the card's order.
        """
        known = self.words.read(prompt)
        if known.inside:
            return said
        novelty = max(said.novelty, known.novelty)
        band = next((band for band in self.bands if band.holds(known)), None)
        if band is None:
            return replace(said, in_distribution=False, novelty=novelty)
        return replace(
            said,
            in_distribution=False,
            novelty=novelty,
            estimates={
                name: QualityEstimate(band.quality[m], (band.low[m], band.high[m]))
                for m, name in enumerate(functions)
            },
        )

    def to_json(self) -> dict[str, Any]:
        """As a card keeps it."""
        return {
            "table": self.table,
            "bands": [asdict(band) for band in self.bands],
            "sizes": [asdict(size) for size in self.sizes],
            "words": self.words.to_json(),
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any], functions: int) -> Outside:
        """What `to_json` wrote; raises KeyError, TypeError or ValueError otherwise."""
        drawn = row.get("sizes", ())  # a card of an older program has none
        if len(row["bands"]) > MOST_BANDS or len(drawn) > MOST_BANDS:
            raise ValueError(f"{len(row['bands'])} bands and {len(drawn)} sizes are too many")
        bands = tuple(Band.from_json(one, functions) for one in row["bands"])
        sizes = tuple(Size.from_json(one, functions) for one in drawn)
        return cls(KnownWords.from_json(row["words"]), bands, str(row["table"]), sizes)
