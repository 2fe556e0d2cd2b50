"""Why functions differ and what choosing between them is worth, read off one metric of a table.

Every figure is over the prompts that have a score of every function, with a 95 % interval from a
bootstrap over prompts: two prompts are drawn anew together with all that was read of them. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cems_tui.domain.step_line import net_and_steps
from cems_tui.routing.evaluation.curves import hull_corners, sweep, zero_mix
from cems_tui.routing.evaluation.evaluate import Interval, percentile_interval, resampled
from cems_tui.routing.evaluation.oracle import corrected_oracle
from cems_tui.routing.evaluation.truth import subset
from cems_tui.routing.features.letters import COUNT_NAMES, FeatureConfig, grams
from cems_tui.score_tables.table import Pivot

Matrix = NDArray[np.float64]

RESAMPLES = 400
SEED = 42
LEAST_PROMPTS = 3
"""Below them nothing is said of how prompts differ."""

CURVE_POINTS = 60
FEATURES = COUNT_NAMES[:-1]
"""The linguistic counts that a prompt tells by itself."""


@dataclass(frozen=True, slots=True)
class StrategyRow:
    """A way to choose, and what it gives; quality in the metric's own direction."""

    name: str
    quality: Interval
    cost_usd: float | None
    seconds: float | None
    metrics: Mapping[str, float]
    """What the other metrics say of the same choices."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Mean quality over mean cost, cheapest first."""

    name: str
    points: tuple[tuple[float, float], ...]
    """(US dollars a picture, quality in the metric's own direction)."""


@dataclass(frozen=True, slots=True)
class Headroom:
    """What choosing could gain over always taking the best single function."""

    best_single: str
    oracle: Interval
    """Picking the highest score of every prompt: partly luck of the seeds."""

    learnable: float | None
    """Picked by half of the repeats and worth what the other half says: a floor of what does not
    come from luck. None where no prompt has repeats of every function."""

    repeated_prompts: int


@dataclass(frozen=True, slots=True)
class Wins:
    """How often one function scores above another, a tie shared."""

    function: str
    over: Mapping[str, Interval]


@dataclass(frozen=True, slots=True)
class Variance:
    """Where the variance of scores comes from: two-way components, shares of their sum."""

    prompt: Interval
    """Prompts that are easy or hard for all."""

    function: Interval
    """Functions that are good or bad at all."""

    interaction: Interval
    """Functions that are good at other prompts than others are: what routing lives of."""

    seed: Interval | None
    """Repeats; None without any, then it is within the interaction."""


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """One linguistic feature beside the scores, by Pearson's r."""

    feature: str
    group: str | None
    """None is all prompts."""

    score: Interval
    """With the mean score over all functions: easy and hard prompts."""

    advantage: Mapping[str, Interval]
    """By function, with its score above the mean over functions: whom such prompts suit."""

    won: Mapping[str, tuple[Interval, Interval]]
    """By function, the share it wins of the prompts that have least and most of the feature, a
    third each."""


@dataclass(frozen=True, slots=True)
class StepCurve:
    """One net's quality by its steps."""

    net: str
    group: str | None
    points: tuple[tuple[int, Interval], ...]


@dataclass(frozen=True, slots=True)
class PromptRow:
    """One prompt as it was routed."""

    prompt_id: str
    prompt: str
    group: str
    picked: str
    best: str
    regret: float
    """The best score above the picked one's."""

    scores: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Analysis:
    """Everything that one metric says beyond its means."""

    strategies: tuple[StrategyRow, ...]
    curves: tuple[Curve, ...]
    headroom: Headroom | None
    wins: tuple[Wins, ...]
    variance: Variance | None
    features: tuple[FeatureRow, ...]
    steps: tuple[StepCurve, ...]
    routed_by: str
    prompts: tuple[PromptRow, ...]
    """Worst routed first."""


@dataclass(frozen=True, slots=True)
class Prices:
    """What is known of the functions beside their scores; None of one is unknown."""

    cost_usd: Mapping[str, float | None]
    seconds: Mapping[str, float | None]


def analyse(
    pivot: Pivot,
    prices: Prices,
    others: Mapping[str, Matrix],
    predicted: Matrix | None = None,
    router: str = "",
) -> Analysis:
    """The analysis of a metric.

    Args:
        pivot: complete: a score of every prompt and function.
        others: other metrics of the same prompts and functions, in their own direction.
        predicted: a router's estimates, shape (N, M); without them the best single function routes.
        router: its name.
    """
    scores = pivot.scores
    weights = resampled(len(scores), RESAMPLES, SEED)
    sign = -1.0 if pivot.negated else 1.0
    several = scores.shape[1] > 1
    best = int(np.argmax(scores.mean(axis=0)))
    picks = np.full(len(scores), best) if predicted is None else np.argmax(predicted, axis=1)
    enough = several and len(scores) >= LEAST_PROMPTS
    return Analysis(
        strategies=tuple(_strategies(pivot, prices, others, weights, predicted, router, sign)),
        curves=_curves(pivot, prices, predicted, router, sign) if several else (),
        headroom=_headroom(pivot, weights, best) if several else None,
        wins=tuple(_wins(pivot, weights)) if several else (),
        variance=variance_shares(pivot, weights) if enough else None,
        features=tuple(_features(pivot)) if enough else (),
        steps=tuple(_step_curves(pivot, sign)),
        routed_by=router if predicted is not None else f"always {pivot.functions[best]}",
        prompts=tuple(_prompt_rows(pivot, picks, sign)),
    )


def _strategies(
    pivot: Pivot,
    prices: Prices,
    others: Mapping[str, Matrix],
    weights: Matrix,
    predicted: Matrix | None,
    router: str,
    sign: float,
) -> list[StrategyRow]:
    scores, names = pivot.scores, pivot.functions
    known = all(prices.cost_usd.get(name) is not None for name in names)
    cost = np.array([prices.cost_usd.get(name) or 0.0 for name in names])
    order = cost if known else np.zeros(len(names))
    shares: dict[str, Matrix] = {
        f"always {name}": np.tile(np.eye(len(names))[m], (len(scores), 1))
        for m, name in enumerate(names)
    }
    if len(names) > 1:
        shares["random"] = np.full(scores.shape, 1.0 / len(names))
        if predicted is not None:
            picked = _one_hot(predicted, order)
            shares[router] = picked
            if known:
                spent = float((picked @ cost).mean())
                mix = zero_mix(cost, scores.mean(axis=0), spent)
                shares[f"zero-mix at {router}'s cost"] = np.tile(mix, (len(scores), 1))
        shares["oracle"] = _one_hot(scores, order)
    return [
        StrategyRow(
            name=name,
            quality=percentile_interval(sign * (weights @ (scores * share).sum(axis=1))),
            cost_usd=_mean(share, prices.cost_usd, names),
            seconds=_mean(share, prices.seconds, names),
            metrics={one: float((values * share).sum(1).mean()) for one, values in others.items()},
        )
        for name, share in shares.items()
    ]


def _one_hot(quality: Matrix, cost: Matrix) -> Matrix:
    """The best function of every prompt, of equals the cheaper one."""
    order = np.argsort(cost, kind="stable")
    picks = order[np.argmax(quality[:, order], axis=1)]
    return np.asarray(np.eye(quality.shape[1])[picks])


def _mean(share: Matrix, values: Mapping[str, float | None], names: Sequence[str]) -> float | None:
    """The mean over what is chosen; None where something chosen is unknown."""
    total = 0.0
    for name, one in zip(names, share.mean(axis=0).tolist(), strict=True):
        if one > 0:
            value = values.get(name)
            if value is None:
                return None
            total += one * value
    return total


def _curves(
    pivot: Pivot, prices: Prices, predicted: Matrix | None, router: str, sign: float
) -> tuple[Curve, ...]:
    costs = [prices.cost_usd.get(name) for name in pivot.functions]
    if any(one is None for one in costs):
        return ()
    cost = np.array(costs, dtype=np.float64)
    means = pivot.scores.mean(axis=0)
    corners = [(float(cost[m]), sign * float(means[m])) for m in hull_corners(cost, means)]
    if cost.max() <= cost.min():
        return (Curve("zero-mix", tuple(corners)),)
    found = [Curve("zero-mix", (*corners, (float(cost.max()), corners[-1][1])))]
    swept = {"oracle": pivot.scores} | ({} if predicted is None else {router: predicted})
    for name, by in swept.items():
        points = [(c, q) for _, q, c in sweep(pivot.scores, by, cost).points()]
        found.append(Curve(name, _thinned(points, sign)))
    return tuple(found)


def _thinned(points: Sequence[tuple[float, float]], sign: float) -> tuple[tuple[float, float], ...]:
    """The upper edge of a sweep, at some places."""
    rising: list[tuple[float, float]] = []
    for cost, quality in sorted(points):
        if not rising or quality > rising[-1][1]:
            rising.append((cost, quality))
    stride = max(1, -(-len(rising) // CURVE_POINTS))
    kept = rising[::stride]
    if kept[-1] != rising[-1]:
        kept.append(rising[-1])
    return tuple((cost, sign * quality) for cost, quality in kept)


def _headroom(pivot: Pivot, weights: Matrix, best: int) -> Headroom:
    scores = pivot.scores
    corrected = corrected_oracle(pivot)
    learnable = None
    if corrected is not None:
        learnable = max(0.0, corrected["quality"] - corrected["best_single_quality"])
    return Headroom(
        best_single=pivot.functions[best],
        oracle=percentile_interval(weights @ (scores.max(axis=1) - scores[:, best])),
        learnable=learnable,
        repeated_prompts=0 if corrected is None else int(corrected["prompts"]),
    )


def _wins(pivot: Pivot, weights: Matrix) -> list[Wins]:
    scores = pivot.scores
    return [
        Wins(
            name,
            {
                other: percentile_interval(
                    weights @ ((scores[:, m] > scores[:, o]) + 0.5 * (scores[:, m] == scores[:, o]))
                )
                for o, other in enumerate(pivot.functions)
                if o != m
            },
        )
        for m, name in enumerate(pivot.functions)
    ]


def variance_shares(pivot: Pivot, weights: Matrix) -> Variance:
    """Variance components of score = mean + prompt + function + interaction + seed.

    Two-way analysis of variance with random effects, by mean squares; components below 0 are 0.
    Unequal repeats count as their harmonic mean. In a resample the prompts' weights stand for how
    often each was drawn.

    Args:
        pivot: complete.
        weights: of the prompts, a row a resample, each with sum 1; see `resampled`.
    """
    y = pivot.scores
    prompts, functions = y.shape
    own = weights * prompts
    column = weights @ y
    row = y.mean(axis=1)
    grand = column.mean(axis=1)
    of_prompt = functions * (own @ row**2 - prompts * grand**2)
    of_function = prompts * ((column - grand[:, None]) ** 2).sum(axis=1)
    total = own @ (y**2).sum(axis=1) - prompts * functions * grand**2
    of_both = np.maximum(total - of_prompt - of_function, 0.0)
    mean_prompt = of_prompt / (prompts - 1)
    mean_function = of_function / (functions - 1)
    mean_both = of_both / ((prompts - 1) * (functions - 1))
    seed, repeats = _seed_variance(pivot, own)
    both = mean_both if seed is None else np.maximum(mean_both - seed / repeats, 0.0)
    parts = [
        np.maximum((mean_prompt - mean_both) / functions, 0.0),
        np.maximum((mean_function - mean_both) / prompts, 0.0),
        both,
        np.zeros_like(both) if seed is None else seed,
    ]
    whole = np.sum(parts, axis=0)
    whole = np.where(whole > 0, whole, 1.0)
    shares = [percentile_interval(part / whole) for part in parts]
    return Variance(shares[0], shares[1], shares[2], None if seed is None else shares[3])


def _seed_variance(pivot: Pivot, own: Matrix) -> tuple[Matrix | None, float]:
    """The variance between repeats in every resample, and how many repeats a cell has."""
    shape = pivot.scores.shape
    if not (pivot.repeats > 1).any():
        return None, 1.0
    rows = np.array([one[0] for one in pivot.readings], dtype=np.intp)
    columns = np.array([one[1] for one in pivot.readings], dtype=np.intp)
    values = np.array([one[2] for one in pivot.readings])
    off = (values - pivot.scores[rows, columns]) ** 2
    squares = np.bincount(rows, off, minlength=shape[0])
    freedom = (pivot.repeats - 1).sum(axis=1)
    variance = (own @ squares) / np.maximum(own @ freedom, 1.0)
    return variance, float(1.0 / np.mean(1.0 / np.maximum(pivot.repeats, 1)))


def linguistic_features(prompts: Sequence[str]) -> Matrix:
    """The counts of `FEATURES` of each prompt, shape (N, F); counts are log(1 + count)."""
    config = FeatureConfig()
    rows = [grams(prompt, config).counts[: len(FEATURES)] for prompt in prompts]
    return np.asarray(rows, dtype=np.float64)


def _features(pivot: Pivot) -> list[FeatureRow]:
    features = linguistic_features(pivot.prompts)
    groups = [one for one in dict.fromkeys(pivot.groups) if one]
    rows = _feature_rows(pivot, features, None)
    for group in groups if len(groups) > 1 else ():
        inside = np.flatnonzero([one == group for one in pivot.groups])
        if len(inside) >= LEAST_PROMPTS:
            part = subset(pivot, inside, np.arange(len(pivot.functions)))
            rows += _feature_rows(part, features[inside], group)
    return rows


def _feature_rows(pivot: Pivot, features: Matrix, group: str | None) -> list[FeatureRow]:
    scores = pivot.scores
    weights = resampled(len(scores), RESAMPLES, SEED)
    mean = scores.mean(axis=1, keepdims=True)
    wanted = np.concatenate([mean, scores - mean], axis=1)
    r = correlations(weights, features, wanted)
    best = scores == scores.max(axis=1, keepdims=True)
    won = best / best.sum(axis=1, keepdims=True)
    rows = []
    for place, name in enumerate(FEATURES):
        column = features[:, place]
        if column.max() - column.min() < 1e-12:
            continue
        low, high = np.quantile(column, [1 / 3, 2 / 3])
        least, most = column <= low, column >= high
        rows.append(
            FeatureRow(
                feature=name,
                group=group,
                score=percentile_interval(r[:, place, 0]),
                advantage={
                    function: percentile_interval(r[:, place, m + 1])
                    for m, function in enumerate(pivot.functions)
                },
                won={
                    function: (
                        _share_of(weights, least, won[:, m]),
                        _share_of(weights, most, won[:, m]),
                    )
                    for m, function in enumerate(pivot.functions)
                },
            )
        )
    return rows


def _share_of(weights: Matrix, inside: NDArray[np.bool_], won: Matrix) -> Interval:
    parts = weights @ inside.astype(np.float64)
    parts = np.where(parts > 0, parts, 1.0)
    return percentile_interval((weights @ (won * inside)) / parts)


def correlations(weights: Matrix, x: Matrix, y: Matrix) -> Matrix:
    """Pearson's r of every column of x with every column of y, shape (B + 1, X, Y).

    0 where a column does not vary.

    Args:
        weights: of the rows, a row a resample, each with sum 1.
    """
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    mean_x, mean_y = weights @ x, weights @ y
    products = (x[:, :, None] * y[:, None, :]).reshape(len(x), -1)
    both = (weights @ products).reshape(len(weights), x.shape[1], y.shape[1])
    covariance = both - mean_x[:, :, None] * mean_y[:, None, :]
    spread_x = np.sqrt(np.maximum(weights @ x**2 - mean_x**2, 0.0))
    spread_y = np.sqrt(np.maximum(weights @ y**2 - mean_y**2, 0.0))
    scale = spread_x[:, :, None] * spread_y[:, None, :]
    usable = scale > 1e-12
    return np.asarray(np.where(usable, covariance / np.where(usable, scale, 1.0), 0.0))


def _step_curves(pivot: Pivot, sign: float) -> list[StepCurve]:
    nets: dict[str, list[tuple[int, int]]] = {}
    for m, name in enumerate(pivot.functions):
        if (place := net_and_steps(name)) is not None:
            nets.setdefault(place[0], []).append((place[1], m))
    groups = [one for one in dict.fromkeys(pivot.groups) if one]
    found = []
    for net, steps in nets.items():
        if len(steps) < 2:
            continue
        for group in (None, *(groups if len(groups) > 1 else ())):
            inside = np.array([group is None or one == group for one in pivot.groups])
            scores = pivot.scores[inside]
            weights = resampled(len(scores), RESAMPLES, SEED)
            means = weights @ scores
            points = tuple(
                (count, percentile_interval(sign * means[:, m])) for count, m in sorted(steps)
            )
            found.append(StepCurve(net, group, points))
    return found


def _prompt_rows(pivot: Pivot, picks: NDArray[np.intp], sign: float) -> list[PromptRow]:
    scores = pivot.scores
    rows = np.arange(len(scores))
    best = scores.argmax(axis=1)
    regret = scores[rows, best] - scores[rows, picks]
    return [
        PromptRow(
            prompt_id=pivot.prompt_ids[row],
            prompt=pivot.prompts[row],
            group=pivot.groups[row],
            picked=pivot.functions[picks[row]],
            best=pivot.functions[best[row]],
            regret=float(regret[row]),
            scores={
                name: sign * float(score)
                for name, score in zip(pivot.functions, scores[row], strict=True)
            },
        )
        for row in np.argsort(-regret, kind="stable").tolist()
    ]


@dataclass(frozen=True, slots=True)
class Correlation:
    """How two metrics go together over pictures, by Pearson's r."""

    metrics: tuple[str, str]
    function: str | None
    """None is all functions together."""

    r: Interval
    pictures: int


def metric_correlations(
    matrices: Mapping[str, Matrix], functions: Sequence[str]
) -> list[Correlation]:
    """Of every two metrics, over all pictures and by function.

    Args:
        matrices: by metric, scores of the same prompts and functions, complete, shape (N, M).
    """
    names = list(matrices)
    found: list[Correlation] = []
    for place, one in enumerate(names):
        for other in names[place + 1 :]:
            x, y = matrices[one], matrices[other]
            if len(x) < LEAST_PROMPTS:
                continue
            weights = resampled(len(x), RESAMPLES, SEED)
            whole = _pooled(weights, x, y)
            found.append(Correlation((one, other), None, whole, x.size))
            for m, name in enumerate(functions):
                r = correlations(weights, x[:, [m]], y[:, [m]])[:, 0, 0]
                found.append(Correlation((one, other), name, percentile_interval(r), len(x)))
    return found


def _pooled(weights: Matrix, x: Matrix, y: Matrix) -> Interval:
    """Pearson's r over all cells, prompts drawn with all their cells."""
    x, y = x - x.mean(), y - y.mean()
    mean_x, mean_y, both, of_x, of_y = (
        weights @ part.mean(axis=1) for part in (x, y, x * y, x**2, y**2)
    )
    scale = np.sqrt(np.maximum((of_x - mean_x**2) * (of_y - mean_y**2), 0.0))
    usable = scale > 1e-12
    r = np.where(usable, (both - mean_x * mean_y) / np.where(usable, scale, 1.0), 0.0)
    return percentile_interval(np.asarray(r))


@dataclass(frozen=True, slots=True)
class WordCount:
    """Words a prompt in one group."""

    group: str | None
    """None is all prompts."""

    prompts: int
    least: int
    most: int
    mean: float
    deviation: float | None
    """Standard deviation; None of a single prompt."""


def word_counts(prompts: Sequence[str], groups: Sequence[str]) -> list[WordCount]:
    """Words a prompt, of all prompts and of each group."""
    words = np.array([len(prompt.split()) for prompt in prompts])
    named = [one for one in dict.fromkeys(groups) if one]
    found = []
    for group in (None, *(named if len(named) > 1 else ())):
        own = words[[group is None or one == group for one in groups]]
        if not own.size:
            continue
        found.append(
            WordCount(
                group=group,
                prompts=int(own.size),
                least=int(own.min()),
                most=int(own.max()),
                mean=float(own.mean()),
                deviation=float(own.std(ddof=1)) if own.size > 1 else None,
            )
        )
    return found
