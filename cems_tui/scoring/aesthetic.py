"""LAION's aesthetic score: a small head on the picture vectors of CLIP ViT-L/14."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cems_tui.errors import WeightsError
from cems_tui.files import file_digest
from cems_tui.scoring.runtime import (
    batches,
    brief,
    check_finite,
    module_bytes,
    only_safetensors,
    reading,
)
from cems_tui.scoring.towers import BATCH, load_tower, weights_in

if TYPE_CHECKING:
    from PIL.Image import Image

_LAYER = re.compile(r"(?:\w+\.)*?(?P<number>\d+)\.weight")


class AestheticScorer:
    """The predicted mark of LAION's improved aesthetic predictor (v2, 2022), about 1…10.

    A chain of linear layers on the unit picture vector of OpenAI's CLIP ViT-L/14; between them
    was dropout only, which reading leaves out.
    """

    metric = "aesthetic"
    higher_is_better = True

    def __init__(
        self,
        folder: Path,
        tower: Path,
        *,
        name: str,
        device: str = "cpu",
        digest: str | None = None,
        source: str = "",
    ) -> None:
        """Load the instrument.

        Args:
            folder: where the head's safetensors file is.
            tower: where the CLIP that it was trained on is.
            name: the first part of the scorer's id.
            device: a torch device; the tower is held in half precision on any but the CPU.
            digest: `joint_digest` of both weights where they are recorded; None reads them.
            source: the repository that the tower comes from.

        Raises:
            WeightsError: a file is missing or damaged, or the head is not of that tower.
        """
        weights = only_safetensors(folder)
        if digest is None:
            digest = joint_digest(file_digest(weights), file_digest(weights_in(tower)))
        self.id = f"{name}:{digest}"
        self._tower = load_tower(tower, device, source=source)
        self._head = _load_head(weights).to(device)
        width = self._tower.see([_grey()]).shape[-1]
        if width != self._head[0].in_features:
            raise WeightsError(
                f"the head in {folder} takes {self._head[0].in_features} numbers, and the CLIP in "
                f"{tower} gives {width}",
                "It belongs to another CLIP.",
            )
        self.weight_bytes = self._tower.weight_bytes + module_bytes(self._head)

    def score(self, images: Sequence[Image], prompts: Sequence[str]) -> list[float]:
        """One mark a picture; prompts are not looked at.

        Raises:
            GenerationError: a score is not a number.
            OutOfMemory: the device has no room.
        """
        found: list[float] = []
        with reading(self.id):
            for part in batches(images, BATCH):
                found += [float(mark) for mark in self._head(self._tower.see(part))[:, 0]]
        return [check_finite(mark, self.id) for mark in found]


def joint_digest(head: str, tower: str) -> str:
    """`sha256:…` over the digests of the head's and the tower's weights. Pure."""
    lines = f"head {head}\ntower {tower}\n"
    return f"sha256:{sha256(lines.encode()).hexdigest()}"


def layers_of(shapes: Mapping[str, Sequence[int]]) -> list[str]:
    """The names of a head's linear layers in their order, such as `layers.0`. Pure.

    Raises:
        WeightsError: they are no chain of linear layers that ends in one number.
    """
    numbered = sorted(
        (int(match["number"]), name.removesuffix(".weight"))
        for name in shapes
        if (match := _LAYER.fullmatch(name))
    )
    names = [name for _, name in numbered]
    expected = {f"{name}.{kind}" for name in names for kind in ("weight", "bias")}
    sizes = [tuple(shapes[f"{name}.weight"]) for name in names]
    joined = all(len(size) == 2 for size in sizes) and all(
        first[0] == second[1] for first, second in pairwise(sizes)
    )
    if not names or set(shapes) != expected or not joined or sizes[-1][0] != 1:
        raise WeightsError("these are not the weights of an aesthetic head")
    return names


def _load_head(weights: Path) -> Any:
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(weights)
    except (OSError, SafetensorError) as error:
        raise WeightsError(
            f"the aesthetic head {weights} cannot be read: {brief(error)}"
        ) from error
    names = layers_of({name: tuple(tensor.shape) for name, tensor in tensors.items()})
    layers = []
    for name in names:
        weight, bias = tensors[f"{name}.weight"].float(), tensors[f"{name}.bias"].float()
        layer = torch.nn.Linear(weight.shape[1], weight.shape[0])
        layer.load_state_dict({"weight": weight, "bias": bias})
        layers.append(layer)
    return torch.nn.Sequential(*layers).eval()


def _grey() -> Image:
    from PIL import Image as images

    return images.new("RGB", (8, 8), "grey")
