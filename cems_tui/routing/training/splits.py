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
from cems_tui.routing.features.letters import opening, said_words

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
) -> Mapping[str, dict[int, list[int]]]:
    """Rows by source, then by group of near-duplicates; a group belongs to its first source."""
    home: dict[int, str] = {}
    out: dict[str, dict[int, list[int]]] = {}
    for row, group in enumerate(near_duplicates(prompts).tolist()):
        source = home.setdefault(group, sources[row])
        out.setdefault(source, {}).setdefault(group, []).append(row)
    return out


# Splits of prompts that keep near-duplicates on one side.

LIKENESS = (0.5, 0.6, 0.7, 0.8, 0.9)
"""Prompts whose shared words are more than so much of all their words are near-duplicates. The
first is the rule; the others are for prompts that are all alike, as those of a grammar."""

LARGEST_SHARE = 10
"""Near-duplicates of near-duplicates that are more than one in so many of all prompts are told
apart by a higher likeness: with them on one side there would be nothing to judge by."""

LEAST_LARGEST = 3
"""So many near-duplicates stay together in however small a table."""

MOST_COMPARED = 5_000
"""In a table of more prompts openings alone tell near-duplicates, and folds are dealt in turn: a
table that large holds the families that its source goes on asking, and the published folds stay
what they were. By shared words too the CEMS table's area is 2.4 points lower for CLIP, 1.1 for
NIMA."""


def near_duplicates(prompts: Sequence[str]) -> NDArray[np.intp]:
    """The group 0, 1, … of near-duplicates that each prompt is in, shape (N,).

    Two prompts are near-duplicates when they begin with the same six lower-case words, or when
    more than half of their words are shared (Jaccard), and so are the near-duplicates of
    near-duplicates. A prompt without any word is its own group. Of more than `MOST_COMPARED`
    prompts the openings alone count.
    """
    words = [said_words(prompt) for prompt in prompts]
    openings = [opening(prompt) for prompt in prompts]
    most = max(LEAST_LARGEST, len(prompts) // LARGEST_SHARE)
    group, groups = np.empty(len(prompts), dtype=np.intp), 0
    left = [(np.arange(len(prompts)), 0 if len(prompts) <= MOST_COMPARED else len(LIKENESS))]
    while left:
        rows, level = left.pop()
        for part in _alike(rows, words, openings, level):
            if part.size > most and level < len(LIKENESS):
                left.append((part, level + 1))
            else:
                group[part], groups = groups, groups + 1
    return np.unique(group, return_inverse=True)[1].astype(np.intp)


def _alike(
    rows: NDArray[np.intp], words: Sequence[frozenset[str]], openings: Sequence[str], level: int
) -> list[NDArray[np.intp]]:
    """Connected components of those rows; beyond the last likeness openings alone connect."""
    saying: dict[str, list[int]] = {}
    opened: dict[str, list[int]] = {}
    for place, row in enumerate(rows.tolist()):
        opened.setdefault(openings[row], []).append(place)
        for word in words[row] if level < len(LIKENESS) else ():
            saying.setdefault(word, []).append(place)
    postings = {word: np.array(places) for word, places in saying.items()}
    size = np.array([len(words[row]) for row in rows.tolist()], dtype=np.float64)
    left, parts = np.ones(rows.size, dtype=np.bool_), []
    for start in range(rows.size):
        if not left[start]:
            continue
        left[start] = False
        reached, ahead = [start], [start]
        while ahead:
            place = ahead.pop()
            beside = left & _shares(place, rows, words, postings, size, level)
            beside[opened[openings[rows[place]]]] |= left[opened[openings[rows[place]]]]
            found = np.flatnonzero(beside).tolist()
            left[found] = False
            reached += found
            ahead += found
        parts.append(rows[np.array(sorted(reached))])
    return parts


def _shares(
    place: int,
    rows: NDArray[np.intp],
    words: Sequence[frozenset[str]],
    postings: Mapping[str, NDArray[np.intp]],
    size: NDArray[np.float64],
    level: int,
) -> NDArray[np.bool_]:
    """Which of the rows share more than the likeness of that level with the one at a place."""
    own = [postings[word] for word in words[rows[place]]] if postings else []
    if not own:
        return np.zeros(rows.size, dtype=np.bool_)
    shared = np.bincount(np.concatenate(own), minlength=rows.size)
    return np.asarray(shared > LIKENESS[level] * (size[place] + size - shared))


def grouped_folds(
    prompts: Sequence[str], sources: Sequence[str], folds: int, seed: int
) -> NDArray[np.intp]:
    """The fold 0 … folds−1 of every prompt, shape (N,).

    Near-duplicates share a fold, and every source data set is dealt evenly over the folds.
    """
    groups: dict[int, list[int]] = {}
    for row, group in enumerate(near_duplicates(prompts).tolist()):
        groups.setdefault(group, []).append(row)
    members = list(groups.values())
    random = np.random.default_rng(seed)
    shuffled = [members[place] for place in random.permutation(len(members))]
    fold = np.empty(len(prompts), dtype=np.intp)
    if len(prompts) > MOST_COMPARED:
        shuffled.sort(key=lambda rows: sources[rows[0]])
        for place, rows in enumerate(shuffled):
            fold[rows] = place % folds
        return fold
    # stable, so else shuffled: what belongs to several sources first, the sources' own even it out
    shuffled.sort(key=lambda rows: (len({sources[row] for row in rows}) == 1, -len(rows)))
    dealt = {source: np.zeros(folds, dtype=np.intp) for source in sources}
    for rows in shuffled:
        total = np.sum(list(dealt.values()), axis=0)
        emptiest = int(np.lexsort((total, dealt[sources[rows[0]]]))[0])
        fold[rows] = emptiest
        for row in rows:
            dealt[sources[row]][emptiest] += 1
    return fold


def group_count(prompts: Sequence[str]) -> int:
    """How many groups of near-duplicates the prompts make."""
    return int(near_duplicates(prompts).max(initial=-1)) + 1
