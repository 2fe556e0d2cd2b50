"""What the instant routers are worth on every score table: one JSON object.

`python -m tests.benchmarks.routers DATA PART…` prints the parts asked for: `folds` (the shipped
cards), `tables` (small human tables), `shift` (learned on one source, judged on the others),
`ablation` and `speed`. DATA is the folder of score tables.
"""

from __future__ import annotations

import argparse
import json
import sys
import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

from cems_tui.bench.mixed import constants_of, with_mixed
from cems_tui.bench.score_table import ScoreTable
from cems_tui.bench.table import read_table
from cems_tui.paths import checkpoints
from cems_tui.routing import blending, familiarity
from cems_tui.routing.checkpoint import load_checkpoint
from cems_tui.routing.features import FeatureConfig
from cems_tui.routing.judging import judge
from cems_tui.routing.shipped import METRICS, PICTURES
from cems_tui.routing.training import Kind, pivot_of, prepared_for, train

CEMS = "cems_train.parquet"
TABLES = ("agiqa3k.csv", "genai_bench.csv", "geneval_human.csv", "tifa160.csv")
KEPT = (
    "area_recovered",
    "quality_vs_best_single",
    "gap_recovered",
    "qnc",
    "cpt",
    "top1",
    "coverage",
    "groups",
    "verdict",
)
NONE = FeatureConfig(
    max_word_features=0,
    max_character_features=0,
    counts_weight=0.0,
    waves_weight=0.0,
    landmarks_weight=0.0,
)
FULL = FeatureConfig()
ABLATION: Mapping[str, FeatureConfig] = {
    "counts": replace(NONE, counts_weight=FULL.counts_weight, waves_weight=FULL.waves_weight),
    "words": replace(NONE, max_word_features=FULL.max_word_features),
    "characters": replace(
        NONE,
        max_character_features=FULL.max_character_features,
        characters_weight=FULL.characters_weight,
    ),
    "words and characters": replace(FULL, counts_weight=0, waves_weight=0, landmarks_weight=0),
    "without counts": replace(FULL, counts_weight=0.0, waves_weight=0.0),
    "without characters": replace(FULL, max_character_features=0),
    "without landmarks": replace(FULL, landmarks_weight=0.0),
}


def folds(data: Path) -> dict[str, Any]:
    """The held-out figures that the shipped cards carry."""
    cards = (load_checkpoint(checkpoints() / "routers", f"cems-{m}").card for m in METRICS)
    return {card.name: _figures(card.evaluation) for card in cards}


def tables(data: Path) -> dict[str, Any]:
    """Every metric of the small tables, as a user would train on them."""
    found = {}
    for name in TABLES:
        table = read_table(data / name)
        for metric in table.metrics:
            card = train(table, metric=metric, name="bench").card
            found[f"{name}:{metric}"] = _figures(card.evaluation)
    return found


def shift(data: Path) -> dict[str, Any]:
    """Learned on one source alone, judged on the prompts of the others."""
    table = read_table(data / CEMS)
    table = with_mixed(table, constants_of(table))
    found = {}
    for name, inside in (
        ("DIFF to PP and DRAW", {"DIFF"}),
        ("PP and DRAW to DIFF", {"PP", "DRAW"}),
    ):
        own = ScoreTable.of(row for row in table.rows if row.group in inside)
        others = ScoreTable.of(row for row in table.rows if row.group not in inside)
        prompts = prepared_for(pivot_of(own, "mixed"), "ridge", None, False)
        for metric in METRICS:
            router = train(own, metric=metric, name="bench", kind="ridge", prepared=prompts)
            figures = judge(router, others, metric=metric)
            outside = [not router.estimate(p).in_distribution for p in others.prompts.values()]
            found[f"{name}:{metric}"] = {
                **_figures(figures),
                "out_of_distribution": float(np.mean(outside)),
            }
    return found


def ablation(data: Path) -> dict[str, Any]:
    """What is left of the figures when a part is left out, or left alone."""
    table = read_table(data / CEMS)
    table = with_mixed(table, constants_of(table))
    found = {name: _learned(table, "ridge", config) for name, config in ABLATION.items()}
    found["all"] = _learned(table, "ridge", None)
    found["neighbours alone"] = _learned(table, "knn", None)
    found["all and neighbours"] = _learned(table, "ensemble", None)
    caution, power = blending.CAUTION, familiarity.TRUST_POWER
    blending.CAUTION, familiarity.TRUST_POWER = 1.0, 0.0
    found["all without caution and trust"] = _learned(table, "ridge", None)
    blending.CAUTION, familiarity.TRUST_POWER = caution, power
    return found


def _learned(table: ScoreTable, kind: Kind, config: FeatureConfig | None) -> dict[str, Any]:
    prompts = prepared_for(pivot_of(table, "mixed"), kind, config, False)
    return {
        metric: _figures(
            train(table, metric=metric, name="bench", kind=kind, prepared=prompts).card.evaluation
        )
        for metric in METRICS
    }


def speed(data: Path) -> dict[str, Any]:
    """Seconds to train, milliseconds to route, megabytes to hold."""
    table = read_table(data / CEMS)
    prompts = list(table.prompts.values())
    start = process_time()
    train(table, metric="clip", name="bench", kind="ridge", pictures=PICTURES)
    trained = process_time() - start
    tracemalloc.start()
    router = load_checkpoint(checkpoints() / "routers", "cems-clip")
    router.estimate("a cat")
    held = tracemalloc.get_traced_memory()[0] / 1e6
    tracemalloc.stop()
    times = []
    for place in range(10_000):
        start = process_time()
        router.estimate(prompts[place % len(prompts)])
        times.append(process_time() - start)
    return {
        "train_8000_cpu_seconds": trained,
        "route_ms": dict(zip(("p50", "p95"), np.percentile(times, [50, 95]) * 1e3, strict=True)),
        "route_10000_cpu_seconds": float(np.sum(times)),
        "memory_of_loaded_router_mb": held,
    }


def _figures(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    return {name: evaluation[name] for name in KEPT if name in evaluation}


PARTS: Mapping[str, Callable[[Path], dict[str, Any]]] = {
    "folds": folds,
    "tables": tables,
    "shift": shift,
    "ablation": ablation,
    "speed": speed,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("parts", nargs="*", default=list(PARTS), metavar="PART")
    chosen = parser.parse_args()
    found: dict[str, Any] = {
        "date": datetime.now(UTC).date().isoformat(),
        "command": "python -m tests.benchmarks.routers DATA " + " ".join(chosen.parts),
    }
    for part in chosen.parts:
        start = perf_counter()
        found[part] = PARTS[part](chosen.data)
        print(f"{part}: {perf_counter() - start:.0f} s", file=sys.stderr)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
