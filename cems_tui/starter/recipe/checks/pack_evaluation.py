"""Draws fresh prompts with each function of a pack and has the pictures checked.

The checker decides what is right; CLIP score and NIMA stand beside it. The checker's own
error (`checker_error`) bounds what its shares are worth.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cems_tui.catalog import catalog
from cems_tui.errors import UnknownName, WeightsError
from cems_tui.scoring.nima_head import load_nima, mean_mark
from cems_tui.starter.manifest import read_manifest
from cems_tui.starter.recipe.checks.checker import Checker, load_checker
from cems_tui.starter.recipe.checks.correctness import check
from cems_tui.starter.recipe.checks.measure import Case, cases, generate
from cems_tui.starter.recipe.checks.results import CLASSES, Asked, Evaluation, Mark
from cems_tui.starter.recipe.checks.tables import breakdown_tables, shares_table, spread_tables
from cems_tui.starter.recipe.networks.architectures import load_pipeline
from cems_tui.starter.recipe.networks.clip_scorer import load_clip, similarity

SEED = "held-out evaluation"
"""Training, benchmarks and the checker's own test draw with other seeds."""


@dataclass(frozen=True, slots=True)
class Function:
    """How a pipeline of the pack is called."""

    name: str
    pipeline: str
    steps: int
    guidance: float


@dataclass(frozen=True, slots=True)
class Judges:
    """The checker and the two scorers."""

    checker: Checker
    clip: Any
    nima: Any

    @classmethod
    def of(cls, pack: Path, checker: Path | None = None) -> Judges:
        """Those of the pack; the checker may be another folder."""
        folder = checker or pack / "checker"
        scorers = pack / "scorers"
        return cls(load_checker(folder), load_clip(scorers / "clip"), load_nima(scorers / "nima"))

    @torch.no_grad()
    def marks(self, asked: Sequence[Case], pictures: NDArray[np.uint8]) -> tuple[Mark, ...]:
        """One mark for each picture."""
        seen = self.checker.look(pictures)
        marks = []
        for start in range(0, len(asked), 100):
            part = asked[start : start + 100]
            x = torch.from_numpy(np.array(pictures[start : start + 100]))
            x = x.permute(0, 3, 1, 2).float() / 255
            clip = similarity(self.clip, x, [case.prompt for case in part]).tolist()
            nima = mean_mark(self.nima(x)).tolist()
            for index, case in enumerate(part):
                verdict = check(case.scene, seen[start + index], self.checker.natural)
                marks.append(Mark(verdict, clip[index], nima[index]))
        return tuple(marks)


def functions_of(pack: Path, wanted: Sequence[str] = ()) -> list[Function]:
    """The functions of the catalogue whose pipeline the pack has, or those named `model@steps`.

    Raises:
        UnknownName: the pack has no such pipeline.
    """
    pipelines = read_manifest(pack).pipelines
    if not wanted:
        return [
            Function(one.name, one.model.name, one.steps, one.guidance)
            for one in catalog.builtin(pack).values()
            if one.model.name in pipelines
        ]
    found = []
    for name in wanted:
        pipeline, _, steps = name.partition("@")
        if pipeline not in pipelines or not steps.isdigit():
            raise UnknownName.of("function", name, [f"{p}@8" for p in pipelines])
        guidance = float(pipelines[pipeline].get("guidance", 2.5))
        found.append(Function(name, pipeline, int(steps), guidance))
    return found


def evaluate(
    pack: Path, asked: Sequence[Case], functions: Sequence[Function], judges: Judges
) -> Evaluation:
    """Every function draws every prompt once, with the number of the prompt as seed."""
    if not asked or not functions:
        raise WeightsError(f"there is nothing to draw with in {pack}")
    marks: dict[str, tuple[Mark, ...]] = {}
    seconds: dict[str, float] = {}
    loaded: dict[str, Any] = {}
    for function in functions:
        if function.pipeline not in loaded:
            loaded = {function.pipeline: load_pipeline(pack / function.pipeline)}
        pipeline = loaded[function.pipeline]
        prompts = [case.prompt for case in asked]
        pictures, _ = generate(pipeline, prompts, function.steps, function.guidance)
        marks[function.name] = judges.marks(asked, pictures)
        seconds[function.name] = seconds_alone(pipeline, prompts[:5], function)
    return Evaluation(tuple(map(in_short, asked)), marks, seconds)


def seconds_alone(pipeline: Any, prompts: Sequence[str], function: Function) -> float:
    """Processor seconds of a picture drawn alone, the second fastest: on one thread these are
    the seconds of an idle machine, however busy it is."""
    took = []
    for prompt in prompts:
        began = time.process_time()
        generate(pipeline, [prompt], function.steps, function.guidance)
        took.append(time.process_time() - began)
    return sorted(took)[min(1, len(took) - 1)]


def in_short(case: Case) -> Asked:
    """What the tables need of a case."""
    scene = case.scene
    return Asked(case.prompt, case.kind, scene.things, scene.relation, scene.background)


def main(arguments: list[str] | None = None) -> None:
    """`python -m cems_tui.starter.recipe.checks.pack_evaluation --pack DIR [--prompts N] …`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--checker", type=Path, help="another checker than the pack's")
    parser.add_argument("--prompts", type=int, default=500)
    parser.add_argument("--function", action="append", default=[], help="such as starter-base@20")
    parser.add_argument("--out", type=Path, help="everything as JSON")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    asked = cases(-(-chosen.prompts // len(CLASSES)), SEED)
    functions = functions_of(chosen.pack, chosen.function)
    found = evaluate(chosen.pack, asked, functions, Judges.of(chosen.pack, chosen.checker))
    if chosen.out:
        chosen.out.write_text(json.dumps(found.as_json()) + "\n")
    print(f"{len(asked)} prompts\n\n{shares_table(found)}\n\n{spread_tables(found)}")
    for function in found.marks:
        print(f"\n{function}, worst first (share right, how many asked):\n")
        print(breakdown_tables(found, function))


if __name__ == "__main__":
    main()
