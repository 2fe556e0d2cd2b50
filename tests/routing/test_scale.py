"""A router's scale mapped to another instrument: linear, rising, with intervals that still hold."""

from __future__ import annotations

import numpy as np
import pytest

from cems_tui.domain.decision import QualityEstimate
from cems_tui.domain.estimate import PromptEstimate
from cems_tui.errors import UsageError
from cems_tui.routing.checkpoints.scale import Pairs, Scale, fit_scale
from cems_tui.routing.decide.dial import lambda_for_dial


def pairs(count: int, noise: float, half: float = 1.0, seed: int = 0) -> Pairs:
    random = np.random.default_rng(seed)
    said = random.normal(5.0, 1.0, size=count)
    scores = 20.0 + 2.0 * said + random.normal(0.0, noise, size=count)
    return Pairs(said, said - half, said + half, scores)


def test_the_line_is_found() -> None:
    scale = fit_scale(pairs(2000, 0.5), "clip:mine")
    assert scale.slope == pytest.approx(2.0, abs=0.05)
    assert scale.intercept == pytest.approx(20.0, abs=0.3)
    assert (scale.scorer, scale.readings) == ("clip:mine", 2000)
    assert scale.correlation == pytest.approx(2.0 / np.sqrt(4.25), abs=0.02)


@pytest.mark.parametrize("noise", [0.2, 1.0, 5.0])
def test_intervals_cover_nine_of_ten_fresh_scores_whatever_the_instrument_s_noise(
    noise: float,
) -> None:
    scale = fit_scale(pairs(2000, noise), None)
    fresh = pairs(2000, noise, seed=1)
    inside = 0
    for q, low, high, score in zip(fresh.said, fresh.low, fresh.high, fresh.scores, strict=True):
        said = PromptEstimate({"a": QualityEstimate(float(q), (float(low), float(high)))}, True, 0)
        interval = scale.applied(said).estimates["a"].interval
        assert interval is not None
        inside += interval[0] <= score <= interval[1]
    assert inside / 2000 == pytest.approx(0.9, abs=0.03)


def test_a_probability_has_no_scale() -> None:
    scale = Scale(2.0, 1.0, 1.0, None, 50, 0.9)
    said = PromptEstimate({"a": QualityEstimate(None, None, 0.7)}, True, 0.0)
    assert scale.applied(said) == said


def test_lambda_follows_the_unit_so_that_picks_stay() -> None:
    random = np.random.default_rng(2)
    quality, cost = random.normal(size=(300, 3)), np.array([1e-6, 4e-6, 2e-5])
    scale = Scale(3.0, 40.0, 1.0, None, 50, 0.9)
    for dial in (0.1, 0.5, 0.9):
        before = lambda_for_dial(dial, quality, cost)
        assert lambda_for_dial(dial, scale.of(quality), cost) == pytest.approx(3.0 * before)


def test_few_scores_or_falling_ones_are_refused() -> None:
    with pytest.raises(UsageError, match="too few"):
        fit_scale(pairs(19, 0.1), None)
    good = pairs(100, 0.1)
    with pytest.raises(UsageError, match="do not rise"):
        fit_scale(Pairs(good.said, good.low, good.high, -good.scores), None)
    flat = np.full(50, 3.0)
    with pytest.raises(UsageError, match="do not rise"):
        fit_scale(Pairs(flat, flat - 1, flat + 1, good.scores[:50]), None)


def test_a_map_that_is_no_better_than_the_router_as_it_is_is_refused() -> None:
    random = np.random.default_rng(3)
    said = random.normal(5.0, 1.0, size=200)
    same = said + random.normal(0.0, 0.5, size=200)
    same += float((said - same).mean())
    slope = float(((said - said.mean()) * (same - same.mean())).sum()) / float(
        ((said - said.mean()) ** 2).sum()
    )
    same -= (slope - 1.0) * (said - said.mean())  # the line through them is the router's own
    with pytest.raises(UsageError, match="no better"):
        fit_scale(Pairs(said, said - 1, said + 1, same), "nima:mine")


def test_a_map_that_tells_hardly_more_than_the_mean_is_refused() -> None:
    random = np.random.default_rng(4)
    said = random.normal(0.0, 1.0, size=400)
    scores = 50.0 + said + random.normal(0.0, 5.0, size=400)  # correlation 0.2
    with pytest.raises(UsageError, match="hardly better"):
        fit_scale(Pairs(said, said - 1, said + 1, scores), "clip:mine")
