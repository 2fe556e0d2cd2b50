"""How good a router is on a score table: its held-out figures, or a fresh look at other prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cems_tui.bench.mixed import constants_of, with_mixed
from cems_tui.bench.score_table import Pivot, ScoreTable
from cems_tui.errors import UsageError
from cems_tui.quality.mixed import METRIC as MIXED
from cems_tui.routing.checkpoint import Checkpoint
from cems_tui.routing.evaluation import evaluate
from cems_tui.routing.training_data import costs_of, other_metrics, subset

Split = Literal["all", "folds"]


def judge(
    checkpoint: Checkpoint,
    table: ScoreTable,
    *,
    metric: str | None = None,
    prices: Mapping[str, float | None] | None = None,
    split: Split | None = None,
    seed: int = 42,
) -> dict[str, Any]:
    """The object of `cems router eval --json`, but for the name of the benchmark.

    Args:
        metric: the scale to judge by; the router's own by default.
        prices: US dollars a picture, for functions whose rows carry none.
        split: `folds` gives the held-out figures in the card, the default for the table trained
            on; `all` asks the router about every prompt of the table.

    Raises:
        UsageError: fewer than two functions in common, no prompt with all their scores, or no
            held-out figures for this table and metric.
        UnknownName: the table has no such metric.
    """
    card = checkpoint.card
    metric = metric or card.metric
    own = table.digest == card.training.table and metric == card.metric and bool(card.evaluation)
    if split == "folds" and not own:
        raise UsageError(
            f"{card.name} has no held-out figures for this table and metric", "Use --split all."
        )
    if own and split != "all":
        return {"router": card.name, **card.evaluation, "latency_ms": _latency(checkpoint, table)}
    if metric == MIXED and MIXED not in table.metrics:
        table = with_mixed(table, card.mixed or constants_of(table))
    pivot = _comparable(checkpoint, table.pivot(metric))
    predicted, milliseconds = _asked(checkpoint, pivot.prompts, pivot.functions)
    costs = list(costs_of(table, prices or {}, pivot.functions).values())
    figures = evaluate(
        pivot.scores,
        predicted,
        None if None in costs else np.array(costs, dtype=np.float64),
        pivot.functions,
        metrics=other_metrics(table, pivot, np.arange(len(pivot.prompts))),
        seed=seed,
    )
    head = {"router": card.name, "metric": metric, "split": "all", "seed": seed}
    return {**head, **figures.to_json(), "latency_ms": _percentiles(milliseconds)}


def _comparable(checkpoint: Checkpoint, pivot: Pivot) -> Pivot:
    """The functions the router knows, and the prompts that have a score of all of them."""
    columns = [m for m, name in enumerate(pivot.functions) if name in checkpoint.functions]
    if len(columns) < 2:
        raise UsageError(
            f"router {checkpoint.name} knows {len(columns)} of the functions in this table",
            f"It knows {', '.join(checkpoint.functions)}.",
        )
    rows = np.flatnonzero(~np.isnan(pivot.scores[:, columns]).any(axis=1))
    if not rows.size:
        raise UsageError(
            "no prompt of this table has a score of every function the router knows",
            "Paired figures need complete prompts; run the benchmark to its end.",
        )
    return subset(pivot, rows, np.array(columns, dtype=np.intp))


def _asked(
    checkpoint: Checkpoint, prompts: Sequence[str], functions: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Estimates (N, M) and the milliseconds each took (N,)."""
    rows, milliseconds = [], []
    for prompt in prompts:
        start = perf_counter()
        estimates = checkpoint.estimate(prompt).estimates
        milliseconds.append((perf_counter() - start) * 1e3)
        rows.append([estimates[name].worth for name in functions])
    return np.array(rows, dtype=np.float64), np.array(milliseconds)


def _latency(checkpoint: Checkpoint, table: ScoreTable) -> dict[str, float]:
    prompts = list(table.prompts.values())[:200]
    return _percentiles(_asked(checkpoint, prompts, checkpoint.functions)[1])


def _percentiles(milliseconds: NDArray[np.float64]) -> dict[str, float]:
    low, high = np.percentile(milliseconds, [50, 95])
    return {"p50": float(low), "p95": float(high)}
