"""The masked-token model: a small aMUSEd, trained to fill in hidden codes of a picture.

MaskGIT (Chang et al. 2022) with the networks of aMUSEd (Patil et al. 2024): a transformer
reads 16x16 codes of which some are masked, halves them to 8x8 inside, and foresees the
masked ones. The share that is masked follows the cosine by which the sampler uncovers them.
No label smoothing: the sampler draws from the whole distribution and would draw its tail.
It learns the same settled pictures as the one-step model: on a CPU there is no time for it to
see enough of the others.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cems_tui.starter.recipe.networks.architectures import TEXT_WIDTH, start_text, text_config
from cems_tui.starter.recipe.networks.tokenizer import make_tokenizer
from cems_tui.starter.recipe.networks.vq import PATCH, SIDE
from cems_tui.starter.recipe.training.batches import Batches
from cems_tui.starter.recipe.training.dataset import Split
from cems_tui.starter.recipe.training.trainer import Log, Losses, Plan, Trainer

TEXT_LAYERS = 3
"""The transformer reads the states before the last layer, the pooled words come after it."""
WIDTH = 128
LAYERS = 4
SHARPNESS = 1.1
"""What the shipped model's logits are multiplied with: drawn as trained, each of hundreds of codes
has a chance of being an unlikely one."""
MICRO_WIDTH = 32
MICRO = (float(SIDE * PATCH), float(SIDE * PATCH), 0.0, 0.0, 6.0)
"""Size, crop and aesthetic score as AmusedPipeline gives them when it is asked for nothing
else: every picture of ours is of one kind."""


def make_text_tower() -> Any:
    """An untrained CLIPTextModelWithProjection as wide as the other text encoders."""
    from transformers import CLIPTextModelWithProjection

    tower: Any = CLIPTextModelWithProjection(text_config(TEXT_WIDTH, TEXT_LAYERS))
    start_text(tower)
    return tower


def take_words(tower: Any, encoder: Any) -> int:
    """Copy a CLIPTextModel's embeddings and layers into the tower; how many weights fitted."""
    own = {name.removeprefix("text_model."): w for name, w in tower.named_parameters()}
    theirs = {name.removeprefix("text_model."): w for name, w in encoder.named_parameters()}
    shared = own.keys() & theirs.keys()
    with torch.no_grad():
        for name in shared:
            own[name].copy_(theirs[name])
    return len(shared)


def make_transformer(book: dict[str, Tensor], width: int = WIDTH, layers: int = LAYERS) -> Any:
    """A UVit2DModel over the codes of `book`; 2.2 M parameters as shipped.

    Codes that look alike start with like embeddings, in and out.
    """
    from diffusers import UVit2DModel
    from diffusers.models.attention_processor import AttnProcessor

    codes = len(book["codes"])
    model = UVit2DModel(
        hidden_size=width,
        cond_embed_dim=TEXT_WIDTH,
        encoder_hidden_size=TEXT_WIDTH,
        micro_cond_encode_dim=MICRO_WIDTH,
        micro_cond_embed_dim=MICRO_WIDTH * len(MICRO),
        vocab_size=codes + 1,
        codebook_size=codes,
        in_channels=width,
        block_out_channels=width,
        num_res_blocks=1,
        downsample=True,
        upsample=True,
        block_num_heads=max(1, width // 32),
        num_hidden_layers=layers,
        num_attention_heads=max(1, width // 32),
        intermediate_size=2 * width,
        sample_size=SIDE,
    )
    model.set_attn_processor(AttnProcessor())  # in bf16 faster than SDPA on a CPU
    _start(model, book["codes"])
    return model


@torch.no_grad()
def _start(model: Any, codes: Tensor) -> None:
    for name, weight in model.named_parameters():
        if name.endswith("cond_embeds_mapper.weight") or ("norm" in name and weight.ndim == 2):
            weight.mul_(0.1)  # scale and shift of the layers start near none
    width = model.config.in_channels
    spread = torch.cat([codes / codes.std(), torch.ones(len(codes), 1)], 1)
    likeness = spread @ torch.randn(spread.shape[1], width) * spread.shape[1] ** -0.5
    table = likeness + 0.5 * torch.randn(likeness.shape)
    model.embed.embeddings.weight[: len(codes)].copy_(table)
    model.mlm_layer.conv2.weight.copy_(table[:, :, None, None] * (0.5 * width**-0.5))


class AmusedTraining:
    """The transformer and its text tower, their data and their trainer."""

    def __init__(
        self,
        split: Split,
        codes: Path,
        book: dict[str, Tensor],
        checkpoint: Path,
        plan: Plan,
        log: Log,
        text: Any = None,
    ) -> None:
        """`text` is a trained CLIPTextModel to start the words from, or None."""
        torch.manual_seed(WIDTH)
        self.text: Any = make_text_tower()
        if text is not None:
            take_words(self.text, text)
        self.transformer: Any = make_transformer(book)
        self.mask = len(book["codes"])
        self.codes = torch.from_numpy(np.load(codes))
        self.batches = Batches(split)
        modules = {"transformer": self.transformer, "text": self.text}
        self.trainer = Trainer(modules, checkpoint, plan, log, seed=1)

    def run(self, saved: Callable[[], None]) -> None:
        """Train to the end of the plan."""
        self.trainer.run(self.losses, saved)

    def losses(self, batch: int, random: torch.Generator) -> Losses:
        """One batch: cross-entropy of the masked codes; shares are spread evenly over it."""
        which = self.batches.draw(batch, random)
        codes = self.codes[which].long()
        words = self.batches.captions(which, random)
        hidden = masked(codes, random)
        device = self.trainer.device
        codes, words, hidden = codes.to(device), words.to(device), hidden.to(device)
        shown = torch.where(hidden, self.mask, codes)
        with self.trainer.half():
            logits = self.logits(shown, words)
        rows = logits.permute(0, 2, 3, 1)[hidden].float()
        goal = codes[hidden]
        right = (rows.detach().argmax(1) == goal).float().mean()
        return {"loss": F.cross_entropy(rows, goal), "_right": right}

    def logits(self, shown: Tensor, words: Tensor) -> Tensor:
        """(batch, codes, 16, 16) as the pipeline computes them."""
        told = self.text(input_ids=words, output_hidden_states=True)
        micro = torch.tensor(MICRO, device=shown.device).expand(len(shown), -1)
        logits: Tensor = self.transformer(
            shown,
            encoder_hidden_states=told.hidden_states[-2],
            pooled_text_emb=told.text_embeds,
            micro_conds=micro,
        )
        return logits


def masked(codes: Tensor, random: torch.Generator) -> Tensor:
    """(N, H, W) bool: which codes to hide, at least one; in picture i the share
    cos(pi/2 * (i + r) / N) with r random in 0..1."""
    batch, positions = len(codes), codes[0].numel()
    at = (torch.arange(batch) + torch.rand(batch, generator=random)) / batch
    count = (positions * torch.cos(at * (math.pi / 2))).ceil().clamp(min=1)
    order = torch.rand(batch, positions, generator=random).argsort(1).argsort(1)
    return (order < count[:, None]).reshape(codes.shape)


def assemble_amused(transformer: Any, text: Any, vqvae: Any) -> Any:
    """An AmusedPipeline of our networks."""
    import diffusers
    from diffusers import AmusedPipeline, AmusedScheduler

    diffusers.utils.logging.set_verbosity_error()
    pipeline = AmusedPipeline(
        vqvae=vqvae,
        tokenizer=make_tokenizer(),
        text_encoder=text,
        transformer=transformer,
        scheduler=AmusedScheduler(mask_token_id=transformer.config.codebook_size),
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@torch.no_grad()
def sharpened(transformer: Any, factor: float) -> Any:
    """The transformer with all its logits multiplied: the scheduler knows no temperature for
    the codes it draws."""
    transformer.mlm_layer.conv2.weight.mul_(factor)
    return transformer
