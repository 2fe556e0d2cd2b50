"""A router that starts from another one takes what one's own pairs bear out, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cems_tui.domain.estimate import PromptEstimate, QualityEstimator
from cems_tui.errors import UsageError, WeightsError
from cems_tui.routing.checkpoints.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from cems_tui.routing.estimators.refined_router import RefinedRouter
from cems_tui.routing.estimators.refined_router import refined as beyond
from cems_tui.routing.evaluation.rival import against
from cems_tui.routing.training.blend import believed
from cems_tui.routing.training.order import TrainingOrder
from cems_tui.routing.training.own_pairs import beside_in_use, enough, pairs_of, retrained
from cems_tui.routing.training.refinement import surely
from cems_tui.score_tables.table import Row, ScoreTable
from tests.routing.fakes import table_with_signal, train

PRICES = {"cheap@1": 1e-6, "dear@20": 1e-5, "odd@4": 4e-6}


@pytest.fixture(scope="module")
def base() -> Checkpoint:
    return train(
        table_with_signal(300), metric="quality", name="base", kind="ridge", keep_prompts=True
    )


def own(count: int, seed: int = 21) -> ScoreTable:
    return table_with_signal(count, seed=seed)


def changed(table: ScoreTable, function: str, by: float) -> ScoreTable:
    """The table where one function is better than it was."""
    return ScoreTable.of(
        replace(row, score=(row.score or 0.0) + by) if row.function == function else row
        for row in table.rows
    )


def refined(base: Checkpoint, table: ScoreTable, name: str = "mine") -> Checkpoint:
    order = TrainingOrder(table, "quality", name, prices=PRICES, keep_prompts=True)
    return retrained(order, base, pairs_of(table, "quality", base))


def said(checkpoint: Checkpoint, prompt: str) -> np.ndarray:
    estimates = checkpoint.estimate(prompt).estimates
    return np.array([estimates[name].worth for name in checkpoint.functions])


@pytest.fixture(scope="module")
def better(base: Checkpoint) -> Checkpoint:
    return refined(base, changed(own(120), "cheap@1", 1.5))


def test_a_function_that_was_changed_is_learned_and_the_card_says_better(
    base: Checkpoint, better: Checkpoint
) -> None:
    beside = better.card.evaluation["against"]
    assert beside.keys() >= {"router", "quality", "cost", "interval"}
    assert (beside["router"], beside["verdict"]) == ("base", "better")
    assert beside["interval"][0] > 0
    prompt = "a red ball on the grass"
    gained = (said(better, prompt) - said(base, prompt))[better.functions.index("cheap@1")]
    others = np.delete(said(better, prompt) - said(base, prompt), 0).mean()
    assert gained - others == pytest.approx(1.5, abs=0.5)
    assert [point["prompts"] for point in better.card.evaluation["learning_curve"]][:2] == [30, 60]


def test_what_the_base_knows_already_is_left_as_it_is(base: Checkpoint) -> None:
    same = refined(base, own(60))
    assert same.card.evaluation["against"]["verdict"] == "ties"
    fresh = own(80, seed=33)
    beside = beside_in_use(same, base, fresh, PRICES)
    assert beside is not None
    assert beside.verdict != "worse"


def test_shadow_pairs_teach_as_well_as_whole_rows(base: Checkpoint) -> None:
    table = changed(own(150), "cheap@1", 1.5)
    places = {name: n for n, name in enumerate(table.prompts)}
    names = tuple(PRICES)
    pairs = ScoreTable.of(
        row for row in table.rows if row.function != names[places[row.prompt_id] % 3]
    )
    found = refined(base, pairs)
    assert found.card.evaluation["against"]["verdict"] == "better"
    assert found.card.training.missing > 0


def test_pictures_of_one_function_a_prompt_teach_no_difference(base: Checkpoint) -> None:
    table = own(90)
    places = {name: n for n, name in enumerate(table.prompts)}
    names = tuple(PRICES)
    alone = ScoreTable.of(
        row for row in table.rows if row.function == names[places[row.prompt_id] % 3]
    )
    found = pairs_of(alone, "quality", base)
    assert (len(found.pivot.prompts), found.singles) == (0, 90)
    assert not enough(len(found.pivot.prompts), base=True)


def test_a_function_without_scores_stays_where_the_others_are(base: Checkpoint) -> None:
    table = changed(own(120), "cheap@1", 1.5)
    two = ScoreTable.of(row for row in table.rows if row.function != "odd@4")
    found = refined(base, two)
    assert found.functions == base.functions
    low, high = found.estimate("a red ball on a table").estimates["odd@4"].interval or (0.0, 0.0)
    assert np.isfinite([low, high]).all()
    assert low < high


def test_a_refined_router_is_the_same_from_disk(better: Checkpoint, tmp_path: Path) -> None:
    save_checkpoint(tmp_path, better)
    again = load_checkpoint(tmp_path, "mine")
    assert again.card == better.card
    for prompt in ("a red ball on the grass", "zxqv blorp", "a fish and a cup in the snow"):
        assert said(again, prompt) == pytest.approx(said(better, prompt), abs=2e-2)
    assert again.lambda_at(0.5, PRICES) == better.lambda_at(0.5, PRICES)


@dataclass(frozen=True)
class TwoAnswers:
    """An estimator that reads letters at once, and then more."""

    letters: QualityEstimator
    whole: QualityEstimator

    @property
    def functions(self) -> tuple[str, ...]:
        return self.whole.functions

    @property
    def metric(self) -> str:
        return self.whole.metric

    def estimate(self, prompt: str) -> PromptEstimate:
        return self.whole.estimate(prompt)

    def estimate_at_once(self, prompt: str) -> PromptEstimate:
        return self.letters.estimate(prompt)


def test_a_refined_router_answers_at_once_where_its_base_does(
    base: Checkpoint, better: Checkpoint
) -> None:
    assert isinstance(better.router, RefinedRouter)
    assert not better.answers_at_once
    inner, step = better.router.base, better.router
    other = train(table_with_signal(60, seed=12), metric="quality", name="other", kind="ridge")
    both = beyond(TwoAnswers(other.router, inner), step.middle, step.turn, step.rest)
    quick = replace(better, router=both)
    alone = replace(better, router=beyond(other.router, step.middle, step.turn, step.rest))
    prompt = "a red ball on the grass"
    assert quick.answers_at_once
    assert quick.estimate(prompt) == better.estimate(prompt)
    assert quick.estimate(prompt, at_once=True) == alone.estimate(prompt)


def test_a_damaged_refinement_is_refused(better: Checkpoint, tmp_path: Path) -> None:
    assert isinstance(better.router, RefinedRouter)
    router = replace(better.router, turn=np.full_like(better.router.turn, np.nan))
    save_checkpoint(tmp_path, replace(better, router=router))
    with pytest.raises(WeightsError, match="turn"):
        load_checkpoint(tmp_path, "mine")


def test_a_refined_router_is_refined_from_where_it_started(better: Checkpoint) -> None:
    again = refined(better, changed(own(150), "cheap@1", 1.5), "again")
    assert again.card.refined is not None
    assert again.card.refined.base == "base"
    assert isinstance(again.router, RefinedRouter)
    assert not isinstance(again.router.base, RefinedRouter)


def test_prompts_the_base_was_trained_on_are_left_out(base: Checkpoint) -> None:
    found = pairs_of(table_with_signal(300), "quality", base)
    assert (len(found.pivot.prompts), found.seen) == (0, 300)


def test_scores_that_cannot_be_computed_with_are_refused(base: Checkpoint) -> None:
    huge = ScoreTable.of(replace(row, score=1e30) for row in own(60).rows)
    with pytest.raises(UsageError, match="too large"):
        refined(base, huge)


def test_a_router_ties_with_itself_to_the_last_digit(base: Checkpoint) -> None:
    pivot = own(60).pivot("quality")
    estimates = np.array([said(base, prompt) for prompt in pivot.prompts])
    cost = np.array([PRICES[name] for name in base.functions])
    beside = against("base", "quality", pivot.scores, estimates, estimates, cost)
    assert (beside.quality, beside.interval, beside.verdict) == (0.0, (0.0, 0.0), "ties")
    assert beside.cost == 0.0


def test_choosing_against_the_scores_is_worse_than_by_them() -> None:
    truth = np.random.default_rng(0).normal(size=(200, 3))
    cost = np.array([1.0, 2.0, 3.0])
    holes = np.where(np.arange(600).reshape(200, 3) % 4 == 0, np.nan, truth)
    worse = against("in-use", "q", holes, -truth, truth, cost)
    assert worse.verdict == "worse"
    assert "is worse than in-use by -" in worse.told
    better = against("in-use", "q", holes, truth, -truth, None)
    assert better.verdict == "better"
    assert better.cost is None


@given(found=st.floats(0.0, 1e6), chance=st.floats(0.0, 1e6))
def test_the_share_that_is_taken_lies_between_nothing_and_all(found: float, chance: float) -> None:
    assert 0.0 <= surely(found, chance) <= 1.0
    assert surely(found, chance) == 0.0 or found > 2.0 * chance


@given(slope=st.floats(-10.0, 10.0), error=st.floats(1e-3, 10.0), step=st.floats(0.0, 5.0))
def test_a_slope_is_believed_more_the_surer_it_is_and_never_below_zero(
    slope: float, error: float, step: float
) -> None:
    share = believed(slope, error, 2.0)
    assert 0.0 <= share <= 1.0
    assert believed(slope, error + step, 2.0) <= share
    if slope <= 0:
        assert share == 0.0


def test_scores_of_others_are_no_prompt_of_one_s_own() -> None:
    rows = [Row("p", "a cat", name, "quality", 1.0) for name in ("cheap@1", "dear@20")]
    found = pairs_of(ScoreTable.of(rows), "quality", None)
    assert len(found.pivot.prompts) == 1
    assert not enough(1, base=False)
