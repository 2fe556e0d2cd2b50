"""What prompts outside the vocabulary really score: drawn by every function, read by the scorers.

`python -m cems_tui.starter.recipe.checks.outside_scores --pack DIR --work DIR --out TABLE` draws
the recipe's own prompts, or those of a file, a part after the other; stopped, it goes on with the
next part. The table is one that `cems bench import` takes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cems_tui.files import write_text
from cems_tui.log import hush
from cems_tui.score_tables.formats import write_table
from cems_tui.score_tables.table import Row, ScoreTable
from cems_tui.scoring.nima_head import load_nima, mean_mark
from cems_tui.starter.recipe.checks.measure import generate
from cems_tui.starter.recipe.checks.pack_evaluation import functions_of
from cems_tui.starter.recipe.networks.architectures import load_pipeline
from cems_tui.starter.recipe.networks.clip_scorer import load_clip, similarity
from cems_tui.starter.recipe.training.outside_prompts import long_descriptions, outside_prompts

PART = 24
"""Prompts drawn between two savings."""

PROMPTS = 168

MOST_STEPS = 20
"""More steps of a net change nothing there: drawn with 50, the means of 168 prompts in seven bands
were those of 20 within 0.005."""

Asked = Sequence[tuple[str, str]]
"""Prompts with their groups."""


def score_outside(pack: Path, asked: Asked, work: Path, tell: Callable[[str], None]) -> ScoreTable:
    """Every function of at most MOST_STEPS draws every prompt once, its number as the seed.

    Args:
        work: where finished parts are kept; those of other prompts are drawn again.
        tell: told of every part.
    """
    hush()
    parts = [asked[start : start + PART] for start in range(0, len(asked), PART)]
    rows: list[Row] = []
    for number, part in enumerate(parts):
        kept = work / f"part-{number:03}.json"
        found = _kept(kept, part)
        if found is None:
            found = _scored(pack, part, number * PART)
            row = {"prompts": [prompt for prompt, _ in part], "scores": found}
            write_text(kept, json.dumps(row))
            tell(f"part {number + 1} of {len(parts)}")
        rows += _rows(part, found, number * PART)
    return ScoreTable.of(rows)


Scores = dict[str, dict[str, list[float]]]
"""Function → metric → a score a prompt."""


def _kept(path: Path, part: Asked) -> Scores | None:
    if not path.is_file():
        return None
    row = json.loads(path.read_text(encoding="utf-8"))
    scores: Scores = row["scores"]
    return scores if row["prompts"] == [prompt for prompt, _ in part] else None


def _scored(pack: Path, part: Asked, first_seed: int) -> Scores:
    clip, nima = load_clip(pack / "scorers" / "clip"), load_nima(pack / "scorers" / "nima")
    prompts = [prompt for prompt, _ in part]
    scores: Scores = {}
    loaded = "", None
    for function in functions_of(pack):
        if function.steps > MOST_STEPS:
            continue
        if loaded[0] != function.pipeline:
            loaded = function.pipeline, load_pipeline(pack / function.pipeline)
        pictures, _ = generate(
            loaded[1], prompts, function.steps, function.guidance, first_seed=first_seed
        )
        with torch.no_grad():
            x = _tensor(pictures)
            scores[function.name] = {
                "clip": [max(0.0, one) for one in similarity(clip, x, prompts).tolist()],
                "nima": mean_mark(nima(x)).tolist(),
            }
    return scores


def _tensor(pictures: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float() / 255


def _rows(part: Asked, scores: Scores, first: int) -> list[Row]:
    return [
        Row(
            prompt_id=f"{first + place:04}",
            prompt=prompt,
            function=function,
            metric=metric,
            score=values[place],
            seed=str(first + place),
            group=group,
        )
        for place, (prompt, group) in enumerate(part)
        for function, metrics in scores.items()
        for metric, values in metrics.items()
    ]


def asked_of(file: Path | None, count: int) -> Asked:
    """The prompts of a file, a line each as `group<TAB>prompt`; without one the recipe's own, of
    which the long descriptions are always there."""
    if file is None:
        return [*outside_prompts(count), *long_descriptions()]
    lines = file.read_text(encoding="utf-8").splitlines()
    pairs = [line.partition("\t") for line in lines if line.strip()]
    return [(prompt, group) for group, _, prompt in pairs][:count]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="where parts are kept")
    parser.add_argument("--out", type=Path, required=True, help="the score table, .csv")
    parser.add_argument("--prompts", type=int, default=PROMPTS)
    parser.add_argument("--file", type=Path, help="other prompts, as group<TAB>prompt")
    chosen = parser.parse_args(arguments)
    chosen.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    asked = asked_of(chosen.file, chosen.prompts)
    table = score_outside(chosen.pack, asked, chosen.work, lambda text: print(text, flush=True))
    write_table(table, chosen.out)


if __name__ == "__main__":
    main()
