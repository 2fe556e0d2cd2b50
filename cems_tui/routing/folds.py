"""Splits of prompts that keep near-duplicates on one side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cems_tui.routing.features import near_duplicate_group


def grouped_folds(
    prompts: Sequence[str], sources: Sequence[str], folds: int, seed: int
) -> NDArray[np.intp]:
    """The fold 0 … folds−1 of every prompt, shape (N,).

    Near-duplicates share a fold, and every source data set is dealt evenly over the folds.
    """
    groups: dict[str, list[int]] = {}
    for row, prompt in enumerate(prompts):
        groups.setdefault(near_duplicate_group(prompt), []).append(row)
    members = list(groups.values())
    random = np.random.default_rng(seed)
    shuffled = [members[place] for place in random.permutation(len(members))]
    shuffled.sort(key=lambda rows: sources[rows[0]])  # stable: shuffled within a source
    fold = np.empty(len(prompts), dtype=np.intp)
    for place, rows in enumerate(shuffled):
        fold[rows] = place % folds
    return fold


def group_count(prompts: Sequence[str]) -> int:
    """How many groups of near-duplicates the prompts make."""
    return len({near_duplicate_group(prompt) for prompt in prompts})
