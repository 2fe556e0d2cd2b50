"""How often a router is said to beat the best single function where there is nothing to learn.

`python -m tests.experiments.shuffled TABLE OUT.jsonl [COUNT]` deals the scores of a table anew
among some of its prompts, whole rows at a time, so that a function is as good as before and no
prompt says which; trains on them; and keeps the verdict, a line each. A second call goes on.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cems_tui.routing.evaluation.verdict import verdict_words
from cems_tui.routing.training.order import TrainingOrder
from cems_tui.routing.training.train import train
from cems_tui.score_tables.formats import read_table
from cems_tui.score_tables.table import Row, ScoreTable

METRICS = ("clip", "nima")
SIZES = (60, 120, 240)
COUNT = 240


def shuffled(table: ScoreTable, metric: str, prompts: int, seed: int) -> ScoreTable:
    """Some prompts, each with the scores of another of them."""
    pivot, random = table.pivot(metric), np.random.default_rng(seed)
    rows = random.permutation(np.flatnonzero(pivot.complete))[:prompts]
    theirs, prices = random.permutation(rows), table.costs()
    return ScoreTable.of(
        Row(
            prompt_id=pivot.prompt_ids[row],
            prompt=pivot.prompts[row],
            function=name,
            metric=metric,
            score=float(pivot.scores[other, column]),
            cost_usd=prices[name],
            group=pivot.groups[row],
        )
        for row, other in zip(rows, theirs, strict=True)
        for column, name in enumerate(pivot.functions)
    )


def main(arguments: Sequence[str]) -> int:
    """`TABLE OUT.jsonl [COUNT]`; 2 where the words are wrong."""
    if len(arguments) not in (2, 3):
        print("usage: python -m tests.experiments.shuffled TABLE OUT.jsonl", file=sys.stderr)
        return 2
    table, out = read_table(Path(arguments[0])), Path(arguments[1])
    count = int(arguments[2]) if len(arguments) == 3 else COUNT
    done = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    for seed in range(len(done), count):
        metric, prompts = METRICS[seed % 2], SIZES[seed // 2 % 3]
        dealt = shuffled(table, metric, prompts, seed)
        card = train(TrainingOrder(dealt, metric, "shuffled")).card
        row = {
            "seed": seed,
            "metric": metric,
            "prompts": prompts,
            "verdict": card.verdict,
            "words": verdict_words(card.evaluation),
        }
        done.append(row)
        with out.open("a") as file:
            file.write(json.dumps(row) + "\n")
    print(json.dumps({"tables": len(done), "verdicts": Counter(r["verdict"] for r in done)}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
