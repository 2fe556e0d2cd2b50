"""A router's scale mapped to the user's own instrument: linear, rising, fitted on paired scores.

A rising linear map changes no pick at a trade-off; it changes the unit that qualities, intervals,
floors, tolerances and λ are in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cems_tui.domain.decision import QualityEstimate
from cems_tui.domain.estimate import PromptEstimate
from cems_tui.errors import UsageError

Vector = NDArray[np.float64]

LEAST_READINGS = 20
COVERAGE = 0.9
LEAST_CORRELATION = 0.3
"""Of what the router says with what was read, below which a line between them says nothing."""


@dataclass(frozen=True, slots=True)
class Scale:
    """intercept + slope × what the router says, in the unit of the user's instrument."""

    slope: float
    intercept: float
    widen: float
    """Factor on both sides of the mapped interval, so that it covers 90 % of these readings."""

    scorer: str | None
    """The user's instrument; None where its table does not say."""

    readings: int
    correlation: float

    def of(self, values: NDArray[Any]) -> NDArray[Any]:
        """Estimates in the user's unit."""
        return np.asarray(self.intercept + self.slope * values)

    def applied(self, said: PromptEstimate) -> PromptEstimate:
        """Everything the router says of a prompt, in the user's unit."""
        return replace(
            said, estimates={name: self._one(one) for name, one in said.estimates.items()}
        )

    def _one(self, estimate: QualityEstimate) -> QualityEstimate:
        if estimate.quality is None:
            return estimate
        quality = self.intercept + self.slope * estimate.quality
        if estimate.interval is None:
            return replace(estimate, quality=quality)
        low, high = estimate.interval
        factor = self.slope * self.widen
        below, above = factor * (estimate.quality - low), factor * (high - estimate.quality)
        return replace(estimate, quality=quality, interval=(quality - below, quality + above))

    @property
    def told(self) -> str:
        """The map in a line."""
        instrument = self.scorer or "the user's instrument"
        return (
            f"{self.intercept:.4g} + {self.slope:.4g} × its own, to read as {instrument}; fitted "
            f"on {self.readings:,} scores, correlation {self.correlation:.2f}"
        )


@dataclass(frozen=True, slots=True)
class Pairs:
    """What the router said of pictures, and what the user's instrument read of them: (R,) each."""

    said: Vector
    low: Vector
    high: Vector
    scores: Vector


def fit_scale(pairs: Pairs, scorer: str | None) -> Scale:
    """The least-squares line from what the router says to what the instrument read.

    Raises:
        UsageError: too few pairs, scores that do not rise with what the router says, or a line
            that tells a score it was not fitted on no better than the router itself, or than the
            mean, does.
    """
    count = pairs.said.size
    if count < LEAST_READINGS:
        raise UsageError(
            f"{count} scores of the router's functions are too few to map its scale",
            f"Score at least {LEAST_READINGS} pictures: cems bench run --prompts starter.",
        )
    said, scores = pairs.said - pairs.said.mean(), pairs.scores - pairs.scores.mean()
    spread = float((said**2).sum())
    slope = float((said * scores).sum() / spread) if spread > 1e-12 else 0.0
    left = scores - slope * said
    error = float(np.sqrt((left**2).sum() / max(1, count - 2) / spread)) if spread > 1e-12 else 0.0
    if slope - 1.96 * error <= 0.0:
        raise UsageError(
            f"the scores do not rise with what the router says (slope {slope:.3g} ± {error:.2g})",
            "It cannot be mapped to this instrument; train one with `cems router retrain`.",
        )
    intercept = float(pairs.scores.mean() - slope * pairs.said.mean())
    total = float((scores**2).sum())
    correlation = slope * float(np.sqrt(spread / total)) if total > 0 else 0.0
    _refuse_what_does_not_hold(pairs, left, correlation)
    return Scale(
        slope=slope,
        intercept=intercept,
        widen=_widening(pairs, slope, left),
        scorer=scorer,
        readings=count,
        correlation=correlation,
    )


def _refuse_what_does_not_hold(pairs: Pairs, left: Vector, correlation: float) -> None:
    """Each score foretold by the line through all others; n ≥ 20, so the leverages are below 1.

    Raises:
        UsageError: the router as it is, or the mean of the other scores, foretells it as well.
    """
    count, said = pairs.said.size, pairs.said - pairs.said.mean()
    leverage = 1.0 / count + said**2 / float((said**2).sum())
    mapped = _root_mean_square(left / (1.0 - leverage))
    as_it_is = _root_mean_square(pairs.scores - pairs.said)
    mean = _root_mean_square((pairs.scores - pairs.scores.mean()) * count / (count - 1))
    told = f"leave-one-out error {mapped:.3g}, correlation {correlation:.2f}"
    keep = "It stays as it is; more scores may help, or train one with `cems router retrain`."
    if mapped >= as_it_is:
        raise UsageError(
            f"mapped, the router would foretell these scores no better ({told}) than it does "
            f"unmapped ({as_it_is:.3g})",
            keep,
        )
    if mapped >= mean or correlation < LEAST_CORRELATION:
        raise UsageError(
            f"what the router says foretells these scores hardly better ({told}) than their mean "
            f"does ({mean:.3g})",
            keep,
        )


def _root_mean_square(values: Vector) -> float:
    return float(np.sqrt((values**2).mean()))


def _widening(pairs: Pairs, slope: float, left: Vector) -> float:
    """The conformal 90 % quantile of how far scores lie outside, in half-widths of the interval."""
    half = slope * np.where(left > 0, pairs.high - pairs.said, pairs.said - pairs.low)
    usable = half > 1e-12
    if not usable.any():
        return 1.0
    ratios = np.sort(np.abs(left[usable]) / half[usable])
    place = int(np.ceil((ratios.size + 1) * COVERAGE)) - 1
    return float(ratios[min(place, ratios.size - 1)])
