"""Whether a router's intervals still hold: a test that may be looked at after every picture.

Of the 90 % intervals one in ten may miss. An e-process bets that more do: from every batch (a
day) on it multiplies the odds of what was seen under higher rates of misses and under that rate.
Whatever the days, and however often it is looked at, it passes 100 by chance once in a hundred
routers at most (Ville's inequality); so passing it is a drift. It sees counts, no prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import exp, log
from typing import Any

ALLOWED = 0.10
"""Share of pictures that may be outside their 90 % interval."""

ALARM = 100.0
"""Evidence at which a drift is told: by chance 1 router in 100 ever gets there."""

RATES = tuple(ALLOWED + (1 - ALLOWED) * step / 20 for step in range(1, 20))
"""The rates of misses that are bet on, alike."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures that were scored one after the other."""

    name: str
    scored: int
    """Pictures with an interval and a score on its scale."""

    outside: int
    """Those whose score was outside."""


@dataclass(frozen=True, slots=True)
class Drift:
    """How a router's intervals hold."""

    router: str
    metric: str
    scored: int
    outside: int
    evidence: float
    """The e-value; 1 says nothing, `ALARM` and more is a drift."""

    since: str | None
    """The batch from which on the evidence is strongest; None without any."""

    @property
    def drifted(self) -> bool:
        """Whether scores leave the intervals more often than they should."""
        return self.evidence >= ALARM

    def to_json(self) -> dict[str, Any]:
        """One row of `drift` in `cems history stats --json`."""
        return {**asdict(self), "drifted": self.drifted}


def drift_of(router: str, metric: str, batches: Sequence[Batch]) -> Drift:
    """The evidence over batches, oldest first.

    The n-th batch is begun with a share of 1 ÷ n(n + 1) of the stake, so that all of it is 1 at
    most and a drift is seen that came late.
    """
    total, strongest, since = 0.0, 0.0, None
    scored = outside = 0
    for number in range(len(batches), 0, -1):
        batch = batches[number - 1]
        scored, outside = scored + batch.scored, outside + batch.outside
        part = exp(min(700.0, _log_evidence(scored, outside) - log(number * (number + 1))))
        total += part
        if part > strongest:
            strongest, since = part, batch.name
    unspent = 1 / (len(batches) + 1)
    return Drift(router, metric, scored, outside, total + unspent, since)


def _log_evidence(scored: int, outside: int) -> float:
    """The logarithm of the mean odds over `RATES` against `ALLOWED`."""
    inside = scored - outside
    odds = [
        outside * log(rate / ALLOWED) + inside * log((1 - rate) / (1 - ALLOWED)) for rate in RATES
    ]
    most = max(odds)
    return most + log(sum(exp(one - most) for one in odds) / len(odds))
