"""Averaged weights in plain files: what is kept of a training that is to go on elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from cems_tui.errors import WeightsError
from cems_tui.files import SHARED, write_bytes
from cems_tui.starter.recipe.training.trainer import Trainer


def write_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write a safetensors file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = save({name: tensor.contiguous() for name, tensor in tensors.items()})
    write_bytes(path, data, mode=SHARED)


def export_weights(trainer: Trainer, path: Path) -> None:
    """The averaged weights of all modules in half precision, `module.parameter`, and how
    long they were trained."""
    with trainer.averaged():
        tensors = {
            f"{module}.{name}": value.detach().cpu().half() if value.is_floating_point() else value
            for module, network in trainer.modules.items()
            for name, value in network.state_dict().items()
        }
    tensors["samples"] = torch.tensor(trainer.samples)
    tensors["seconds"] = torch.tensor(trainer.seconds)
    write_tensors(tensors, path)


def adopt_weights(trainer: Trainer, path: Path) -> None:
    """Start a fresh training from what `export_weights` wrote; its budget begins anew.

    Raises:
        WeightsError: the file is missing, damaged or of other networks.
    """
    try:
        tensors: dict[str, Tensor] = load_file(str(path))
        samples, seconds = int(tensors.pop("samples")), float(tensors.pop("seconds"))
    except (OSError, KeyError, SafetensorError) as error:
        raise WeightsError(f"{path} holds no weights of ours: {error}") from error
    networks = {
        module: {
            name.removeprefix(f"{module}."): value
            for name, value in tensors.items()
            if name.startswith(f"{module}.")
        }
        for module in trainer.modules
    }
    take_over(trainer, networks, samples, seconds, path)


def take_over(
    trainer: Trainer,
    networks: Mapping[str, Mapping[str, Tensor]],
    samples: int,
    seconds: float,
    source: Path,
) -> None:
    """Put `networks`, module → parameters, into the trainer and write its checkpoint.

    Raises:
        WeightsError: they do not fit.
    """
    for name, module in trainer.modules.items():
        _fill(module, networks[name], source)
    with torch.no_grad():
        for mean, weight in zip(trainer.mean, trainer.weights, strict=True):
            mean.copy_(weight)
    trainer.progress.earlier_samples = samples
    trainer.progress.earlier_seconds = seconds
    trainer.save()


def _fill(module: nn.Module, values: Mapping[str, Tensor], source: Path) -> None:
    try:
        module.load_state_dict(dict(values))
    except RuntimeError as error:
        first = str(error).splitlines()[0]
        raise WeightsError(f"the weights in {source} are of another network: {first}") from error
