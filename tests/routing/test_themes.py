"""Words that go together share a theme, and landmarks stand in for a kernel over all prompts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cems_tui.routing.checkpoints.checkpoint import load_checkpoint, save_checkpoint
from cems_tui.routing.features.letters import FeatureConfig, grams
from cems_tui.routing.features.space import FeatureSpace, Landmarks, Reading, theme_of
from tests.routing.fakes import grammar_prompts, table_with_signal, train

SEA = ("whale", "wave", "ship", "harbour", "sailor")
TOWN = ("street", "tram", "market", "roof", "lamp")


def prompts_of_two_worlds() -> list[str]:
    random = np.random.default_rng(0)
    return [
        "quiet drawing " + " ".join(random.choice(SEA if place % 2 else TOWN, 3, replace=False))
        for place in range(200)
    ]


def test_a_word_is_nearer_to_the_words_it_stands_beside() -> None:
    config = FeatureConfig(themes=1)
    space = FeatureSpace.learn([grams(one, config) for one in prompts_of_two_worlds()], config)

    def theme(word: str) -> np.ndarray:
        return theme_of(space.topics.vector(grams(word, config).words), space.themes)

    assert theme("whale") @ theme("sailor") > 0.5 > theme("whale") @ theme("tram")
    assert np.linalg.norm(theme("whale")) == pytest.approx(1.0, abs=1e-3)
    assert not theme("unheard").any()


def test_few_landmarks_give_back_the_kernel_between_the_prompts() -> None:
    random = np.random.default_rng(1)
    rows = random.normal(size=(400, 3)).astype(np.float32)
    landmarks = Landmarks.learn(rows, 50)
    assert len(landmarks.centres) == 50
    features = np.stack([landmarks.features(row) for row in rows])
    distance = np.square(rows[:, None] - rows).sum(axis=2)
    assert np.abs(features @ features.T - np.exp(-0.5 * distance)).mean() < 0.02


def test_landmarks_are_no_prompts() -> None:
    rows = np.random.default_rng(2).normal(size=(400, 3)).astype(np.float32)
    centres = Landmarks.learn(rows, 40).centres
    assert np.abs(rows[:, None] - centres).max(axis=2).min() > 1e-4


def test_five_prompts_have_neither_themes_nor_landmarks_and_are_read_all_the_same() -> None:
    config = FeatureConfig()
    said = [grams(one, config) for one in grammar_prompts(5, seed=1)]
    space = FeatureSpace.learn(said, config)
    reading: Reading = space.read(said[0])
    assert space.themes.shape[1] == 0
    assert reading.near.size == 0


def test_a_loaded_router_says_what_the_learned_one_said(tmp_path: Path) -> None:
    learned = train(table_with_signal(), metric="quality", name="fake", kind="ridge")
    save_checkpoint(tmp_path, learned)
    loaded = load_checkpoint(tmp_path, "fake")
    for prompt in grammar_prompts(20, seed=4):
        one, two = learned.estimate(prompt), loaded.estimate(prompt)
        assert one.novelty == pytest.approx(two.novelty, abs=1e-5)
        for name, estimate in one.estimates.items():
            assert estimate.quality == pytest.approx(two.estimates[name].quality, abs=2e-2)
