"""How good a router is on a score table: its held-out figures, or a fresh look at other prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cems_tui.domain.score import METRIC as MIXED
from cems_tui.errors import UsageError
from cems_tui.routing.checkpoints.card import Card
from cems_tui.routing.checkpoints.checkpoint import Checkpoint
from cems_tui.routing.evaluation.evaluate import evaluate, figures_by_group
from cems_tui.routing.evaluation.oracle import corrected_oracle
from cems_tui.routing.evaluation.truth import costs_of, other_metrics, subset
from cems_tui.routing.evaluation.verdict import verdict_in_words
from cems_tui.score_tables.mixed import PARTS, constants_of, with_mixed
from cems_tui.score_tables.table import Pivot, ScoreTable

Split = Literal["all", "test", "folds", "groups"]

HELD_OUT = ("test", "folds")
TIMED_PROMPTS = 200
"""How many prompts of the table trained on are asked again, to measure the latency."""


def judge(
    checkpoint: Checkpoint,
    table: ScoreTable,
    *,
    metric: str | None = None,
    prices: Mapping[str, float | None] | None = None,
    split: Split | None = None,
    seed: int = 42,
    scorers: Mapping[str, str | None] | None = None,
) -> dict[str, Any]:
    """The object of `cems router eval --json`, but for the name of the benchmark.

    Args:
        metric: the scale to judge by; the router's own by default.
        prices: US dollars a picture, for functions whose rows carry none.
        split: `test` or `folds` gives the held-out figures kept in the card, the default for the
            table trained on; `all` asks the router about every prompt of the table; `groups` is
            that default, told group by group.
        scorers: who read the table's metrics, where that is known.

    Raises:
        UsageError: fewer than two functions in common, no prompt with all their scores, no
            groups, or no held-out figures for this table and metric.
        UnknownName: the table has no such metric.
    """
    card = checkpoint.card
    metric = metric or card.metric
    trained_on = table.digest == card.training.table
    own = trained_on and metric == card.metric and bool(card.evaluation)
    if split in HELD_OUT and not own:
        raise UsageError(
            f"{card.name} has no held-out figures for this table and metric", "Use --split all."
        )
    if own and split != "all":
        figures = _kept(checkpoint, table)
    else:
        figures = _fresh(checkpoint, table, metric, prices or {}, seed, trained_on=trained_on)
        if metric == card.metric and not trained_on:
            figures["notes"] += other_scale(card, table, scorers or {})
    if split == "groups":
        if not figures.get("groups"):
            raise UsageError("this table names no groups of prompts", "Use --split all.")
        figures["split"] = "groups"
    return {**figures, "verdict_in_words": verdict_in_words(figures)}


def _kept(checkpoint: Checkpoint, table: ScoreTable) -> dict[str, Any]:
    """The figures in the card: of prompts that were held out when they were predicted."""
    prompts = list(table.prompts.values())[:TIMED_PROMPTS]
    milliseconds = asked(checkpoint, prompts, checkpoint.functions).milliseconds
    kept = dict(checkpoint.card.evaluation)
    return {
        "router": checkpoint.name,
        **kept,
        "prompts_in_table": len(table.prompts),
        "latency_ms": _percentiles(milliseconds),
        "notes": _left_out(int(kept["prompts"]), len(table.prompts)),
    }


def _fresh(
    checkpoint: Checkpoint,
    table: ScoreTable,
    metric: str,
    prices: Mapping[str, float | None],
    seed: int,
    *,
    trained_on: bool,
) -> dict[str, Any]:
    """The router asked about every complete prompt of the table."""
    if metric == MIXED and MIXED not in table.metrics:
        table = with_mixed(table, checkpoint.card.mixed or constants_of(table))
    pivot = comparable(checkpoint, table.pivot(metric))
    answers = asked(checkpoint, pivot.prompts, pivot.functions)
    predicted = answers.worths
    costs = list(costs_of(table, prices, pivot.functions).values())
    cost = None if None in costs else np.array(costs, dtype=np.float64)
    figures = evaluate(
        pivot.scores,
        predicted,
        cost,
        pivot.functions,
        metrics=other_metrics(table, pivot, np.arange(len(pivot.prompts))),
        seed=seed,
    )
    notes = _left_out(len(pivot.prompts), len(table.prompts))
    if trained_on or answers.seen:
        seen = "these" if trained_on else f"{answers.seen:,} of these"
        notes.append(f"the router was trained on {seen} prompts, so these figures flatter it")
    if cost is None:
        notes.append("the table has no price of every function: figures that need prices are null")
    return {
        "router": checkpoint.name,
        "metric": metric,
        "split": "all",
        "seed": seed,
        **figures.to_json(),
        "oracle_noise_corrected": corrected_oracle(pivot),
        "groups": figures_by_group(
            pivot.scores, predicted, cost, pivot.functions, pivot.groups, seed
        ),
        "prompts_in_table": len(table.prompts),
        "latency_ms": _percentiles(answers.milliseconds),
        "notes": notes,
    }


def other_scale(card: Card, table: ScoreTable, scorers: Mapping[str, str | None]) -> list[str]:
    """Why scores of the table may not be on the scale that the router predicts, in words."""
    if card.metric == MIXED and MIXED in table.metrics:
        if card.mixed is not None and set(PARTS) <= set(table.metrics):
            bare = table.take(~table.metric.says(MIXED))
            own, again = _cells(table), _cells(with_mixed(bare, card.mixed))
            if all(abs(own[cell] - again[cell]) < 1e-6 for cell in own.keys() & again.keys()):
                return []
            why = "are of another scale than"
        else:
            why = "name no constants, so nothing says that they are of the scale of"
        return [
            f"the table's own mixed scores {why} router {card.name}'s: quality here is the "
            "table's, estimates are the router's"
        ]
    parts = PARTS if card.metric == MIXED else (card.metric,)
    said = [(part, scorers.get(part), card.scorers.get(part)) for part in parts]
    others = [f"{part} by {here}" for part, here, there in said if here and there and here != there]
    if not others or card.scale is not None:
        return []
    return [
        f"these scores were read by other instruments than router {card.name} was trained on "
        f"({', '.join(others)}): their scale may be another"
    ]


def _cells(table: ScoreTable) -> dict[tuple[str, str], float]:
    """The mixed score of every prompt's function that has one."""
    pivot = table.pivot(MIXED)
    return {
        (pivot.prompt_ids[row], pivot.functions[column]): float(pivot.scores[row, column])
        for row, column in zip(*np.nonzero(~np.isnan(pivot.scores)), strict=True)
    }


def comparable(checkpoint: Checkpoint, pivot: Pivot) -> Pivot:
    """The functions the router knows, and the prompts that have a score of all of them.

    Raises:
        UsageError: fewer than two functions, or no such prompt.
    """
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


@dataclass(frozen=True, slots=True)
class Answers:
    """What a router said of prompts."""

    worths: NDArray[np.float64]
    """Quality, or of a classifier the probability, shape (N, M)."""

    milliseconds: NDArray[np.float64]
    """What each prompt took, shape (N,)."""

    seen: int
    """Prompts that the router, as far as it tells, was trained on."""


def asked(checkpoint: Checkpoint, prompts: Sequence[str], functions: Sequence[str]) -> Answers:
    """The router asked about one prompt after the other."""
    rows, milliseconds, seen = [], [], 0
    for prompt in prompts:
        start = perf_counter()
        said = checkpoint.estimate(prompt)
        milliseconds.append((perf_counter() - start) * 1e3)
        rows.append([said.estimates[name].worth for name in functions])
        seen += any(near.prompt == prompt for near in said.nearest)
    return Answers(np.array(rows, dtype=np.float64), np.array(milliseconds), seen)


def _left_out(judged: int, prompts: int) -> list[str]:
    if judged == prompts:
        return []
    return [
        f"{judged:,} of {prompts:,} prompts have a score of every function; only those are compared"
    ]


def _percentiles(milliseconds: NDArray[np.float64]) -> dict[str, float]:
    low, high = np.percentile(milliseconds, [50, 95])
    return {"p50": float(low), "p95": float(high)}
