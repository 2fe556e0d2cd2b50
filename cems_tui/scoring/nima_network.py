"""pyiqa's NIMA, built without a download and filled from safetensors.

The only module that imports pyiqa, which is free for noncommercial use alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cems_tui.errors import WeightsError
from cems_tui.files import file_digest
from cems_tui.log import hush
from cems_tui.scoring.runtime import (
    brief,
    check_finite,
    instrument_dtype,
    module_bytes,
    only_safetensors,
    reading,
    rgb,
)
from cems_tui.scoring.weightless import fill, weightless

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL.Image import Image

_LAST_LAYER = "classifier.2.weight"
_MARKS = 10


@dataclass(frozen=True, slots=True)
class Backbone:
    """A network of timm's that NIMA stands on."""

    name: str
    channels: int
    """Of its last feature map, by which a weights file shows what it was trained on."""


BACKBONES = (Backbone("vgg16", 512), Backbone("inception_resnet_v2", 1536))


class PyiqaNimaScorer:
    """The mean of the predicted distribution of marks (Talebi & Milanfar 2018), 1…10.

    The short side is resized to 224 (vgg16) or 299 (inception_resnet_v2) pixels and the centre
    cropped, so the ends of a wide picture are not seen.
    """

    metric = "nima"
    higher_is_better = True

    def __init__(
        self, folder: Path, *, name: str, device: str = "cpu", digest: str | None = None
    ) -> None:
        """Load the instrument; imports torch, timm and pyiqa.

        Args:
            folder: where its safetensors file is.
            name: the first part of the scorer's id.
            device: a torch device; weights are held in half precision on any but the CPU.
            digest: `sha256:…` of its weights where that is recorded; None reads them.

        Raises:
            WeightsError: the file is missing, damaged or of another network.
        """
        weights = only_safetensors(folder)
        self.id = f"{name}:{digest or file_digest(weights)}"
        self._device, self._dtype = device, instrument_dtype(device)
        self._network = _load(weights).to(device, self._dtype)
        self.weight_bytes = module_bytes(self._network)

    def score(self, images: Sequence[Image], prompts: Sequence[str]) -> list[float]:
        """One mean mark a picture, each read alone; prompts are not looked at."""
        return [check_finite(self._read(image), self.id) for image in images]

    def _read(self, image: Image) -> float:
        import torch

        with reading(self.id):
            pixels = _pixels(image).to(self._device, self._dtype)
            _, marks = self._network(pixels, return_dist=True)
            marks = marks[0].float()
            scale = torch.arange(1, _MARKS + 1, dtype=marks.dtype, device=marks.device)
            # Half precision's marks do not quite sum to 1.
            return float((marks * scale).sum() / marks.sum())


def backbone_of(shapes: Mapping[str, Sequence[int]]) -> Backbone:
    """The backbone that weights of these shapes were trained on. Pure.

    Raises:
        WeightsError: they are not NIMA's, or their marks are not 1…10.
    """
    marks, channels = (*shapes.get(_LAST_LAYER, ()), 0, 0)[:2]
    for backbone in BACKBONES:
        if backbone.channels == channels:
            if marks != _MARKS:
                raise WeightsError(
                    f"these NIMA weights give {marks} marks, and the scale has {_MARKS}",
                    "Take the weights trained on AVA.",
                )
            return backbone
    raise WeightsError("these are not NIMA's weights", "Take NIMA's with vgg16 or inception.")


def _load(weights: Path) -> Any:
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load_file

    try:
        with safe_open(weights, "pt") as file:
            shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
        backbone = backbone_of(shapes)
        with weightless():
            network = build(backbone.name)
        if fill(network, weights, "cpu"):
            return network.eval()
        network = build(backbone.name)
        network.load_state_dict(load_file(weights))
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"NIMA's weights {weights} cannot be read: {brief(error)}") from error
    except RuntimeError as error:
        raise WeightsError(
            f"{weights} does not fit NIMA with {backbone.name}: {brief(error)}"
        ) from error
    return network.eval()


def build(backbone: str) -> Any:
    """The architecture with random weights, in training mode; nothing is downloaded."""
    hush()
    from pyiqa.archs import nima_arch

    hush()
    with _no_download(nima_arch):
        return nima_arch.NIMA(base_model_name=backbone, num_classes=_MARKS, pretrained=False)


@contextmanager
def _no_download(module: Any) -> Iterator[None]:
    """pyiqa asks timm for ImageNet's weights, whatever it is told; here it gets none."""
    import timm

    class Timm:
        @staticmethod
        def create_model(name: str, **options: Any) -> Any:
            return timm.create_model(name, **{**options, "pretrained": False})

    before = module.timm
    module.timm = Timm
    try:
        yield
    finally:
        module.timm = before


def _pixels(image: Image) -> Any:
    """(1, 3, H, W) float32 in 0..1."""
    import numpy as np
    import torch

    array = np.asarray(rgb(image), dtype=np.float32) / 255
    return torch.from_numpy(array).permute(2, 0, 1).unsqueeze(0)
