"""The pack's CLIP-like judge: an open_clip dual encoder for this small world.

CLIP score = 100 * max(cosine, 0) (Hessel et al. 2021, in the field's percent form).
"""

from __future__ import annotations

import json
import random as pyrandom
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cems_tui.starter.captions import near_miss
from cems_tui.starter.recipe.networks.architectures import tie_names
from cems_tui.starter.recipe.networks.latents import PATCH
from cems_tui.starter.recipe.networks.tokenizer import (
    CONTEXT,
    VOCABULARY,
    encode,
    make_tokenizer,
    save_tokenizer,
)
from cems_tui.starter.recipe.training.dataset import WAYS, Split
from cems_tui.starter.recipe.training.trainer import Log, Losses, Plan, Trainer
from cems_tui.starter.recipe.world.degrade import KINDS
from cems_tui.starter.vocabulary import NOUNS

IMAGE_PX = 64
MEAN, DEVIATION = 0.5, 0.5


def model_config(width: int = 20, text_width: int = 128) -> dict[str, Any]:
    """open_clip's `model_cfg`: a ResNet tower and a short text tower over our vocabulary."""
    return {
        "embed_dim": 128,
        "vision_cfg": {
            "image_size": IMAGE_PX,
            "layers": [1, 2, 2, 1],
            "width": width,
            "head_width": 64,
        },
        "text_cfg": {
            "context_length": CONTEXT,
            "vocab_size": len(VOCABULARY),
            "hf_tokenizer_name": "starter",  # any name: open_clip then reads tokenizer.json here
            "width": text_width,
            "heads": 4,
            "layers": 3,
        },
    }


def make_clip(config: dict[str, Any]) -> Any:
    """The model, untrained. open_clip's own class, so that its factory loads the weights."""
    from open_clip.model import CLIP

    model = CLIP(**config)
    with torch.no_grad():
        model.token_embedding.weight.mul_(5.0)
        tie_names(model.token_embedding.weight)
    return model.to(memory_format=torch.channels_last)


def text_features(model: Any, tokens: Tensor) -> Tensor:
    """As `model.encode_text(..., normalize=True)`, on captions cut to the longest."""
    tokens = tokens[:, : int((tokens != 0).sum(1).max())]
    count = tokens.shape[1]
    hidden = model.token_embedding(tokens) + model.positional_embedding[:count]
    hidden = model.transformer(hidden, attn_mask=model.attn_mask[:count, :count])
    hidden = model.ln_final(hidden)
    pooled = hidden[torch.arange(len(tokens)), tokens.argmax(-1)]
    return F.normalize((pooled @ model.text_projection).float(), dim=-1)


def image_features(model: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """Normalised features, and the 8x8 map of the second stage that the noun map reads."""
    visual = model.visual
    middle = visual.layer2(visual.layer1(visual.stem(x)))
    last = visual.layer4(visual.layer3(middle))
    return F.normalize(visual.attnpool(last).float(), dim=-1), middle


def normalised(x: Tensor) -> Tensor:
    """Pictures in 0..1 as the tower wants them: IMAGE_PX square, -1..1, channels last."""
    if x.shape[-2:] != (IMAGE_PX, IMAGE_PX):
        x = F.interpolate(x, (IMAGE_PX, IMAGE_PX), mode="bilinear", antialias=True)
    return ((x - MEAN) / DEVIATION).contiguous(memory_format=torch.channels_last)


class ClipTraining:
    """The two towers, a helper that names the noun of each patch, and their trainer."""

    def __init__(
        self,
        split: Split,
        basis: dict[str, Tensor],
        checkpoint: Path,
        plan: Plan,
        log: Log,
        config: dict[str, Any] | None = None,
    ) -> None:
        torch.manual_seed(0)
        self.config = config or model_config()
        self.model = make_clip(self.config)
        depth = self.config["vision_cfg"]["width"] * 8
        self.nouns = nn.Conv2d(depth, len(NOUNS) + 1, 1)
        self.split, self.basis = split, basis
        self.tokens = torch.from_numpy(split.tokens)
        self.tokenizer = make_tokenizer()
        self.weight = torch.ones(len(NOUNS) + 1)
        self.weight[0] = 0.3
        modules = {"clip": self.model, "nouns": self.nouns}
        self.trainer = Trainer(modules, checkpoint, plan, log)

    def run(self, saved: Callable[[], None]) -> None:
        """Train to the end of the plan."""
        self.trainer.run(self.losses, saved)

    def losses(self, batch: int, random: torch.Generator) -> Losses:
        """Contrast within the batch, against a near miss of each caption, and the noun map."""
        which = torch.randint(len(self.split), (batch,), generator=random).sort().values
        pictures = torch.from_numpy(self.split.pictures[which.numpy()])
        x = disturbed(pictures.permute(0, 3, 1, 2).float() / 255, self.basis, random)
        ways = torch.randint(WAYS, (batch,), generator=random)
        tokens = torch.cat([self.tokens[which, ways].long(), self.misses(which, ways, random)])
        with self.trainer.half():
            seen, middle = image_features(self.model, normalised(x))
            said = text_features(self.model, tokens)
            nouns = self.nouns(middle).float()
        grid = torch.from_numpy(self.split.grid[which.numpy()]).long()
        logits = self.model.logit_scale.exp().clamp(max=60) * seen @ said.T
        terms = contrast(logits, tokens)
        terms["nouns"] = F.cross_entropy(nouns, grid, weight=self.weight)
        return terms

    def misses(self, which: Tensor, ways: Tensor, random: torch.Generator) -> Tensor:
        """A near miss of each caption, as tokens."""
        rng = pyrandom.Random(int(torch.randint(2**31, (1,), generator=random)))
        picked = zip(which.tolist(), ways.tolist(), strict=True)
        wrong = [near_miss(self.split.captions[i][way], rng) for i, way in picked]
        rows = self.tokenizer(
            wrong, padding="max_length", truncation=True, max_length=CONTEXT, return_tensors="np"
        )
        return torch.from_numpy(rows["input_ids"]).long()


def contrast(logits: Tensor, tokens: Tensor) -> Losses:
    """`logits` (N, 2N): pictures against captions, then near misses; equal captions excused."""
    batch = len(logits)
    right = torch.arange(batch)
    same = (tokens[:batch, None] == tokens[None]).all(-1)
    same[right, right] = False
    logits = logits.masked_fill(same, -1e4)
    forward = F.cross_entropy(logits, right)
    backward = F.cross_entropy(logits[:, :batch].T, right)
    pairs = torch.stack([logits[right, right], logits[right, right + batch]], 1)
    hard = F.cross_entropy(pairs, torch.zeros_like(right))
    found = (pairs[:, 0] > pairs[:, 1]).float().mean()
    return {"contrast": forward + backward, "hard": hard, "_found": found}


def disturbed(x: Tensor, basis: dict[str, Tensor], random: torch.Generator) -> Tensor:
    """Pictures in 0..1 made a little worse: half of them by one of five kinds of damage."""
    fifth = max(2, len(x) // 10)
    order = torch.randperm(len(x), generator=random)
    x = x.clone()
    for index, kind in enumerate((KINDS[0], KINDS[1], KINDS[2], KINDS[5])):
        chosen = order[index * fifth : (index + 1) * fifth]
        x[chosen] = kind(x[chosen], 0.3 * float(torch.rand(1, generator=random)), random)
    chosen = order[4 * fifth : 5 * fifth]
    x[chosen] = blurred_by_basis(x[chosen], basis, random)
    return x.clamp(0, 1)


def blurred_by_basis(x: Tensor, basis: dict[str, Tensor], random: torch.Generator) -> Tensor:
    """Through the latents and back, with noise on them: the look of generated pictures."""
    side = x.shape[-1] // PATCH
    flat = F.unfold(x * 2 - 1, PATCH, stride=PATCH).transpose(1, 2)
    flat = flat.reshape(len(x), -1, 3, PATCH * PATCH).transpose(2, 3).flatten(2)
    latent = (flat - basis["mean"]) @ basis["encode"]
    latent = latent + 0.25 * torch.randn(latent.shape, generator=random)
    back = (latent @ basis["decode"] + basis["mean"]).reshape(len(x), -1, PATCH * PATCH, 3)
    folded = back.transpose(2, 3).flatten(2).transpose(1, 2)
    return F.fold(folded, (side * PATCH, side * PATCH), PATCH, stride=PATCH) / 2 + 0.5


def save_clip(model: Any, config: dict[str, Any], folder: Path) -> None:
    """Write the folder open_clip loads as `local-dir:`, in half precision."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    state = {
        name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in model.state_dict().items()
    }
    save_file(state, str(folder / "open_clip_model.safetensors"))
    preprocess = {
        "size": IMAGE_PX,
        "mode": "RGB",
        "mean": [MEAN] * 3,
        "std": [DEVIATION] * 3,
        "interpolation": "bilinear",
        "resize_mode": "squash",
    }
    saved = {"model_cfg": config, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(saved, indent=2) + "\n")
    save_tokenizer(folder)


def load_clip(folder: Path) -> Any:
    """The model of a pack, in evaluation mode."""
    import open_clip

    model = open_clip.create_model(f"local-dir:{folder}", require_pretrained=True)
    return model.eval()


@torch.no_grad()
def similarity(model: Any, x: Tensor, prompts: Sequence[str]) -> Tensor:
    """(N,) CLIP scores, 0..100, of pictures (N, 3, H, W) in 0..1 and their prompts."""
    seen, _ = image_features(model, normalised(x))
    said = text_features(model, torch.from_numpy(encode(prompts)).long())
    return 100 * (seen * said).sum(-1).clamp(min=0)
