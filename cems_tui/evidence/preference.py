"""What votes say: how often scorers agree with them, and what a unit of a scorer is worth.

The chance that the picture with the higher score wins is taken as 1 ÷ (1 + e^(−β·Δ)), Δ being how
much higher it is (Bradley and Terry's model with the score as strength). What is a scorer's unit
worth follows: ln 3 ÷ β units more make a picture win three times in four.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import exp, log, sqrt
from typing import Any, Literal

Answer = Literal["left", "right", "tie", "both bad"]

Z_90 = 1.645
PRIOR_DEVIATION = 2.5
"""Of β times the spread of Δ, before any vote: keeps β finite where every vote agrees."""

LEAST_VOTES = 12
"""Votes for one of two pictures, before a unit of a scorer is priced by them."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A vote for one of two pictures, or for neither, and what a scorer read of both."""

    difference: float
    """The left picture's score less the right one's, higher being better."""

    won: float
    """1: the left picture won; 0: the right one; ½: a tie."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """One instrument beside the votes."""

    metric: str
    scorer: str
    votes: int
    """Votes for one of two pictures that it read both of."""

    agreed: float
    """Share of them whose winner it scored higher; an equal score is half."""

    interval: tuple[float, float]
    """90 % interval of that share (Wilson)."""

    units_for_three_to_one: float | None
    """How much higher a picture has to score to win three times in four; None where the votes do
    not say that a higher score is better at all."""

    units_interval: tuple[float, float | None] | None
    """90 % interval of it; its upper end is None where they hardly say it."""

    def to_json(self) -> dict[str, Any]:
        """One row of `scorers` in `cems vote --report --json`."""
        return asdict(self)


def agreement(metric: str, scorer: str, votes: Sequence[Judged]) -> Agreement | None:
    """How an instrument agrees with votes; None without a vote for one of two pictures."""
    decided = [vote for vote in votes if vote.won != 0.5]
    if not decided:
        return None
    agreed = sum(
        0.5 if vote.difference == 0 else float((vote.difference > 0) == (vote.won == 1.0))
        for vote in decided
    )
    count = len(decided)
    units, interval = None, None
    if count >= LEAST_VOTES and (fitted := slope(votes)) is not None:
        beta, error = fitted
        low, high = beta - Z_90 * error, beta + Z_90 * error
        if beta > 0 and high > 0:
            units = log(3) / beta
            interval = (log(3) / high, log(3) / low if low > 0 else None)
    return Agreement(metric, scorer, count, agreed / count, wilson(agreed, count), units, interval)


def slope(votes: Sequence[Judged]) -> tuple[float, float] | None:
    """β and its standard error, in 1 ÷ the scorer's unit; None where all differences are 0."""
    spread = sqrt(sum(vote.difference**2 for vote in votes) / len(votes)) if votes else 0.0
    if not spread > 0.0:
        return None
    scaled = [(vote.difference / spread, vote.won) for vote in votes]
    beta, information = 0.0, 1.0
    for _ in range(100):
        chances = [1.0 / (1.0 + exp(-max(-500.0, min(500.0, beta * x)))) for x, _ in scaled]
        gradient = sum((won - p) * x for (x, won), p in zip(scaled, chances, strict=True))
        gradient -= beta / PRIOR_DEVIATION**2
        information = sum(p * (1 - p) * x * x for (x, _), p in zip(scaled, chances, strict=True))
        information += 1 / PRIOR_DEVIATION**2
        step = gradient / information
        beta += max(-1.0, min(1.0, step))
        if abs(step) < 1e-10:
            break
    return beta / spread, 1 / sqrt(information) / spread


def wilson(successes: float, count: int) -> tuple[float, float]:
    """90 % interval of a share of `count` (Wilson's score interval)."""
    share, z2 = successes / count, Z_90**2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = Z_90 * sqrt(share * (1 - share) / count + z2 / (4 * count**2)) / (1 + z2 / count)
    return max(0.0, middle - half), min(1.0, middle + half)
