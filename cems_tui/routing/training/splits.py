"""The CEMS split: 80 % to learn from, 10 % to choose the epoch by, 10 % to judge by.

Stratified by source data set with one seed, as the authors' is; but drawn by us (scikit-learn is
no dependency), and near-duplicates stay on one side, which theirs need not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cems_tui.errors import UsageError
from cems_tui.routing.features.letters import near_duplicate_group

FOLDS = 5
"""Over so many folds of prompts the held-out figures are made where no test part is kept back."""

TRAINING_SHARE = 0.8
LEAST_PROMPTS = 30


@dataclass(frozen=True, slots=True)
class Split:
    """The rows of each part."""

    training: NDArray[np.intp]
    validation: NDArray[np.intp]
    test: NDArray[np.intp]


def stratified_split(prompts: Sequence[str], sources: Sequence[str], seed: int) -> Split:
    """The parts of the prompts.

    Raises:
        UsageError: too few prompts for three parts that mean anything.
    """
    if len(prompts) < LEAST_PROMPTS:
        raise UsageError(
            f"{len(prompts)} prompts are too few to learn from, choose by and judge by",
            f"A classifier needs at least {LEAST_PROMPTS}; thousands are good. Kinds that predict "
            "quality need fewer.",
        )
    random = np.random.default_rng(seed)
    parts: tuple[list[int], list[int], list[int]] = ([], [], [])
    for rows in _by_source(prompts, sources).values():
        groups = [rows[name] for name in sorted(rows)]
        total, dealt = sum(map(len, groups)), 0
        for place in random.permutation(len(groups)):
            share = dealt / total
            part = 0 if share < TRAINING_SHARE else 1 if share < (1 + TRAINING_SHARE) / 2 else 2
            parts[part].extend(groups[place])
            dealt += len(groups[place])
    if not all(parts):
        raise UsageError(
            "the prompts are too alike for a split that keeps near-duplicates on one side",
            "Score more prompts that differ in their first words.",
        )
    return Split(*(np.array(sorted(rows), dtype=np.intp) for rows in parts))


def _by_source(
    prompts: Sequence[str], sources: Sequence[str]
) -> Mapping[str, dict[str, list[int]]]:
    """Rows by source, then by group of near-duplicates; a group belongs to its first source."""
    home: dict[str, str] = {}
    out: dict[str, dict[str, list[int]]] = {}
    for row, prompt in enumerate(prompts):
        name = near_duplicate_group(prompt)
        source = home.setdefault(name, sources[row])
        out.setdefault(source, {}).setdefault(name, []).append(row)
    return out


# Splits of prompts that keep near-duplicates on one side.


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
