"""Draws the score tables on which the papers' claim is tested: functions x prompts x seeds.

`python -m tests.experiments.claim --pack DIR --work FOLDER` draws in batches and in bfloat16, one
function and seed after the other; a processor without bfloat16 is far quicker in `--dtype float32`.
What is done is kept in FOLDER, and the same command goes on from there. When all is there it writes
`train.csv` and `judged.csv` for `cems bench import`: prompts to learn from, and others to judge on.
Metrics are NIMA, CLIP score and `complete`, the checker's verdict (0 or 1), which no router is
trained on.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from cems_tui.domain.pricing import CEMS_USD_PER_GB_SECOND
from cems_tui.score_tables.formats import write_table
from cems_tui.score_tables.table import Row, ScoreTable
from cems_tui.starter.recipe.checks.measure import Case, cases, generate
from cems_tui.starter.recipe.checks.pack_evaluation import Function, Judges, functions_of
from cems_tui.starter.recipe.checks.results import CLASSES

LEARNED, JUDGED = "train", "judged"
SEEDS = {LEARNED: "claim, learned from", JUDGED: "claim, judged on"}
"""Training the pack, its benchmark and its evaluation draw prompts with other seeds."""
TIMED = 20
"""Prompts whose pictures are drawn alone to measure the seconds of a function."""


@dataclass(frozen=True, slots=True)
class Part:
    """Prompts of one table."""

    name: str
    asked: tuple[Case, ...]


def parts(learned: int, judged: int) -> tuple[Part, Part]:
    """The prompts of both tables, classes in equal numbers; none is in both."""
    first = cases(-(-learned // len(CLASSES)), SEEDS[LEARNED])
    known = {case.prompt for case in first}
    wanted = -(-judged // len(CLASSES))
    fresh = [c for c in cases(2 * wanted, SEEDS[JUDGED]) if c.prompt not in known]
    kept = [c for kind in CLASSES for c in [c for c in fresh if c.kind == kind][:wanted]]
    return Part(LEARNED, tuple(first)), Part(JUDGED, tuple(kept))


class Drawing:
    """The pictures' marks in a folder, a file for each function, table and seed."""

    def __init__(self, pack: Path, work: Path, judges: Judges, dtype: str) -> None:
        self._pack, self._work, self._judges = pack, work, judges
        self._halved = dtype == "bfloat16"
        self._loaded: dict[str, Any] = {}
        work.mkdir(parents=True, exist_ok=True)

    def pipeline(self, name: str) -> Any:
        """The pipeline, loaded once."""
        from cems_tui.starter.recipe.networks.architectures import load_pipeline

        if name not in self._loaded:
            self._loaded[name] = load_pipeline(self._pack / name)
        return self._loaded[name]

    def marks(self, function: Function, part: Part, seed: int) -> list[dict[str, float]]:
        """NIMA, CLIP score and completeness of every prompt; drawn when the file is not there."""
        file = self._work / f"{function.name}-{part.name}-{seed}.json"
        if not file.exists():
            first = seed * len(part.asked)
            with torch.autocast("cpu", torch.bfloat16, enabled=self._halved):
                pictures, _ = generate(
                    self.pipeline(function.pipeline),
                    [case.prompt for case in part.asked],
                    function.steps,
                    function.guidance,
                    first_seed=first,
                )
            found = self._judges.marks(part.asked, pictures)
            _write(
                file,
                [
                    {"nima": m.nima, "clip": m.clip, "complete": float(m.verdict.complete)}
                    for m in found
                ],
            )
        read: list[dict[str, float]] = json.loads(file.read_text("utf-8"))
        return read

    def seconds(self, functions: Sequence[Function], asked: Sequence[Case]) -> dict[str, float]:
        """Processor seconds of a picture drawn alone, the median; the functions take turns, so
        that what else the machine does strikes all of them alike."""
        import time
        from statistics import median

        file = self._work / "seconds.json"
        if not file.exists():
            took: dict[str, list[float]] = {function.name: [] for function in functions}
            for case in asked[:TIMED]:
                for function in functions:
                    pipeline = self.pipeline(function.pipeline)
                    began = time.process_time()
                    generate(pipeline, [case.prompt], function.steps, function.guidance)
                    took[function.name].append(time.process_time() - began)
            _write(file, {name: median(values[1:]) for name, values in took.items()})
        read: dict[str, float] = json.loads(file.read_text("utf-8"))
        return read


def table(
    drawing: Drawing,
    part: Part,
    functions: Sequence[Function],
    seeds: int,
    seconds: dict[str, float],
) -> ScoreTable:
    """The long form of everything drawn for one part. Weights and the run's own memory stay far
    below a gigabyte, so a picture costs its seconds x one gigabyte (CEMS, equation 4)."""

    def rows() -> Iterator[Row]:
        for function in functions:
            for seed in range(seeds):
                marks = drawing.marks(function, part, seed)
                for number, (case, mark) in enumerate(zip(part.asked, marks, strict=True)):
                    for metric, score in mark.items():
                        yield Row(
                            prompt_id=f"{part.name}-{number:04d}",
                            prompt=case.prompt,
                            function=function.name,
                            metric=metric,
                            score=score,
                            cost_usd=seconds[function.name] * CEMS_USD_PER_GB_SECOND,
                            seconds=seconds[function.name],
                            seed=str(seed * len(part.asked) + number),
                            group=case.kind,
                        )

    return ScoreTable.of(rows())


def _write(file: Path, value: Any) -> None:
    waiting = file.with_suffix(".part")
    waiting.write_text(json.dumps(value), "utf-8")
    os.replace(waiting, file)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="a folder that keeps what is done")
    parser.add_argument("--function", action="append", default=[], help="such as starter-base@20")
    parser.add_argument("--learned", type=int, default=2000, help="prompts to learn from")
    parser.add_argument("--judged", type=int, default=800, help="prompts to judge on")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--dtype", choices=("bfloat16", "float32"), default="bfloat16")
    parser.add_argument("--draw-only", action="store_true", help="write no table yet")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    functions = functions_of(chosen.pack, chosen.function)
    drawing = Drawing(chosen.pack, chosen.work, Judges.of(chosen.pack), chosen.dtype)
    both = parts(chosen.learned, chosen.judged)
    for function in functions:
        for part in both:
            for seed in range(chosen.seeds):
                drawing.marks(function, part, seed)
                print(f"{function.name} {part.name} seed {seed}", flush=True)
    if chosen.draw_only:
        return
    seconds = drawing.seconds(functions, both[1].asked)
    for part in both:
        made = table(drawing, part, functions, chosen.seeds, seconds)
        write_table(made, chosen.work / f"{part.name}.csv")


if __name__ == "__main__":
    main()
