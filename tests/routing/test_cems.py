"""The CEMS classifier: the authors' recipe, resumable, and asked without torch."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cems_tui.domain.encoder import EncoderFacts
from cems_tui.errors import ModelMissing, UsageError, WeightsError
from cems_tui.paths import checkpoints
from cems_tui.routing.checkpoints.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from cems_tui.routing.checkpoints.codecs import features_for
from cems_tui.routing.decide.dial import choices
from cems_tui.routing.evaluation.classification import classification
from cems_tui.routing.features.clip_text import TextTower, read_tower
from cems_tui.routing.training.order import TrainingOrder
from cems_tui.routing.training.splits import near_duplicates, stratified_split
from cems_tui.routing.training.train import train as train_by
from cems_tui.score_tables.formats import ScoreTable
from tests.routing.fakes import grammar_prompts, table_with_signal

STARTER = checkpoints() / "starter" / "starter-base"
TOWER = read_tower(STARTER)
TABLE = table_with_signal(150)
FEW = {"epochs": 3.0, "learning_rate": 1e-3}


def learned(table: ScoreTable = TABLE, metric: str = "quality", **more: Any) -> Checkpoint:
    reads = features_for("cems", None)
    order = TrainingOrder(table, metric, "mine", kind="cems", features=reads, tower=TOWER)
    return train_by(replace(order, **({"settings": FEW} | more)))


class Places:
    """Towers at hand: one, wherever it is asked for by its digest."""

    def __init__(self, tower: TextTower) -> None:
        self._tower = tower

    def find(self, encoder: EncoderFacts) -> TextTower:
        assert encoder.sha256 == self._tower.facts.sha256
        return self._tower


@pytest.fixture(scope="module")
def tuned() -> Checkpoint:
    return learned()


def test_the_card_says_the_recipe_the_split_and_the_authors_figures(tuned: Checkpoint) -> None:
    card = tuned.card
    assert (card.training.split, card.training.folds) == ("test", 0)
    assert card.evaluation["split"] == "test"
    assert set(card.evaluation["classification"]) >= {
        "accuracy",
        "macro_precision",
        "macro_recall",
        "macro_f1",
        "one_vs_rest_auc",
    }
    assert card.settings["weight_decay"] == 0.1
    assert card.encoder is not None
    assert card.encoder.in_checkpoint
    assert card.encoder.id == "starter-base"


def test_without_being_told_otherwise_the_numbers_are_the_authors() -> None:
    from cems_tui.routing.training.cems_recipe import Recipe

    one = Recipe()
    assert (one.learning_rate, one.weight_decay, one.batch, one.epochs) == (6.4e-6, 0.1, 32, 10)
    assert not one.frozen


def test_candidates_carry_probabilities_and_no_quality(tuned: Checkpoint) -> None:
    said = tuned.estimate("a red ball on the grass").estimates
    assert all(one.quality is None and one.interval is None for one in said.values())
    assert sum(one.probability or 0.0 for one in said.values()) == pytest.approx(1.0, abs=1e-5)


def test_the_tuned_tower_is_in_the_checkpoint_and_loads_without_another(
    tuned: Checkpoint, tmp_path: Path
) -> None:
    save_checkpoint(tmp_path, tuned)
    loaded = load_checkpoint(tmp_path, "mine")
    for prompt in ("a red ball on the grass", "qqq www", "a fish and a cup in the snow"):
        assert loaded.estimate(prompt) == tuned.estimate(prompt)
    assert loaded.lambda_at(0.5, {"cheap@1": 1e-6, "dear@20": 1e-5}) == tuned.lambda_at(
        0.5, {"cheap@1": 1e-6, "dear@20": 1e-5}
    )


def test_a_tuned_tower_is_not_the_one_it_was_tuned_from(tuned: Checkpoint) -> None:
    router: Any = tuned.router
    name = "encoder.layers.0.mlp.fc1.weight"
    assert not np.array_equal(router.reader.tower.weights[name], TOWER.weights[name])


def test_a_frozen_tower_stays_where_it_is_and_is_held_to_its_digest(tmp_path: Path) -> None:
    frozen = learned(settings={"frozen": 1.0, "epochs": 3.0})
    assert frozen.card.encoder == TOWER.facts
    assert frozen.card.settings["learning_rate"] == 1e-3
    save_checkpoint(tmp_path, frozen)
    loaded = load_checkpoint(tmp_path, "mine", Places(TOWER))
    assert loaded.estimate("a red ball") == frozen.estimate("a red ball")
    with pytest.raises(WeightsError, match=TOWER.facts.sha256):
        load_checkpoint(tmp_path, "mine")


def test_a_training_that_was_stopped_goes_on_to_the_same_network(tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    def stop(text: str) -> None:
        said.append(text)
        if text.startswith("epoch 3"):
            raise Stopped  # after two whole epochs were kept

    said: list[str] = []
    work = tmp_path / "work"
    with pytest.raises(Stopped):
        learned(tell=stop, workspace=work)
    assert [path.suffix for path in work.rglob("*") if path.is_file()] == [".safetensors"]
    heard: list[str] = []
    again = learned(tell=heard.append, workspace=work)
    assert any("going on after epoch 2 of 3" in text for text in heard)
    whole = learned()
    for prompt in grammar_prompts(5, seed=4):
        one, two = again.estimate(prompt), whole.estimate(prompt)
        for name in TABLE.functions:
            assert one.estimates[name].probability == pytest.approx(
                two.estimates[name].probability or 0.0, abs=1e-6
            )
    assert not any(work.rglob("*.safetensors"))


def test_a_kept_state_that_is_damaged_is_learned_again(tmp_path: Path) -> None:
    def stop(text: str) -> None:
        if text.startswith("epoch 3"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learned(tell=stop, workspace=tmp_path)
    for path in tmp_path.rglob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:100])
    heard: list[str] = []
    learned(tell=heard.append, workspace=tmp_path)
    assert not any("going on" in text for text in heard)


def test_the_recipe_runs_on_a_tower_of_the_shape_of_vit_b_16_slimmed(tmp_path: Path) -> None:
    """Two layers of it; the whole tower is taught below where that is asked for."""
    check_vit_shape(tmp_path, layers=2, prompts=40, epochs=2)


@pytest.mark.slow
@pytest.mark.skipif(
    "CEMS_TEST_WHOLE_TOWER" not in os.environ, reason="CEMS_TEST_WHOLE_TOWER=1 takes minutes"
)
def test_the_recipe_runs_on_a_random_tower_of_the_shape_of_vit_b_16(tmp_path: Path) -> None:
    """Twenty steps of batches of 32, a stop between, save and reload."""
    check_vit_shape(tmp_path, layers=12, prompts=400, epochs=2)


def check_vit_shape(folder: Path, *, layers: int, prompts: int, epochs: int) -> None:
    import torch
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(0)
    random = folder / "random-tower"
    words = 49408 if layers == 12 else 1000
    config = CLIPTextConfig(
        vocab_size=words, num_hidden_layers=layers, eos_token_id=209, bos_token_id=2
    )
    CLIPTextModel(config).save_pretrained(random)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(STARTER / "tokenizer" / name, random / name)
    tower = read_tower(random)
    assert (tower.width, tower.shape.num_attention_heads) == (512, 8)
    assert tower.shape.max_position_embeddings == 77
    table = table_with_signal(prompts)
    heard: list[str] = []

    def stop(text: str) -> None:
        heard.append(text)
        if text.startswith(f"epoch {epochs} "):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learned(table, tower=tower, settings={"epochs": epochs}, tell=stop, workspace=folder)
    checkpoint = learned(
        table, tower=tower, settings={"epochs": epochs}, tell=heard.append, workspace=folder
    )
    assert any(f"going on after epoch {epochs - 1}" in text for text in heard)
    save_checkpoint(folder, checkpoint)
    loaded = load_checkpoint(folder, "mine")
    prompt = "a red ball on the grass"
    assert loaded.estimate(prompt) == checkpoint.estimate(prompt)
    assert loaded.card.encoder is not None
    assert loaded.card.encoder.id == "random-tower"


def test_asking_a_classifier_imports_no_torch(tuned: Checkpoint, tmp_path: Path) -> None:
    save_checkpoint(tmp_path, tuned)
    code = (
        "import sys, pathlib\n"
        "from cems_tui.routing.checkpoints.checkpoint import load_checkpoint\n"
        f"load_checkpoint(pathlib.Path({str(tmp_path)!r}), 'mine').estimate('a red ball')\n"
        "print(*({'torch', 'transformers'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not found.stdout.split()


def test_the_mixed_constants_come_from_the_training_part_alone() -> None:
    rows = [
        replace(row, metric=metric, score=(row.score or 0.0) * scale)
        for row in TABLE.rows
        for metric, scale in (("nima", 1.0), ("clip", 5.0))
    ]
    table = ScoreTable.of(rows)
    pivot = table.pivot("nima")
    split = stratified_split(pivot.prompts, pivot.groups, 42)
    outlier = pivot.prompt_ids[int(split.test[0])]
    far = ScoreTable.of(
        replace(row, score=1e6) if row.prompt_id == outlier else row for row in rows
    )
    mixed = learned(far, "mixed").card.mixed
    assert mixed is not None
    assert mixed["nima"][1] < 100
    assert mixed["clip"][1] < 100


def test_prompts_without_every_score_are_left_out_and_it_is_said() -> None:
    holes = ScoreTable.of(
        replace(row, score=None) if row.function == "odd@4" and row.prompt_id < "p2" else row
        for row in TABLE.rows
    )
    heard: list[str] = []
    card = learned(holes, tell=heard.append).card
    assert any("lack a score and are left out" in text for text in heard)
    assert card.training.missing == 0


def test_a_table_nothing_can_be_told_from_is_refused() -> None:
    constant = ScoreTable.of(replace(row, score=1.0) for row in TABLE.rows)
    with pytest.raises(UsageError, match="nothing to tell apart"):
        learned(constant)
    with pytest.raises(UsageError, match="too few"):
        learned(table_with_signal(20))
    with pytest.raises(UsageError, match="too few"):
        learned(table_with_signal(5))
    with pytest.raises(UsageError, match="1 function"):
        learned(ScoreTable.of(row for row in TABLE.rows if row.function == "odd@4"))
    with pytest.raises(ModelMissing, match="text encoder") as caught:
        learned(tower=None)
    assert "--encoder" in caught.value.hint


def test_lower_is_better_learns_the_same_labels(tuned: Checkpoint) -> None:
    flipped = ScoreTable.of(
        replace(row, score=-(row.score or 0.0), higher_is_better=False) for row in TABLE.rows
    )
    two = learned(flipped)
    assert two.card.negated
    assert two.estimate("a red cup") == tuned.estimate("a red cup")


@given(count=st.integers(100, 200), seed=st.integers(0, 5))
def test_a_split_has_everyone_once_and_near_duplicates_together(count: int, seed: int) -> None:
    prompts = [*grammar_prompts(count, seed), *grammar_prompts(5, seed)]
    sources = ["a" if n % 3 else "b" for n in range(len(prompts))]
    split = stratified_split(prompts, sources, seed)
    parts = (split.training, split.validation, split.test)
    assert sorted(np.concatenate(parts)) == list(range(len(prompts)))
    group, homes = near_duplicates(prompts), dict[int, set[int]]()
    for place, rows in enumerate(parts):
        for row in rows:
            homes.setdefault(int(group[row]), set()).add(place)
    assert all(len(places) == 1 for places in homes.values())
    assert len(split.training) > len(split.validation) + len(split.test)


def test_the_figures_of_a_known_confusion() -> None:
    truth = np.array([0, 0, 0, 1, 1, 2])
    chance = np.array(
        [
            [0.7, 0.2, 0.1],
            [0.6, 0.3, 0.1],
            [0.2, 0.5, 0.3],
            [0.1, 0.8, 0.1],
            [0.5, 0.4, 0.1],
            [0.3, 0.3, 0.4],
        ]
    )
    found = classification(truth, chance)
    assert found.accuracy == pytest.approx(4 / 6)
    assert found.macro_precision == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert found.macro_recall == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert found.macro_f1 == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    # 0: 7 of 9 pairs; 1: 7 of 8; 2: 5 of 5
    assert found.one_vs_rest_auc == pytest.approx((7 / 9 + 7 / 8 + 1) / 3)
    assert choices(chance, np.ones(3), 0.0).tolist() == [0, 0, 1, 1, 0, 2]
