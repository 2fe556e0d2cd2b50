"""What each kind of router is worth on a score table, in five folds: one JSON object a kind.

`python -m tests.benchmarks.router_kinds TABLE --metrics clip,nima KIND:FEATURES… >> FILE`
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from time import perf_counter

from cems_tui.paths import checkpoints
from cems_tui.routing.checkpoints.codecs import features_for
from cems_tui.routing.features.clip_text import read_tower
from cems_tui.routing.training.order import TrainingOrder
from cems_tui.routing.training.train import train
from cems_tui.score_tables.formats import read_table

FIGURES = (
    "prompts",
    "split",
    "area_recovered",
    "quality_vs_best_single",
    "gap_recovered",
    "qnc",
    "top1",
    "verdict",
    "classification",
    "coverage",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", type=Path)
    parser.add_argument("kinds", nargs="+", help="KIND:FEATURES, e.g. knn:clip")
    parser.add_argument("--metrics", default="clip,nima,mixed")
    parser.add_argument("--workspace", type=Path, help="where finished parts are kept")
    parser.add_argument("--set", action="append", default=[], help="NAME=NUMBER of the recipe")
    chosen = parser.parse_args()
    table = read_table(chosen.table)
    tower = read_tower(checkpoints() / "starter" / "starter-base")
    order = TrainingOrder(
        table,
        metric="clip",
        name="measured",
        tower=tower,
        settings={name: float(value) for name, value in (one.split("=") for one in chosen.set)},
    )
    for text in chosen.kinds:
        kind, features = text.split(":")
        reads = features_for(kind, features)
        for metric in chosen.metrics.split(","):
            space = chosen.workspace / f"{kind}-{reads}-{metric}" if chosen.workspace else None
            began = perf_counter()
            asked = replace(order, kind=kind, features=reads, metric=metric, workspace=space)
            checkpoint = train(replace(asked, cache=chosen.workspace))
            seconds = perf_counter() - began
            row = {
                "kind": kind,
                "features": reads,
                "encoder": tower.facts.id if reads == "clip" else None,
                "metric": metric,
                "training_seconds": round(seconds, 1),
                "settings": checkpoint.card.settings,
                **{k: v for k, v in checkpoint.card.evaluation.items() if k in FIGURES},
            }
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
