"""What prompts outside a vocabulary scored: the estimates for prompts a router knows nothing of.

A router of models that were taught few words is asked about much more than they know. Its own
predictions say nothing there; what such prompts scored when they were drawn does. They are taken
together in bands, by whether anything in them is known and by how many words are not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import isfinite
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
        rows = [tuple(map(float, row[name])) for name in ("quality", "low", "high")]
        for values in rows:
            if len(values) != functions or not all(map(isfinite, values)):
                raise ValueError("a band does not have a finite number for every function")
        if not all(low <= mean <= high for mean, low, high in zip(*rows, strict=True)):
            raise ValueError("a mean of a band is outside its interval")
        most = row["most_unknown"]
        return cls(
            bool(row["things"]), None if most is None else int(most), int(row["prompts"]), *rows
        )


@dataclass(frozen=True, slots=True)
class Outside:
    """Which prompts a router knows nothing of, and what such prompts scored."""

    words: KnownWords
    bands: tuple[Band, ...]
    """Asked in this order: the first that holds a prompt counts."""

    table: str
    """`sha256:…` of the score table it was learned from."""

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
        bands = [asdict(band) for band in self.bands]
        return {"table": self.table, "bands": bands, "words": self.words.to_json()}

    @classmethod
    def from_json(cls, row: Mapping[str, Any], functions: int) -> Outside:
        """What `to_json` wrote; raises KeyError, TypeError or ValueError otherwise."""
        if len(row["bands"]) > MOST_BANDS:
            raise ValueError(f"{len(row['bands'])} bands are too many")
        bands = tuple(Band.from_json(one, functions) for one in row["bands"])
        return cls(KnownWords.from_json(row["words"]), bands, str(row["table"]))
