"""Every kind of router finds a rule that a child could learn from the same prompts."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import numpy as np
import pytest

from cems_tui.domain.decision import FeatureSet
from cems_tui.paths import checkpoints
from cems_tui.routing.checkpoints.checkpoint import Checkpoint
from cems_tui.routing.features.clip_text import read_tower
from cems_tui.routing.features.encoder_files import read_sentence_encoder
from cems_tui.routing.features.text_encoder import TextEncoder
from cems_tui.routing.training.cems_recipe import MOST_EPOCHS, SMALL_TOWER, Recipe
from cems_tui.routing.training.order import TrainingOrder
from cems_tui.routing.training.train import train
from cems_tui.score_tables.table import Row, ScoreTable
from tests.routing.fakes import grammar_prompts

FUNCTIONS = ("plain@1", "snow@4", "fish@20")
CERTAIN = 0.9
"""The share of fresh prompts whose function has to be found; always `plain@1` is 0.6 of them."""

COARSE = {"knn": 0.85, "clusters": 0.7}
"""The same of kinds that take whole prompts together, whatever word it is that matters."""


def best_of(prompt: str) -> int:
    """The rule: fish, else snow, else whatever."""
    return 2 if "fish" in prompt else 1 if "snow" in prompt else 0


def table_of_the_rule(prompts: int) -> ScoreTable:
    draw = random.Random(3)
    return ScoreTable.of(
        Row(
            prompt_id=f"p{number}",
            prompt=prompt,
            function=function,
            metric="quality",
            score=float(best_of(prompt) == place) + draw.gauss(0.0, 0.1),
            cost_usd=1e-6,
        )
        for number, prompt in enumerate(grammar_prompts(prompts, seed=5))
        for place, function in enumerate(FUNCTIONS)
    )


@cache
def encoder_of(features: FeatureSet) -> TextEncoder | None:
    if features == "instant":
        return None
    if features == "text":
        return read_sentence_encoder(checkpoints() / "encoder", "all-minilm-l6-v2")
    return read_tower(checkpoints() / "starter" / "starter-base")


def learned(kind: str, features: FeatureSet, prompts: int = 300, **settings: float) -> Checkpoint:
    order: dict[str, Any] = {"kind": kind, "features": features, "settings": settings}
    order["tower"] = encoder_of(features)
    return train(TrainingOrder(table_of_the_rule(prompts), "quality", "planted", **order))


@pytest.mark.parametrize(
    ("kind", "features"),
    [
        ("ensemble", "instant"),
        ("ridge", "instant"),
        ("knn", "instant"),
        ("ensemble", "text"),
        ("knn", "text"),
        ("cems", "clip"),
        ("transformer", "clip"),
        ("knn", "clip"),
        ("clusters", "clip"),
    ],
)
def test_a_rule_that_a_child_could_learn_is_found(kind: str, features: FeatureSet) -> None:
    router = learned(kind, features, 200 if kind == "cems" else 300)
    fresh = [one for one in grammar_prompts(400, seed=8) if one not in grammar_prompts(300, seed=5)]
    right = []
    for prompt in fresh[:100]:
        said = router.estimate(prompt).estimates
        pick = int(np.argmax([said[name].worth or 0.0 for name in FUNCTIONS]))
        right.append(pick == best_of(prompt))
    assert np.mean(right) >= COARSE.get(kind, CERTAIN)


def test_a_network_that_was_not_taught_says_so_in_its_card() -> None:
    card = learned("cems", "clip", learning_rate=6.4e-6, epochs=2.0).card
    notes = " ".join(card.evaluation["training_notes"])
    assert "epochs 2, where theirs is 10" in notes
    assert "learning rate" not in notes
    told = card.evaluation["classification"]
    assert told["accuracy"] < CERTAIN
    assert ("that constant answer is better" in notes) == (
        told["accuracy"] < told["constant_accuracy"]
    )


def test_a_large_tower_is_tuned_by_the_authors_numbers() -> None:
    recipe = Recipe.suited(frozen=False, parameters=SMALL_TOWER + 1, prompts=40_000)
    assert recipe == Recipe()
    assert recipe.deviations == ()


@pytest.mark.parametrize("prompts", [30, 1_000, 1_000_000])
def test_small_towers_and_heads_take_enough_steps(prompts: int) -> None:
    small = Recipe.suited(frozen=False, parameters=300_000, prompts=prompts)
    head = Recipe.suited(frozen=True, parameters=60_000_000, prompts=prompts)
    for recipe in (small, head):
        steps = recipe.epochs * -(-prompts // recipe.batch)
        assert steps >= 2_000 or recipe.epochs == MOST_EPOCHS
        assert recipe.epochs >= 10
        assert any("learning rate" in text for text in recipe.deviations)
    assert "tuned" in head.deviations[0]
