"""Scores and the protocol of what reads them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cems_tui.errors import UsageError

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, slots=True)
class Score:
    """One reading: which scale, the value, and which instrument read it."""

    metric: str
    """The scale, e.g. `nima` (1..10), `clip` (0..100), `mixed` (0..2)."""

    value: float
    scorer: str
    """The instrument: its name and the digest of its weights, `starter-clip:sha256:…`."""

    higher_is_better: bool = True


RANGES: dict[str, tuple[float, float]] = {
    "nima": (1.0, 10.0),
    "clip": (0.0, 100.0),
    "mixed": (0.0, 2.0),
}
"""The ends of the scales that have ends; others may go on for ever."""


# Mixed (CEMS): NIMA and CLIP score, each min–max scaled, summed: 0…2 where it was fitted.

METRIC = "mixed"


@dataclass(frozen=True, slots=True)
class MixedConstants:
    """The ranges of the two metrics over the pictures the scale was fitted on."""

    nima_min: float
    nima_max: float
    clip_min: float
    clip_max: float

    def __post_init__(self) -> None:
        if not (self.nima_min < self.nima_max and self.clip_min < self.clip_max):
            raise UsageError(
                f"a mixed score needs ranges that are not empty: {self!r}",
                "Fit it on pictures that differ in both metrics.",
            )

    def __str__(self) -> str:
        return (
            f"(nima − {self.nima_min:g}) ÷ {self.nima_max - self.nima_min:g} + "
            f"(clip − {self.clip_min:g}) ÷ {self.clip_max - self.clip_min:g}"
        )

    @classmethod
    def of(cls, ranges: Mapping[str, tuple[float, float]]) -> MixedConstants:
        """From (lowest, highest) by metric, as checkpoint cards keep them."""
        return cls(*ranges["nima"], *ranges["clip"])

    @classmethod
    def fit(cls, nima: Iterable[float], clip: Iterable[float]) -> MixedConstants:
        """The ranges of these scores.

        Raises:
            UsageError: all scores of one metric are the same, or there are none.
        """
        nima, clip = sorted(nima), sorted(clip)
        if not nima or not clip:
            raise UsageError("a mixed score cannot be fitted on no scores")
        return cls(nima[0], nima[-1], clip[0], clip[-1])


def mixed(nima: float, clip: float, constants: MixedConstants) -> float:
    """The mixed score of one picture (Lee & Lee, CIKM 2024).

    Not clipped: a picture better than all those the constants were fitted on scores over 2,
    one worse than all below 0, so that order is kept beyond the fitted range.
    """
    nima_share = (nima - constants.nima_min) / (constants.nima_max - constants.nima_min)
    clip_share = (clip - constants.clip_min) / (constants.clip_max - constants.clip_min)
    return nima_share + clip_share


@dataclass(frozen=True, slots=True)
class MixedScale:
    """A mixed score as an instrument: two scorers and the constants that join them."""

    nima_scorer: str
    """The id of the instrument that reads NIMA."""

    clip_scorer: str
    constants: MixedConstants

    @property
    def id(self) -> str:
        """`mixed(2.8,9.4,12,95):sha256:…`: the constants to read, the digest over everything a
        value depends on, the two instruments included."""
        c = self.constants
        ranges = (c.nima_min, c.nima_max, c.clip_min, c.clip_max)
        parts = (self.nima_scorer, self.clip_scorer, *(value.hex() for value in map(float, ranges)))
        told = ",".join(f"{value:.6g}" for value in ranges)
        return f"{METRIC}({told}):sha256:{hashlib.sha256('|'.join(parts).encode()).hexdigest()}"

    def score(self, nima: float, clip: float) -> float:
        """The mixed score of one picture's two readings."""
        return mixed(nima, clip, self.constants)


_MIXED_ID = re.compile(r"mixed\(([^()]{1,120})\):sha256:[0-9a-f]{64}")


def mixed_constants_of(scorer: str | None) -> MixedConstants | None:
    """The constants that the id of a mixed scale names, to six digits; None where it names none."""
    found = _MIXED_ID.fullmatch(scorer or "")
    if found is None:
        return None
    try:
        nima_min, nima_max, clip_min, clip_max = map(float, found[1].split(","))
        return MixedConstants(nima_min, nima_max, clip_min, clip_max)
    except (ValueError, UsageError):
        return None


def mixed_words(scorer: str | None) -> str | None:
    """`(nima − 2.8) ÷ 6.6 + (clip − 12) ÷ 83` of the id of a mixed scale; None of others."""
    constants = mixed_constants_of(scorer)
    return None if constants is None else str(constants)
