"""Drawing prompts outside the vocabulary, part by part, and what they scored in the card."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cems_tui.errors import UsageError
from cems_tui.paths import checkpoints
from cems_tui.profile import Profile
from cems_tui.routing.checkpoints.checkpoint import load_checkpoint
from cems_tui.score_tables.formats import read_table, write_table
from cems_tui.score_tables.own import Scored
from cems_tui.score_tables.table import Row, ScoreTable
from cems_tui.starter.benchmark_prompts import benchmark_prompts
from cems_tui.starter.manifest import verify, write_manifest
from cems_tui.starter.recipe.checks import outside_scores
from cems_tui.starter.recipe.checks.outside_scores import PART, asked_of, score_outside
from cems_tui.starter.recipe.training.outside_prompts import (
    KINDS,
    long_descriptions,
    outside_prompts,
)
from cems_tui.starter.recipe.training.router import add_outside, known_words

ROUTER = checkpoints() / "starter" / "router"
FUNCTIONS = tuple(load_checkpoint(ROUTER, "starter").functions)


class Drawing:
    """Stands for the pipelines and scorers: scores are the number of the prompt."""

    def __init__(self) -> None:
        self.parts: list[int] = []

    def __call__(self, pack: Path, part: Any, first: int) -> dict[str, dict[str, list[float]]]:
        self.parts.append(first // PART)
        rng = np.random.default_rng(first)
        return {
            name: {
                "nima": rng.uniform(3, 8, len(part)).tolist(),
                "clip": rng.uniform(20, 80, len(part)).tolist(),
            }
            for name in FUNCTIONS
        }


@pytest.fixture
def drawing(monkeypatch: pytest.MonkeyPatch) -> Drawing:
    made = Drawing()
    monkeypatch.setattr(outside_scores, "_scored", made)
    return made


def draw(work: Path, count: int, seed: str = "a") -> ScoreTable:
    return score_outside(Path(), outside_prompts(count, seed), work, lambda text: None)


def test_what_was_stopped_goes_on_with_the_next_part(drawing: Drawing, tmp_path: Path) -> None:
    draw(tmp_path, 2 * PART)
    table = draw(tmp_path, 3 * PART)
    assert drawing.parts == [0, 1, 2]
    assert len(table.prompts) == 3 * PART
    assert set(table.metrics) == {"nima", "clip"}


def test_parts_of_other_prompts_are_drawn_again(drawing: Drawing, tmp_path: Path) -> None:
    draw(tmp_path, PART)
    draw(tmp_path, PART, "b")
    assert drawing.parts == [0, 0]


def test_the_prompts_are_always_the_same_and_no_two_are_equal() -> None:
    asked = outside_prompts(120)
    assert asked == outside_prompts(120) == outside_prompts(150)[:120]
    assert len({prompt for prompt, _ in asked}) == 120
    assert {kind for _, kind in asked} == set(KINDS)


def test_other_prompts_come_from_a_file_with_their_groups(tmp_path: Path) -> None:
    file = tmp_path / "mine.tsv"
    file.write_text("Parti\ta lion, a\ttab\n\nDPG\tun chat\n", encoding="utf-8")
    assert asked_of(file, 9) == [("a lion, a\ttab", "Parti"), ("un chat", "DPG")]
    assert asked_of(None, 7) == [*outside_prompts(7), *long_descriptions()]


def test_long_descriptions_are_many_long_and_with_and_without_a_known_thing() -> None:
    asked, words = long_descriptions(), known_words()
    assert len({prompt for prompt, _ in asked}) == len(asked) >= 60
    assert min(len(prompt.split()) for prompt, _ in asked) >= 45
    known = [words.read(prompt).things > 0 for prompt, _ in asked]
    assert min(known.count(True), known.count(False)) >= 25


def test_what_they_scored_goes_into_the_card_of_the_packs_router(
    drawing: Drawing, tmp_path: Path
) -> None:
    pack = tmp_path / "pack"
    shutil.copytree(ROUTER, pack / "router")
    write_manifest(pack, version="9", licence="MIT", pipelines={}, scorers={})
    before = load_checkpoint(pack / "router", "starter")
    write_table(draw(tmp_path, 4 * PART), tmp_path / "outside.csv")
    learned = add_outside(pack, "starter", tmp_path / "outside.csv")
    after = load_checkpoint(pack / "router", "starter")
    assert after.card.outside == learned
    assert learned.table == read_table(tmp_path / "outside.csv").digest
    assert after.card.evaluation == before.card.evaluation
    assert (after.training_estimates == before.training_estimates).all()
    files = {f"router/{name}" for name in ("starter.json", "starter.safetensors")}
    files |= {f"router/{name}" for name in ("outside.parquet", "sizes.parquet")}
    assert set(verify(pack).files) == files


def test_a_table_without_the_packs_functions_is_refused(drawing: Drawing, tmp_path: Path) -> None:
    pack = tmp_path / "pack"
    shutil.copytree(ROUTER, pack / "router")
    write_manifest(pack, version="9", licence="MIT", pipelines={}, scorers={})
    table = draw(tmp_path, 2 * PART)
    some = table.take(~np.isin(table.function.places, [0]))
    write_table(some, tmp_path / "outside.csv")
    with pytest.raises(UsageError, match="no scores of starter-"):
        add_outside(pack, "starter", tmp_path / "outside.csv")


def test_a_router_of_ones_own_for_the_packs_functions_learns_of_what_is_outside_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CEMS_HOME", str(tmp_path))
    card, trainer = Profile.current().shelf().named("starter").card, Profile.current().trainer
    assert card.outside is not None
    draw = np.random.default_rng(8)
    table = ScoreTable.of(
        Row(f"{number}", prompt, function, metric, float(draw.uniform(2, 9)))
        for number, (prompt, _) in enumerate(benchmark_prompts(60, "one's own"))
        for function in card.functions
        for metric in ("nima", "clip")
    )
    heard: list[str] = []
    mine = trainer.learn(Scored(table, card.scorers, {}), "mine", "ridge", "mixed", heard.append)
    assert mine.outside is not None
    assert mine.outside.words == card.outside.words
    assert len(mine.outside.sizes) == len(card.outside.sizes) > 0
    assert any("outside the models' vocabulary" in text for text in heard)
    others = dict.fromkeys(card.scorers, "another:sha256:00")
    theirs = trainer.learn(Scored(table, others, {}), "theirs", "ridge", "mixed", heard.append)
    assert theirs.outside is None
