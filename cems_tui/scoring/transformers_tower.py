"""Dual encoders of transformers (CLIPModel), from local safetensors only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cems_tui.errors import WeightsError
from cems_tui.files import read_json
from cems_tui.lean_imports import lean_imports
from cems_tui.log import hush
from cems_tui.scoring.open_clip_tower import BUNDLED_WORDS, bundled_tokenizer
from cems_tui.scoring.runtime import brief, instrument_dtype, module_bytes, rgb

if TYPE_CHECKING:
    from PIL.Image import Image

PICTURES_FILE = "preprocessor_config.json"
_WORDS_FILES = ("tokenizer.json", "vocab.json")

Words = Callable[[Sequence[str]], tuple[Any, Any]]
"""Prompts to (prompts, context) tensors of ids and of the mask over them."""


class TransformersTower:
    """A CLIPModel folder: config.json, safetensors, preprocessor_config.json, tokenizer files."""

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        """Load it; takes seconds, as it imports transformers.

        Raises:
            WeightsError: a file is missing or damaged, a weight is missing, or the tokenizer is
                not the text tower's.
        """
        self._device, self._dtype = device, instrument_dtype(device)
        self._model = _load_model(folder, self._dtype).to(device)
        self._words = _load_tokenizer(folder, self._model.config.text_config)
        self._prepare = _load_preparation(folder, self._model.config.vision_config)
        self.weight_bytes = module_bytes(self._model)
        self.scale = float(self._model.logit_scale.detach().float().exp())

    def see(self, images: Sequence[Image]) -> Any:
        """Unit vectors of pictures."""
        import torch

        pictures = [rgb(image) for image in images]
        pixels = self._prepare(images=pictures, return_tensors="pt").pixel_values
        with torch.inference_mode():
            found = self._model.get_image_features(
                pixel_values=pixels.to(self._device, self._dtype)
            )
            return torch.nn.functional.normalize(_vectors(found).float(), dim=-1)

    def say(self, prompts: Sequence[str]) -> Any:
        """Unit vectors of prompts."""
        import torch

        ids, mask = self._words(prompts)
        with torch.inference_mode():
            found = self._model.get_text_features(
                input_ids=ids.to(self._device), attention_mask=mask.to(self._device)
            )
            return torch.nn.functional.normalize(_vectors(found).float(), dim=-1)


def _vectors(found: Any) -> Any:
    """The projections: newer transformers wrap them."""
    return getattr(found, "pooler_output", found)


def _load_model(folder: Path, dtype: Any) -> Any:
    hush()
    with lean_imports():
        from transformers import CLIPModel

    hush()
    kind = _model_type(folder)
    if kind != "clip":
        raise WeightsError(f"{folder} holds a {kind} model, not CLIP")
    try:
        # Typed by the library as if it always gave the model alone.
        loaded: Any = CLIPModel.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            dtype=dtype,
            output_loading_info=True,
        )
        model, report = loaded
    except Exception as error:  # a cut safetensors file raises an error of no common kind
        raise WeightsError(
            f"the CLIP scorer in {folder} cannot be loaded: {brief(error)}"
        ) from error
    if wrong := sorted((*report["missing_keys"], *map(str, report["mismatched_keys"]))):
        raise WeightsError(  # transformers would go on with random numbers in their place
            f"the CLIP scorer in {folder} lacks {len(wrong)} of its weights, first {wrong[0]}"
        )
    return model.eval()


def _model_type(folder: Path) -> str:
    try:
        return str(read_json(folder / "config.json")["model_type"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{folder / 'config.json'} is missing or damaged") from error


def _load_preparation(folder: Path, config: Any) -> Any:
    """How pictures are prepared: as the folder says, else as CLIP's own are."""
    from transformers import CLIPImageProcessor

    if not (folder / PICTURES_FILE).is_file():
        side = config.image_size
        return CLIPImageProcessor(
            size={"shortest_edge": side}, crop_size={"height": side, "width": side}
        )
    try:
        return CLIPImageProcessor.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        raise WeightsError(f"{folder / PICTURES_FILE} cannot be read: {brief(error)}") from error


def _load_tokenizer(folder: Path, config: Any) -> Words:
    """Prompts → ids and mask, cut to the context, the end kept."""
    if not any((folder / name).is_file() for name in _WORDS_FILES):
        return _bundled_words(folder, config)
    from transformers import CLIPTokenizer

    try:
        tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        raise WeightsError(f"the tokenizer in {folder} cannot be read: {brief(error)}") from error
    # What is missing of its vocabulary is no error to transformers: every word is then the end.
    if len(tokenizer) != config.vocab_size:
        raise WeightsError(
            f"the tokenizer in {folder} knows {len(tokenizer):,} tokens, and the text tower "
            f"{config.vocab_size:,}",
            "Its vocabulary is missing or another model's; pull the model again.",
        )

    def read(prompts: Sequence[str]) -> tuple[Any, Any]:
        said = tokenizer(
            list(prompts),
            padding="max_length",
            truncation=True,
            max_length=config.max_position_embeddings,
            return_tensors="pt",
        )
        return said.input_ids, said.attention_mask

    return read


def _bundled_words(folder: Path, config: Any) -> Words:
    """CLIP's own vocabulary, for a folder that brings none."""
    import torch

    if config.vocab_size != BUNDLED_WORDS:
        raise WeightsError(f"the tokenizer of the text tower in {folder} is missing")
    tokenize = bundled_tokenizer(config.max_position_embeddings)

    def read(prompts: Sequence[str]) -> tuple[Any, Any]:
        ids = torch.tensor(tokenize(prompts))
        return ids, (ids != 0).long()

    return read
