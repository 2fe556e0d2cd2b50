"""What pictures of sizes that were never taught really score: drawn and read by the scorers.

`python -m cems_tui.starter.recipe.checks.size_scores --pack DIR --work DIR --out TABLE` draws
prompts of the grammar at other sizes, a size and function after the other; stopped, it goes on
with the next. The table's groups are the sizes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from cems_tui.files import write_text
from cems_tui.log import hush
from cems_tui.score_tables.formats import write_table
from cems_tui.score_tables.table import Row, ScoreTable
from cems_tui.scoring.clip import ClipScorer
from cems_tui.scoring.nima import NimaScorer
from cems_tui.scoring.nima_head import load_nima
from cems_tui.starter.benchmark_prompts import benchmark_prompts
from cems_tui.starter.recipe.checks.measure import generate
from cems_tui.starter.recipe.checks.pack_evaluation import Function, functions_of
from cems_tui.starter.recipe.networks.architectures import load_pipeline

SEED = "other sizes"
"""Training, benchmarks and evaluations draw with other seeds."""

SIDES = (32, 48, 96, 128)
PROMPTS = 12

MOST_STEPS = 12
"""More steps of one net do not help where it never drew that large: they are not drawn."""


def score_sizes(pack: Path, work: Path, tell: Callable[[str], None]) -> ScoreTable:
    """Every function of few steps draws every prompt once at every size.

    Args:
        work: where finished parts are kept.
        tell: told of every part.
    """
    hush()
    prompts = [prompt for prompt, _ in benchmark_prompts(PROMPTS, SEED)]
    scorers: dict[str, ClipScorer | NimaScorer] = {
        "clip": ClipScorer(pack / "scorers" / "clip"),
        "nima": NimaScorer(pack / "scorers" / "nima", load_nima),
    }
    rows: list[Row] = []
    for function in functions_of(pack):
        if function.steps > MOST_STEPS:
            continue
        pipeline: Any = None
        for side in SIDES:
            kept = work / f"{function.name}-{side}.json"
            if not kept.is_file():
                pipeline = pipeline or load_pipeline(pack / function.pipeline)
                pictures = _drawn(pipeline, function, prompts, side)
                found = {name: one.score(pictures, prompts) for name, one in scorers.items()}
                write_text(kept, json.dumps(found))
                tell(f"{function.name} at {side}x{side}")
            read: dict[str, list[float]] = json.loads(kept.read_text(encoding="utf-8"))
            rows += [
                Row(
                    prompt_id=f"{side:03}-{number:02}",
                    prompt=prompts[number],
                    function=function.name,
                    metric=metric,
                    score=score,
                    seed=str(number),
                    group=f"{side}x{side}",
                )
                for metric, scores in read.items()
                for number, score in enumerate(scores)
            ]
    return ScoreTable.of(rows)


def _drawn(pipeline: Any, function: Function, prompts: list[str], side: int) -> list[Image.Image]:
    pictures, _ = generate(pipeline, prompts, function.steps, function.guidance, side=side)
    return [Image.fromarray(picture) for picture in pictures]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="where parts are kept")
    parser.add_argument("--out", type=Path, required=True, help="the score table, .csv")
    chosen = parser.parse_args(arguments)
    chosen.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    table = score_sizes(chosen.pack, chosen.work, lambda text: print(text, flush=True))
    write_table(table, chosen.out)


if __name__ == "__main__":
    main()
