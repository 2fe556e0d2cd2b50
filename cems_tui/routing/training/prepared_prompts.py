"""Training prompts made ready to learn from: read once, whatever is then learned about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cems_tui.routing.estimators.letters_router import Familiarity, Held, caution_for
from cems_tui.routing.estimators.neighbours import Nearest, WordIndex, nearest
from cems_tui.routing.estimators.ridge import Matrix, kernel
from cems_tui.routing.features.letters import FeatureConfig, grams
from cems_tui.routing.features.space import FeatureSpace, Reading
from cems_tui.routing.training.splits import FOLDS, grouped_folds
from cems_tui.score_tables.table import Pivot


@dataclass(frozen=True, slots=True)
class PreparedPrompts:
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
) -> PreparedPrompts:
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
    return PreparedPrompts(
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
