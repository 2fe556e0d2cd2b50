"""What drafting first and going to a dearer function where the draft falls short is worth.

`python -m tests.experiments.escalation DATA` prints one JSON object for the score tables of the
folder DATA. A draft is kept unless it scores more than a tolerance below what the router expects of
the dear function; then both are drawn, both are paid for, and the better scored one is kept.

Part `cems`: the table of CEMS's authors, a ridge router trained on 3,000 of its prompts, judged on
the others: what is scored is what is wanted. Part `raters`: GenAI-Bench, one person's scores read
the drafts and choose between both, the mean of the two others is what is wanted, so that the
scorer errs; the ceiling is the dear function's mean, prices are assumed. Every row is compared with
mixing single functions at random at the same mean cost, and with the router at that cost, with the
95 % interval of resampled prompts.
"""

from __future__ import annotations

import csv
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cems_tui.routing.evaluation.curves import running_maximum, sweep, zero_curve
from cems_tui.score_tables.formats import read_table
from tests.experiments.balanced import ASSUMED_USD_PER_THOUSAND
from tests.experiments.own_prompts import pools_of

Matrix = NDArray[np.float64]
TOLERANCES = (0.0, 0.25, 0.5, 1.0)
"""In standard deviations of the dear function's scores."""

RESAMPLES = 400


@dataclass(frozen=True)
class Judge:
    """Prompts as they are, and resampled: the weights of each in every resample, (R + 1, N)."""

    truth: Matrix
    """What is wanted, (N, M)."""

    read: Matrix
    """What the scorer says of each picture, (N, M)."""

    ceiling: Matrix
    """What is expected of each function, (N, M)."""

    cost: Matrix
    names: Sequence[str]
    said: Matrix | None = None
    """The router's estimates; None without one."""

    @cached_property
    def weights(self) -> Matrix:
        count = len(self.truth)
        drawn = np.random.default_rng(7).multinomial(count, [1 / count] * count, RESAMPLES)
        return np.vstack([np.ones(count), drawn]) / count

    @cached_property
    def single(self) -> Matrix:
        return self.weights @ self.truth

    @cached_property
    def curves(self) -> tuple[Matrix, Matrix] | None:
        """Mean costs and qualities of the router's sweep, each (R + 1, L)."""
        if self.said is None:
            return None
        swept = sweep(self.truth, self.said, self.cost)
        return self.weights @ swept.cost.T, self.weights @ swept.quality.T

    def rows(self) -> Iterator[dict[str, Any]]:
        """A row for each pair of functions and tolerance."""
        for cheap, dear in combinations(np.argsort(self.cost), 2):
            spread = float(self.truth[:, dear].std())
            for share in TOLERANCES:
                again = self.ceiling[:, dear] - self.read[:, cheap] > share * spread
                better = again & (self.read[:, dear] > self.read[:, cheap])
                quality = np.where(better, self.truth[:, dear], self.truth[:, cheap])
                paid = self.cost[cheap] + again * self.cost[dear]
                yield {
                    "draft": self.names[cheap],
                    "dear": self.names[dear],
                    "tolerance_sd": share,
                    "escalated": float(again.mean()),
                    "quality": float(quality.mean()),
                    "cost_usd": float(paid.mean()),
                    **self.compared(quality, paid),
                }

    def compared(self, quality: Matrix, paid: Matrix) -> dict[str, Any]:
        """The mean gained over random mixing, and over the router, at the same mean cost."""
        found: dict[str, list[float]] = defaultdict(list)
        costs, means = self.weights @ paid, self.weights @ quality
        for number, (usd, mean) in enumerate(zip(costs, means, strict=True)):
            at = np.array([usd])
            found["over_mixing"].append(mean - zero_curve(self.cost, self.single[number], at)[0])
            if self.curves is not None:
                cost, best = (part[number] for part in self.curves)
                found["over_router"].append(mean - running_maximum(cost, best, at)[0])
        return {
            name: {
                "value": float(values[0]),
                "ci95": np.quantile(values[1:], (0.025, 0.975)).tolist(),
            }
            for name, values in found.items()
        }


def cems(data: Path) -> Iterator[dict[str, Any]]:
    for metric, pool in pools_of(read_table(data / "cems_train.parquet"), shift=False).items():
        whole = np.flatnonzero(pool.pivot.complete)
        truth, said = pool.pivot.scores[whole], pool.said[whole]
        judge = Judge(truth, truth, said, pool.cost, pool.pivot.functions, said)
        for row in judge.rows():
            yield {"table": "cems", "metric": metric, "prompts": len(whole), **row}


def raters(data: Path) -> Iterator[dict[str, Any]]:
    file = "genai_bench.csv"
    prices = ASSUMED_USD_PER_THOUSAND[file]
    scores: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with (data / file).open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            scores[row["prompt_id"]][row["function"]].append(float(row["score"]))
    names = sorted(prices)
    whole = [one for one in scores.values() if all(len(one[name]) == 3 for name in names)]
    table = np.array([[one[name] for name in names] for one in whole])
    read, truth = table[:, :, 0], table[:, :, 1:].mean(axis=2)
    ceiling = np.broadcast_to(truth.mean(axis=0), truth.shape)
    cost = np.array([prices[name] for name in names]) / 1000.0
    for row in Judge(truth, read, ceiling, cost, names).rows():
        yield {"table": "genai_bench", "metric": "alignment", "prompts": len(whole), **row}


def main(data: Path) -> None:
    found = [*cems(data), *raters(data)]
    wins = {
        against: {
            kind: sum(one[against]["ci95"][end] * sign > 0 for one in found if against in one)
            for kind, end, sign in (("better", 0, 1), ("worse", 1, -1))
        }
        for against in ("over_mixing", "over_router")
    }
    print(json.dumps({"counts": wins, "rows": found}, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
