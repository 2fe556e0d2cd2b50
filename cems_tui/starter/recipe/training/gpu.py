"""The generative part of the recipe on a GPU, in three steps of a few minutes each.

    python -m cems_tui.starter.recipe.training.gpu --step 1 --out OUT1 --minutes 8
    python -m cems_tui.starter.recipe.training.gpu --step 2 --out OUT2 --minutes 8 --source OUT1
    python -m cems_tui.starter.recipe.training.gpu --step 3 --out OUT3 --minutes 8 \\
        --source OUT1 --source OUT2

Each step may run on a bare machine: it composes the pictures anew (the same ones, from the
same seeds), reads what it needs of the averaged weights that earlier steps left, and leaves
its own, a file of under 16 MiB for each network. A step that finds its own results among the
sources goes on from them. Back home, `--adopt WORK --source ...` turns the files into checkpoints
of a build, for `cems starter build --work WORK` to train the judges and write the pack.

It needs torch with CUDA, diffusers, transformers, tokenizers, safetensors, numpy and Pillow.
The judges are small and train on a CPU. How fast this is on a GPU is unmeasured.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import copyfile

from cems_tui.errors import WeightsError
from cems_tui.starter.recipe.training.build import Build
from cems_tui.starter.recipe.training.recipe import Recipe, with_plans
from cems_tui.starter.recipe.training.trainer import Log, Plan
from cems_tui.starter.recipe.training.weights import adopt_weights, export_weights

STEPS: dict[int, dict[str, float]] = {
    1: {"decoder": 0.6, "vq": 0.3},
    2: {"base": 0.95},
    3: {"small": 0.25, "amused": 0.45, "turbo": 0.2},
}
"""Step → its stages, with the share of the time left after the data that each may take."""
NEEDS: dict[str, tuple[str, ...]] = {"amused": ("base",)}
"""Stage → those of earlier steps that it starts from; turbo starts from small, in its own step."""
CLOSED_FORMS = ("basis.safetensors", "book.safetensors")
LARGEST_FILE = 16 * 2**20
BATCHES = {"decoder": 128, "vq": 128}
BATCH = 512
FASTER = 2.0
"""How much larger than on a CPU the learning rate is, for the larger batch."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What a step runs on, and how large."""

    device: str
    recipe: Recipe
    compiled: bool = True

    def plan(self, stage: str, seconds: float) -> Plan:
        """The stage's plan of the recipe with this machine's device and a budget."""
        plan: Plan = getattr(self.recipe, stage)
        return replace(plan, seconds=seconds, device=self.device, compiled=self.compiled, every=60)


def gpu(device: str) -> Machine:
    """The recipe with larger batches and rates."""
    recipe = Recipe(workers=os.cpu_count() or 1)
    plans = {
        stage: replace(plan, batch=BATCHES.get(stage, BATCH), rate=FASTER * plan.rate)
        for stages in STEPS.values()
        for stage in stages
        if (plan := getattr(recipe, stage))
    }
    return Machine(device, with_plans(recipe, plans))


def run_step(
    step: int,
    work: Path,
    out: Path,
    sources: Sequence[Path],
    minutes: float,
    machine: Machine,
    log: Log,
) -> None:
    """One step: data, then its stages, each leaving its averaged weights in `out`."""
    began = time.monotonic()
    build = Build(work, out / "pack", machine.recipe, log)
    prepare(build, sources)
    for stage in dict.fromkeys(need for name in STEPS[step] for need in NEEDS.get(name, ())):
        adopt(build, stage, sources, required=True)
    out.mkdir(parents=True, exist_ok=True)
    for name in CLOSED_FORMS:
        copyfile(work / "data" / name, out / name)
    left = minutes * 60 - (time.monotonic() - began)
    for stage, share in STEPS[step].items():
        adopt(build, stage, sources)
        build.recipe = with_plans(build.recipe, {stage: machine.plan(stage, share * left)})
        training = build.training(stage)
        file = out / f"{stage}.safetensors"
        log(f"{stage}: {share * left:.0f} s")
        training.run(lambda training=training, file=file: export_weights(training.trainer, file))
        if file.stat().st_size > LARGEST_FILE:
            raise WeightsError(f"{file} has {file.stat().st_size} bytes, more than {LARGEST_FILE}")


def prepare(build: Build, sources: Sequence[Path]) -> None:
    """Pictures, latents and codes, by the closed forms of an earlier step where there are."""
    build.data()
    for name in CLOSED_FORMS:
        found = _find(name, sources)
        if found is not None:
            copyfile(found, build.work / "data" / name)
    build.latents()
    build.vq_data()


def adopt(build: Build, stage: str, sources: Sequence[Path], required: bool = False) -> None:
    """Start a stage from its file in the sources, unless it has a checkpoint.

    Raises:
        WeightsError: it is required and not there.
    """
    found = _find(f"{stage}.safetensors", sources)
    if build.checkpoint(stage).exists():
        return
    if found is not None:
        adopt_weights(build.training(stage).trainer, found)
    elif required:
        raise WeightsError(
            f"there are no weights of {stage} among the sources",
            "Name the folder of the step that trained it with --source.",
        )


def _find(name: str, sources: Sequence[Path]) -> Path | None:
    return next((folder / name for folder in sources[::-1] if (folder / name).exists()), None)


def adopt_all(work: Path, sources: Sequence[Path], log: Log) -> None:
    """Turn the results of all steps into the checkpoints of a build in `work`."""
    build = Build(work, work / "pack", Recipe(), log)
    prepare(build, sources)
    for stages in STEPS.values():
        for stage in stages:
            adopt(build, stage, sources, required=True)


def main(arguments: list[str] | None = None) -> None:
    """Run one step, or adopt the results of all."""
    parser = argparse.ArgumentParser(
        prog="python -m cems_tui.starter.recipe.training.gpu", description=__doc__
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--step", type=int, choices=sorted(STEPS))
    what.add_argument("--adopt", type=Path, metavar="WORK", help="write a build's checkpoints")
    parser.add_argument("--out", type=Path, default=Path("out"), help="where the results go")
    parser.add_argument("--source", type=Path, action="append", default=[], help="earlier results")
    parser.add_argument("--work", type=Path, help="data and checkpoints; default: OUT/../work")
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--device", default="cuda")
    chosen = parser.parse_args(arguments)
    if chosen.adopt:
        adopt_all(chosen.adopt, chosen.source, print)
        return
    import torch

    torch.set_float32_matmul_precision("high")
    work = chosen.work or chosen.out.absolute().parent / "work"
    machine = gpu(chosen.device)
    run_step(chosen.step, work, chosen.out, chosen.source, chosen.minutes, machine, print)


if __name__ == "__main__":
    main()
