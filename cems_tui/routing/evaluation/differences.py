"""What held-out prompts teach of differences between functions: how sure they are, and from where
on an expected gain counts as one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cems_tui.routing.decide.difference import PairedSpread
from cems_tui.score_tables.table import Pivot, ScoreTable

Matrix = NDArray[np.float64]

TAIL = 0.05
"""On each side of a 90 % interval."""

ONE_SIDED_95 = 1.645
LEAST_PROMPTS = 10
"""Of fewer prompts with both scores nothing is told of two functions."""


def learn_paired_spread(
    functions: Sequence[str],
    truth: Matrix,
    predicted: Matrix,
    seed_error: Matrix | None,
    about: str = "",
) -> PairedSpread:
    """The spread of differences around held-out predictions, a pair at a time.

    The interval is conformal: quantiles of held-out errors of differences, with the finite-sample
    correction of one prompt. A gain counts where it is more than another seed changes, and where a
    straight line through held-out differences over expected ones lies above 0, 95 % sure.

    Args:
        truth: mean scores, shape (N, M), NaN where missing.
        predicted: held-out estimates, shape (N, M).
        seed_error: how far the difference of two pictures moves from seed to seed, one standard
            deviation, shape (M, M); NaN or None where no seeds were repeated.
        about: what a cell of the table is, for people.
    """
    count = len(functions)
    low, high, wide, least = (np.full((count, count), np.nan) for _ in range(4))
    for one in range(count):
        for other in range(count):
            if one == other:
                low[one, one] = high[one, one] = wide[one, one] = least[one, one] = 0.0
                continue
            both = np.flatnonzero(~np.isnan(truth[:, one]) & ~np.isnan(truth[:, other]))
            if both.size < LEAST_PROMPTS:
                continue
            real = truth[both, one] - truth[both, other]
            said = predicted[both, one] - predicted[both, other]
            tail = max(0.0, TAIL - (1.0 - TAIL) / both.size)
            ends = np.quantile(real - said, [tail, 1.0 - tail])
            low[one, other], high[one, other] = min(0.0, ends[0]), max(0.0, ends[1])
            wide[one, other] = ONE_SIDED_95 * float(real.std())
            moved = 0.0 if seed_error is None else float(np.nan_to_num(seed_error[one, other]))
            least[one, other] = max(moved, _borne_out(real, said))
    seeds = "the seeds of its table" if seed_error is not None else "no seeds, none were repeated"
    cells = (
        f"90 % for the difference of two scores of one prompt{about}, learned from held-out errors "
        f"of {len(truth):,} prompts; a gain counts from what they bore out and {seeds}"
    )
    return PairedSpread(tuple(functions), low, high, wide, least, cells)


def _borne_out(real: Matrix, said: Matrix) -> float:
    """The least expected gain from which on all were real on average, 95 % sure; inf if none is.

    The lower band of the line of real over expected differences (Bayesian linear regression): a
    router's slope is taken to be 1 ± 1 before its held-out prompts are seen.
    """
    count, centre, middle = len(said), float(said.mean()), float(real.mean())
    error = real - middle - (said - centre)
    noise = float(np.square(error).sum() / max(1, count - 1))
    spread = float(np.square(said - centre).sum()) + max(noise, 1e-24)
    slope = 1.0 + float(((said - centre) * error).sum()) / spread
    gains = np.linspace(0.0, max(float(said.max()), float(np.abs(said).max())), 401)
    doubt = noise / count + np.square(gains - centre) * noise / spread
    band = middle + slope * (gains - centre) - ONE_SIDED_95 * np.sqrt(doubt)
    below = np.flatnonzero(band <= 0.0)
    if not below.size:
        return 0.0
    return float("inf") if below[-1] == gains.size - 1 else float(gains[below[-1] + 1])


def seed_errors(table: ScoreTable, pivot: Pivot) -> Matrix | None:
    """How far the difference of two functions' pictures moves from seed to seed, shape (M, M).

    One standard deviation within a prompt; paired where both drew with the same seeds. Repeats
    that raters made are none. None where no picture was drawn twice.
    """
    own = table.metric.says(pivot.metric) & ~np.isnan(table.score) & (table.rater.places < 0)
    rows = np.flatnonzero(own)
    wanted = {name: column for column, name in enumerate(pivot.functions)}
    columns = np.array([wanted.get(name, -1) for name in table.function.values])
    rows = rows[columns[table.function.places[rows]] >= 0]
    if not rows.size:
        return None
    column = columns[table.function.places[rows]]
    prompt, seed = table.prompt_id.places[rows], table.seed.places[rows]
    score = table.score[rows]
    alone = _within(prompt, column, score, len(wanted))
    variance = alone[:, None] + alone[None, :]
    if (seed >= 0).all():
        paired = _paired(prompt, seed, column, score, len(wanted))
        variance = np.where(np.isnan(paired), variance, paired)
    np.fill_diagonal(variance, 0.0)
    off = ~np.eye(len(wanted), dtype=np.bool_)
    return None if np.isnan(variance[off]).all() else np.sqrt(variance)


def _within(
    prompt: NDArray[np.int64], column: NDArray[np.intp], score: Matrix, count: int
) -> Matrix:
    """The variance of a function's scores within a prompt, shape (M,); NaN without repeats."""
    out = np.full(count, np.nan)
    for m in range(count):
        out[m] = _pooled(prompt[column == m], score[column == m])
    return out


def _paired(
    prompt: NDArray[np.int64],
    seed: NDArray[np.int64],
    column: NDArray[np.intp],
    score: Matrix,
    count: int,
) -> Matrix:
    """The variance of differences of the same seed within a prompt, shape (M, M)."""
    _, first, cell = np.unique(
        np.stack([prompt, seed]), axis=1, return_index=True, return_inverse=True
    )
    cells = np.full((len(first), count), np.nan)
    cells[cell.ravel(), column] = score
    out = np.full((count, count), np.nan)
    for one in range(count):
        for other in range(one):
            gap = cells[:, one] - cells[:, other]
            known = ~np.isnan(gap)
            out[one, other] = out[other, one] = _pooled(prompt[first][known], gap[known])
    return out


def _pooled(prompt: NDArray[np.int64], value: Matrix) -> float:
    """The variance within prompts, all of them together; NaN where no prompt has two."""
    _, place, often = np.unique(prompt, return_inverse=True, return_counts=True)
    freedom = int((often - 1).sum())
    if freedom <= 0:
        return float("nan")
    mean = np.bincount(place, weights=value) / often
    return float(np.square(value - mean[place]).sum() / freedom)
