"""Routers that read letters and a text encoder: `ridge` and `ensemble` over `text` and `clip`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from cems_tui.domain.decision import FeatureSet
from cems_tui.domain.encoder import EncoderFacts
from cems_tui.domain.estimate import AnswersAtOnce
from cems_tui.errors import ModelMissing, WeightsError
from cems_tui.paths import checkpoints
from cems_tui.routing.checkpoints.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from cems_tui.routing.estimators.embedding_router import EmbeddingRouter
from cems_tui.routing.features.clip_text import read_tower
from cems_tui.routing.features.embedding_space import Centres, EmbeddingSpace
from cems_tui.routing.features.encoder_files import read_sentence_encoder
from cems_tui.routing.features.text_encoder import TextEncoder
from cems_tui.routing.training.order import TrainingOrder
from cems_tui.routing.training.train import train
from cems_tui.score_tables.formats import ScoreTable
from tests.routing.fakes import grammar_prompts, table_of_noise, table_with_signal

SENTENCES = read_sentence_encoder(checkpoints() / "encoder", "all-minilm-l6-v2")
TOWER = read_tower(checkpoints() / "starter" / "starter-base")
SIGNAL = table_with_signal(160)
KINDS: list[tuple[str, FeatureSet]] = [("ridge", "text"), ("ensemble", "text"), ("ridge", "clip")]
STRANGE = ("", "zxqv blorp wuggle frabnitz", "\x1b[31m\x00\x07 \ud800", "日本語 🎨", "x" * 10_000)


class Here:
    """The encoders there are, by digest."""

    def find(self, encoder: EncoderFacts) -> TextEncoder:
        for one in (SENTENCES, TOWER):
            if one.facts.sha256 == encoder.sha256:
                return one
        raise WeightsError(f"not {encoder.sha256}")


def learned(kind: str, features: FeatureSet, table: ScoreTable, **more: Any) -> Checkpoint:
    tower = SENTENCES if features == "text" else TOWER
    order = TrainingOrder(table, "quality", "mine", kind=kind, features=features, tower=tower)
    return train(replace(order, **more))


class Routers(dict[tuple[str, FeatureSet], Checkpoint]):
    """One router of every kind, on a table with signal, learned when first asked for."""

    def __missing__(self, which: tuple[str, FeatureSet]) -> Checkpoint:
        self[which] = learned(*which, SIGNAL, keep_prompts=which[0] == "ensemble")
        return self[which]


@pytest.fixture(scope="module")
def routers() -> Routers:
    return Routers()


def inside(checkpoint: Checkpoint) -> EmbeddingRouter:
    assert isinstance(checkpoint.router, EmbeddingRouter)
    return checkpoint.router


@pytest.mark.parametrize("which", KINDS)
def test_where_there_is_signal_it_beats_the_best_single_and_says_what_it_reads(
    routers: Routers, which: tuple[str, FeatureSet]
) -> None:
    card = routers[which].card
    assert card.verdict == "beats best single"
    assert (card.kind, card.feature_set) == which
    assert card.encoder is not None
    assert card.evaluation["area_recovered"]["value"] > 0.3
    assert card.evaluation["instant"]["area_recovered"]["value"] > 0.3
    assert 0.8 < card.evaluation["coverage"]["value"] < 1.0


@pytest.mark.parametrize("which", KINDS)
def test_what_is_saved_estimates_the_same_when_loaded(
    routers: Routers, which: tuple[str, FeatureSet], tmp_path: Path
) -> None:
    before = routers[which]
    save_checkpoint(tmp_path, before)
    after = load_checkpoint(tmp_path, "mine", Here())
    assert after.card == before.card
    for prompt in ("a red ball on the grass", "a fish and a cup in the snow", *STRANGE):
        assert after.estimate(prompt) == before.estimate(prompt)


def test_letters_alone_answer_at_once_as_the_router_without_an_encoder(routers: Routers) -> None:
    both, letters = routers["ridge", "text"], learned("ridge", "instant", SIGNAL)
    assert both.answers_at_once
    assert not letters.answers_at_once
    assert isinstance(both.router, AnswersAtOnce)
    for prompt in grammar_prompts(5, seed=7):
        assert both.estimate(prompt, at_once=True) == letters.estimate(prompt)
        assert both.estimate(prompt) != letters.estimate(prompt)
    assert (
        both.card.evaluation["instant"]["area_recovered"]
        == (letters.card.evaluation["area_recovered"])
    )


@pytest.mark.parametrize("which", KINDS)
def test_any_prompt_gets_finite_estimates(routers: Routers, which: tuple[str, FeatureSet]) -> None:
    familiar = routers[which].estimate("a red ball on the grass")
    assert familiar.in_distribution
    for prompt in STRANGE:
        said = routers[which].estimate(prompt)
        for one in said.estimates.values():
            assert one.quality is not None
            assert np.isfinite([one.quality, *(one.interval or ())]).all()
    assert not routers[which].estimate(STRANGE[1]).in_distribution


def test_where_there_is_nothing_to_learn_it_ties_near_the_means() -> None:
    table = table_of_noise()
    router = learned("ridge", "text", table)
    assert router.card.verdict == "ties"
    means = table.pivot("quality").scores.mean(axis=0) @ [-1, 0, 1]
    for prompt in grammar_prompts(10, seed=9):
        said = router.estimate(prompt).estimates
        gap = said["c@20"].quality - said["a@1"].quality - means  # type: ignore[operator]
        assert abs(gap) < 3 * (2 / 120) ** 0.5


def test_five_prompts_and_equal_scores_give_the_means() -> None:
    five = ScoreTable.of(
        replace(row, prompt=f"{word} {row.prompt}", score=2.0)
        for word, number in zip(("one", "two", "three", "four", "five"), range(5), strict=True)
        for row in table_with_signal(5).rows
        if row.prompt_id == f"p{number}"
    )
    for one in learned("ensemble", "text", five).estimate("one red ball").estimates.values():
        assert one.quality == pytest.approx(2.0)


def test_neighbours_are_shown_where_they_are_kept(routers: Routers) -> None:
    prompt = next(iter(SIGNAL.prompts.values()))
    nearest = routers["ensemble", "text"].estimate(prompt).nearest
    assert nearest[0].prompt == prompt


def test_a_router_that_keeps_no_prompt_keeps_none_of_their_points(routers: Routers) -> None:
    router = inside(routers["ridge", "text"])
    embeddings = SENTENCES.embeddings(list(SIGNAL.prompts.values()))
    apart = router.space.points(embeddings, _said(router))[:, None] - (
        router.centres.places * router.centres.steps
    )
    assert len(router.centres.places) < len(SIGNAL.prompts) / 2
    assert np.sqrt(np.square(apart).sum(axis=2)).min() > 0.1  # a centre is nobody's prompt


def _said(router: EmbeddingRouter) -> list[Any]:
    from cems_tui.routing.features.letters import grams

    return [grams(prompt, router.instant.space.config) for prompt in SIGNAL.prompts.values()]


def test_the_centres_features_approximate_the_kernel() -> None:
    random = np.random.default_rng(0)
    embeddings = random.normal(size=(400, 2, 8)).astype(np.float32)
    counts = random.normal(size=(400, 19)).astype(np.float32)
    space = EmbeddingSpace.learn(embeddings, counts)
    assert space.width == 16 + 19
    points = np.repeat(random.normal(size=(50, 6)).astype(np.float32), 8, axis=0)
    points += 0.01 * random.normal(size=points.shape).astype(np.float32)
    centres = Centres.learn(points)
    features = centres.near(points) @ centres.whitening()
    exact = np.exp(-0.5 * np.square(points[:, None] - points).sum(axis=2))
    assert np.abs(features @ features.T - exact).max() < 0.05


def test_another_encoder_is_refused_and_both_digests_are_told(
    routers: Routers, tmp_path: Path
) -> None:
    other = routers["ridge", "text"]
    facts = replace(SENTENCES.facts, sha256="sha256:other")
    save_checkpoint(tmp_path, replace(other, card=replace(other.card, encoder=facts)))
    with pytest.raises(WeightsError, match="sha256:other") as caught:
        load_checkpoint(tmp_path, "mine", Here())
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("name", ["kernel", "centres", "axes", "ridge.weights", "spread.low"])
def test_numbers_of_another_shape_are_refused(routers: Routers, tmp_path: Path, name: str) -> None:
    from cems_tui.routing.checkpoints.codecs import codec_of

    card = routers["ridge", "text"].card
    save_checkpoint(tmp_path, routers["ridge", "text"])
    tensors = load_file(tmp_path / "mine.safetensors")
    tensors[f"encoded.{name}"] = tensors[f"encoded.{name}"][:-1].copy()
    save_file(tensors, tmp_path / "cut.safetensors")
    with pytest.raises(WeightsError, match="not those of its card"):
        codec_of(card).from_tensors(card, tensors, Here())


def test_an_encoder_is_needed() -> None:
    with pytest.raises(ModelMissing, match="needs a text encoder") as caught:
        learned("ridge", "text", SIGNAL, tower=None)
    assert "--features instant" in caught.value.hint
