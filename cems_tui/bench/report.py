"""What a score table says: every function on every metric, overall and in every group."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cems_tui.bench.analysis import (
    Analysis,
    Correlation,
    Prices,
    WordCount,
    analyse,
    metric_correlations,
    word_counts,
)
from cems_tui.bench.bill import drift
from cems_tui.domain.pricing import Pricing
from cems_tui.domain.score import METRIC, MixedConstants
from cems_tui.domain.step_line import cheaper_with_more_steps
from cems_tui.errors import UsageError
from cems_tui.routing.evaluation.curves import hull_corners
from cems_tui.routing.evaluation.truth import other_metrics, subset
from cems_tui.score_tables.formats import parse_columns
from cems_tui.score_tables.mixed import PARTS, computed_prices, constants_of, with_mixed
from cems_tui.score_tables.table import Pivot, ScoreTable
from cems_tui.text import counted

if TYPE_CHECKING:
    from cems_tui.routing.checkpoints.checkpoint import Checkpoint
    from cems_tui.store.benches import Benches

Predict = Callable[[str, Pivot], NDArray[np.float64] | None]
"""A metric and its complete prompts → a router's estimates, shape (N, M)."""

_T_975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""Student's t at 97.5 % for 1 to 10 degrees of freedom."""


WORST_PROMPTS = 100
"""Of a metric, in JSON and on the page; a table has all of them."""


@dataclass(frozen=True, slots=True)
class FunctionRow:
    """One function on one metric in one group of prompts; scores in the metric's own direction."""

    function: str
    group: str | None
    """None is all prompts."""

    mean: float | None
    """Over prompts, of each the mean of its repeats; None without a score."""

    ci95: tuple[float, float] | None
    """None of fewer than two prompts."""

    prompts: int
    """Prompts with a score."""

    count: int
    """Scores, repeats included."""

    missing: int
    """Prompts without a score."""

    cost_usd: float | None
    won: float | None
    """Share of the complete prompts where it scored best, a tie shared; None without any."""


@dataclass(frozen=True, slots=True)
class HullCorner:
    """A function that no mix of others beats at its price."""

    function: str
    cost_usd: float
    quality: float
    """In the metric's own direction."""


@dataclass(frozen=True, slots=True)
class MetricReport:
    """One metric of a benchmark."""

    metric: str
    higher_is_better: bool
    scorer: str | None
    complete_prompts: int
    """Prompts with a score of every function: what `won` is over."""

    functions: tuple[FunctionRow, ...]
    zero_mix: tuple[HullCorner, ...]
    """The non-decreasing concave hull of the single functions, cheapest first; empty without
    prices."""

    analysis: Analysis | None = None
    """Over the complete prompts; None without any."""


@dataclass(frozen=True, slots=True)
class BenchReport:
    """A benchmark summed up."""

    bench: str
    prompts: int
    functions: tuple[str, ...]
    groups: tuple[str, ...]
    missing: Mapping[str, int]
    """Cells without a score, by metric."""

    metrics: tuple[MetricReport, ...]
    correlations: tuple[Correlation, ...] = ()
    """How the metrics go together, over the prompts that are complete on all of them."""

    words: tuple[WordCount, ...] = ()
    """Words a prompt."""

    drift: float | None = None
    """How many times longer the last third of the pictures took than the first; None of an
    imported table, or of few pictures."""

    notes: tuple[str, ...] = ()
    """What cannot be right in its figures, or has to be known of them."""

    def to_json(self) -> dict[str, Any]:
        """The object `cems bench report --json` prints; of the prompts the worst routed."""
        metrics = tuple(
            one
            if one.analysis is None
            else replace(
                one, analysis=replace(one.analysis, prompts=one.analysis.prompts[:WORST_PROMPTS])
            )
            for one in self.metrics
        )
        return asdict(replace(self, metrics=metrics))


def report_of(
    name: str,
    table: ScoreTable,
    pricing: Pricing,
    scorers: Mapping[str, str | None],
    seconds: Sequence[tuple[str, float]] = (),
    contention: Sequence[float] = (),
    predict: Predict = lambda metric, pivot: None,
    router: str = "",
) -> BenchReport:
    """The report of a table; with NIMA and CLIP scores also of the mixed score made of them.

    Args:
        scorers: the instrument of each metric; None where the table does not say.
        seconds: (function, seconds) of what was drawn here, in its order.
        contention: the share of its time that each picture waited for a processor.
        predict: a router's estimates (N, M) for a metric's complete prompts; None where it has
            none, then prompts are routed to the best single function.
        router: its name.
    """
    table, mixed_notes = with_own_mixed(table)
    groups = tuple(group for group in table.group.values if group)
    return BenchReport(
        bench=name,
        prompts=len(table.prompts),
        functions=table.functions,
        groups=groups,
        missing=table.missing_cells(),
        metrics=tuple(
            _metric_report(table, metric, groups, pricing, scorers.get(metric), predict, router)
            for metric in table.metrics
        ),
        correlations=tuple(metric_correlations(*_complete_on_all(table))),
        words=tuple(word_counts(list(table.prompts.values()), table.groups)),
        drift=drift(seconds),
        notes=(
            *mixed_notes,
            *outlier_notes(table),
            *price_notes(computed_prices(table, pricing)),
            *busy_notes(contention),
        ),
    )


def read_report(
    benches: Benches, name: str, pricing: Pricing, predict: Predict, router: str = ""
) -> BenchReport:
    """The report of a benchmark of the database; `predict` and `router` as `report_of`.

    Raises:
        UnknownName: there is no such benchmark.
        UsageError: it has no scores yet.
    """
    columns = benches.columns(name)
    if not columns["score"]:
        raise UsageError(
            f"the benchmark {name!r} has no scores yet",
            f"`cems bench run --name {name}` goes on with it.",
        )
    return report_of(
        name,
        parse_columns(columns, name),
        pricing,
        benches.scorers(name),
        benches.seconds(name),
        benches.contention(name),
        predict,
        router,
    )


def predictions(checkpoint: Checkpoint | None) -> Predict:
    """What a router estimates, where it estimates that metric of all these functions."""

    def predict(metric: str, pivot: Pivot) -> NDArray[np.float64] | None:
        if checkpoint is None or checkpoint.metric != metric:
            return None
        if not set(pivot.functions) <= set(checkpoint.functions):
            return None
        said = [checkpoint.estimate(prompt) for prompt in pivot.prompts]
        return np.array([[one.estimates[name].quality for name in pivot.functions] for one in said])

    return predict


def with_own_mixed(table: ScoreTable) -> tuple[ScoreTable, tuple[str, ...]]:
    """A table with NIMA and CLIP scores with the mixed ones made of them, and the ranges told."""
    if METRIC in table.metrics or not set(PARTS) <= set(table.metrics):
        return table, ()
    try:
        constants = constants_of(table)
    except UsageError:  # a metric that does not vary has no range
        return table, ()
    if not constants:
        return table, ()
    told = f"mixed is {MixedConstants.of(constants)}: the ranges of this table itself"
    return with_mixed(table, constants), (told,)


FAR_OUT = 10.0
"""Times the middle half's width beyond it, from where a score is told to be far out."""


def outlier_notes(table: ScoreTable) -> tuple[str, ...]:
    """That a few scores are so far from all others that they may be slips of the pen."""
    notes = []
    for metric in table.metrics:
        scores = table.score[table.metric.says(metric)]
        scores = scores[~np.isnan(scores)]
        if not scores.size:
            continue
        low, high = np.percentile(scores, [25, 75])
        reach = FAR_OUT * (high - low)
        out = scores[(scores < low - reach) | (scores > high + reach)]
        if reach > 0 and out.size:
            farthest = out[np.argmax(np.abs(out - (low + high) / 2))]
            notes.append(
                f"{counted(int(out.size), 'score')} of {metric} far from all others (half of them "
                f"lie in {low:.4g} … {high:.4g}, one is {farthest:.4g}): figures of their prompts "
                "and intervals hang on them"
            )
    return tuple(notes)


WAITED_WORTH_SAYING = 0.1
"""Share of the drawing that waited for a processor, in the middle of all, from which it is said."""


def busy_notes(contention: Sequence[float]) -> tuple[str, ...]:
    """That prices hold time in which the machine did something else."""
    waited = median(contention) if contention else 0.0
    if waited < WAITED_WORTH_SAYING:
        return ()
    return (
        f"its pictures waited for a processor that others had for {waited:.0%} of their time "
        "(median): seconds and prices are higher than on a quiet machine, for all functions alike",
    )


def price_notes(prices: Mapping[str, float | None]) -> tuple[str, ...]:
    """Prices that cannot be right: more steps of one net below fewer of it."""
    return tuple(
        f"{more} is priced below {fewer}, of the same net with fewer steps: the hour they were "
        "measured in is in their prices; `cems router train` takes the line through its net's"
        for more, fewer in cheaper_with_more_steps(prices)
    )


def _metric_report(
    table: ScoreTable,
    metric: str,
    groups: tuple[str, ...],
    pricing: Pricing,
    scorer: str | None,
    predict: Predict,
    router: str,
) -> MetricReport:
    pivot = table.pivot(metric)
    whole = _whole(pivot, table)
    rows = list(_function_rows(whole, None, table, pricing))
    for group in groups if len(groups) > 1 else ():
        inside = np.array([one == group for one in whole.groups])
        part = table.take(table.group.says(group))
        rows += _function_rows(whole, group, part, pricing, inside)
    sign = -1.0 if whole.negated else 1.0
    return MetricReport(
        metric=metric,
        higher_is_better=not whole.negated,
        scorer=scorer,
        complete_prompts=int(whole.complete.sum()),
        functions=tuple(rows),
        zero_mix=_hull(rows[: len(whole.functions)], sign),
        analysis=_analysis(pivot, table, pricing, predict, router),
    )


def _analysis(
    pivot: Pivot, table: ScoreTable, pricing: Pricing, predict: Predict, router: str
) -> Analysis | None:
    rows = np.flatnonzero(pivot.complete)
    if not rows.size:
        return None
    complete = subset(pivot, rows, np.arange(len(pivot.functions)))
    predicted = predict(pivot.metric, complete)
    return analyse(
        complete,
        Prices(computed_prices(table, pricing), _seconds_of(table)),
        other_metrics(table, complete, np.arange(rows.size)),
        predicted,
        router,
    )


def _seconds_of(table: ScoreTable) -> dict[str, float | None]:
    """Mean seconds a picture by function; None where no row has any."""
    found: dict[str, float | None] = {}
    for name in table.functions:
        seconds = table.seconds[table.function.says(name)]
        known = seconds[~np.isnan(seconds)]
        found[name] = float(known.mean()) if known.size else None
    return found


def _complete_on_all(
    table: ScoreTable,
) -> tuple[dict[str, NDArray[np.float64]], tuple[str, ...]]:
    """Every metric's scores of the prompts that all have of every function, own direction."""
    read = [metric for metric in table.metrics if metric != METRIC]  # mixed is made of others
    wholes = {metric: _whole(table.pivot(metric), table) for metric in read}
    complete = np.all([whole.complete for whole in wholes.values()], axis=0)
    if not complete.any():
        return {}, table.functions
    return {
        metric: (-1.0 if whole.negated else 1.0) * whole.scores[complete]
        for metric, whole in wholes.items()
    }, table.functions


def _whole(pivot: Pivot, table: ScoreTable) -> Pivot:
    """The pivot with a row for every prompt and a column for every function of the table."""
    places = {name: row for row, name in enumerate(table.prompts)}
    columns = [table.functions.index(name) for name in pivot.functions]
    rows = [places[name] for name in pivot.prompt_ids]
    scores = np.full((len(places), len(table.functions)), np.nan)
    repeats = np.zeros(scores.shape, dtype=np.int64)
    scores[np.ix_(rows, columns)] = pivot.scores
    repeats[np.ix_(rows, columns)] = pivot.repeats
    return replace(
        pivot,
        prompt_ids=tuple(places),
        prompts=tuple(table.prompts.values()),
        groups=table.groups,
        functions=table.functions,
        scores=scores,
        repeats=repeats,
        readings=(),
    )


def _function_rows(
    pivot: Pivot,
    group: str | None,
    priced: ScoreTable,
    pricing: Pricing,
    inside: NDArray[np.bool_] | None = None,
) -> list[FunctionRow]:
    """A row a function, over the prompts of one group."""
    scores = pivot.scores if inside is None else pivot.scores[inside]
    repeats = pivot.repeats if inside is None else pivot.repeats[inside]
    costs = computed_prices(priced, pricing)
    won = _shares_won(scores)
    sign = -1.0 if pivot.negated else 1.0
    rows = []
    for m, name in enumerate(pivot.functions):
        known = sign * scores[~np.isnan(scores[:, m]), m]
        rows.append(
            FunctionRow(
                function=name,
                group=group,
                mean=float(known.mean()) if known.size else None,
                ci95=mean_interval(known),
                prompts=int(known.size),
                count=int(repeats[:, m].sum()),
                missing=int(len(scores) - known.size),
                cost_usd=costs.get(name),
                won=None if won is None else float(won[m]),
            )
        )
    return rows


def _shares_won(scores: NDArray[np.float64]) -> NDArray[np.float64] | None:
    complete = scores[~np.isnan(scores).any(axis=1)]
    if not len(complete):
        return None
    best = complete == complete.max(axis=1, keepdims=True)
    return np.asarray((best / best.sum(axis=1, keepdims=True)).mean(axis=0))


def mean_interval(values: NDArray[np.float64]) -> tuple[float, float] | None:
    """The 95 % interval of a mean by Student's t; None of fewer than two values."""
    freedom = values.size - 1
    if freedom < 1:
        return None
    t = _T_975[freedom - 1] if freedom <= len(_T_975) else 1.96 + 2.4 / freedom + 3.0 / freedom**2
    half = t * float(values.std(ddof=1)) / values.size**0.5
    mean = float(values.mean())
    return (mean - half, mean + half)


def _hull(rows: list[FunctionRow], sign: float) -> tuple[HullCorner, ...]:
    able = [
        (row.function, row.cost_usd, row.mean)
        for row in rows
        if row.cost_usd is not None and row.mean is not None
    ]
    if not able:
        return ()
    cost = np.array([one[1] for one in able])
    quality = sign * np.array([one[2] for one in able])
    return tuple(HullCorner(*able[m]) for m in hull_corners(cost, quality))
