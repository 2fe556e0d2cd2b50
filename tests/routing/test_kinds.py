"""Every kind of router goes through one shelf: known kinds load, others say what to do."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cems_tui.domain.encoder import EncoderFacts
from cems_tui.errors import UnknownName, UsageError, WeightsError
from cems_tui.paths import checkpoints
from cems_tui.routing.checkpoints.checkpoint import (
    list_checkpoints,
    load_checkpoint,
    save_checkpoint,
)
from cems_tui.routing.checkpoints.codecs import features_for
from cems_tui.routing.checkpoints.shelf import RouterShelf
from cems_tui.routing.features.text_encoder import NoTowers
from cems_tui.routing.training.order import TrainingOrder
from cems_tui.routing.training.train import train as train_by
from tests.routing.fakes import table_with_signal, train


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path, train(table_with_signal(40), metric="quality", name="mine"))
    return tmp_path


def changed(folder: Path, **values: object) -> None:
    path = folder / "mine.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_the_shipped_router_loads() -> None:
    shipped = load_checkpoint(checkpoints() / "starter" / "router", "starter")
    assert shipped.card.feature_set == "instant"
    assert shipped.card.encoder is None
    assert shipped.estimate("a red ball").estimates


@pytest.mark.parametrize(
    "values",
    [{"kind": "oracle9"}, {"kind": "cems"}],  # the second reads clip features, and has none
)
def test_a_kind_of_a_newer_program_asks_for_an_update_and_is_offered_to_nobody(
    folder: Path, values: dict[str, object]
) -> None:
    changed(folder, **values)
    with pytest.raises(WeightsError, match="does not know") as caught:
        load_checkpoint(folder, "mine")
    assert "Update" in caught.value.hint
    assert list_checkpoints([folder]) == []
    shelf = RouterShelf([folder])
    assert shelf.default(["cheap@1"]) is None
    with pytest.raises(WeightsError, match="does not know"):
        shelf.named("mine")
    with pytest.raises(UnknownName):
        shelf.named("nobody")


def test_estimates_that_are_not_those_of_the_card_are_refused(folder: Path) -> None:
    checkpoint = load_checkpoint(folder, "mine")
    short = replace(checkpoint, training_estimates=checkpoint.training_estimates[:-1])
    save_checkpoint(folder, short)
    with pytest.raises(WeightsError, match="training_estimates"):
        load_checkpoint(folder, "mine")


def test_an_order_is_learned_by_its_kind() -> None:
    reads = features_for("ridge", None)
    assert reads == "instant"
    order = TrainingOrder(table_with_signal(40), metric="quality", name="mine", kind="ridge")
    checkpoint = train_by(order)
    assert checkpoint.card.kind == "ridge"
    assert np.isfinite(checkpoint.training_estimates).all()


def test_an_unknown_kind_and_features_it_cannot_read_are_usage_errors() -> None:
    with pytest.raises(UsageError, match="no kind of router") as caught:
        features_for("oracle9", None)
    assert "knn" in caught.value.hint


def test_where_there_are_no_towers_the_error_names_the_one_that_is_wanted() -> None:
    with pytest.raises(WeightsError, match="sha256:12") as caught:
        NoTowers().find(EncoderFacts("sd-turbo", "sha256:12"))
    assert caught.value.hint
