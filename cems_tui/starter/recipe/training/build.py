"""The whole recipe: data, latents, trainings and packing, in order and resumable.

Every stage keeps its results in the work folder and is skipped once it is complete, so a
build that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from cems_tui.errors import UnknownName
from cems_tui.starter.recipe.checks.detector import CheckerTraining
from cems_tui.starter.recipe.networks import latents, vq
from cems_tui.starter.recipe.networks.amused import AmusedTraining
from cems_tui.starter.recipe.networks.clip_scorer import ClipTraining
from cems_tui.starter.recipe.networks.decoder import DecoderTraining
from cems_tui.starter.recipe.networks.diffusion import Diffusion
from cems_tui.starter.recipe.networks.nima_scorer import NimaTraining
from cems_tui.starter.recipe.networks.turbo import TurboTraining
from cems_tui.starter.recipe.networks.vq import VqTraining
from cems_tui.starter.recipe.training.dataset import Split, make_split
from cems_tui.starter.recipe.training.pack import write_pack
from cems_tui.starter.recipe.training.recipe import Recipe
from cems_tui.starter.recipe.training.resume import adopt_pack
from cems_tui.starter.recipe.training.rough import rough_samples
from cems_tui.starter.recipe.training.trainer import Log, Plan
from cems_tui.starter.recipe.training.weights import write_tensors


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
            "vq": self.vq,
            "amused": self.amused,
            "turbo": self.turbo,
            "clip": self.clip,
            "nima": self.nima,
            "checker": self.checker,
            "pack": self.pack,
        }

    def split(self, name: str) -> Split:
        """The `train`, `held` or `settled` pictures."""
        return Split(self.work / "data" / name)

    def checkpoint(self, name: str) -> Path:
        """Where a training keeps its state."""
        return self.work / "ckpt" / f"{name}.pt"

    @property
    def basis_file(self) -> Path:
        """Where the closed-form analysis of the latents lies."""
        return self.work / "data" / "basis.safetensors"

    def basis(self) -> dict[str, Any]:
        """The closed-form analysis of the latents."""
        from safetensors.torch import load_file

        basis: dict[str, Any] = load_file(str(self.basis_file))
        return basis

    def training(self, stage: str) -> Any:
        """The networks, data and trainer of a stage, as its checkpoint has them."""
        makers = {
            "decoder": self.decoder_training,
            "vq": self.vq_training,
            "amused": self.amused_training,
            "turbo": self.turbo_training,
            "clip": self.clip_training,
            "nima": self.nima_training,
        }
        return makers[stage]() if stage in makers else self.diffusion(stage)

    def data(self) -> None:
        """Training, held-out and settled pictures."""
        recipe = self.recipe
        counts = {"train": recipe.pictures, "held": recipe.held, "settled": recipe.settled}
        for name, count in counts.items():
            folder, settled = self.work / "data" / name, name == "settled"
            make_split(folder, count, name, recipe.workers, self.log, settled)

    def latents(self) -> None:
        """The analysis, fitted once, and the latents of the training pictures."""
        train = self.split("train")
        if not self.basis_file.exists():
            write_tensors(latents.fit(train.pictures[:8000]), self.basis_file)
        for name in ("train", "settled"):
            target = self.work / "data" / name / "latents.npy"
            latents.write_latents(self.split(name).pictures, self.basis(), target, self.log)

    def decoder(self) -> None:
        """The autoencoder's decoder."""
        self.decoder_training().run(lambda: self.log("decoder saved"))

    def decoder_training(self) -> Any:
        """The decoder as its checkpoint has it."""
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

    def vq(self) -> None:
        """The networks to codes and back."""
        self.vq_data()
        self.vq_training().run(lambda: self.log("vq saved"))

    def vq_data(self) -> None:
        """The codebook, fitted once, and the codes of the pictures it is needed for."""
        train = self.split("train")
        if not self.book_file.exists():
            write_tensors(vq.fit(train.pictures[:8000]), self.book_file)
        for name in ("train", "settled"):
            vq.write_tokens(self.split(name).pictures, self.book(), self.codes(name), self.log)

    def vq_training(self) -> Any:
        """The VQModel as its checkpoint has it."""
        plan, path = self.recipe.vq, self.checkpoint("vq")
        return VqTraining(
            self.split("train"), self.codes("train"), self.book(), path, plan, self.log
        )

    @property
    def book_file(self) -> Path:
        """Where the closed-form codebook lies."""
        return self.work / "data" / "book.safetensors"

    def codes(self, split: str) -> Path:
        """Where the codes of a split's pictures lie."""
        return self.work / "data" / split / "codes.npy"

    def book(self) -> dict[str, Any]:
        """The closed-form codebook."""
        from safetensors.torch import load_file

        book: dict[str, Any] = load_file(str(self.book_file))
        return book

    def amused(self) -> None:
        """The masked-token model."""
        self.amused_training().run(lambda: self.log("amused saved"))

    def amused_training(self) -> Any:
        """The masked-token model as its checkpoint has it, or with the base's words at first."""
        plan, path = self.recipe.amused, self.checkpoint("amused")
        text = None if path.exists() else self.networks("base")[1]
        split, codes, book = self.split("settled"), self.codes("settled"), self.book()
        return AmusedTraining(split, codes, book, path, plan, self.log, text)

    def turbo(self) -> None:
        """The one-step model, from the averaged weights of the small model."""
        self.turbo_training().run(lambda: self.log("turbo saved"))

    def turbo_training(self) -> Any:
        """The one-step model as its checkpoint has it, or as the small one's networks at first."""
        plan, path = self.recipe.turbo, self.checkpoint("turbo")
        start = None if path.exists() else self.networks("small")
        latents, width = self.work / "data" / "settled" / "latents.npy", self.recipe.small_width
        split, basis = self.split("settled"), self.basis()
        return TurboTraining(split, latents, basis, path, width, plan, self.log, start)

    def networks(self, name: str) -> tuple[Any, Any]:
        """Denoiser and text encoder of `base` or `small`, averaged, for another to start from."""
        from copy import deepcopy

        training = self.diffusion(name)
        with training.trainer.averaged():
            return deepcopy(training.unet), deepcopy(training.text)

    def diffusion(self, name: str) -> Any:
        """The networks `base`, `early` or `small` as their checkpoint has them."""
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
        plan, path = self.recipe.clip, self.checkpoint("clip")
        return ClipTraining(self.split("train"), self.basis(), path, plan, self.log)

    def nima(self) -> None:
        """The ten-bin quality judge."""
        self.nima_training().run(lambda: self.log("nima saved"))

    def nima_training(self) -> Any:
        """The head as its checkpoint has it."""
        plan, path = self.recipe.nima, self.checkpoint("nima")
        return NimaTraining(self.split("train"), path, plan, self.log, self.rough())

    def checker(self) -> None:
        """The detector that checks pictures, which no other stage reads."""
        decoder = self.decoder_training()
        with decoder.trainer.averaged():
            self.checker_training(decoder.vae).run(lambda: self.log("checker saved"))

    def checker_training(self, vae: Any = None) -> Any:
        """The detector as its checkpoint has it; it needs the autoencoder to learn on."""
        plan, path = self.recipe.checker, self.checkpoint("checker")
        return CheckerTraining(vae, path, plan, self.log)

    def rough(self) -> Any:
        """Pictures of the base's early checkpoint with their severities, or None."""
        if not self.checkpoint("early").exists():
            return None
        decoder = self.decoder_training()
        with decoder.trainer.averaged():
            early = self.diffusion("early")
            return rough_samples(early, decoder.vae, self.work / "data" / "rough.npz")

    def pack(self) -> None:
        """The folders and the manifest."""
        write_pack(self)


def main(arguments: list[str] | None = None) -> None:
    """`python -m cems_tui.starter.recipe.training.build --work DIR --out DIR [--stage NAME…]`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="data and checkpoints")
    parser.add_argument("--out", type=Path, required=True, help="where the pack goes")
    parser.add_argument("--stage", action="append", help="only this stage; may be repeated")
    parser.add_argument("--continue-from", type=Path, help="a pack whose weights to go on from")
    chosen = parser.parse_args(arguments)
    build = Build(chosen.work, chosen.out, Recipe(), print)
    if chosen.continue_from:
        adopt_pack(build, chosen.continue_from)
    build.run(chosen.stage)


if __name__ == "__main__":
    main()
