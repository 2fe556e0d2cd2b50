"""Prompts outside the vocabulary of a router's models: what such prompts scored is expected."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cems_tui.domain.decision import QualityEstimate
from cems_tui.domain.estimate import PromptEstimate
from cems_tui.errors import UsageError, WeightsError
from cems_tui.paths import checkpoints
from cems_tui.profile import Profile
from cems_tui.routing.checkpoints.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from cems_tui.routing.estimators.outside import Band, Known, KnownWords, Outside, Size
from cems_tui.routing.training.outside_bands import learn_outside, learn_sizes, told_apart
from cems_tui.score_tables.table import Row, ScoreTable
from cems_tui.starter.benchmark_prompts import benchmark_prompts
from cems_tui.starter.recipe.training.outside_prompts import outside_prompts
from cems_tui.starter.recipe.training.router import known_words
from cems_tui.starter.vocabulary import unknown_words
from tests.routing.fakes import table_with_signal, train

FUNCTIONS = ("cheap@1", "dear@20")
WORDS = KnownWords(frozenset({"cat", "dog"}), frozenset({"red"}), frozenset({"a", "on", "the"}))
SAID = PromptEstimate({name: QualityEstimate(1.9, (1.7, 2.0)) for name in FUNCTIONS}, True, 0.1, ())
BANDS = (
    Band(False, None, 20, (0.8, 0.8), (0.1, 0.1), (1.6, 1.6)),
    Band(True, 1, 20, (1.6, 1.5), (1.0, 0.9), (1.9, 1.9)),
    Band(True, None, 20, (1.2, 1.1), (0.6, 0.5), (1.8, 1.8)),
)
OUTSIDE = Outside(WORDS, BANDS, "sha256:00")


def quality(prompt: str) -> float | None:
    return OUTSIDE.applied(prompt, SAID, FUNCTIONS).estimates["cheap@1"].quality


def test_a_prompt_of_known_words_is_estimated_as_ever() -> None:
    assert OUTSIDE.applied("The RED cat on a dog", SAID, FUNCTIONS) is SAID


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a wombat", 0.8),
        ("red on the red", 0.8),
        ("", 0.8),
        ("a cat on a wombat", 1.6),
        ("a cat, 7 wombats and an elk", 1.2),
    ],
)
def test_a_prompt_outside_is_expected_to_score_what_such_prompts_did(
    prompt: str, expected: float
) -> None:
    told = OUTSIDE.applied(prompt, SAID, FUNCTIONS)
    assert told.estimates["cheap@1"].quality == expected
    assert not told.in_distribution
    assert told.novelty >= SAID.novelty


@given(st.text(max_size=200))
def test_novelty_is_a_share_and_no_known_thing_is_all_of_it(prompt: str) -> None:
    known = WORDS.read(prompt)
    assert 0.0 <= known.novelty <= 1.0
    assert (known.novelty == 1.0) == (known.things == 0)
    assert known.inside == (known.novelty == 0.0)


@given(st.integers(1, 9), st.integers(0, 9), st.integers(0, 50))
def test_an_unknown_word_more_is_never_less_novel(things: int, others: int, unknown: int) -> None:
    assert Known(things, others, unknown + 1).novelty > Known(things, others, unknown).novelty


def test_without_a_band_for_it_the_routers_own_word_stands_and_is_marked() -> None:
    told = Outside(WORDS, BANDS[1:], "sha256:00").applied("a wombat", SAID, FUNCTIONS)
    assert told.estimates == SAID.estimates
    assert not told.in_distribution
    assert told.novelty == 1.0


SMALL = Size(0.25, 12, (1.0, 0.9), (0.2, 0.2), (1.5, 1.4))
LARGE = Size(4.0, 12, (0.3, 0.2), (0.0, 0.0), (0.9, 0.8))
SIZED = replace(OUTSIDE, sizes=(SMALL, LARGE))


@pytest.mark.parametrize(("ratio", "expected"), [(0.9, 1.0), (0.01, 1.0), (1.0, 0.3), (16.0, 0.3)])
def test_a_size_that_was_never_taught_is_expected_to_score_what_the_nearest_did(
    ratio: float, expected: float
) -> None:
    told = SIZED.at_sizes(SAID, FUNCTIONS, {"cheap@1": ratio})
    assert told.estimates["cheap@1"].quality == expected
    assert told.estimates["dear@20"] == SAID.estimates["dear@20"]


def test_beyond_the_largest_size_that_was_drawn_quality_goes_on_to_fall() -> None:
    middle = Size(2.0, 12, (0.6, 0.3), (0.2, 0.0), (1.2, 0.9))
    sized = replace(OUTSIDE, sizes=(SMALL, middle, LARGE))
    told = sized.at_sizes(SAID, FUNCTIONS, {"cheap@1": 8.0, "dear@20": 8.0}).estimates
    assert told["cheap@1"].quality == pytest.approx(0.3 - 0.2)
    assert told["cheap@1"].interval == (pytest.approx(-0.2), 0.9)
    assert told["dear@20"].quality == pytest.approx(0.2 - 0.2)


def test_what_is_expected_to_be_worse_still_stays_so_at_another_size() -> None:
    poor = replace(SAID, estimates={"cheap@1": QualityEstimate(0.1, (0.0, 0.4))})
    told = SIZED.at_sizes(poor, FUNCTIONS, {"cheap@1": 4.0}).estimates["cheap@1"]
    assert told.quality == 0.1
    assert told.interval == (0.0, 0.9)


def test_the_size_that_was_taught_and_cards_without_sizes_change_nothing() -> None:
    assert SIZED.at_sizes(SAID, FUNCTIONS, {}) is SAID
    assert OUTSIDE.at_sizes(SAID, FUNCTIONS, {"cheap@1": 4.0}) is SAID


def test_sizes_come_back_from_a_card_and_damaged_ones_are_refused() -> None:
    row = json.loads(json.dumps(SIZED.to_json()))
    assert Outside.from_json(row, 2) == SIZED
    for ratio in (0.0, -1.0, float("inf")):
        row["sizes"][0]["ratio"] = ratio
        with pytest.raises(ValueError, match="ratio"):
            Outside.from_json(row, 2)


def sized_table() -> ScoreTable:
    draw = np.random.default_rng(4)
    return ScoreTable.of(
        Row(
            f"{side}-{n}",
            f"a cat {n}",
            name,
            "quality",
            48 / side + draw.normal(0, 0.1),
            group=group,
        )
        for side, group in ((48, "48x48"), (96, "96x96"))
        for n in range(12)
        for name in ("fast@1", "slow@8")
    )


def test_sizes_are_learned_and_more_steps_of_a_model_stand_for_those_not_drawn() -> None:
    small, large = learn_sizes(sized_table(), "quality", ("fast@1", "slow@50"), 64 * 64)
    assert (small.ratio, large.ratio) == (0.5625, 2.25)
    assert small.quality[1] == pytest.approx(1.0, abs=0.15)
    assert large.quality[1] == pytest.approx(0.5, abs=0.15)
    with pytest.raises(UsageError, match="no scores of other@2"):
        learn_sizes(sized_table(), "quality", ("fast@1", "other@2"), 64 * 64)
    with pytest.raises(UsageError, match="'' is no size"):
        learn_sizes(table(), "quality", FUNCTIONS, 64 * 64)


# Learning.


def table(count: int = 120, gap: float = 0.0, seed: int = 1) -> ScoreTable:
    """Prompts with and without a known thing; the dear function is better by `gap`."""
    random, rows = np.random.default_rng(seed), list[Row]()
    for number in range(count):
        words = " ".join(f"w{number}x{i}".replace("1", "l") for i in range(1 + number % 9))
        prompt = f"a cat and {words}" if number % 2 else words
        level = 1.5 if number % 2 else 0.8
        for name in FUNCTIONS:
            score = level + random.normal(0, 0.2) + (gap if name == "dear@20" else 0.0)
            rows.append(Row(str(number), prompt, name, "quality", score))
    return ScoreTable.of(rows)


def test_functions_that_cannot_be_told_apart_share_one_mean_so_the_cheapest_wins() -> None:
    learned = learn_outside(table(), "quality", FUNCTIONS, WORDS)
    assert len(learned.bands) > 2
    for band in learned.bands:
        assert band.quality[0] == pytest.approx(1.5 if band.things else 0.8, abs=0.15)
    same = [band.quality[0] == band.quality[1] for band in learned.bands]
    assert np.mean(same) >= 0.6


def test_evidence_tells_functions_apart() -> None:
    learned = learn_outside(table(gap=0.4), "quality", FUNCTIONS, WORDS)
    assert all(band.quality[1] > band.quality[0] + 0.2 for band in learned.bands)


def test_the_intervals_hold_nine_of_ten_pictures_of_other_prompts() -> None:
    learned = learn_outside(table(300), "quality", FUNCTIONS, WORDS)
    other = table(300, seed=2).pivot("quality")
    inside = []
    for row, prompt in enumerate(other.prompts):
        told = learned.applied(prompt, SAID, FUNCTIONS)
        for column, name in enumerate(other.functions):
            low, high = told.estimates[name].interval or (0, 0)
            inside.append(low <= other.scores[row, column] <= high)
    assert 0.85 <= np.mean(inside) <= 0.97


@given(st.integers(0, 1000), st.floats(-0.3, 0.3))
def test_the_best_is_never_below_another_and_nothing_is_made_better_than_the_best(
    seed: int, gap: float
) -> None:
    random = np.random.default_rng(seed)
    scores = random.normal(size=(30, 4)) * 0.3 + np.array([0, gap, 0, -gap])
    shared = told_apart(scores)
    means = scores.mean(axis=0)
    assert shared.max() == shared[int(np.argmax(means))]
    assert shared.max() <= means.max() + 1e-12
    assert shared.min() >= means.min() - 1e-12


def test_every_prompt_falls_into_a_band() -> None:
    learned = learn_outside(table(60), "quality", FUNCTIONS, WORDS)
    for known in (Known(t, o, u) for t in (0, 1) for o in (0, 3) for u in (0, 1, 4, 9, 99)):
        assert known.inside or any(band.holds(known) for band in learned.bands)


def test_too_little_is_refused() -> None:
    with pytest.raises(UsageError, match="too few"):
        learn_outside(table(12), "quality", FUNCTIONS, WORDS)
    with pytest.raises(UsageError, match="no scores of new@1"):
        learn_outside(table(), "quality", (*FUNCTIONS, "new@1"), WORDS)


# In a card.


@pytest.fixture(scope="module")
def trained() -> Checkpoint:
    made = train(table_with_signal(120), metric="quality", name="mine", kind="ridge")
    bands = tuple(
        replace(b, quality=(1.0,) * n, low=(0.5,) * n, high=(1.5,) * n)
        for b in BANDS
        if (n := len(made.functions))
    )
    return replace(made, card=replace(made.card, outside=replace(OUTSIDE, bands=bands)))


def test_a_card_keeps_it(trained: Checkpoint, tmp_path: Path) -> None:
    save_checkpoint(tmp_path, trained)
    loaded = load_checkpoint(tmp_path, "mine")
    assert loaded.card.outside == trained.card.outside
    assert {e.quality for e in loaded.estimate("zxqv").estimates.values()} == {1.0}


@pytest.mark.parametrize(
    "change",
    [
        {"bands": [{"things": True}]},
        {"bands": [{}] * 65},
        {"words": {"things": ["cat"], "others": "", "silent": ""}},
        {"words": None},
        {"bands": None},
        {"quality": [float("1e999")]},
    ],
)
def test_a_damaged_one_is_refused(trained: Checkpoint, tmp_path: Path, change: dict) -> None:  # type: ignore[type-arg]
    card = save_checkpoint(tmp_path, trained)
    row = json.loads(card.read_text())
    if "quality" in change:
        row["outside"]["bands"][0]["quality"] = [9.0] * len(trained.functions)
    else:
        row["outside"] |= change
    card.write_text(json.dumps(row))
    with pytest.raises(WeightsError, match="not the card of a router"):
        load_checkpoint(tmp_path, "mine")


def test_intervals_stay_inside_the_scale() -> None:
    router = Profile.current().shelf().named("starter")
    for prompt in ("a cat", "three red cats beside a dog at night", "zxqv blorp", "a lion"):
        for one in router.estimate(prompt).estimates.values():
            assert one.quality is not None
            assert one.interval is not None
            assert 0.0 <= one.interval[0] <= one.quality <= one.interval[1] <= 2.0


@given(st.floats(-9, 9), st.floats(-9, 9), st.floats(0.01, 2))
def test_an_interval_is_cut_and_never_turned_round(low: float, width: float, size: float) -> None:
    one = QualityEstimate(1.0, (min(low, 1.0), max(low + abs(width), 1.0))).within(0.0, 2.0)
    assert one.interval is not None
    assert 0.0 <= one.interval[0] <= 1.0 <= one.interval[1] <= 2.0


# The pack's.


def test_the_packs_router_has_the_vocabulary_of_its_models() -> None:
    outside = load_checkpoint(checkpoints() / "starter" / "router", "starter").card.outside
    assert outside is not None
    assert outside.words == known_words()
    for prompt, _ in (*benchmark_prompts(200, "vocabulary"), *outside_prompts(80)):
        assert (outside.words.read(prompt).unknown == 0) == (unknown_words(prompt) == ())


def test_the_packs_grammar_is_estimated_as_without_it() -> None:
    router = Profile.current().shelf().named("starter")
    plain = replace(router, card=replace(router.card, outside=None))
    for prompt, _ in benchmark_prompts(200, "in distribution"):
        assert router.estimate(prompt) == plain.estimate(prompt)


def test_what_nobody_taught_is_expected_to_be_worse_and_never_bought_dear_for_nothing() -> None:
    with Profile.current().planner() as planner:
        router = planner.shelf.named("starter")
        inside = router.estimate("a cat on a tree").estimates["starter-base@20"].quality or 0.0
        for prompt, _ in outside_prompts(60, "other prompts"):
            told = router.estimate(prompt)
            best = max(one.quality or 0.0 for one in told.estimates.values())
            assert not told.in_distribution
            assert best < inside
