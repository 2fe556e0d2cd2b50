"""A function more for a router of clusters: one pass over its scores, nothing learned anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from cems_tui.domain.encoder import FunctionFacts
from cems_tui.domain.score import METRIC as MIXED
from cems_tui.errors import UsageError
from cems_tui.routing.checkpoints.card import Card
from cems_tui.routing.checkpoints.checkpoint import Checkpoint
from cems_tui.routing.checkpoints.stack_codec import settings_of
from cems_tui.routing.estimators.intervals import (
    TAIL,
    Spread,
    scale_of,
)
from cems_tui.routing.estimators.letters_router import Weights, split_parts
from cems_tui.routing.estimators.members import Clusters
from cems_tui.routing.estimators.stack_router import Part, StackRouter
from cems_tui.routing.evaluation.truth import costs_of, subset
from cems_tui.routing.features.kmeans import nearest_centre
from cems_tui.routing.features.letters import Floats
from cems_tui.routing.training.data import known
from cems_tui.routing.training.member_learners import column_for
from cems_tui.routing.training.splits import FOLDS, group_count, grouped_folds
from cems_tui.score_tables.mixed import with_mixed
from cems_tui.score_tables.table import ScoreTable

CLUSTERS = "clusters"
NORMAL_95 = 1.645


@dataclass(frozen=True, slots=True)
class _Newcomer:
    """A function's scores, as the clusters see its prompts."""

    scores: NDArray[np.float64]
    """Shape (n,)."""

    beside: NDArray[np.float64]
    """Scores of known functions for the same prompts, shape (n, M'), NaN where missing."""

    columns: NDArray[np.intp]
    """Which of the known functions those are."""

    place: NDArray[np.intp]
    """The cluster of each prompt, shape (n,)."""

    novelty: NDArray[np.float64]
    fold: NDArray[np.intp]
    readings: list[tuple[int, float]]
    """Every score of it with its row: repeats are kept apart."""

    def column(
        self, rows: NDArray[np.intp], clusters: Clusters
    ) -> tuple[Floats, NDArray[np.int64]]:
        """Its quality in each cluster, from those rows, and of how many: both (K,)."""
        beside = clusters.quality[:, self.columns]
        return column_for(self.scores[rows], self.beside[rows], self.place[rows], beside)


def add_functions(
    checkpoint: Checkpoint,
    table: ScoreTable,
    name: str,
    *,
    facts: Mapping[str, FunctionFacts] | None = None,
    prices: Mapping[str, float | None] | None = None,
) -> Checkpoint:
    """The router with every function of the table that it does not know yet.

    What it says of the functions it knew stays as it was. Its figures do not: the card has none
    until `cems router eval` judges it on a table that has all functions.

    Raises:
        UsageError: it is no router of clusters, the table has nothing new, or too little of it.
        UnknownName: the table has no scores of the router's metric.
    """
    card = checkpoint.card
    router = checkpoint.router
    if card.kind != CLUSTERS or not isinstance(router, StackRouter):
        raise UsageError(
            f"{card.name} is a router of kind {card.kind}: only clusters take a function more",
            "Train it anew with `cems router train`, or train one of --kind clusters.",
        )
    if card.metric == MIXED and card.mixed is not None and MIXED not in table.metrics:
        table = with_mixed(table, card.mixed)
    fresh = [one for one in known(table.pivot(card.metric)).functions if one not in card.functions]
    if not fresh:
        raise UsageError(
            f"the table has no function that router {card.name} does not know",
            f"It knows {', '.join(card.functions)}.",
        )
    estimates = checkpoint.training_estimates
    for function in fresh:
        router, estimates = _added(router, estimates, table, function)
    joined = {one: (facts or {}).get(one, FunctionFacts()) for one in fresh}
    costs = costs_of(table, prices or {}, fresh)
    return Checkpoint(_card(card, router, name, joined, costs), router, estimates)


def _card(
    card: Card,
    router: StackRouter,
    name: str,
    joined: Mapping[str, FunctionFacts],
    costs: Mapping[str, float | None],
) -> Card:
    return replace(
        card,
        name=name,
        functions={**card.functions, **joined},
        settings={**card.settings, **settings_of(router)},
        prices={**card.prices, **costs},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        evaluation={},
        balanced=None,  # nobody measured them with the function that joined
        differences=None,
    )


def _added(
    router: StackRouter, estimates: Floats, table: ScoreTable, function: str
) -> tuple[StackRouter, Floats]:
    """The router and its estimates for its training prompts, each with a column more."""
    part = next(part for part in router.members if part.name == CLUSTERS)
    assert isinstance(part.member, Clusters), "a router of clusters has clusters"
    clusters = replace(part.member, quality=_weighed(router, part))
    newcomer = _newcomer(router, clusters, table, function)
    column, sizes = newcomer.column(np.arange(len(newcomer.scores)), clusters)
    said = column[clusters.place]
    grown = replace(
        clusters,
        quality=np.column_stack([clusters.quality, column]).astype(np.float32),
        sizes=np.column_stack([clusters.sizes, sizes]),
    )
    bigger = replace(
        router,
        functions=(*router.functions, function),
        parts_mean=split_parts(np.append(router.means, said.mean())[None])[0],
        members=(Part(CLUSTERS, grown, Weights(1.0, 1.0)),),
        spread=_wider(router.spread, newcomer, clusters),
    )
    return bigger, np.column_stack([estimates, said]).astype(np.float32)


def _weighed(router: StackRouter, part: Part) -> Floats:
    """What the router says in each cluster, shape (K, M): a function more must not change it."""
    assert isinstance(part.member, Clusters), "a router of clusters has clusters"
    difference = split_parts(part.member.quality) - router.parts_mean
    parts = router.parts_mean + np.stack([part.weights.apply(row) for row in difference])
    return np.asarray(parts[:, :1] + parts[:, 1:], dtype=np.float32)


def _newcomer(
    router: StackRouter, clusters: Clusters, table: ScoreTable, function: str
) -> _Newcomer:
    pivot = known(table.pivot(router.metric))
    column = pivot.functions.index(function)
    rows = np.flatnonzero(~np.isnan(pivot.scores[:, column]))
    pivot = subset(pivot, rows, np.arange(len(pivot.functions)))
    if (groups := group_count(pivot.prompts)) < FOLDS:
        raise UsageError(
            f"{groups} different prompts with a score of {function} are too few to learn from",
            f"At least {FOLDS} that differ in their first words are needed; hundreds are good.",
        )
    views = [router.reader.read(prompt) for prompt in pivot.prompts]
    old = [m for m, one in enumerate(pivot.functions) if one in router.functions]
    return _Newcomer(
        scores=pivot.scores[:, column],
        beside=pivot.scores[:, old],
        columns=np.array([router.functions.index(pivot.functions[m]) for m in old], dtype=np.intp),
        place=nearest_centre(np.stack([view.vector for view in views]), clusters.centres),
        novelty=np.array([router.familiarity.novelty(view) for view in views]),
        fold=grouped_folds(pivot.prompts, pivot.groups, FOLDS, 42),
        readings=[(row, score) for row, m, score in pivot.readings if m == column],
    )


def _wider(spread: Spread, newcomer: _Newcomer, clusters: Clusters) -> Spread:
    """The spread with the newcomer's: residuals of prompts held out from its one pass."""
    predicted = np.empty(len(newcomer.scores))
    for number in range(FOLDS):
        inside, outside = newcomer.fold != number, newcomer.fold == number
        column, _ = newcomer.column(np.flatnonzero(inside), clusters)
        predicted[outside] = column[newcomer.place[outside]]
    rows = np.array([row for row, _ in newcomer.readings])
    score = np.array([score for _, score in newcomer.readings])
    scale = scale_of(newcomer.novelty[rows], spread.growth, spread.novelty_mean)
    residual = (score - predicted[rows]) / scale
    tail = max(0.0, TAIL - (1.0 - TAIL) / len(newcomer.scores))  # the finite-sample correction
    low, high = np.quantile(residual, [tail, 1.0 - tail])
    extra = max(NORMAL_95 * float(newcomer.scores.std()), 0.25 * float(high - low), 1e-9)
    return replace(
        spread,
        low=np.append(spread.low, min(0.0, low)),
        high=np.append(spread.high, max(0.0, high)),
        unfamiliar=np.append(spread.unfamiliar, extra),
    )
