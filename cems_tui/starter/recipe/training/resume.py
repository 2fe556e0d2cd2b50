"""Training goes on from a pack: its averaged weights become fresh checkpoints.

A pack holds neither optimizers nor the closed-form analyses as such. The optimizers start
anew; the analysis of the latents is read back out of the autoencoder's encoder.
"""

from __future__ import annotations

from pathlib import Path
from shutil import copyfile
from typing import Any

from cems_tui.starter.manifest import verify
from cems_tui.starter.recipe.networks.amused import SHARPNESS, sharpened
from cems_tui.starter.recipe.networks.architectures import encoder_kernel, load_pipeline
from cems_tui.starter.recipe.networks.latents import basis_of_kernel
from cems_tui.starter.recipe.training.pack import BOOK
from cems_tui.starter.recipe.training.weights import take_over, write_tensors

PARTS = {"unet": "unet", "text": "text_encoder", "transformer": "transformer"}
"""Module of a training → component of its pipeline."""


def adopt_pack(build: Any, pack: Path) -> None:
    """Prepare `build` to go on from the pipelines of `pack`; stages that have a checkpoint
    keep it. The judges are trained anew.

    Raises:
        WeightsError: the pack is damaged, or of networks of other shapes.
    """
    manifest = verify(pack)
    build.data()
    if "starter-base" in manifest.pipelines and not build.basis_file.exists():
        vae = load_pipeline(pack / "starter-base").vae
        write_tensors(basis_of_kernel(*encoder_kernel(vae.encoder)), build.basis_file)
    build.latents()
    for name in ("base", "small", "turbo", "amused"):
        entry = manifest.pipelines.get(f"starter-{name}")
        if entry is not None:
            _adopt(build, name, pack / f"starter-{name}", entry)


def _adopt(build: Any, name: str, folder: Path, entry: Any) -> None:
    pipeline = load_pipeline(folder)
    if name == "amused":
        sharpened(pipeline.transformer, 1 / SHARPNESS)
        copyfile(folder / BOOK, build.book_file)
        build.vq_data()
        _fill(build, "vq", {"vqvae": pipeline.vqvae.state_dict()}, folder, 0, 0.0)
    elif name == "base":
        _fill(build, "decoder", {"decoder": pipeline.vae.decoder.state_dict()}, folder, 0, 0.0)
    networks = {
        module: getattr(pipeline, component).state_dict()
        for module, component in PARTS.items()
        if hasattr(pipeline, component)
    }
    samples, seconds = int(entry["samples"]), float(entry["training_seconds"])
    _fill(build, name, networks, folder, samples, seconds)


def _fill(
    build: Any, stage: str, networks: Any, folder: Path, samples: int, seconds: float
) -> None:
    if build.checkpoint(stage).exists():
        build.log(f"{stage} keeps its checkpoint")
        return
    take_over(build.training(stage).trainer, networks, samples, seconds, folder)
    build.log(f"{stage} goes on from {folder.name}")
