"""What is asked of whoever learns a router."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cems_tui.domain.decision import FeatureSet
from cems_tui.domain.encoder import FunctionFacts
from cems_tui.errors import UsageError
from cems_tui.routing.checkpoints.card import Training
from cems_tui.routing.estimators.intervals import Readings
from cems_tui.routing.estimators.neighbours import Nearest, WordIndex, nearest
from cems_tui.routing.estimators.ridge import Matrix, kernel
from cems_tui.routing.estimators.text import Familiarity, Held, caution_for
from cems_tui.routing.evaluation.evaluate import evaluate, figures_by_group
from cems_tui.routing.evaluation.oracle import corrected_oracle
from cems_tui.routing.features.prompt import FeatureConfig, Floats, grams
from cems_tui.routing.features.space import FeatureSpace, Reading
from cems_tui.routing.training.splits import group_count, grouped_folds
from cems_tui.score_tables.table import Pivot, ScoreTable

if TYPE_CHECKING:
    from cems_tui.routing.features.clip_text import TextTower


def _silent(text: str) -> None:
    """Tells nobody."""


@dataclass(frozen=True, slots=True)
class TrainingOrder:
    """A router to be learned from a score table."""

    table: ScoreTable
    metric: str
    """One of the table's, or `mixed` when it has nima and clip."""

    name: str
    kind: str = "ensemble"
    features: FeatureSet = "instant"
    tower: TextTower | None = None
    """The CLIP text tower to read prompts with; None where only instant features are read."""

    functions_facts: Mapping[str, FunctionFacts] = field(default_factory=dict)
    prices: Mapping[str, float | None] = field(default_factory=dict)
    """US dollars a picture, for functions whose rows carry none."""

    scorers: Mapping[str, str | None] = field(default_factory=dict)
    """The instrument that read each metric."""

    keep_prompts: bool = False
    """Whether the checkpoint keeps the prompts' texts, to show the nearest ones."""

    seed: int = 42
    tell: Callable[[str], None] = _silent
    """Told, in a line, what a long training does."""

    workspace: Path | None = None
    """Where an interrupted training is kept and resumed from; None keeps nothing."""

    cache: Path | None = None
    """Where what the tower said of prompts is kept; None keeps nothing."""

    device: str = "cpu"
    """Where networks are taught: `cpu`, `cuda` or `mps`."""

    settings: Mapping[str, float] = field(default_factory=dict)
    """Numbers of the kind's own recipe that are asked to be other than its defaults."""


# What learning any kind of router has in common: what is refused, and what the card says of it.

FOLDS = 5


def check_learnable(pivot: Pivot) -> None:
    """Refuses a table that no router can be learned from.

    Raises:
        UsageError: fewer than two functions, or than five prompts that differ in their first words.
    """
    if len(pivot.functions) < 2:
        found = "1 function" if len(pivot.functions) == 1 else "no function"
        raise UsageError(
            f"{pivot.metric} was scored for {found}",
            "A router needs at least two to choose from.",
        )
    if (groups := group_count(pivot.prompts)) < FOLDS:
        raise UsageError(
            f"{groups} different prompts are too few to learn from",
            f"A router needs at least {FOLDS} that differ in their first words; hundreds are good.",
        )


def all_readings(pivot: Pivot) -> Readings:
    """Every single score of the table: what intervals are learned from."""
    row, column, score = zip(*pivot.readings, strict=True)
    return Readings(np.array(row), np.array(column), np.array(score, dtype=np.float64))


def training_facts(digest: str, pivot: Pivot, seed: int) -> Training:
    """What the card says of the training prompts; `digest` is the table's."""
    sources: dict[str, int] = {}
    for group in pivot.groups:
        if group:
            sources[group] = sources.get(group, 0) + 1
    return Training(
        table=digest,
        prompts=len(pivot.prompts),
        readings=len(pivot.readings),
        missing=int(np.isnan(pivot.scores).sum()),
        seed=seed,
        folds=FOLDS,
        sources=sources,
    )


def held_out_figures(
    table: ScoreTable,
    pivot: Pivot,
    estimates: Floats,
    costs: Mapping[str, float | None],
    seed: int,
) -> dict[str, Any]:
    """The figures on held-out folds, over the prompts that have every score."""
    complete = np.flatnonzero(pivot.complete)
    if not complete.size:
        return {}
    prices = [costs[name] for name in pivot.functions]
    cost = None if None in prices else np.array(prices, dtype=np.float64)
    truth, said = pivot.scores[complete], estimates[complete].astype(np.float64)
    figures = evaluate(
        truth,
        said,
        cost,
        pivot.functions,
        metrics=other_metrics(table, pivot, complete),
        seed=seed,
    )
    groups = [pivot.groups[row] for row in complete]
    return {
        "metric": pivot.metric,
        "split": "folds",
        "seed": seed,
        **figures.to_json(),
        "oracle_noise_corrected": corrected_oracle(pivot),
        "groups": figures_by_group(truth, said, cost, pivot.functions, groups, seed),
    }


# Training prompts made ready to learn from: read once, whatever is then learned about them.


@dataclass(frozen=True, slots=True)
class Prepared:
    """The training prompts as the members see them."""

    prompts: tuple[str, ...]
    space: FeatureSpace
    readings: list[Reading]
    fold: NDArray[np.intp]
    familiarity: Familiarity
    held: Held
    index: WordIndex | None
    """None where nothing asks for neighbours."""

    gram: Matrix | None
    """The kernel of ridge regression, shape (N, N); None without ridge."""

    def outside(self, row: int, count: int) -> Nearest:
        """The nearest training prompts of the other folds."""
        if self.index is None:
            raise ValueError("no index of the training prompts was made")
        similarity = self.index.similarity(self.readings[row].words)
        inside = self.fold == self.fold[row]
        similarity[inside] = -1.0
        return nearest(similarity, min(count, int((~inside).sum())))


def prepare(
    pivot: Pivot, config: FeatureConfig, seed: int, *, index: bool, ridge: bool
) -> Prepared:
    """The prompts of a table, in folds; takes seconds for some thousand prompts.

    Args:
        index: whether nearest prompts will be asked for.
        ridge: whether ridge regression will be learned.
    """
    said = [grams(prompt, config) for prompt in pivot.prompts]
    space = FeatureSpace.learn(said, config)
    readings = [space.read(one, own=True) for one in said]
    caution = caution_for(pivot.groups)
    fold = grouped_folds(pivot.prompts, pivot.groups, FOLDS, seed)
    return Prepared(
        pivot.prompts,
        space,
        readings,
        fold,
        Familiarity.learn(readings, caution),
        Familiarity.held_out(readings, fold, caution),
        _index(readings, space) if index else None,
        kernel([reading.features for reading in readings], space.size) if ridge else None,
    )


def _index(readings: Sequence[Reading], space: FeatureSpace) -> WordIndex:
    return WordIndex.of([reading.words for reading in readings], space.content.keys.size)


# A score table made ready to learn from: what is known, sampled, filled, and beside it.


def filled(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Missing cells as function mean + prompt effect: they say nothing about who is better."""
    missing = np.isnan(scores)
    if not missing.any():
        return scores
    effect = np.zeros((len(scores), 1))
    for _ in range(10):
        column = np.nanmean(scores - effect, axis=0)
        effect = np.nanmean(scores - column, axis=1, keepdims=True)
    return np.where(missing, column + effect, scores)


def known(pivot: Pivot) -> Pivot:
    """Without the prompts that have no score at all, and the functions that have none."""
    rows = np.flatnonzero(~np.isnan(pivot.scores).all(axis=1))
    columns = np.flatnonzero(~np.isnan(pivot.scores).all(axis=0))
    return subset(pivot, rows, columns)


def sampled(pivot: Pivot, most: int, seed: int) -> Pivot:
    """At most so many prompts of it, drawn at random."""
    if len(pivot.prompts) <= most:
        return pivot
    rows = np.random.default_rng(seed).choice(len(pivot.prompts), most, replace=False)
    return subset(pivot, np.sort(rows), np.arange(len(pivot.functions)))


def subset(pivot: Pivot, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Pivot:
    """Some prompts and functions of it, by their places."""
    new_row = {int(old): new for new, old in enumerate(rows)}
    new_column = {int(old): new for new, old in enumerate(columns)}
    return replace(
        pivot,
        prompt_ids=tuple(pivot.prompt_ids[row] for row in rows),
        prompts=tuple(pivot.prompts[row] for row in rows),
        groups=tuple(pivot.groups[row] for row in rows),
        functions=tuple(pivot.functions[column] for column in columns),
        scores=pivot.scores[np.ix_(rows, columns)],
        repeats=pivot.repeats[np.ix_(rows, columns)],
        readings=tuple(
            (new_row[row], new_column[column], score)
            for row, column, score in pivot.readings
            if row in new_row and column in new_column
        ),
    )


def costs_of(
    table: ScoreTable, prices: Mapping[str, float | None], functions: Sequence[str]
) -> dict[str, float | None]:
    """US dollars a picture of each function; the table's own prices win."""
    own = table.costs()
    return {
        name: own[name] if own.get(name) is not None else prices.get(name) for name in functions
    }


def other_metrics(
    table: ScoreTable, pivot: Pivot, rows: NDArray[np.intp]
) -> dict[str, NDArray[np.float64]]:
    """Every metric that has all scores of these prompts, in its own direction, (n, M) each."""
    out = {}
    for metric in table.metrics:
        other = table.pivot(metric)
        if not set(pivot.functions) <= set(other.functions):
            continue
        places = {name: row for row, name in enumerate(other.prompt_ids)}
        wanted = [places.get(pivot.prompt_ids[row]) for row in rows]
        if None in wanted:
            continue
        columns = [other.functions.index(name) for name in pivot.functions]
        scores = other.scores[
            np.ix_(np.array(wanted, dtype=np.intp), np.array(columns, dtype=np.intp))
        ]
        if not np.isnan(scores).any():
            out[metric] = -scores if other.negated else scores
    return out
