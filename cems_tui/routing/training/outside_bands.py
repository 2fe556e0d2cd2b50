"""Learns from scores of prompts outside the vocabulary what such prompts score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cems_tui.errors import UsageError
from cems_tui.routing.checkpoints.card import Card
from cems_tui.routing.estimators.intervals import TAIL
from cems_tui.routing.estimators.outside import Band, Known, KnownWords, Outside, Size
from cems_tui.score_tables.mixed import with_mixed
from cems_tui.score_tables.table import ScoreTable

Matrix = NDArray[np.float64]

LEAST_PROMPTS = 8
"""In a band; a smaller one is taken together with the next."""

SIGNIFICANT = 2.45
"""Standard errors between two functions' means, from which a difference is told apart: one-sided
5 % shared by seven comparisons with the best (Bonferroni)."""

EDGES = (2, 5, 12, None)
"""The most unknown words of prompts that are taken together, as far as they are enough."""


OUTSIDE, SIZES = "outside.parquet", "sizes.parquet"
"""What the tables are called beside a router that learned from them."""


def outside_of(
    card: Card,
    words: KnownWords,
    table: ScoreTable | None,
    sizes: tuple[ScoreTable, int] | None,
) -> Outside:
    """What a router of that card is to expect of prompts, and sizes, that it was not taught.

    Args:
        table: scores of prompts outside the vocabulary; without any, such prompts are told as what
            they are and estimated by the router itself.
        sizes: scores of pictures of other sizes, and the pixels of the size that was taught.

    Raises:
        UsageError: a function has no scores there, or too few prompts are outside.
        UnknownName: the tables have no metric of the card's.
    """
    functions = tuple(card.functions)

    def scored(drawn: ScoreTable) -> ScoreTable:
        return drawn if card.mixed is None else with_mixed(drawn, card.mixed)

    others = (
        () if sizes is None else learn_sizes(scored(sizes[0]), card.metric, functions, sizes[1])
    )
    if table is None:
        return Outside(words, (), "none", others)
    learned = learn_outside(scored(table), card.metric, functions, words)
    return replace(learned, table=table.digest, sizes=others)


def learn_outside(
    table: ScoreTable, metric: str, functions: Sequence[str], words: KnownWords
) -> Outside:
    """The bands of a table whose prompts are outside the vocabulary; those inside are left out.

    A function of more steps than its model was drawn with is expected to do as the most of them.

    Args:
        metric: one of the table, higher is better.
        functions: the router's, in its order.

    Raises:
        UsageError: a function has no scores there, or too few prompts are outside.
        UnknownName: the table has no such metric.
    """
    pivot = table.pivot(metric)
    columns = _columns(functions, pivot.functions)
    known = [words.read(prompt) for prompt in pivot.prompts]
    rows = [
        row
        for row in range(len(known))
        if not known[row].inside and not np.isnan(pivot.scores[row, columns]).any()
    ]
    bands: list[Band] = []
    for things in (False, True):
        own = [row for row in rows if (known[row].things > 0) == things]
        if len(own) < LEAST_PROMPTS:
            raise UsageError(
                f"{len(own)} prompts that name {'a' if things else 'no'} known thing are too few",
                f"Draw at least {LEAST_PROMPTS} of each.",
            )
        bands += _bands(things, own, known, pivot.scores[:, columns])
    return Outside(words, tuple(bands), table.digest)


def learn_sizes(
    table: ScoreTable, metric: str, functions: Sequence[str], taught_pixels: int
) -> tuple[Size, ...]:
    """What pictures of each size of a table scored; its groups are sizes, as `128x96`.

    A function of more steps than its model was drawn with is expected to do as the most of them.

    Raises:
        UsageError: a group is no size, or no function of a model has scores.
        UnknownName: the table has no such metric.
    """
    pivot = table.pivot(metric)
    columns = _columns(functions, pivot.functions)
    sizes = []
    for group in dict.fromkeys(pivot.groups):
        sides = group.split("x")
        if len(sides) != 2 or not all(side.isdigit() and int(side) for side in sides):
            raise UsageError(f"{group!r} is no size", "Groups of that table are sizes: 128x96.")
        rows = [row for row, own in enumerate(pivot.groups) if own == group]
        scores = pivot.scores[np.ix_(rows, columns)]
        scores = scores[~np.isnan(scores).any(axis=1)]
        if len(scores) < LEAST_PROMPTS:
            raise UsageError(
                f"{len(scores)} prompts at {group} are too few", f"Draw at least {LEAST_PROMPTS}."
            )
        ratio = int(sides[0]) * int(sides[1]) / taught_pixels
        band = _band(True, None, scores)
        sizes.append(Size(ratio, band.prompts, band.quality, band.low, band.high))
    return tuple(sizes)


def _columns(functions: Sequence[str], drawn: Sequence[str]) -> list[int]:
    """The place of each function; for one of more steps than were drawn, of its model's most.

    Raises:
        UsageError: a function has no scores and nothing stands for it.
    """
    found, missing = [], []
    for function in functions:
        steps = {one: _steps(one) for one in drawn if _model(one) == _model(function)}
        most = max(steps, key=lambda one: steps[one], default=None)
        if function in steps:
            found.append(drawn.index(function))
        elif most is not None and steps[most] < _steps(function):
            found.append(drawn.index(most))
        else:
            missing.append(function)
    if missing:
        raise UsageError(
            f"the table has no scores of {', '.join(sorted(missing))}",
            "Draw its prompts with them too.",
        )
    return found


def _model(function: str) -> str:
    return function.partition("@")[0]


def _steps(function: str) -> int:
    """The steps in a function's name; 0 where it names none."""
    said = function.partition("@")[2]
    return int(said) if said.isdecimal() else 0


def _bands(things: bool, rows: Sequence[int], known: Sequence[Known], scores: Matrix) -> list[Band]:
    """By unknown words; what is too few for a band of its own goes into the next."""
    bands: list[Band] = []
    waiting: list[int] = []
    left = list(rows)
    for edge in EDGES:
        waiting += [row for row in left if edge is None or known[row].unknown <= edge]
        left = [row for row in left if row not in set(waiting)]
        enough = len(left) >= LEAST_PROMPTS or not left
        if len(waiting) >= LEAST_PROMPTS and enough:
            bands.append(_band(things, edge if left else None, scores[waiting]))
            waiting = []
    return bands


def _band(things: bool, edge: int | None, scores: Matrix) -> Band:
    quality = told_apart(scores)
    low, high = _interval(scores - scores.mean(axis=0))
    ends = np.minimum(quality + low, quality), np.maximum(quality + high, quality)
    return Band(things, edge, len(scores), *(tuple(map(float, row)) for row in (quality, *ends)))


def told_apart(scores: Matrix) -> Matrix:
    """Mean score of each function; those that cannot be told from the best share one mean.

    The prompts are paired. A function whose mean is lower by less than SIGNIFICANT standard errors
    of the difference is as good as the best for all that is known, so the cheapest of them wins.

    Args:
        scores: shape (N, M).
    """
    means = scores.mean(axis=0)
    best = int(np.argmax(means))
    differences = scores - scores[:, [best]]
    error = differences.std(axis=0, ddof=1) / np.sqrt(len(scores))
    equal = differences.mean(axis=0) >= -SIGNIFICANT * error
    return np.asarray(np.where(equal, means[equal].mean(), means), dtype=np.float64)


def _interval(residual: Matrix) -> tuple[float, float]:
    """The quantiles that hold 90 % of single pictures, over all functions.

    Every prompt counts as one reading: its pictures by different functions are alike.
    """
    tail = max(0.0, TAIL - (1.0 - TAIL) / len(residual))
    low, high = np.quantile(residual, [tail, 1.0 - tail])
    return float(low), float(high)
