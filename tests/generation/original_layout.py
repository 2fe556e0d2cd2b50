"""A Stable Diffusion of random weights, and its checkpoint in the layout it was published in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from cems_tui.log import hush
from tests.generation import tiny_pipelines as tiny

_RESNET = (
    ("norm1", "in_layers.0"),
    ("conv1", "in_layers.2"),
    ("norm2", "out_layers.0"),
    ("conv2", "out_layers.3"),
    ("time_emb_proj", "emb_layers.1"),
    ("conv_shortcut", "skip_connection"),
)
_UNET = (
    (r"time_embedding\.linear_1\.", "time_embed.0."),
    (r"time_embedding\.linear_2\.", "time_embed.2."),
    (r"conv_in\.", "input_blocks.0.0."),
    (r"conv_norm_out\.", "out.0."),
    (r"conv_out\.", "out.2."),
)
_ATTENTION = (
    ("group_norm", "norm"),
    ("to_q", "q"),
    ("to_k", "k"),
    ("to_v", "v"),
    ("to_out.0", "proj_out"),
)


def build(seed: int) -> Any:
    """A pipeline with one block each way, and the autoencoder that such checkpoints have."""
    hush()
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline

    hush()
    torch.manual_seed(seed)
    words = tiny.tokenizer()
    decoder = AutoencoderKL(
        block_out_channels=(8,) * 4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=tiny.SIDE,
    )
    return StableDiffusionPipeline(
        vae=decoder,
        text_encoder=tiny.text_encoder(words),
        tokenizer=words,
        unet=tiny.denoiser(),
        scheduler=DDIMScheduler(timestep_spacing="trailing", clip_sample=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def write_checkpoint(pipe: Any, path: Path) -> Path:
    """The pipeline's weights as one file in their original layout."""
    from safetensors.torch import save_file

    tensors: dict[str, Any] = {}
    for name, weight in pipe.unet.state_dict().items():
        tensors[f"model.diffusion_model.{_unet_name(name)}"] = weight
    for name, weight in pipe.vae.state_dict().items():
        other = _decoder_name(name)
        square = ".attn_1." in other and other.endswith("weight") and weight.ndim == 2
        tensors[f"first_stage_model.{other}"] = weight[:, :, None, None] if square else weight
    for name, weight in pipe.text_encoder.state_dict().items():
        own = name if name.startswith("text_model.") else f"text_model.{name}"
        tensors[f"cond_stage_model.transformer.{own}"] = weight
    save_file({name: weight.clone().contiguous() for name, weight in tensors.items()}, path)
    return path


def _unet_name(name: str) -> str:
    for ours, theirs in _UNET:
        if re.match(ours, name):
            return re.sub(ours, theirs, name, count=1)
    for pattern, place in (
        (r"down_blocks\.0\.(resnets|attentions)\.(\d+)\.", "input_blocks"),
        (r"up_blocks\.0\.(resnets|attentions)\.(\d+)\.", "output_blocks"),
    ):
        if match := re.match(pattern, name):
            number = int(match[2]) + (place == "input_blocks")
            return _resnet(f"{place}.{number}.{int(match[1] != 'resnets')}.", match, name)
    match = re.match(r"mid_block\.(resnets|attentions)\.(\d+)\.", name)
    assert match, name
    block = 1 if match[1] == "attentions" else 2 * int(match[2])
    return _resnet(f"middle_block.{block}.", match, name)


def _resnet(prefix: str, match: re.Match[str], name: str) -> str:
    rest = name[match.end() :]
    if match[1] == "resnets":
        for ours, theirs in _RESNET:
            rest = rest.replace(ours, theirs)
    return prefix + rest


def _decoder_name(name: str) -> str:
    name = name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
    name = re.sub(r"down_blocks\.(\d)\.resnets\.(\d)", r"down.\1.block.\2", name)
    name = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", name)
    name = re.sub(
        r"up_blocks\.(\d)\.resnets\.(\d)",
        lambda m: f"up.{3 - int(m[1])}.block.{m[2]}",
        name,
    )
    name = re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{3 - int(m[1])}.upsample", name)
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", name)
    if "mid_block.attentions.0." in name:
        name = name.replace("mid_block.attentions.0.", "mid.attn_1.")
        for ours, theirs in _ATTENTION:
            name = name.replace(ours, theirs)
    return name
