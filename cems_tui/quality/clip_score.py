"""CLIP score: how well a picture shows its prompt; the only importer of open_clip."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cems_tui.digest import file_digest
from cems_tui.errors import WeightsError
from cems_tui.quality.reading import check_finite
from cems_tui.quiet import hush

if TYPE_CHECKING:
    from PIL.Image import Image

WEIGHTS_FILE = "open_clip_model.safetensors"
TOKENIZER_FILE = "tokenizer.json"
_PADDING = "<pad>"


class ClipScorer:
    """100 · max(cosine of picture and prompt, 0), 0…100 (Hessel et al. 2021, in percent).

    Reads an open_clip folder: open_clip_config.json, open_clip_model.safetensors and the
    tokenizer.json of the text tower's own vocabulary.
    """

    metric = "clip"
    higher_is_better = True

    def __init__(self, folder: Path, *, name: str = "starter-clip", device: str = "cpu") -> None:
        """Load the instrument; takes seconds, as it imports open_clip.

        Args:
            folder: where the files are.
            name: the first part of the scorer's id.
            device: a torch device.

        Raises:
            WeightsError: a file is missing or damaged.
        """
        self.id = f"{name}:{file_digest(folder / WEIGHTS_FILE)}"
        self._device = device
        self._model, self._prepare = _load_model(folder, device)
        self._tokenizer = _load_tokenizer(folder, self._model)

    def score(self, images: Sequence[Image], prompts: Sequence[str]) -> list[float]:
        """One CLIP score a picture, 0…100; each is read alone, so batches change nothing.

        Raises:
            GenerationError: a score is not a number.
        """
        pairs = zip(images, prompts, strict=True)
        return [check_finite(self._read(image, prompt), self.id) for image, prompt in pairs]

    def _read(self, image: Image, prompt: str) -> float:
        import torch

        with torch.inference_mode():
            pixels = self._prepare(image.convert("RGB")).unsqueeze(0).to(self._device)
            words = torch.tensor([self._tokenizer.encode(prompt).ids], device=self._device)
            seen = self._model.encode_image(pixels, normalize=True)
            said = self._model.encode_text(words, normalize=True)
            cosine = float((seen * said).sum())
        return 100.0 * cosine if cosine >= 0 or cosine != cosine else 0.0


def _load_model(folder: Path, device: str) -> tuple[Any, Any]:
    hush()
    import open_clip

    hush()
    try:
        # Of open_clip's factories this one refuses to go on with random weights.
        model, prepare = open_clip.create_model_from_pretrained(
            f"local-dir:{folder}", device=device
        )
    except Exception as error:
        raise WeightsError(
            f"the CLIP scorer in {folder} cannot be loaded: {_brief(error)}"
        ) from error
    return model.eval(), prepare


def _load_tokenizer(folder: Path, model: Any) -> Any:
    """The tokenizer, padding and cutting to the text tower's context."""
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
    except Exception as error:  # tokenizers raises bare Exception
        raise WeightsError(f"{folder / TOKENIZER_FILE} cannot be read: {_brief(error)}") from error
    if tokenizer.get_vocab_size() != model.vocab_size:
        raise WeightsError(
            f"{folder / TOKENIZER_FILE} knows {tokenizer.get_vocab_size():,} tokens, and the "
            f"text tower {model.vocab_size:,}"
        )
    tokenizer.enable_truncation(max_length=model.context_length)
    padding = tokenizer.token_to_id(_PADDING) or 0
    tokenizer.enable_padding(pad_id=padding, pad_token=_PADDING, length=model.context_length)
    return tokenizer


def _brief(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200]
