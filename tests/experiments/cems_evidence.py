"""Sums up what the CEMS scores say of sets of models.

`python -m tests.experiments.cems_evidence TABLE OUT` wrote `checkpoints/evidence/cems.json`.
The score table of the CEMS authors (Lee & Lee, CIKM 2024) has no licence to pass on: what is
written holds means over all prompts, no prompt and no prompt's score.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cems_tui.errors import UsageError
from cems_tui.files import SHARED, write_text
from cems_tui.score_tables.formats import read_table
from cems_tui.score_tables.mixed import constants_of, with_mixed
from cems_tui.score_tables.table import ScoreTable
from tests.experiments.cems_routers import PICTURES, SCORERS

METRICS = ("mixed", "nima", "clip")
SOURCE = "Lee & Lee, CIKM 2024: scores of sco-edge/CEMS, commit e8b4597"


def build(table: ScoreTable) -> dict[str, Any]:
    """For every set of functions: its best single mean, its oracle's mean, and who is best how
    often, for each metric.

    Raises:
        UsageError: a cell of the table has no score: means would be of different prompts.
    """
    mixed = with_mixed(table, constants_of(table))
    return {
        "source": SOURCE,
        "table": table.digest,
        "prompts": len(table.prompts),
        "pictures": PICTURES,
        "scorers": SCORERS,
        "metrics": {metric: _sets(mixed, metric) for metric in METRICS},
    }


def _sets(table: ScoreTable, metric: str) -> list[dict[str, Any]]:
    pivot = table.pivot(metric)
    if not pivot.complete.all():
        raise UsageError(f"{metric} has missing scores", "Give a complete table.")
    columns = range(len(pivot.functions))
    return [
        _set(pivot.functions, pivot.scores, list(chosen))
        for size in range(1, len(pivot.functions) + 1)
        for chosen in combinations(columns, size)
    ]


def _set(
    functions: Sequence[str], scores: NDArray[np.float64], columns: list[int]
) -> dict[str, Any]:
    """One set's figures; a prompt on which several are best counts for each of them in part."""
    own = scores[:, columns]
    means, highest = own.mean(axis=0), own.max(axis=1)
    best = own == highest[:, None]
    wins = (best / best.sum(axis=1, keepdims=True)).mean(axis=0)
    names = [functions[column] for column in columns]
    return {
        "functions": names,
        "best_single": {"function": names[int(means.argmax())], "mean": _short(means.max())},
        "oracle": _short(highest.mean()),
        "wins": {name: _short(share) for name, share in zip(names, wins, strict=True)},
    }


def _short(value: np.floating[Any]) -> float:
    return round(float(value), 5)


def main(arguments: Sequence[str]) -> int:
    """`TABLE OUT`: reads the score table, writes the file; 2 where the words are wrong."""
    if len(arguments) != 2:
        print("usage: python -m tests.experiments.cems_evidence TABLE OUT", file=sys.stderr)
        return 2
    source, out = (Path(one) for one in arguments)
    evidence = build(read_table(source))
    write_text(out, f"{json.dumps(evidence, indent=1)}\n", mode=SHARED)
    print(f"{out}: {evidence['prompts']} prompts, {', '.join(evidence['metrics'])}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
