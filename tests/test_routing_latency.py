"""The decision is quick enough to be made at every key stroke."""

from __future__ import annotations

from pathlib import Path

from cems_tui.routing.checkpoint import save_checkpoint
from cems_tui.routing.training import train

from .benchmarks.route_latency import run
from .routing_fakes import grammar_prompts, table_with_signal


def test_the_latency_of_a_decision_is_measured_and_within_its_bar(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, train(table_with_signal(200), metric="quality", name="fake"))
    row = run(tmp_path, "fake", grammar_prompts(200, seed=3))
    assert {"name", "peer", "bar", "value", "ci95", "control", "status"} <= set(row)
    assert row["status"] == "holds"
    assert row["p50"] <= row["p95"]
