"""The networks of the pack, untrained: text encoder, denoiser, autoencoder and scheduler."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cems_tui.starter.recipe.networks.latents import CHANNELS, as_convolution
from cems_tui.starter.recipe.networks.tokenizer import CONTEXT, END, PAD, START, VOCABULARY
from cems_tui.starter.vocabulary import NOUN_OF

TEXT_WIDTH = 128
LATENT_SCALE = 2.0
"""The decoder squashes beyond +-3; latents divided by this stay clear of that."""

GROUPS = 16


def text_config(width: int, layers: int) -> Any:
    """A small CLIP text tower over our vocabulary."""
    from transformers import CLIPTextConfig

    options: dict[str, Any] = {"attn_implementation": "eager"}
    return CLIPTextConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        max_position_embeddings=CONTEXT,
        projection_dim=width,
        hidden_act="gelu",
        pad_token_id=PAD,
        bos_token_id=START,
        eos_token_id=END,
        **options,
    )


def make_text_encoder(width: int = TEXT_WIDTH) -> Any:
    """A two-layer CLIPTextModel with initial weights large enough for its small width."""
    from transformers import CLIPTextModel

    encoder: Any = CLIPTextModel(text_config(width, layers=2))
    start_text(encoder)
    return encoder


def start_text(encoder: Any) -> None:
    """Initial weights; those of transformers are far too small for such a narrow tower."""
    for name, weight in encoder.named_parameters():
        if "embedding" in name:
            nn.init.normal_(weight, std=0.3 if "token" in name else 0.1)
        elif weight.ndim == 2:
            nn.init.normal_(weight, std=0.7 * weight.shape[1] ** -0.5)
    tie_names(encoder.get_input_embeddings().weight)


@torch.no_grad()
def tie_names(embedding: Tensor) -> None:
    """Start plurals and synonyms near their noun: they share most of their meaning."""
    ids = {word: index for index, word in enumerate(VOCABULARY)}
    for word, noun in NOUN_OF.items():
        if word != noun:
            embedding[ids[word]] = 0.9 * embedding[ids[noun]] + 0.3 * embedding[ids[word]]


def make_denoiser(width: int, text_width: int = TEXT_WIDTH) -> Any:
    """A one-level UNet on 8x8 latents: 4.0 M parameters at width 128, 1.05 M at 64."""
    from diffusers import UNet2DConditionModel
    from diffusers.models.attention_processor import AttnProcessor

    unet = UNet2DConditionModel(
        sample_size=8,
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        layers_per_block=1,
        block_out_channels=(width,),
        norm_num_groups=GROUPS,
        down_block_types=("CrossAttnDownBlock2D",),
        up_block_types=("CrossAttnUpBlock2D",),
        cross_attention_dim=text_width,
        attention_head_dim=max(1, width // 32),  # diffusers reads this as the number of heads
    )
    unet.set_attn_processor(AttnProcessor())  # in bf16 its backward beats SDPA's on a CPU
    return unet.to(memory_format=torch.channels_last)


def make_autoencoder(basis: dict[str, Tensor], width: int = 64) -> Any:
    """An AutoencoderTiny: exact encoder from the closed-form `basis`, untrained decoder.

    The decoder starts from Kaiming weights with its residual branches damped: diffusers'
    own start leaves the loss flat for hundreds of steps.
    """
    from diffusers import AutoencoderTiny

    vae = AutoencoderTiny(
        latent_channels=CHANNELS,
        encoder_block_out_channels=(width,) * 4,
        decoder_block_out_channels=(width,) * 4,
        num_encoder_blocks=(0, 0, 0, 0),
        num_decoder_blocks=(3, 2, 1, 0),
        scaling_factor=LATENT_SCALE,
    )
    fill_encoder(vae.encoder, basis)
    for module in vae.decoder.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for module in vae.decoder.modules():
        if type(module).__name__ == "AutoencoderTinyBlock":
            with torch.no_grad():
                module.conv[-1].weight.mul_(0.2)
    with torch.no_grad():  # start near mid-grey
        vae.decoder.layers[-1].weight.mul_(0.05)
        vae.decoder.layers[-1].bias.fill_(0.5)
    return vae.to(memory_format=torch.channels_last)


@torch.no_grad()
def fill_encoder(encoder: nn.Module, basis: dict[str, Tensor]) -> None:
    """Write the closed-form analysis into an encoder without blocks, hence linear.

    Two stride-2 convolutions only rearrange (2x2 pixels become channels); the third holds
    the components, split by the quarter of the patch they look at.
    """
    first, half, quarter, eighth, last = [m for m in encoder.modules() if isinstance(m, nn.Conv2d)]
    for layer in (first, half, quarter, eighth, last):
        layer.weight.zero_()
        if layer.bias is not None:
            layer.bias.zero_()
    for channel in range(3):
        first.weight[channel, channel, 1, 1] = 1.0
    for layer, channels in ((half, 3), (quarter, 12)):
        for corner in range(4):
            for channel in range(channels):
                row, column = 1 + corner // 2, 1 + corner % 2
                layer.weight[corner * channels + channel, channel, row, column] = 1.0
    kernel, bias = as_convolution(basis)
    for row in range(8):
        for column in range(8):
            inner = (row % 2 * 2 + column % 2) * 3
            source = (row // 2 % 2 * 2 + column // 2 % 2) * 12 + inner
            tap = kernel[:, :, row, column]
            eighth.weight[:CHANNELS, source : source + 3, 1 + row // 4, 1 + column // 4] = tap
    for channel in range(CHANNELS):
        last.weight[channel, channel, 1, 1] = 2.0 / LATENT_SCALE  # the encoder sees 0..1
    assert last.bias is not None
    last.bias.copy_((bias - kernel.sum((1, 2, 3))) / LATENT_SCALE)


def encoder_kernel(encoder: nn.Module) -> tuple[Tensor, Tensor]:
    """The weight (C, 3, 8, 8) and bias (C) that `fill_encoder` wrote."""
    layers = [module for module in encoder.modules() if isinstance(module, nn.Conv2d)]
    eighth, last = layers[-2].weight.detach().float(), layers[-1].bias
    assert last is not None
    kernel = torch.empty(CHANNELS, 3, 8, 8)
    for row in range(8):
        for column in range(8):
            inner = (row % 2 * 2 + column % 2) * 3
            source = (row // 2 % 2 * 2 + column // 2 % 2) * 12 + inner
            tap = eighth[:CHANNELS, source : source + 3, 1 + row // 4, 1 + column // 4]
            kernel[:, :, row, column] = tap
    bias = last.detach().float()[:CHANNELS] * LATENT_SCALE + kernel.sum((1, 2, 3))
    return kernel, bias


def make_scheduler() -> Any:
    """DDIM for v-prediction down to zero terminal signal."""
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        steps_offset=1,  # unused by trailing spacing; diffusers warns of any other value
        set_alpha_to_one=True,
    )


def load_pipeline(folder: Path) -> Any:
    """The pipeline of `folder` in float32, quiet."""
    import diffusers
    from diffusers import DiffusionPipeline

    diffusers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()
    pipeline = DiffusionPipeline.from_pretrained(str(folder), dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
