"""What the routers are worth on every score table: one JSON object.

`python -m tests.benchmarks.routers DATA PART…` prints the parts asked for: `folds` (the shipped
cards), `tables` (small human tables), `shift` (learned on one source, judged on the others, with
letters alone and with the encoder), `encoder` (what rounding it loses, and its speed), `ablation`
and `speed`. DATA is the folder of score tables. `--cache FOLDER` keeps what the encoder reads.
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
from numpy.typing import NDArray

from cems_tui.domain.encoder import EncoderFacts
from cems_tui.paths import checkpoints
from cems_tui.routing.checkpoints.checkpoint import load_card, load_checkpoint
from cems_tui.routing.estimators.embedding_router import EmbeddingRouter
from cems_tui.routing.estimators.letters_router import MANY_SOURCES, split_parts
from cems_tui.routing.estimators.ridge import cross_validated
from cems_tui.routing.evaluation.evaluate import evaluate
from cems_tui.routing.evaluation.judge import judge
from cems_tui.routing.features.cache import EmbeddingCache
from cems_tui.routing.features.encoder_files import read_sentence_encoder
from cems_tui.routing.features.letters import FeatureConfig, Floats
from cems_tui.routing.features.sentence_encoder import SentenceEncoder
from cems_tui.routing.features.text_towers import SENTENCE_ENCODER
from cems_tui.routing.training import blend as blending
from cems_tui.routing.training.data import pivot_of
from cems_tui.routing.training.letters_trainer import prepared_for
from cems_tui.routing.training.prepared_prompts import (
    PreparedPrompts,
    encode,
    encode_again,
)
from cems_tui.routing.training.splits import FOLDS
from cems_tui.score_tables.formats import read_table
from cems_tui.score_tables.mixed import constants_of, with_mixed
from cems_tui.score_tables.table import ScoreTable
from tests.experiments.cems_routers import FEATURES, METRICS, PICTURES, read_prompts
from tests.routing.fakes import train

CEMS = "cems_train.parquet"
ENCODER = read_sentence_encoder(checkpoints() / "encoder", SENTENCE_ENCODER)
CACHE: Path | None = None
"""Where what the encoder reads is kept."""

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
    "all": FULL,
    "words fade, pairs apart": FEATURES["nima"],
    "without landmarks": replace(FULL, landmarks_weight=0.0),
    "without characters": replace(FULL, max_character_features=0),
    "words and characters": replace(FULL, counts_weight=0, waves_weight=0, landmarks_weight=0),
    "words": replace(NONE, max_word_features=FULL.max_word_features),
    "counts": replace(NONE, counts_weight=FULL.counts_weight, waves_weight=FULL.waves_weight),
}


def folds(data: Path) -> dict[str, Any]:
    """The held-out figures that the shipped cards carry."""
    cards = (load_card(checkpoints() / "routers", f"cems-{m}") for m in METRICS)
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
        prompts, encoded = read_prompts(own), None
        some = list(others.prompts.values())[:500]
        ENCODER.embeddings(list(others.prompts.values()))
        for metric in METRICS:
            prepared = prompts[metric]
            encoded = (
                encode(prepared, ENCODER, EmbeddingCache(CACHE))
                if encoded is None
                else encode_again(encoded, prepared)
            )
            router = train(
                own,
                metric=metric,
                name="bench",
                kind="ridge",
                features="text",
                tower=ENCODER,
                prepared=prepared,
                encoded=encoded,
            )
            outside = [not router.estimate(prompt).in_distribution for prompt in some]
            inside = router.router
            assert isinstance(inside, EmbeddingRouter)
            alone = replace(router, router=inside.instant)
            found[f"{name}:{metric}"] = {
                **_figures(judge(router, others, metric=metric)),
                "instant": _figures(judge(alone, others, metric=metric)),
                "out_of_distribution": float(np.mean(outside)),
            }
            print(name, metric, file=sys.stderr, flush=True)
    return found


def ablation(data: Path) -> dict[str, Any]:
    """What is left of the held-out figures when a part is left out, or left alone."""
    table = read_table(data / CEMS)
    table = with_mixed(table, constants_of(table))
    found = {}
    for name, config in ABLATION.items():
        found[name] = _quick(table, config)
        print(name, json.dumps(found[name]), file=sys.stderr, flush=True)
    return found


def _quick(table: ScoreTable, config: FeatureConfig) -> dict[str, Any]:
    """Ridge in five folds, all metrics in one go, with fewer resamples."""
    pivots = [pivot_of(table, metric) for metric in METRICS]
    prompts = prepared_for(pivots[0], "ridge", config, False)
    assert prompts.gram is not None
    parts = [split_parts(one.scores) for one in pivots]
    said = cross_validated(prompts.gram, prompts.fold, blending.ALPHAS, np.hstack(parts))
    prices = table.costs()
    cost = np.array([prices[name] for name in pivots[0].functions], dtype=np.float64)
    found = {}
    for place, pivot in enumerate(pivots):
        width = parts[place].shape[1]
        own = said[:, :, place * width : (place + 1) * width]
        estimates = _cross_fitted(own, parts[place], prompts)
        figures = evaluate(pivot.scores, estimates, cost, pivot.functions, resamples=200)
        found[METRICS[place]] = _figures(figures.to_json())
    return found


def _cross_fitted(said: Floats, parts: Floats, prompts: PreparedPrompts) -> NDArray[np.float64]:
    base, folds = np.empty_like(parts), range(FOLDS)
    for number in folds:
        base[prompts.fold == number] = parts[prompts.fold != number].mean(axis=0)
    held_out = blending.HeldOut(said, None, base, prompts.held.trust)
    out = np.empty((len(parts), parts.shape[1] - 1))
    for number in folds:
        rows, others = (np.flatnonzero((prompts.fold == number) == own) for own in (True, False))
        blend = blending.choose_blend(held_out, parts, others, MANY_SOURCES.share)
        out[rows] = blending.apply_blend(held_out, blend, rows)
    return out


def speed(data: Path) -> dict[str, Any]:
    """Seconds to train, milliseconds to route, megabytes to hold."""
    table = read_table(data / CEMS)
    prompts = list(table.prompts.values())
    start = process_time()
    train(table, metric="clip", name="bench", kind="ridge", pictures=PICTURES)
    trained = process_time() - start
    tracemalloc.start()
    router = load_checkpoint(checkpoints() / "routers", "cems-clip", Here())
    router.estimate("a cat")
    held = tracemalloc.get_traced_memory()[0] / 1e6
    tracemalloc.stop()
    times = []
    for place in range(10_000):
        start = process_time()
        router.estimate(prompts[place % len(prompts)], at_once=True)
        times.append(process_time() - start)
    return {
        "train_8000_cpu_seconds": trained,
        "route_ms": dict(zip(("p50", "p95"), np.percentile(times, [50, 95]) * 1e3, strict=True)),
        "route_10000_cpu_seconds": float(np.sum(times)),
        "memory_of_loaded_router_mb": held,
    }


class Here:
    """The encoder that ships."""

    def find(self, encoder: EncoderFacts) -> SentenceEncoder:
        assert encoder == ENCODER.facts
        return ENCODER


def encoder(data: Path) -> dict[str, Any]:
    """Processor seconds of the encoder: a prompt alone, and thousands side by side."""
    prompts = list(dict.fromkeys(read_table(data / CEMS).prompts.values()))
    tokens = [len(ENCODER.tokens.ids(prompt)) for prompt in prompts]
    thirty = [one for one, length in zip(prompts, tokens, strict=True) if 28 <= length <= 32]
    alone = read_sentence_encoder(checkpoints() / "encoder", SENTENCE_ENCODER)
    times = []
    for prompt in thirty[:200]:
        start = process_time()
        alone.embeddings([prompt])
        times.append(process_time() - start)
    began, start = perf_counter(), process_time()
    ENCODER.embeddings(prompts[:2000])
    return {
        "prompt_of_30_tokens_ms": dict(
            zip(("least", "p50", "p95"), np.percentile(times, [0, 50, 95]) * 1e3, strict=True)
        ),
        "batched": {
            "prompts": 2000,
            "tokens_mean": float(np.mean(tokens[:2000])),
            "cpu_seconds": process_time() - start,
            "wall_seconds": perf_counter() - began,
        },
        "bytes": (checkpoints() / "encoder" / "model.safetensors").stat().st_size,
    }


def _figures(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    return {name: evaluation[name] for name in KEPT if name in evaluation}


PARTS: Mapping[str, Callable[[Path], dict[str, Any]]] = {
    "folds": folds,
    "tables": tables,
    "shift": shift,
    "encoder": encoder,
    "ablation": ablation,
    "speed": speed,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("parts", nargs="*", default=list(PARTS), metavar="PART")
    parser.add_argument("--cache", type=Path)
    chosen = parser.parse_args()
    global CACHE
    CACHE = chosen.cache
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
