"""CLIP score: how well a picture shows its prompt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cems_tui.files import file_digest
from cems_tui.scoring.runtime import check_finite, only_safetensors, reading
from cems_tui.scoring.towers import cosines, load_tower, weights_in
from cems_tui.scoring.transformers_tower import TransformersTower

if TYPE_CHECKING:
    from PIL.Image import Image


class ClipScorer:
    """100 · max(cosine of picture and prompt, 0), 0…100 (Hessel et al. 2021, in percent).

    CEMS's CLIP score is this with OpenCLIP's ViT-g/14. Reads an open_clip folder
    (open_clip_config.json, open_clip_model.safetensors and, for a text tower with a vocabulary of
    its own, tokenizer.json) or a CLIPModel folder of transformers.
    """

    metric = "clip"
    higher_is_better = True

    def __init__(
        self,
        folder: Path,
        *,
        name: str = "starter-clip",
        device: str = "cpu",
        digest: str | None = None,
        source: str = "",
        wording: Callable[[str], str] = str,
    ) -> None:
        """Load the instrument; takes seconds, as it imports open_clip.

        Args:
            folder: where the files are.
            name: the first part of the scorer's id.
            device: a torch device; weights are held in half precision on any but the CPU.
            digest: `sha256:…` of its weights where that is recorded; None reads them.
            source: the repository it comes from.
            wording: what a text tower that knows few words is given instead of a prompt.

        Raises:
            WeightsError: a file is missing or damaged.
        """
        self._wording = wording
        self.id = f"{name}:{digest or file_digest(weights_in(folder))}"
        self._tower = load_tower(folder, device, source=source)
        self.weight_bytes = self._tower.weight_bytes

    def score(self, images: Sequence[Image], prompts: Sequence[str]) -> list[float]:
        """One CLIP score a picture, 0…100.

        Raises:
            GenerationError: a score is not a number.
            OutOfMemory: the device has no room.
        """
        with reading(self.id):
            found = cosines(self._tower, images, [self._wording(prompt) for prompt in prompts])
        # Checked before the cut at 0, which NaN would pass.
        return [max(0.0, 100 * check_finite(cosine, self.id)) for cosine in found]


# PickScore: how likely people are to pick a picture for its prompt.


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
