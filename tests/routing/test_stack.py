"""Routers that read vectors and tokens: each learns what there is, and ties where nothing is."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cems_tui.domain.decision import FeatureSet
from cems_tui.domain.encoder import EncoderFacts
from cems_tui.errors import ModelMissing, UnknownName, UsageError, WeightsError
from cems_tui.paths import checkpoints
from cems_tui.routing.checkpoints.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from cems_tui.routing.checkpoints.codecs import features_for
from cems_tui.routing.evaluation.judge import judge
from cems_tui.routing.features.cache import EmbeddingCache
from cems_tui.routing.features.clip_text import TextTower, read_tower
from cems_tui.routing.training.blend import not_negative, worth
from cems_tui.routing.training.extension import add_functions
from cems_tui.routing.training.member_learners import shrunken
from cems_tui.routing.training.order import TrainingOrder
from cems_tui.routing.training.train import train as train_by
from cems_tui.score_tables.formats import ScoreTable
from tests.routing.fakes import grammar_prompts, table_of_noise, table_with_signal

TOWER = read_tower(checkpoints() / "starter" / "starter-base")
SIGNAL, NOISE = table_with_signal(160), table_of_noise()
QUICK: list[tuple[str, FeatureSet]] = [
    ("clusters", "instant"),
    ("clusters", "clip"),
    ("knn", "clip"),
]
KINDS = [*QUICK, ("transformer", "instant"), ("transformer", "clip")]
SHORT = {"epochs": 3.0}
"""Where it does not matter how good a transformer becomes."""

GIBBERISH = ("zxqv blorp wuggle frabnitz", "qqq www eee rrr")


def learned(kind: str, features: FeatureSet, table: ScoreTable, **more: Any) -> Checkpoint:
    reads = features_for(kind, features)
    order = TrainingOrder(table, "quality", "mine", kind=kind, features=reads, tower=TOWER)
    return train_by(replace(order, **more))


class Here:
    """The one tower there is, if it is the one that is wanted."""

    def find(self, encoder: EncoderFacts) -> TextTower:
        if encoder.sha256 != TOWER.facts.sha256:
            raise WeightsError(f"not {encoder.sha256}")
        return TOWER


class Stacks(dict[tuple[str, FeatureSet], Checkpoint]):
    """One router of every kind, on a table with signal, learned when first asked for."""

    def __missing__(self, which: tuple[str, FeatureSet]) -> Checkpoint:
        self[which] = learned(*which, SIGNAL, keep_prompts=True)
        return self[which]


@pytest.fixture(scope="module")
def stacks() -> Stacks:
    return Stacks()


@pytest.mark.parametrize("which", KINDS)
def test_where_there_is_signal_every_kind_beats_the_best_single(
    stacks: Stacks, which: tuple[str, FeatureSet]
) -> None:
    card = stacks[which].card
    assert card.verdict == "beats best single"
    assert card.evaluation["area_recovered"]["value"] > 0.3
    assert (card.kind, card.feature_set) == which


@pytest.mark.parametrize("which", [*QUICK, ("transformer", "instant")])
def test_where_there_is_none_the_estimates_are_the_means(which: tuple[str, FeatureSet]) -> None:
    """Luck that looks as if it could be learnt is shrunk: little of it is left."""
    seeds = range(5) if which in QUICK else range(1)
    gaps = [_farthest_from_the_means(which, seed) for seed in seeds]
    error = (2 / 120) ** 0.5  # of a difference of means
    assert max(gaps) < 2 * error
    assert sum(gaps) / len(gaps) < error


def _farthest_from_the_means(which: tuple[str, FeatureSet], seed: int) -> float:
    """How far a router's differences lie from the functions' means, where nothing is learnable."""
    table = table_of_noise(seed=seed)
    router = learned(*which, table, settings=SHORT)
    if seed == 0:
        assert router.card.verdict == "ties"
    means = table.pivot("quality").scores.mean(axis=0) @ [-1, 0, 1]
    said = [router.estimate(prompt).estimates for prompt in grammar_prompts(10, seed=9)]
    return max(
        abs(one["c@20"].quality - one["a@1"].quality - means)  # type: ignore[operator]
        for one in said
    )


@pytest.mark.parametrize("which", KINDS)
def test_what_is_saved_estimates_the_same_when_loaded(
    stacks: Stacks,
    which: tuple[str, FeatureSet],
    tmp_path: Path,
) -> None:
    before = stacks[which]
    save_checkpoint(tmp_path, before)
    after = load_checkpoint(tmp_path, "mine", Here())
    assert after.card == before.card
    for prompt in ("a red ball on the grass", "zxqv blorp", "a fish and a cup in the snow"):
        assert after.estimate(prompt) == before.estimate(prompt)


@pytest.mark.parametrize("which", KINDS)
def test_strange_prompts_get_the_means_and_wider_intervals(
    stacks: Stacks, which: tuple[str, FeatureSet]
) -> None:
    router = stacks[which]
    familiar = router.estimate("a red ball on the grass")
    assert familiar.in_distribution
    for prompt in GIBBERISH:
        strange = router.estimate(prompt)
        assert not strange.in_distribution
        for name in router.functions:
            low, high = strange.estimates[name].interval or (0.0, 0.0)
            near_low, near_high = familiar.estimates[name].interval or (0.0, 0.0)
            assert high - low > 1.2 * (near_high - near_low)


@pytest.mark.parametrize("which", [("clusters", "instant"), ("knn", "clip")])
def test_intervals_hold_nine_of_ten_new_pictures(which: tuple[str, FeatureSet]) -> None:
    router = learned(*which, table_with_signal(300))
    inside = []
    for row in table_with_signal(150, seed=5).rows:
        low, high = router.estimate(row.prompt).estimates[row.function].interval or (0.0, 0.0)
        inside.append(low <= (row.score or 0.0) <= high)
    assert 0.84 <= np.mean(inside) <= 0.97


def test_neighbours_are_shown_where_they_are_kept(
    stacks: Stacks,
) -> None:
    router = stacks["knn", "clip"]
    prompt = next(iter(SIGNAL.prompts.values()))
    nearest = router.estimate(prompt).nearest
    assert nearest[0].distance == pytest.approx(0.0, abs=1e-3)
    assert prompt in [one.prompt for one in nearest]


@pytest.mark.parametrize("which", [("clusters", "instant"), ("knn", "clip")])
def test_too_little_to_learn_from_is_refused(which: tuple[str, FeatureSet]) -> None:
    with pytest.raises(UsageError, match="too few"):
        learned(*which, table_with_signal(4))
    with pytest.raises(UsageError, match="1 function"):
        learned(*which, ScoreTable.of(r for r in SIGNAL.rows if r.function == "odd@4"))
    with pytest.raises(UnknownName):
        learned(*which, SIGNAL, metric="beauty")


@pytest.mark.parametrize("which", KINDS)
def test_constant_scores_and_five_prompts_give_the_means(which: tuple[str, FeatureSet]) -> None:
    five = ScoreTable.of(
        replace(row, prompt=f"{word} {row.prompt}")
        for word, number in zip(("one", "two", "three", "four", "five"), range(5), strict=True)
        for row in table_with_signal(5).rows
        if row.prompt_id == f"p{number}"
    )
    constant = ScoreTable.of(replace(row, score=2.0) for row in five.rows)
    router = learned(*which, constant, settings=SHORT)
    for one in router.estimate("one red ball").estimates.values():
        assert one.quality == pytest.approx(2.0)
        assert one.interval is not None
        assert one.interval[0] <= 2.0 <= one.interval[1]
    assert learned(*which, five, settings=SHORT).card.verdict != "worse"


def test_lower_is_better_and_missing_cells_are_followed() -> None:
    flipped = ScoreTable.of(
        replace(row, score=-(row.score or 0.0), higher_is_better=False) for row in SIGNAL.rows
    )
    one, two = learned("clusters", "instant", SIGNAL), learned("clusters", "instant", flipped)
    assert two.card.negated
    assert one.estimate("a red cup") == two.estimate("a red cup")
    holes = ScoreTable.of(
        replace(row, score=None) if row.function == "odd@4" and row.prompt_id < "p3" else row
        for row in SIGNAL.rows
    )
    card = learned("clusters", "instant", holes).card
    assert card.training.missing > 0
    assert card.evaluation["prompts"] == 160 - card.training.missing


def test_without_a_text_tower_the_error_says_what_to_do() -> None:
    with pytest.raises(ModelMissing, match="text encoder") as caught:
        learned("knn", "clip", SIGNAL, tower=None)
    assert "--encoder" in caught.value.hint


def test_a_router_of_another_tower_is_refused_when_loaded(stacks: Stacks, tmp_path: Path) -> None:
    other = stacks["knn", "clip"]
    facts = replace(TOWER.facts, sha256="sha256:other")
    save_checkpoint(tmp_path, replace(other, card=replace(other.card, encoder=facts)))
    with pytest.raises(WeightsError, match="sha256:other"):
        load_checkpoint(tmp_path, "mine", Here())


def test_instant_kinds_are_asked_without_torch(stacks: Stacks, tmp_path: Path) -> None:
    save_checkpoint(tmp_path, stacks["transformer", "instant"])
    code = (
        "import sys, pathlib\n"
        "from cems_tui.routing.checkpoints.checkpoint import load_checkpoint\n"
        f"load_checkpoint(pathlib.Path({str(tmp_path)!r}), 'mine').estimate('a red ball')\n"
        "print(*({'torch', 'transformers', 'tokenizers'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not found.stdout.split()


def test_a_stopped_transformer_goes_on_from_its_finished_folds(tmp_path: Path) -> None:
    def stop(text: str) -> None:
        if text.startswith("network 3 of"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learned("transformer", "instant", NOISE, workspace=tmp_path, tell=stop, settings=SHORT)
    heard: list[str] = []
    again = learned(
        "transformer", "instant", NOISE, workspace=tmp_path, tell=heard.append, settings=SHORT
    )
    assert sum("was taught before" in text for text in heard) == 2
    whole = learned("transformer", "instant", NOISE, settings=SHORT)
    assert again.card.evaluation == whole.card.evaluation
    assert not list(tmp_path.rglob("*.safetensors"))


def test_embeddings_are_read_once_and_again_when_damaged(tmp_path: Path) -> None:
    prompts = grammar_prompts(7)
    cache = EmbeddingCache(tmp_path)
    first = cache.states(TOWER, prompts)
    (file,) = tmp_path.iterdir()
    asleep = replace(TOWER, weights={})  # cannot read: only the cache can answer
    for one, two in zip(first, cache.states(asleep, prompts), strict=True):
        np.testing.assert_array_equal(one, two)
    file.write_bytes(file.read_bytes()[:50])
    for one, two in zip(first, cache.states(TOWER, prompts), strict=True):
        np.testing.assert_array_equal(one, two)


def with_newcomer(table: ScoreTable, *, alone: bool) -> ScoreTable:
    """`new@2` is as good as `dear@20`, and half a point better; alone or beside the others."""
    fresh = [
        replace(row, function="new@2", score=(row.score or 0.0) + 0.5, cost_usd=2e-6)
        for row in table.rows
        if row.function == "dear@20"
    ]
    return ScoreTable.of(fresh if alone else [*table.rows, *fresh])


@pytest.mark.parametrize("alone", [True, False])
def test_a_function_joins_clusters_in_one_pass_and_changes_nothing_else(
    stacks: Stacks, tmp_path: Path, alone: bool
) -> None:
    before = stacks["clusters", "instant"]
    after = add_functions(before, with_newcomer(SIGNAL, alone=alone), "more")
    assert after.functions == (*before.functions, "new@2")
    assert after.card.verdict == "not evaluated"
    assert after.card.prices["new@2"] == pytest.approx(2e-6)
    gaps = []
    for prompt in grammar_prompts(30, seed=11):
        old, new = before.estimate(prompt), after.estimate(prompt)
        for name in before.functions:
            assert new.estimates[name].quality == pytest.approx(
                old.estimates[name].quality, abs=1e-4
            )
        gaps.append(new.estimates["new@2"].quality - new.estimates["dear@20"].quality)  # type: ignore[operator]
    assert np.mean(gaps) == pytest.approx(0.5, abs=0.1)
    save_checkpoint(tmp_path, after)
    loaded = load_checkpoint(tmp_path, "more")
    assert loaded.estimate("a red ball") == after.estimate("a red ball")
    row = judge(loaded, with_newcomer(table_with_signal(120, seed=4), alone=False))
    assert row["verdict"] == "beats best single"


def test_a_newcomers_intervals_hold_too(
    stacks: Stacks,
) -> None:
    after = add_functions(stacks["clusters", "instant"], with_newcomer(SIGNAL, alone=True), "more")
    inside = []
    for row in with_newcomer(table_with_signal(150, seed=5), alone=True).rows:
        low, high = after.estimate(row.prompt).estimates["new@2"].interval or (0.0, 0.0)
        inside.append(low <= (row.score or 0.0) <= high)
    assert 0.84 <= np.mean(inside) <= 0.97


def test_what_cannot_join_is_refused(
    stacks: Stacks,
) -> None:
    clusters = stacks["clusters", "instant"]
    with pytest.raises(UsageError, match="only clusters"):
        add_functions(stacks["knn", "clip"], with_newcomer(SIGNAL, alone=True), "more")
    with pytest.raises(UsageError, match="no function that router"):
        add_functions(clusters, SIGNAL, "more")
    with pytest.raises(UsageError, match="too few"):
        add_functions(clusters, with_newcomer(table_with_signal(3), alone=True), "more")


weights = arrays(np.float64, 3, elements=st.floats(-2.0, 2.0))


@given(rows=arrays(np.float64, (12, 3), elements=st.floats(-2.0, 2.0)), target=weights)
def test_no_other_weights_without_a_minus_sign_fit_better(
    rows: np.ndarray, target: np.ndarray
) -> None:
    gram, moments = rows.T @ rows, rows.T @ rows @ target
    found = not_negative(gram, moments)
    assert (found >= 0).all()
    slope = gram @ found - moments
    live = np.diag(gram) > 1e-3
    assert (slope[live] > -1e-2).all()
    assert (np.abs(slope[live & (found > 1e-6)]) < 1e-2).all()


def test_a_member_that_is_only_noise_is_not_taken() -> None:
    random = np.random.default_rng(0)
    target = random.normal(size=(300, 3)).astype(np.float32)
    good = 0.5 * target + random.normal(size=(300, 3)).astype(np.float32) * 0.1
    noise = random.normal(size=(300, 3)).astype(np.float32)
    both = worth(np.stack([good, noise]), target)
    assert both[0] > 1.5
    assert both[1] < 0.1
    [alone] = worth(noise[None], target)
    assert 0.0 <= alone < 0.01


@given(values=arrays(np.float64, 40, elements=st.floats(-5.0, 5.0)), clusters=st.integers(1, 9))
def test_a_shrunken_mean_lies_between_the_clusters_own_and_that_of_all(
    values: np.ndarray, clusters: int
) -> None:
    place = np.arange(40) % clusters
    found = shrunken(values, place, clusters)
    for cluster in range(clusters):
        own, everyone = values[place == cluster].mean(), values.mean()
        assert min(own, everyone) - 1e-9 <= found[cluster] <= max(own, everyone) + 1e-9
