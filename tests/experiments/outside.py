"""What the routers know of what they do not know: novelty, intervals and picks outside.

`python -m tests.experiments.outside --out FILE [--scores TABLE]` asks every shipped router about
prompts of its kind and of other people (`../shared/data/prompts`). With a score table of other
people's prompts, drawn with the pack (`starter.recipe.checks.outside_scores --file`), it also tells
how often the pack's intervals held there and what the picks were worth, with and without what the
card says of such prompts.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cems_tui.profile import Profile
from cems_tui.routing.checkpoints.checkpoint import Checkpoint
from cems_tui.score_tables.formats import read_table
from cems_tui.score_tables.mixed import with_mixed
from cems_tui.score_tables.table import Pivot
from cems_tui.starter.benchmark_prompts import benchmark_prompts

PROMPTS = Path(__file__).parents[3] / "shared" / "data" / "prompts"
SEED = "novelty"
DIAL = 0.5
INSIDE: Mapping[str, str] = {"starter": "grammar"}
"""Whose prompts a router was taught; those of CEMS learned from DiffusionDB and PartiPrompts."""

Vector = NDArray[np.float64]


def prompt_sets(folder: Path) -> dict[str, list[str]]:
    """The pack's grammar with a seed of its own, and the prompts of other people."""
    files = {
        "PartiPrompts": "PartiPrompts.tsv",
        "DPG": "DPG-Bench.txt",
        "DiffusionDB": "DiffusionDB_sample.txt",
        "COCO": "COCO-30k.txt",
    }
    sets = {"grammar": [prompt for prompt, _ in benchmark_prompts(800, SEED)]}
    for name, file in files.items():
        lines = (folder / file).read_text(encoding="utf-8").splitlines()
        first = 1 if file.endswith(".tsv") else 0
        said = [line.split("\t")[0].strip() for line in lines[first:]]
        sets[name] = [prompt for prompt in said if prompt]
    return sets


def auroc(inside: Vector, outside: Vector) -> float:
    """How often a prompt outside is more novel than one inside; a tie counts half."""
    below = np.searchsorted(np.sort(inside), outside, side="left")
    ties = np.searchsorted(np.sort(inside), outside, side="right") - below
    return float((below + ties / 2).mean() / len(inside))


def novelty_of(router: Checkpoint, sets: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """AUROC of "in distribution" against every other set, and the shares called outside."""
    said = {name: [router.estimate(one) for one in prompts] for name, prompts in sets.items()}
    home = INSIDE.get(router.name, "DiffusionDB")
    novelty = {name: np.array([one.novelty for one in told]) for name, told in said.items()}
    return {
        "inside": home,
        "auroc": {n: auroc(novelty[home], v) for n, v in novelty.items() if n != home},
        "called_outside": {
            name: float(np.mean([not one.in_distribution for one in told]))
            for name, told in said.items()
        },
        "prompts": {name: len(prompts) for name, prompts in sets.items()},
    }


def held(router: Checkpoint, pivot: Pivot) -> dict[str, Any]:
    """Intervals, predictions and picks on prompts that were drawn, at the dial's middle; of the
    functions that drew them."""
    names = tuple(name for name in router.functions if name in pivot.functions)
    columns = [pivot.functions.index(name) for name in names]
    truth = pivot.scores[:, columns]
    told = [router.estimate(prompt) for prompt in pivot.prompts]
    rows = [[one.estimates[name] for name in names] for one in told]
    ends = np.array([[one.interval or (np.nan, np.nan) for one in row] for row in rows])
    said = np.array([[one.quality for one in row] for row in rows], dtype=np.float64)
    inside = (truth >= ends[..., 0]) & (truth <= ends[..., 1])
    prices = np.array([router.card.prices[name] for name in names], dtype=np.float64)
    weight = router.lambda_at(DIAL, dict(router.card.prices))
    utility = said - weight * prices
    # of equals the cheapest, as the policy has it
    picks = np.array([min(range(len(names)), key=lambda m: (-u[m], prices[m])) for u in utility])
    cheapest, at = int(np.argmin(prices)), np.arange(len(picks))
    gain = truth[at, picks] - truth[:, cheapest]
    groups = np.array(pivot.groups)
    return {
        "prompts": len(told),
        "called_outside": int(sum(not one.in_distribution for one in told)),
        "coverage": float(inside.mean()),
        "coverage_by_function": dict(zip(names, inside.mean(axis=0).tolist(), strict=True)),
        "coverage_by_group": {g: float(inside[groups == g].mean()) for g in np.unique(groups)},
        "least_and_most": [float(ends.min()), float(ends.max())],
        "width": float((ends[..., 1] - ends[..., 0]).mean()),
        "picks": {name: int((picks == m).sum()) for m, name in enumerate(names)},
        "predicted": float(said[at, picks].mean()),
        "measured": float(truth[at, picks].mean()),
        "cheapest": names[cheapest],
        "cheapest_measured": float(truth[:, cheapest].mean()),
        "gain_over_cheapest": float(gain.mean()),
        "gain_over_cheapest_se": float(gain.std(ddof=1) / len(gain) ** 0.5),
        "cost_over_cheapest": float(prices[picks].mean() / prices[cheapest]),
        "error": float(np.abs(said - truth).mean()),
        "best_single_measured": float(truth.mean(axis=0).max()),
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=Path, default=PROMPTS, help="the folder of prompt sets")
    parser.add_argument("--scores", type=Path, help="other people's prompts, drawn by the pack")
    parser.add_argument("--out", type=Path, help="everything as JSON")
    chosen = parser.parse_args(arguments)
    shelf = Profile.current().shelf()
    sets = prompt_sets(chosen.prompts)
    found: dict[str, Any] = {}
    for name in ("starter", "cems-clip", "cems-nima", "cems-mixed"):
        found[name] = novelty_of(shelf.named(name), sets)
    if chosen.scores:
        router = shelf.named("starter")
        table = with_mixed(read_table(chosen.scores), router.card.mixed or {})
        pivot = table.pivot(router.metric)
        plain = replace(router, card=replace(router.card, outside=None))
        found["held_out"] = {"without": held(plain, pivot), "with": held(router, pivot)}
    text = json.dumps(found, indent=1)
    if chosen.out:
        chosen.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
