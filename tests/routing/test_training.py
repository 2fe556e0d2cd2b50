"""A router learns what there is to learn, and says the means where there is nothing."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cems_tui.errors import UnknownName, UsageError
from cems_tui.routing.checkpoints.checkpoint import Checkpoint
from cems_tui.routing.features.letters import opening
from cems_tui.routing.training.data import filled
from cems_tui.routing.training.letters_trainer import KINDS
from cems_tui.score_tables.formats import Row, ScoreTable, read_table
from cems_tui.score_tables.mixed import constants_of, default_metric, with_mixed
from tests.routing.fakes import (
    SHARED_DATA,
    grammar_prompts,
    table_of_noise,
    table_with_signal,
    train,
)

GIBBERISH = ("zxqv blorp wuggle frabnitz", "qqq www eee rrr", "Фыва олдж ячсм", "asdkj;laskd 98j2f")


ANY = train(table_with_signal(40), metric="quality", name="any")


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return train(table_with_signal(), metric="quality", name="fake", keep_prompts=True)


@pytest.mark.parametrize("kind", KINDS)
def test_where_there_is_signal_the_router_beats_the_best_single(kind: str) -> None:
    card = train(table_with_signal(), metric="quality", name="fake", kind=kind).card
    assert card.verdict == "beats best single"
    assert card.evaluation["split"] == "folds"
    assert card.evaluation["area_recovered"]["value"] > 0.3


def test_where_there_is_none_the_estimates_are_nearly_the_means() -> None:
    router = train(table_of_noise(), metric="quality", name="noise")
    assert router.card.verdict == "ties"
    gaps = [
        router.estimate(p).estimates["c@20"].quality - router.estimate(p).estimates["a@1"].quality  # type: ignore[operator]
        for p in grammar_prompts(20, seed=9)
    ]
    assert max(gaps) - min(gaps) < 0.15  # the scores of a prompt lie 1.4 apart by chance


def test_a_table_of_two_thousand_functions_is_learned_from() -> None:
    """Far more functions than prompts: what is told stays finite, and near the means."""
    random = np.random.default_rng(0)
    names = [f"model-{number}@1" for number in range(2_000)]
    table = ScoreTable.of(
        Row(f"p{row}", prompt, name, "quality", float(random.normal()), cost_usd=1e-6 * (1 + m))
        for row, prompt in enumerate(grammar_prompts(40, seed=6))
        for m, name in enumerate(names)
    )
    router = train(table, metric="quality", name="many", kind="ridge")
    said = router.estimate("a red ball on the grass")
    values = [one.quality for one in said.estimates.values()]
    assert len(values) == 2_000
    assert all(value is not None and abs(value) < 5 for value in values)
    assert router.card.verdict in ("ties", "worse")


def test_a_crowded_scene_is_expected_to_be_harder_for_the_cheap_function(
    checkpoint: Checkpoint,
) -> None:
    simple = checkpoint.estimate("a red box on the grass").estimates
    crowded = checkpoint.estimate("a red fish and a blue cup and a green cone on a table").estimates
    lost = simple["cheap@1"].quality - crowded["cheap@1"].quality  # type: ignore[operator]
    assert lost > 1.0
    assert crowded["dear@20"].quality > crowded["cheap@1"].quality  # type: ignore[operator]


@pytest.mark.parametrize("prompt", GIBBERISH)
def test_gibberish_is_out_of_distribution_with_the_means_and_wider_intervals(
    checkpoint: Checkpoint, prompt: str
) -> None:
    strange = checkpoint.estimate(prompt)
    assert not strange.in_distribution
    familiar = checkpoint.estimate("a red ball on the grass")
    for m, name in enumerate(checkpoint.functions):
        assert strange.estimates[name].quality == pytest.approx(checkpoint.router.means[m])
        low, high = strange.estimates[name].interval or (0.0, 0.0)
        near_low, near_high = familiar.estimates[name].interval or (0.0, 0.0)
        assert high - low > 1.2 * (near_high - near_low)


@pytest.mark.parametrize(
    "prompt",
    [
        "a red ball on the grass",
        "on the grass there is a red ball",
        "two red balls and a blue box in the snow",
        "Please draw a GREEN cone beside a lamp!",
        "a fish",
        "a photo of a cup",
        "three green boxes",
    ],
)
def test_a_paraphrase_in_known_words_is_in_distribution(
    checkpoint: Checkpoint, prompt: str
) -> None:
    assert checkpoint.estimate(prompt).in_distribution


@given(prompt=st.text(max_size=200))
def test_any_text_gets_an_estimate_within_its_interval(prompt: str) -> None:
    estimate = ANY.estimate(prompt)
    assert 0.0 <= estimate.novelty <= 1.0
    for one in estimate.estimates.values():
        assert one.quality is not None
        assert one.interval is not None
        assert one.interval[0] <= one.quality <= one.interval[1]


def test_the_nearest_training_prompts_are_shown_when_they_are_kept(checkpoint: Checkpoint) -> None:
    prompt = checkpoint.router.prompts[7]
    nearest = checkpoint.estimate(prompt).nearest
    assert nearest[0].prompt == prompt
    assert nearest[0].distance == pytest.approx(0.0, abs=1e-3)
    assert [n.distance for n in nearest] == sorted(n.distance for n in nearest)
    forgetful = train(table_with_signal(60), metric="quality", name="fake")
    assert forgetful.estimate(prompt).nearest == ()


def test_intervals_hold_nine_of_ten_new_pictures() -> None:
    learned = train(table_with_signal(300, seed=0), metric="quality", name="fake")
    fresh = table_with_signal(200, seed=5)
    inside = []
    for row in fresh.rows:
        low, high = learned.estimate(row.prompt).estimates[row.function].interval or (0.0, 0.0)
        inside.append(low <= (row.score or 0.0) <= high)
    assert 0.85 <= np.mean(inside) <= 0.96


def test_training_twice_gives_the_same_router() -> None:
    one, two = (train(table_with_signal(80), metric="quality", name="fake") for _ in range(2))
    assert one.estimate("a red ball on a table") == two.estimate("a red ball on a table")
    assert one.card.evaluation == two.card.evaluation


def test_the_dial_runs_from_the_cheapest_to_the_best(checkpoint: Checkpoint) -> None:
    prices = {"cheap@1": 1e-6, "dear@20": 1e-5, "odd@4": 4e-6}
    steps = [checkpoint.lambda_at(dial, prices) for dial in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert steps == sorted(steps, reverse=True)
    assert steps[-1] == 0.0


def test_lower_is_better_is_negated_and_noted() -> None:
    table = table_with_signal(60)
    flipped = ScoreTable.of(
        replace(row, score=-(row.score or 0.0), higher_is_better=False) for row in table.rows
    )
    one = train(table, metric="quality", name="fake")
    two = train(flipped, metric="quality", name="fake")
    assert two.card.negated
    assert one.estimate("a red cup on a table") == two.estimate("a red cup on a table")


def test_missing_cells_are_left_out_of_paired_figures_and_say_nothing_about_rank() -> None:
    table = table_with_signal(100)
    holes = ScoreTable.of(
        replace(row, score=None) if row.function == "odd@4" and row.prompt_id < "p3" else row
        for row in table.rows
    )
    card = train(holes, metric="quality", name="fake").card
    assert card.training.missing > 0
    assert card.evaluation["prompts"] == 100 - card.training.missing
    scores = np.array([[1.0, 2.0], [2.0, 3.0], [5.0, np.nan]])
    assert filled(scores)[2, 1] == pytest.approx(6.0, abs=0.01)


def test_too_little_to_learn_from_is_refused() -> None:
    with pytest.raises(UsageError, match="too few"):
        train(table_with_signal(4), metric="quality", name="fake")
    one = ScoreTable.of(r for r in table_with_signal(20).rows if r.function == "odd@4")
    with pytest.raises(UsageError, match="1 function"):
        train(one, metric="quality", name="fake")
    with pytest.raises(UnknownName):
        train(table_with_signal(20), metric="beauty", name="fake")


def two_metrics() -> ScoreTable:
    table = table_with_signal(60)
    return ScoreTable.of(
        replace(row, metric=metric, score=(row.score or 0.0) * scale)
        for row in table.rows
        for metric, scale in (("nima", 1.0), ("clip", 5.0))
    )


def test_the_mixed_score_adds_two_scaled_ones_and_keeps_its_constants() -> None:
    table = two_metrics()
    assert default_metric(table.metrics) == "mixed"
    card = train(table, metric="mixed", name="fake").card
    assert card.mixed == constants_of(table)
    mixed = with_mixed(table, constants_of(table)).pivot("mixed")
    values = [score for _, _, score in mixed.readings]
    assert min(values) == pytest.approx(0.0)
    assert max(values) == pytest.approx(2.0)
    assert set(card.evaluation["strategies"][0]["metrics"]) == {"mixed", "nima", "clip"}


def test_a_part_where_lower_is_better_counts_the_other_way_in_the_mixed_score() -> None:
    table = two_metrics()
    lower = ScoreTable.of(
        replace(row, score=-(row.score or 0.0), higher_is_better=False)
        if row.metric == "nima"
        else row
        for row in table.rows
    )
    assert constants_of(lower) == constants_of(table)
    before, after = (with_mixed(one, constants_of(one)).pivot("mixed") for one in (table, lower))
    assert not after.negated
    assert np.array_equal(before.scores, after.scores)


def test_a_mixed_score_leaves_the_prices_of_its_table_as_they_are() -> None:
    table = two_metrics()
    first = table.rows[0].prompt_id  # its pictures cost more, and one of them has no NIMA score
    rows = [
        replace(row, cost_usd=1.0, score=None if row.metric == "nima" else row.score)
        if row.prompt_id == first
        else row
        for row in table.rows
    ]
    table = ScoreTable.of(rows)
    assert with_mixed(table, constants_of(table)).costs() == table.costs()


def test_a_mixed_score_needs_both_its_parts() -> None:
    with pytest.raises(UsageError, match="nima"):
        train(table_with_signal(20), metric="mixed", name="fake")


@cache
def shared(name: str) -> ScoreTable:
    path = SHARED_DATA / name
    if not path.exists():
        pytest.skip(f"{name} is not on this machine")
    if path.suffix == ".parquet":
        pytest.importorskip("pyarrow")
    return read_table(path)


@pytest.mark.parametrize(
    ("name", "metric"),
    [("tifa160.csv", "tifa"), ("tifa160.csv", "dsg"), ("geneval_human.csv", "quality")],
)
def test_on_small_human_tables_without_signal_the_router_is_not_worse(
    name: str, metric: str
) -> None:
    card = train(shared(name), metric=metric, name="human").card
    assert card.verdict in ("ties", "beats best single")


@pytest.mark.parametrize("metric", ["clip", "nima"])
def test_on_published_scores_intervals_cover_new_prompts(metric: str) -> None:
    table = shared("cems_train.parquet")
    chosen = np.random.default_rng(0).permutation(len(table.prompt_id.values))[:2000]
    learned, fresh = (
        table.take(np.isin(table.prompt_id.places, part)) for part in (chosen[:1500], chosen[1500:])
    )
    groups = {opening(prompt) for prompt in learned.prompts.values()}
    router = train(learned, metric=metric, name="cems")
    assert router.card.verdict != "worse"
    said = {
        prompt: router.estimate(prompt).estimates
        for prompt in fresh.prompts.values()
        if opening(prompt) not in groups
    }
    inside = []
    for row in fresh.take(fresh.metric.says(metric)).rows:
        if row.prompt in said:
            low, high = said[row.prompt][row.function].interval or (0.0, 0.0)
            inside.append(low <= (row.score or 0.0) <= high)
    assert 0.85 <= np.mean(inside) <= 0.95


def test_a_function_without_scores_is_not_learned(tmp_path: Path) -> None:
    table = table_with_signal(40)
    empty = [
        Row(prompt_id=i, prompt=p, function="new@1", metric="quality", score=None)
        for i, p in table.prompts.items()
    ]
    router = train(ScoreTable.of((*table.rows, *empty)), metric="quality", name="fake")
    assert "new@1" not in router.functions
