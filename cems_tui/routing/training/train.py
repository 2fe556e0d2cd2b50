"""One training machine: prepare a table, let a trainer fit, judge what came of it, write the card.

Trainers only prepare and fit; everything else is the same for every kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cems_tui.domain.decision import FeatureSet
from cems_tui.domain.encoder import FunctionFacts
from cems_tui.routing.checkpoints.card import Card, Training
from cems_tui.routing.checkpoints.checkpoint import Checkpoint
from cems_tui.routing.checkpoints.codecs import features_for
from cems_tui.routing.evaluation.balance import balance_of
from cems_tui.routing.evaluation.differences import learn_paired_spread, seed_errors
from cems_tui.routing.evaluation.evaluate import evaluate, figures_by_group
from cems_tui.routing.evaluation.judge import asked
from cems_tui.routing.evaluation.oracle import corrected_oracle
from cems_tui.routing.evaluation.rival import LEAST, against, learned_by
from cems_tui.routing.evaluation.truth import costs_of, other_metrics
from cems_tui.routing.training import (
    cems_trainer,
    embedding_trainer,
    letters_trainer,
    stack_trainer,
)
from cems_tui.routing.training.order import Fitted, Material, TrainingOrder

MOST_PAIRED = 100
"""Functions whose differences are told two by two: of more the card would be mostly that."""

MOST_COMPARED = 2_000
"""Held-out prompts that the router in use is asked about too."""


@dataclass(frozen=True, slots=True)
class Trainer:
    """How one kind is learned."""

    prepare: Callable[[TrainingOrder], Material]
    fit: Callable[[TrainingOrder, Material], Fitted]


_TEXT = Trainer(letters_trainer.prepare, letters_trainer.fit)
_EMBEDDING = Trainer(embedding_trainer.prepare, embedding_trainer.fit)
_STACK = Trainer(stack_trainer.prepare, stack_trainer.fit)
_CEMS = Trainer(cems_trainer.prepare, cems_trainer.fit)


def _trainer_of(kind: str, features: FeatureSet) -> Trainer:
    """Letters, and embeddings beside them, are learned in closed form; else by a stack."""
    if kind == "cems":
        return _CEMS
    if features == "instant":
        return _TEXT if kind in letters_trainer.KINDS else _STACK
    return _EMBEDDING if kind in embedding_trainer.KINDS else _STACK


def train(order: TrainingOrder) -> Checkpoint:
    """The router of that order, with its held-out figures in its card.

    Raises:
        UsageError: no such kind over those features, fewer than two functions, too few prompts
            that differ in their first words, or one function is always best (`cems`).
        UnknownName: the table has no such metric.
        ModelMissing: the kind reads a text tower and the order has none.
    """
    trainer = _trainer_of(order.kind, features_for(order.kind, order.features))
    material = trainer.prepare(order)
    fitted = trainer.fit(order, material)
    costs = costs_of(material.table, order.prices, material.pivot.functions)
    card = _card(order, material, fitted, costs)
    if len(costs) <= MOST_PAIRED:
        card = _with_default(card, material, fitted, costs)
    else:
        order.tell(
            f"{len(costs):,} functions have too many pairs: how sure differences are is told of at "
            f"most {MOST_PAIRED}, and the default's place on the dial is what the router expects"
        )
    return Checkpoint(card, fitted.router, fitted.dial_estimates, fitted.dial_shares)


def _card(
    order: TrainingOrder, material: Material, fitted: Fitted, costs: Mapping[str, float | None]
) -> Card:
    return Card(
        name=order.name,
        kind=order.kind,
        metric=order.metric,
        functions={one: order.functions_facts.get(one, FunctionFacts()) for one in costs},
        features=fitted.features,
        settings=fitted.settings,
        training=_training(order, fitted),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        prices=costs,
        encoder=fitted.encoder,
        scorers=dict(order.scorers),
        mixed=material.mixed,
        interval=fitted.interval,
        evaluation=judged(order, material, fitted, costs),
        negated=material.pivot.negated,
        about=order.about,
    )


def _with_default(
    card: Card, material: Material, fitted: Fitted, costs: Mapping[str, float | None]
) -> Card:
    """The card with how sure differences are, and with the default's place on the dial.

    A classifier says nothing of differences.
    """
    pivot, said = fitted.judged, fitted.estimates.astype(np.float64)
    if card.kind == "cems":
        return card
    errors = seed_errors(material.table, pivot)
    spread = learn_paired_spread(pivot.functions, pivot.scores, said, errors)
    rows, prices = np.flatnonzero(pivot.complete), list(costs.values())
    if None in prices or not rows.size:
        return replace(card, differences=spread)
    cost = np.array(prices, dtype=np.float64)
    balanced = balance_of(pivot.scores[rows], said[rows], cost, spread)
    return replace(card, differences=spread, balanced=balanced)


def _training(order: TrainingOrder, fitted: Fitted) -> Training:
    pivot, sources = fitted.learned, dict[str, int]()
    for group in pivot.groups:
        if group:
            sources[group] = sources.get(group, 0) + 1
    return Training(
        table=order.table.digest,
        prompts=len(pivot.prompts),
        readings=len(pivot.readings),
        missing=int(np.isnan(pivot.scores).sum()),
        seed=order.seed,
        folds=fitted.folds,
        sources=sources,
        split=_split(fitted),
    )


def _split(fitted: Fitted) -> str:
    return "folds" if fitted.folds else "test"


def judged(
    order: TrainingOrder, material: Material, fitted: Fitted, costs: Mapping[str, float | None]
) -> dict[str, Any]:
    """The figures on prompts that were held out, over those that have every score."""
    pivot = fitted.judged
    complete = np.flatnonzero(pivot.complete)
    if not complete.size:
        return {}
    prices = [costs[name] for name in pivot.functions]
    cost = None if None in prices else np.array(prices, dtype=np.float64)
    truth, said = pivot.scores[complete], fitted.estimates[complete].astype(np.float64)
    figures = evaluate(
        truth,
        said,
        cost,
        pivot.functions,
        metrics=other_metrics(material.table, pivot, complete),
        seed=order.seed,
    )
    groups = [pivot.groups[row] for row in complete]
    return {
        "metric": pivot.metric,
        "split": _split(fitted),
        "seed": order.seed,
        **figures.to_json(),
        "oracle_noise_corrected": corrected_oracle(pivot),
        "groups": figures_by_group(truth, said, cost, pivot.functions, groups, order.seed),
        **({} if (beside := beside_rival(order, fitted, cost)) is None else beside),
        **fitted.evaluation,
    }


def beside_rival(order: TrainingOrder, fitted: Fitted, cost: NDArray[np.float64] | None) -> Any:
    """`against`: the router in use on the same held-out prompts, where it can be compared."""
    rival, pivot = order.rival, fitted.judged
    if rival is None or order.kind == "cems":
        return None
    known = [m for m, name in enumerate(pivot.functions) if name in rival.functions]
    columns = np.array(known, dtype=np.intp)
    seen = learned_by(rival)
    rows = np.array(
        [
            row
            for row, prompt in enumerate(pivot.prompts)
            if prompt not in seen and (~np.isnan(pivot.scores[row, columns])).sum() >= 2
        ][:MOST_COMPARED],
        dtype=np.intp,
    )
    if len(columns) < 2 or len(rows) < LEAST:
        return None
    said = asked(
        rival, [pivot.prompts[row] for row in rows], [pivot.functions[m] for m in columns]
    ).worths
    found = against(
        rival.name,
        pivot.metric,
        pivot.scores[np.ix_(rows, columns)],
        fitted.estimates[np.ix_(rows, columns)].astype(np.float64),
        said,
        None if cost is None else cost[columns],
        seed=order.seed,
    )
    return {"against": found.to_json()}
