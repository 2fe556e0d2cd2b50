"""PickScore: how likely people are to pick a picture for its prompt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cems_tui.digest import file_digest
from cems_tui.quality.devices import only_safetensors, reading
from cems_tui.quality.reading import check_finite
from cems_tui.quality.towers import cosines
from cems_tui.quality.transformers_tower import TransformersTower

if TYPE_CHECKING:
    from PIL.Image import Image


class PickScorer:
    """The logit of Pick-a-Pic's preference model (Kirstain et al. 2023), about 17…25.

    The cosine of picture and prompt times the model's own scale (near 100). A difference of 1
    between two pictures of one prompt says that the better is picked 73 % of the time: the
    softmax over both is the probability.
    """

    metric = "pickscore"
    higher_is_better = True

    def __init__(
        self, folder: Path, *, name: str, device: str = "cpu", digest: str | None = None
    ) -> None:
        """Load the instrument from a CLIPModel folder; takes seconds, as it imports transformers.

        Raises:
            WeightsError: a file is missing or damaged.
        """
        weights = only_safetensors(folder, ("model.safetensors",))
        self.id = f"{name}:{digest or file_digest(weights)}"
        self._tower = TransformersTower(folder, device)
        self.weight_bytes = self._tower.weight_bytes

    def score(self, images: Sequence[Image], prompts: Sequence[str]) -> list[float]:
        """One logit a picture.

        Raises:
            GenerationError: a score is not a number.
            OutOfMemory: the device has no room.
        """
        with reading(self.id):
            found = cosines(self._tower, images, prompts)
        return [check_finite(self._tower.scale * cosine, self.id) for cosine in found]
