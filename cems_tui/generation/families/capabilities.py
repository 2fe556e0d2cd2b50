"""What the models of a family can follow: read from a loaded pipeline, or from a folder's configs.

Both give the same, so that what is refused before a model is loaded is what it would refuse.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from math import lcm
from pathlib import Path
from typing import Any

from cems_tui.domain.capabilities import Capabilities, Guidance
from cems_tui.files import LARGEST_CONFIG_BYTES, read_bytes
from cems_tui.generation.families.anatomy import Anatomy

Setting = Callable[[str, str], Any]
"""A component's setting by name; None where there is none. No component is the pipeline itself."""

NO_LIMIT = 1_000_000
"""Tokens; transformers says 10³⁰ for a tokenizer that was never told its length."""

PIPELINE = ""

_OTHER_UNETS = {
    9: "an inpainting model",
    8: "an editing model",
    7: "an upscaler",
    5: "a model that draws from depth",
}
"""What a Stable Diffusion U-Net of so many input channels is, where text to picture takes four."""


def of_folder(anatomy: Anatomy, folder: Path) -> Capabilities:
    """What the model of a diffusers folder can follow; what cannot be read is unknown."""

    @cache
    def config(component: str) -> dict[str, Any]:
        return _config(folder, component)

    found = capabilities(anatomy, lambda component, name: config(component).get(name))
    reader = anatomy.reader if _present(config(PIPELINE), anatomy.reader) else "tokenizer"
    limit = _tokenizer_limit(folder / reader)
    if reader == anatomy.reader:
        limit = anatomy.prompt_tokens or limit
    return replace(found, prompt_tokens=limit)


def of_pipeline(pipe: Any, anatomy: Anatomy) -> Capabilities:
    """What a loaded diffusers pipeline can follow."""

    def setting(component: str, name: str) -> Any:
        owner = getattr(pipe, component, None) if component else pipe
        return getattr(getattr(owner, "config", None), name, None)

    found = capabilities(anatomy, setting)
    return replace(found, prompt_tokens=prompt_tokens(pipe, anatomy))


def of_family(anatomy: Anatomy) -> Capabilities:
    """What is known of every model of a family: of one that is not here."""
    return Capabilities(
        guidance=anatomy.guidance,
        size_multiple=anatomy.size_multiple,
        prompt_tokens=anatomy.prompt_tokens,
    )


def capabilities(anatomy: Anatomy, setting: Setting) -> Capabilities:
    """What can be followed, from a family and the settings of a model's components."""
    scale = _decoder_scale(anatomy, setting)
    return Capabilities(
        guidance=_guidance(anatomy, setting),
        size_multiple=lcm(anatomy.size_multiple, scale or 1),
        longest_side=_longest_side(setting, scale),
        numbers_per_pixel=_least_numbers(anatomy, setting, scale),
        undrawable=_undrawable(setting),
    )


def prompt_tokens(pipe: Any, anatomy: Anatomy) -> int | None:
    """Tokens of a prompt that a loaded pipeline reads; None where there is no limit."""
    reader = getattr(pipe, anatomy.reader)
    limit: int = (reader or pipe.tokenizer).model_max_length
    if reader is not None:
        limit = anatomy.prompt_tokens or limit
    return limit if limit < NO_LIMIT else None


def _config(folder: Path, component: str) -> dict[str, Any]:
    """A component's settings; none where they cannot be read: loading it will say so."""
    path = folder / component / "config.json" if component else folder / "model_index.json"
    return _json(path)


def _json(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(read_bytes(path, LARGEST_CONFIG_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _present(index: dict[str, Any], component: str) -> bool:
    named = index.get(component)
    return isinstance(named, list) and any(named)


def _tokenizer_limit(folder: Path) -> int | None:
    limit = _json(folder / "tokenizer_config.json").get("model_max_length")
    if isinstance(limit, bool) or not isinstance(limit, int | float):
        return None
    return int(limit) if 0 < limit < NO_LIMIT else None


def _guidance(anatomy: Anatomy, setting: Setting) -> Guidance:
    if setting(PIPELINE, "is_distilled"):
        return "none"
    if setting("transformer", "guidance_embeds") is False and anatomy.guidance == "embedded":
        return "none"
    if setting("unet", "time_cond_proj_dim") is not None:
        return "embedded"  # a Stable Diffusion whose network was distilled to consistency
    return anatomy.guidance


def _blocks(anatomy: Anatomy, setting: Setting, *names: str) -> list[int]:
    """The widths of the decoder's blocks under the first of these names that it has."""
    found = (setting(anatomy.decoder, name) for name in names)
    blocks = next((list(one) for one in found if isinstance(one, list | tuple) and one), [])
    return blocks if all(isinstance(width, int) and width > 0 for width in blocks) else []


def _decoder_scale(anatomy: Anatomy, setting: Setting) -> int | None:
    """Pixels of a picture for each of its latents, along a side: each block but one halves."""
    blocks = _blocks(
        anatomy,
        setting,
        "block_out_channels",
        "encoder_block_out_channels",
        "decoder_block_out_channels",
    )
    return 2 ** (len(blocks) - 1) if blocks else None


def _longest_side(setting: Setting, scale: int | None) -> int | None:
    """Stable Diffusion 3 and Z-Image look positions up in tables of so many patches a side."""
    if scale is None:
        return None
    table, patch = (setting("transformer", name) for name in ("pos_embed_max_size", "patch_size"))
    if isinstance(table, int) and isinstance(patch, int):
        return table * patch * scale
    lengths = setting("transformer", "axes_lens")
    if isinstance(lengths, list | tuple) and len(lengths) > 1:
        return int(min(lengths[1:]) * 2 * scale)
    return None


def _least_numbers(anatomy: Anatomy, setting: Setting, scale: int | None) -> int | None:
    """What the largest layers of denoising and decoding hold for a pixel: in and out."""
    blocks = _blocks(anatomy, setting, "decoder_block_out_channels", "block_out_channels")
    if not blocks:
        return None
    widths = setting("unet", "block_out_channels")
    first = widths[0] if isinstance(widths, list | tuple) and widths else 0
    return 2 * max(min(blocks), int(first) // (scale or 1) ** 2)


def _undrawable(setting: Setting) -> str | None:
    """Why a model of a class that is drawn with is not drawn with: its U-Net asks for a picture."""
    takes, given = setting("unet", "in_channels"), setting("vae", "latent_channels")
    if not isinstance(takes, int) or not isinstance(given, int) or takes == given:
        return None
    if given == 4 and takes in _OTHER_UNETS:
        return f"is {_OTHER_UNETS[takes]}: its unet takes {takes} channels instead of {given}"
    return f"does not fit together: its unet takes {takes} channels and its vae gives {given}"
