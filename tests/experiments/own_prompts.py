"""What retraining on one's own prompts does to a router that was trained on other rows.

`python -m tests.experiments.own_prompts TABLE OUT.jsonl [RESAMPLES]` plays users of the four models
of CEMS on the score table of its authors. A router is trained on some rows, a user's own prompts
are drawn from others, and both routers are judged on rows that neither has seen. Every case is a
line of OUT; a second call goes on where the first was stopped.

- `same`: one's own prompts come from the sources that the router was trained on;
- `shift`: it was trained on DiffusionDB, one's own are of PartiPrompts and DrawBench;
- `changed`: one model of the pool is another than it was: half of what it did well and badly is
  left, and it is better by half a standard deviation of that;
- `pairs`: the same, but of each prompt only the function that was picked and one other at random
  were scored, as shadow pairs are;
- `ceiling`: what `changed` can come to: a router that was trained anew on whole rows of all the
  prompts of the first one, after the change.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cems_tui.domain.estimate import QualityEstimator
from cems_tui.routing.decide.dial import choices, lambda_for_dial
from cems_tui.routing.evaluation.evaluate import Matrix, area_of
from cems_tui.routing.evaluation.truth import subset
from cems_tui.routing.features.letters import grams
from cems_tui.routing.training import letters_trainer
from cems_tui.routing.training.data import material_of
from cems_tui.routing.training.order import TrainingOrder
from cems_tui.routing.training.refinement import asked_of, lesson_of, refine
from cems_tui.score_tables.formats import read_table
from cems_tui.score_tables.table import Pivot, ScoreTable

METRICS = ("clip", "nima")
SIZES = {
    "ceiling": (3_000,),
    "changed": (30, 120),
    "pairs": (120, 240),
    "same": (30, 60, 120, 240, 480),
    "shift": (30, 60, 120, 240, 480),
}
RESAMPLES = 4
TRAINED, JUDGED = 3_000, 700
"""Rows that the router is trained on, and that both are judged on."""

CHANGED = "amused-512@12"


@dataclass(frozen=True, slots=True)
class Case:
    """One user."""

    kind: str
    metric: str
    prompts: int
    resample: int


@dataclass(frozen=True)
class Pool:
    """A router in use, and the rows that it has not seen."""

    pivot: Pivot
    """The rows that one's own prompts and the judged ones are drawn from."""

    said: Matrix
    cost: Matrix
    router: QualityEstimator
    learned: Pivot
    """The rows that it was trained on."""

    table: ScoreTable

    @cached_property
    def anew(self) -> QualityEstimator:
        """A router trained on the same rows after one function has changed."""
        scores = changed(self.learned.scores, self.learned.functions.index(CHANGED))
        rows = replace(self.learned, scores=scores, readings=readings_of(scores))
        order = TrainingOrder(self.table, rows.metric, "anew", kind="ridge")
        prepared = letters_trainer.prepared_for(rows, "ridge", None, False)
        material = replace(material_of(order), pivot=rows)
        return letters_trainer.fit(replace(order, prepared=prepared), material).router


def cases(resamples: int) -> Iterator[Case]:
    for resample in range(resamples):
        for kind, sizes in SIZES.items():
            for size in sizes:
                for metric in METRICS:
                    yield Case(kind, metric, size, resample)


def pools_of(table: ScoreTable, *, shift: bool) -> dict[str, Pool]:
    """A router of each metric trained on some rows of the table, and the rest of its rows."""
    prepared, found = None, {}
    for metric in METRICS:
        pivot, learned, own = _dealt(table, metric, shift=shift)
        order = TrainingOrder(table, metric, "in-use", kind="ridge")
        prepared = prepared or letters_trainer.prepared_for(learned, "ridge", None, False)
        material = replace(material_of(order), pivot=learned)
        router = letters_trainer.fit(replace(order, prepared=prepared), material).router
        others = subset(pivot, own, np.arange(len(pivot.functions)))
        prices = table.costs()
        cost = np.array([prices[name] for name in others.functions], dtype=np.float64)
        said = asked_of(router, others.prompts)
        found[metric] = Pool(others, said, cost, router, learned, table)
    return found


def _dealt(table: ScoreTable, metric: str, *, shift: bool) -> tuple[Pivot, Pivot, NDArray[np.intp]]:
    """All rows, those that the router is trained on, and the places of the others."""
    pivot = table.pivot(metric)
    order = np.random.default_rng(7).permutation(len(pivot.prompts))
    if shift:
        outside = np.array([group != "DIFF" for group in pivot.groups])
        own = order[outside[order]]
        order = order[~outside[order]]
    else:
        own = order[TRAINED:]
    learned = subset(pivot, np.sort(order[:TRAINED]), np.arange(len(pivot.functions)))
    return pivot, learned, own


def played(pool: Pool, case: Case) -> dict[str, float]:
    """The area recovered by both routers, in %, on the judged rows."""
    pivot, count = pool.pivot, len(pool.pivot.prompts)
    random = np.random.default_rng([case.resample, case.prompts])
    order = random.permutation(count)
    judged, own = order[:JUDGED], np.sort(order[JUDGED : JUDGED + case.prompts])
    scores = pivot.scores
    if case.kind in ("ceiling", "changed", "pairs"):
        scores = changed(scores, pivot.functions.index(CHANGED))
    if case.kind == "ceiling":
        anew = asked_of(pool.anew, [pivot.prompts[row] for row in judged])
        return {
            "before": 100.0 * area_of(scores[judged], pool.said[judged], pool.cost),
            "after": 100.0 * area_of(scores[judged], anew, pool.cost),
        }
    everyone = np.arange(len(pivot.functions))
    mine = replace(subset(pivot, own, everyone), scores=scores[own])
    if case.kind == "pairs":
        value = lambda_for_dial(0.5, pool.said, pool.cost)
        picks = choices(pool.said[own], pool.cost, value)
        mine = replace(mine, scores=shadow_pairs(mine.scores, picks, random))
    mine = replace(mine, readings=readings_of(mine.scores))
    lesson = lesson_of(mine, pool.said[own], 42)
    found = refine(pool.router, lesson, seed=42, keep_prompts=False, curve=False)
    rest = found.router.rest
    said = []
    for row in judged:
        reading = rest.space.read(grams(pivot.prompts[row], rest.space.config))
        trust = rest.familiarity.trust(rest.familiarity.novelty(reading), reading)
        said.append(rest.quality(reading, None, trust))
    after = found.router.turned(pool.said[judged]) + np.array(said)
    return {
        "before": 100.0 * area_of(scores[judged], pool.said[judged], pool.cost),
        "after": 100.0 * area_of(scores[judged], after, pool.cost),
        **found.shares,
    }


def changed(scores: Matrix, column: int) -> Matrix:
    """The scores where one function is another than it was."""
    level = np.delete(scores, column, axis=1).mean(axis=1)
    difference = scores[:, column] - level
    out = scores.copy()
    mean, half = difference.mean(), 0.5 * difference.std()
    out[:, column] = level + mean + 0.5 * (difference - mean) + half
    return out


def shadow_pairs(scores: Matrix, picks: NDArray[np.intp], random: np.random.Generator) -> Matrix:
    """The scores of the picked function and of one other, drawn at random, of every prompt."""
    out = np.full_like(scores, np.nan)
    for row, pick in enumerate(picks):
        other = random.choice([m for m in range(scores.shape[1]) if m != pick])
        out[row, [pick, other]] = scores[row, [pick, other]]
    return out


def readings_of(scores: Matrix) -> tuple[tuple[int, int, float], ...]:
    return tuple(
        (int(row), int(column), float(scores[row, column]))
        for row, column in zip(*np.nonzero(~np.isnan(scores)), strict=True)
    )


def main(arguments: Sequence[str]) -> int:
    """`TABLE OUT.jsonl [RESAMPLES]`; 2 where the words are wrong."""
    if len(arguments) not in (2, 3):
        print("usage: python -m tests.experiments.own_prompts TABLE OUT.jsonl", file=sys.stderr)
        return 2
    table, out = read_table(Path(arguments[0])), Path(arguments[1])
    resamples = int(arguments[2]) if len(arguments) == 3 else RESAMPLES
    done = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    known = {tuple(row[key] for key in asdict(Case("", "", 0, 0))) for row in done}
    pools: dict[bool, dict[str, Pool]] = {}
    for case in cases(resamples):
        if (case.kind, case.metric, case.prompts, case.resample) in known:
            continue
        shift = case.kind == "shift"
        if shift not in pools:
            pools[shift] = pools_of(table, shift=shift)
        row = {**asdict(case), **played(pools[shift][case.metric], case)}
        with out.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
