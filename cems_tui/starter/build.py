"""The whole recipe: data, latents, trainings and packing, in order and resumable.

Every stage keeps its results in the work folder and is skipped once it is complete, so a
build that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cems_tui.errors import UnknownName
from cems_tui.starter.dataset import Split, make_split
from cems_tui.starter.trainer import Log, Plan


@dataclass(frozen=True, slots=True)
class Recipe:
    """Sizes and budgets. The defaults made the pack that is shipped."""

    pictures: int = 100_000
    held: int = 4_000
    width: int = 128
    small_width: int = 64
    workers: int = 2
    base: Plan = field(default_factory=lambda: Plan(seconds=5150))
    small: Plan = field(default_factory=lambda: Plan(seconds=1480, rate=1.5e-3, flat=0.4))
    turbo: Plan = field(default_factory=lambda: Plan(seconds=840, rate=3e-4, flat=0.3, warm=50))
    decoder: Plan = field(
        default_factory=lambda: Plan(seconds=1120, batch=32, flat=0.3, average=0.998, decay=0.0)
    )
    clip: Plan = field(
        default_factory=lambda: Plan(
            seconds=1160, batch=128, rate=1.2e-3, flat=0.3, average=0.995, decay=0.02
        )
    )
    nima: Plan = field(default_factory=lambda: Plan(seconds=170, batch=96, flat=0.3, average=0.99))
    checker: Plan = field(
        default_factory=lambda: Plan(
            seconds=1260, rate=2e-3, flat=0.4, average=0.99, decay=0.02, warm=40
        )
    )
    smoke_prompts: int = 40
    """Prompts of the short evaluation whose result the manifest keeps."""


class Build:
    """One build: a work folder, an output folder, a recipe."""

    def __init__(self, work: Path, out: Path, recipe: Recipe, log: Log) -> None:
        self.work, self.out, self.recipe, self.log = work, out, recipe, log

    def run(self, only: Iterable[str] | None = None) -> None:
        """All stages in order, or those named in `only`.

        Raises:
            UnknownName: there is no stage of that name.
        """
        stages = self.stages()
        wanted = set(stages if only is None else only)
        for name in wanted - stages.keys():
            raise UnknownName.of("stage", name, stages)
        for name, stage in stages.items():
            if name in wanted:
                self.log(f"stage {name}")
                stage()

    def stages(self) -> dict[str, Callable[[], None]]:
        """Stage → what it does, in the order they need each other."""
        return {
            "data": self.data,
            "latents": self.latents,
            "decoder": self.decoder,
            "base": self.base,
            "small": self.small,
            "turbo": self.turbo,
            "clip": self.clip,
            "nima": self.nima,
            "checker": self.checker,
            "pack": self.pack,
        }

    def split(self, name: str) -> Split:
        """The `train` or `held` pictures."""
        return Split(self.work / "data" / name)

    def checkpoint(self, name: str) -> Path:
        """Where a training keeps its state."""
        return self.work / "ckpt" / f"{name}.pt"

    def basis(self) -> dict[str, Any]:
        """The closed-form analysis of the latents."""
        from safetensors.torch import load_file

        basis: dict[str, Any] = load_file(str(self.work / "data" / "basis.safetensors"))
        return basis

    def data(self) -> None:
        """Training and held-out pictures."""
        for name, count in (("train", self.recipe.pictures), ("held", self.recipe.held)):
            make_split(self.work / "data" / name, count, name, self.recipe.workers, self.log)

    def latents(self) -> None:
        """The analysis, fitted once, and the latents of the training pictures."""
        from safetensors.torch import save_file

        from cems_tui.starter import latents

        train, path = self.split("train"), self.work / "data" / "basis.safetensors"
        if not path.exists():
            save_file(latents.fit(train.pictures[:8000]), str(path))
        target = self.work / "data" / "train" / "latents.npy"
        latents.write_latents(train.pictures, self.basis(), target, self.log)

    def decoder(self) -> None:
        """The autoencoder's decoder."""
        self.decoder_training().run(lambda: self.log("decoder saved"))

    def decoder_training(self) -> Any:
        """The decoder as its checkpoint has it."""
        from cems_tui.starter.decoder import DecoderTraining

        latents = self.work / "data" / "train" / "latents.npy"
        plan, path = self.recipe.decoder, self.checkpoint("decoder")
        return DecoderTraining(self.split("train"), latents, self.basis(), path, plan, self.log)

    def base(self) -> None:
        """The base model."""
        training = self.diffusion("base")
        training.run(lambda: self._base_saved(training))

    def _base_saved(self, training: Any) -> None:
        """Keep the first checkpoint after a third of the budget: the judge learns from it."""
        early, trainer = self.checkpoint("early"), training.trainer
        if not early.exists() and trainer.progress.share(trainer.plan) > 1 / 3:
            shutil.copyfile(self.checkpoint("base"), early)
        self.log("base saved")

    def small(self) -> None:
        """The small model."""
        self.diffusion("small").run(lambda: self.log("small saved"))

    def turbo(self) -> None:
        """The few-step model, from the averaged weights of the base."""
        from cems_tui.starter.turbo import distil

        base = self.diffusion("base")
        with base.trainer.averaged():
            unet, text = base.unet, base.text
            distil(self.diffusion("turbo"), unet, text, lambda: self.log("turbo saved"))

    def diffusion(self, name: str) -> Any:
        """The networks `base`, `early`, `small` or `turbo` as their checkpoint has them."""
        from cems_tui.starter.diffusion import Diffusion

        width = self.recipe.small_width if name == "small" else self.recipe.width
        plan: Plan = getattr(self.recipe, "base" if name == "early" else name)
        latents = self.work / "data" / "train" / "latents.npy"
        path = self.checkpoint(name)
        return Diffusion(self.split("train"), latents, path, width, plan, self.log)

    def clip(self) -> None:
        """The CLIP-like judge."""
        self.clip_training().run(lambda: self.log("clip saved"))

    def clip_training(self) -> Any:
        """The judge as its checkpoint has it."""
        from cems_tui.starter.clip_scorer import ClipTraining

        plan, path = self.recipe.clip, self.checkpoint("clip")
        return ClipTraining(self.split("train"), self.basis(), path, plan, self.log)

    def nima(self) -> None:
        """The ten-bin quality judge."""
        self.nima_training().run(lambda: self.log("nima saved"))

    def nima_training(self) -> Any:
        """The head as its checkpoint has it."""
        from cems_tui.starter.nima_scorer import NimaTraining

        plan, path = self.recipe.nima, self.checkpoint("nima")
        return NimaTraining(self.split("train"), path, plan, self.log, self.rough())

    def checker(self) -> None:
        """The detector that checks pictures, which no other stage reads."""
        decoder = self.decoder_training()
        with decoder.trainer.averaged():
            self.checker_training(decoder.vae).run(lambda: self.log("checker saved"))

    def checker_training(self, vae: Any = None) -> Any:
        """The detector as its checkpoint has it; it needs the autoencoder to learn on."""
        from cems_tui.starter.checker_training import CheckerTraining

        plan, path = self.recipe.checker, self.checkpoint("checker")
        return CheckerTraining(vae, path, plan, self.log)

    def rough(self) -> Any:
        """Pictures of the base's early checkpoint with their severities, or None."""
        from cems_tui.starter.rough import rough_samples

        if not self.checkpoint("early").exists():
            return None
        decoder = self.decoder_training()
        with decoder.trainer.averaged():
            early = self.diffusion("early")
            return rough_samples(early, decoder.vae, self.work / "data" / "rough.npz")

    def pack(self) -> None:
        """The folders and the manifest."""
        from cems_tui.starter.packing import write_pack

        write_pack(self)


def main(arguments: list[str] | None = None) -> None:
    """`python -m cems_tui.starter.build --work DIR --out DIR [--stage NAME ...]`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="data and checkpoints")
    parser.add_argument("--out", type=Path, required=True, help="where the pack goes")
    parser.add_argument("--stage", action="append", help="only this stage; may be repeated")
    chosen = parser.parse_args(arguments)
    Build(chosen.work, chosen.out, Recipe(), print).run(chosen.stage)


if __name__ == "__main__":
    main()
