"""Dual encoders of open_clip, from local safetensors only; the one importer of open_clip."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cems_tui.errors import WeightsError
from cems_tui.files import read_json
from cems_tui.lean_imports import lean_imports
from cems_tui.log import hush
from cems_tui.scoring.runtime import brief, instrument_dtype, module_bytes, only_safetensors, rgb
from cems_tui.scoring.weightless import fill, weightless

if TYPE_CHECKING:
    from PIL.Image import Image

CONFIG_FILE = "open_clip_config.json"
WEIGHTS_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors")
"""As open_clip names them, in the order in which it looks for them."""

TOKENIZER_FILE = "tokenizer.json"
BUNDLED_WORDS = 49408
"""Tokens of the vocabulary that comes with open_clip, as in CLIP, LAION's and OpenAI's."""

_PADDING = "<pad>"
_QUICK = re.compile(r"openai|dfn(?!5b-378)|metaclip", re.I)
"""Whose weights were trained with QuickGELU, whatever a config leaves out."""


class OpenClipTower:
    """A folder of open_clip_config.json, safetensors and, for a vocabulary of its own,
    tokenizer.json."""

    def __init__(self, folder: Path, device: str = "cpu", *, source: str = "") -> None:
        """Load it; takes seconds, as it imports open_clip.

        Raises:
            WeightsError: a file is missing, damaged, of another model, or needs a download.
        """
        config = _read_config(folder)
        weights = only_safetensors(folder, WEIGHTS_FILES)
        self._device = device
        self._model, self._prepare = _load_model(
            folder, weights, device, quick_gelu=wants_quick_gelu(config, source)
        )
        own_words = bool(config["text_cfg"].get("hf_tokenizer_name"))
        self._tokens = _tokenizer(folder, self._model, own_words=own_words)
        # In half precision open_clip keeps its layer norms in float32; inputs are as the patches.
        self._dtype = next(p for p in self._model.visual.parameters() if p.dim() == 4).dtype
        self.weight_bytes = module_bytes(self._model)
        self.scale = float(self._model.logit_scale.detach().exp())

    def see(self, images: Sequence[Image]) -> Any:
        """Unit vectors of pictures."""
        import torch

        pixels = torch.stack([self._prepare(rgb(image)) for image in images])
        with torch.inference_mode():
            seen = self._model.encode_image(pixels.to(self._device, self._dtype))
            return torch.nn.functional.normalize(seen.float(), dim=-1)

    def say(self, prompts: Sequence[str]) -> Any:
        """Unit vectors of prompts."""
        import torch

        words = torch.tensor(self._tokens(prompts), device=self._device)
        with torch.inference_mode():
            said = self._model.encode_text(words)
            return torch.nn.functional.normalize(said.float(), dim=-1)


def wants_quick_gelu(config: Mapping[str, Any], source: str) -> bool:
    """Whether a model's activation is QuickGELU, which a local config may leave out. Pure.

    Features differ silently when it is wrong: OpenAI's, DFN's and MetaCLIP's weights use it,
    LAION's and DataComp's do not.

    Args:
        config: the `model_cfg` of open_clip_config.json; what it says is obeyed.
        source: the repository the weights come from.
    """
    said = config.get("quick_gelu")
    return bool(said) if said is not None else _QUICK.search(source) is not None


def _read_config(folder: Path) -> Mapping[str, Any]:
    """The `model_cfg` of the folder's config.

    Raises:
        WeightsError: it cannot be read, or its model would be completed from the network.
    """
    path = folder / CONFIG_FILE
    try:
        config = read_json(path)["model_cfg"]
        text, vision = config["text_cfg"], config["vision_cfg"]
        needs = [*filter(text.get, ("hf_model_name",))]
        needs += filter(vision.get, ("timm_model_pretrained",))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"the CLIP scorer in {folder} cannot be loaded: {CONFIG_FILE} is damaged or missing"
        ) from error
    if needs:
        raise WeightsError(
            f"the CLIP scorer in {folder} asks for {needs[0]}, which open_clip would download",
            "Take a model with CLIP's own text tower.",
        )
    return dict(config)


def _load_model(folder: Path, weights: Path, device: str, *, quick_gelu: bool) -> tuple[Any, Any]:
    """The model, and how it wants its pictures; read into place where the file's names are its own,
    else as the library loads it."""
    hush()
    with lean_imports():
        import open_clip
        import torch
        from open_clip import transform

    hush()
    asked: dict[str, Any] = {
        "device": device,
        "precision": "fp32" if instrument_dtype(device) == torch.float32 else "fp16",
        "force_quick_gelu": quick_gelu,
    }
    try:
        with weightless():
            model = open_clip.create_model(f"local-dir:{folder}", load_weights=False, **asked)
        if fill(model, weights, device):
            pictures = transform.PreprocessCfg(**model.visual.preprocess_cfg)
            return model.eval(), transform.image_transform_v2(pictures, is_train=False)
        # Of open_clip's factories this one refuses to go on with random weights.
        model, prepare = open_clip.create_model_from_pretrained(f"local-dir:{folder}", **asked)
    except Exception as error:
        raise WeightsError(
            f"the CLIP scorer in {folder} cannot be loaded: {brief(error)}"
        ) from error
    return model.eval(), prepare


def _tokenizer(folder: Path, model: Any, *, own_words: bool) -> Any:
    """Prompts → lists of ids, padded and cut to the text tower's context."""
    if model.vocab_size == BUNDLED_WORDS and not own_words:
        return bundled_tokenizer(model.context_length)
    tokenizer = _own_tokenizer(folder, model)
    return lambda prompts: [tokenizer.encode(prompt).ids for prompt in prompts]


def bundled_tokenizer(context_length: int) -> Any:
    """Prompts → lists of ids of CLIP's own vocabulary, padded with 0 and cut, the end kept."""
    from open_clip.tokenizer import SimpleTokenizer

    tokenizer = SimpleTokenizer(context_length=context_length)
    return lambda prompts: tokenizer(list(prompts)).tolist()


def _own_tokenizer(folder: Path, model: Any) -> Any:
    from tokenizers import Tokenizer

    path = folder / TOKENIZER_FILE
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises bare Exception
        raise WeightsError(f"{path} cannot be read: {brief(error)}") from error
    if tokenizer.get_vocab_size() != model.vocab_size:
        raise WeightsError(
            f"{path} knows {tokenizer.get_vocab_size():,} tokens, and the "
            f"text tower {model.vocab_size:,}"
        )
    tokenizer.enable_truncation(max_length=model.context_length)
    padding = tokenizer.token_to_id(_PADDING) or 0
    tokenizer.enable_padding(pad_id=padding, pad_token=_PADDING, length=model.context_length)
    return tokenizer
