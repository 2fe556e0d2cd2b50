"""What a score table says that a router is held against: scores, costs and the other metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cems_tui.domain.step_line import on_one_line
from cems_tui.score_tables.table import Pivot, ScoreTable


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
    """US dollars a picture of each function; the table's own prices win.

    Where more steps of a net are priced below fewer, its prices are those of the line through them.
    """
    own = table.costs()
    known = {
        name: own[name] if own.get(name) is not None else prices.get(name) for name in functions
    }
    return on_one_line(known)


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
