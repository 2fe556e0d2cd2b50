"""A router is judged by its held-out figures at home, and by fresh estimates elsewhere."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cems_tui.errors import UnknownName, UsageError
from cems_tui.routing.checkpoints.checkpoint import Checkpoint
from cems_tui.routing.evaluation.judge import judge
from cems_tui.score_tables.formats import ScoreTable
from tests.routing.fakes import table_with_signal, train

HOME = table_with_signal(150)


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return train(HOME, metric="quality", name="mine")


def test_on_its_own_table_the_figures_are_held_out(checkpoint: Checkpoint) -> None:
    row = judge(checkpoint, HOME)
    assert row["split"] == "folds"
    assert row["area_recovered"] == checkpoint.card.evaluation["area_recovered"]
    assert row["latency_ms"]["p50"] <= row["latency_ms"]["p95"]
    assert judge(checkpoint, HOME, split="all")["split"] == "all"


def test_on_new_prompts_the_router_is_asked(checkpoint: Checkpoint) -> None:
    row = judge(checkpoint, table_with_signal(200, seed=7))
    assert (row["split"], row["prompts"], row["router"]) == ("all", 200, "mine")
    assert row["verdict"] == "beats best single"
    with pytest.raises(UsageError, match="held-out"):
        judge(checkpoint, table_with_signal(200, seed=7), split="folds")


def test_only_common_functions_and_complete_prompts_are_judged(checkpoint: Checkpoint) -> None:
    other = table_with_signal(60, seed=8)
    rows = [replace(r, function="new@1") if r.function == "odd@4" else r for r in other.rows]
    holes = [r for r in rows if (r.prompt_id, r.function) != ("p3", "dear@20")]
    row = judge(checkpoint, ScoreTable.of(holes))
    assert set(row["shares"]) == {"cheap@1", "dear@20"}
    assert row["prompts"] == 59
    with pytest.raises(UsageError, match="knows 1 of the functions"):
        judge(checkpoint, ScoreTable.of(r for r in rows if r.function != "dear@20"))


def test_prices_can_be_given_where_the_table_has_none(checkpoint: Checkpoint) -> None:
    bare = ScoreTable.of(replace(r, cost_usd=None) for r in table_with_signal(60, seed=8).rows)
    assert judge(checkpoint, bare)["area_recovered"] is None
    prices = {"cheap@1": 1e-6, "dear@20": 1e-5, "odd@4": 4e-6}
    assert judge(checkpoint, bare, prices=prices)["area_recovered"] is not None


def test_a_metric_the_table_lacks_is_an_unknown_name(checkpoint: Checkpoint) -> None:
    with pytest.raises(UnknownName):
        judge(checkpoint, HOME, metric="beauty")


def test_prompts_the_router_was_trained_on_are_told() -> None:
    checkpoint = train(HOME, metric="quality", name="mine", keep_prompts=True)
    renamed = ScoreTable.of(replace(row, prompt_id=f"x{row.prompt_id}") for row in HOME.rows)
    row = judge(checkpoint, renamed)
    [told] = [note for note in row["notes"] if "trained on" in note]
    assert int(told.split("trained on ")[1].split(" of")[0]) > 120
    other = [replace(row, prompt=f"{row.prompt} at dusk") for row in HOME.rows]
    fresh = judge(checkpoint, ScoreTable.of(other))
    assert not any("trained on" in note for note in fresh["notes"])
