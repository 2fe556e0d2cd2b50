"""Where two routers disagree on a score table, and what the disagreement is worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cems_tui.domain.score import METRIC as MIXED
from cems_tui.errors import UsageError
from cems_tui.routing.checkpoints.checkpoint import Checkpoint
from cems_tui.routing.decide.dial import choices
from cems_tui.routing.evaluation.judge import asked
from cems_tui.routing.evaluation.truth import costs_of
from cems_tui.score_tables.mixed import constants_of, with_mixed
from cems_tui.score_tables.table import Pivot, ScoreTable


@dataclass(frozen=True, slots=True)
class ChangedPrompt:
    """A prompt that the two send to different functions. None is not known from the table."""

    prompt_id: str
    prompt: str
    a: str
    b: str
    quality_a: float | None
    """What the table scored; a metric where lower is better is negated."""

    quality_b: float | None
    quality_delta: float | None
    cost_delta_usd: float | None
    """b − a, US dollars a picture."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Two routers side by side."""

    a: str
    b: str
    metric: str
    tradeoff: float
    prompts: int
    """Prompts of the table."""

    compared: int
    """Changed prompts where the table scored both functions."""

    quality_delta: float | None
    """Mean over all prompts of b − a, unchanged ones being 0; None where nothing can be compared
    though prompts changed."""

    cost_delta_usd: float | None
    changes: tuple[ChangedPrompt, ...]
    notes: tuple[str, ...] = ()
    """What the user should know of these figures."""

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "changed": len(self.changes)}


def difference(
    a: Checkpoint,
    b: Checkpoint,
    table: ScoreTable,
    *,
    metric: str | None = None,
    prices: Mapping[str, float | None] | None = None,
    tradeoff: float = 1.0,
) -> Difference:
    """The prompts of the table that change function from router a to router b.

    Args:
        metric: the scale to compare by; a's own by default.
        prices: US dollars a picture, for functions whose rows carry none.
        tradeoff: the dial of both, 1 being the best quality whatever it costs.

    Raises:
        UsageError: one of them knows no function of the table, or a dial under 1 needs prices.
        UnknownName: the table has no such metric.
    """
    metric, digest = metric or a.metric, table.digest
    if metric == MIXED and MIXED not in table.metrics:
        table = with_mixed(table, a.card.mixed or constants_of(table))
    pivot = table.pivot(metric)
    costs = costs_of(table, prices or {}, pivot.functions)
    picks_a, picks_b = (_picks(one, pivot, costs, tradeoff) for one in (a, b))
    changes = tuple(
        _changed(pivot, costs, row, picks_a[row], picks_b[row])
        for row in range(len(pivot.prompts))
        if picks_a[row] != picks_b[row]
    )
    count = len(pivot.prompts)
    return Difference(
        a=a.name,
        b=b.name,
        metric=metric,
        tradeoff=tradeoff,
        prompts=count,
        compared=sum(1 for one in changes if one.quality_delta is not None),
        quality_delta=_mean([one.quality_delta for one in changes], count),
        cost_delta_usd=_mean([one.cost_delta_usd for one in changes], count),
        changes=changes,
        notes=tuple(
            f"{one.name} was trained on these prompts, so its picks look better here than they are"
            for one in (a, b)
            if one.card.training.table == digest
        ),
    )


def _picks(
    checkpoint: Checkpoint,
    pivot: Pivot,
    costs: Mapping[str, float | None],
    tradeoff: float,
) -> list[str]:
    """The function each prompt goes to, among those the router and the table know."""
    names = [name for name in pivot.functions if name in checkpoint.functions]
    if not names:
        raise UsageError(
            f"router {checkpoint.name} knows no function of this table",
            f"It knows {', '.join(checkpoint.functions)}.",
        )
    known = {name: costs[name] for name in names}
    unpriced = [name for name, cost in known.items() if cost is None]
    if unpriced and tradeoff < 1.0:
        raise UsageError(
            f"the table has no price of {', '.join(unpriced)}, so no trade-off can be followed",
            "Leave --tradeoff out: the best quality needs no prices.",
        )
    order = np.array([0.0 if cost is None else cost for cost in known.values()])
    said = asked(checkpoint, pivot.prompts, names).worths
    if (
        tradeoff == 0.0
    ):  # the cheapest is promised, also for prompts unlike those the dial was set by
        return [names[m] for m in choices(said, order, _above(said, order))]
    value = 0.0 if tradeoff == 1.0 else checkpoint.lambda_at(tradeoff, known)
    return [names[m] for m in choices(said, order, value)]


def _above(said: NDArray[np.float64], prices: NDArray[np.float64]) -> float:
    """A λ in quality units per US dollar at which every prompt goes to a cheapest function.

    Args:
        said: what is expected, shape (prompts, functions).
        prices: US dollars a picture, shape (functions,).
    """
    steps = np.diff(np.unique(prices))
    return float(np.ptp(said) / steps.min() * 2.0) if len(steps) else 0.0


def _changed(
    pivot: Pivot, costs: Mapping[str, float | None], row: int, a: str, b: str
) -> ChangedPrompt:
    quality_a, quality_b = (_score(pivot, row, name) for name in (a, b))
    return ChangedPrompt(
        prompt_id=pivot.prompt_ids[row],
        prompt=pivot.prompts[row],
        a=a,
        b=b,
        quality_a=quality_a,
        quality_b=quality_b,
        quality_delta=_minus(quality_b, quality_a),
        cost_delta_usd=_minus(costs[b], costs[a]),
    )


def _score(pivot: Pivot, row: int, name: str) -> float | None:
    value = float(pivot.scores[row, pivot.functions.index(name)])
    return None if np.isnan(value) else value


def _minus(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


def _mean(deltas: list[float | None], prompts: int) -> float | None:
    """Over all prompts, of which the others did not change; None where none of them is known."""
    known = [delta for delta in deltas if delta is not None]
    if deltas and not known:
        return None
    return sum(known) / (prompts - (len(deltas) - len(known)))
