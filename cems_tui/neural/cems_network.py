"""The network of CEMS: a CLIP text tower and a classifier on its pooled output.

Lee & Lee, "Learning Prompt-Level Quality Variance for Cost-Effective Text-to-Image Generation",
CIKM 2024, and the authors' public code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cems_tui.quiet import hush
from cems_tui.routing.tower import TextTower

DROPOUT = 0.1


class QuickGELU(nn.Module):
    """x·σ(1.702 x)."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


class CemsHead(nn.Module):
    """Dropout → linear(d → d) → QuickGELU → dropout → linear(d → M)."""

    def __init__(self, width: int, functions: int) -> None:
        super().__init__()
        self.drop = nn.Dropout(DROPOUT)
        self.hidden = nn.Linear(width, width)
        self.activation = QuickGELU()
        self.out = nn.Linear(width, functions)

    def forward(self, pooled: Tensor) -> Tensor:
        logits: Tensor = self.out(self.drop(self.activation(self.hidden(self.drop(pooled)))))
        return logits


class CemsNetwork(nn.Module):
    """Token ids to logits, the tower included; with `tower=None` pooled states to logits."""

    def __init__(self, tower: TextTower | None, width: int, functions: int) -> None:
        super().__init__()
        self.tower = None if tower is None else torch_tower(tower)
        self.head = CemsHead(width, functions)

    def forward(self, x: Tensor, last: Tensor | None = None) -> Tensor:
        """`x`: ids (B, T) with the place of the end of each text (B,); or pooled states (B, d)."""
        if self.tower is not None:
            assert last is not None, "texts end somewhere"
            x = self.tower(input_ids=x).last_hidden_state[torch.arange(len(x)), last]
        logits: Tensor = self.head(x)
        return logits


def torch_tower(tower: TextTower) -> Any:
    """The tower as transformers' CLIPTextModel, with the same weights."""
    hush()
    from transformers import CLIPTextConfig, CLIPTextModel

    shape = tower.shape
    config = CLIPTextConfig(
        vocab_size=shape.vocab_size,
        hidden_size=shape.hidden_size,
        intermediate_size=shape.intermediate_size,
        num_hidden_layers=shape.num_hidden_layers,
        num_attention_heads=shape.num_attention_heads,
        max_position_embeddings=shape.max_position_embeddings,
        hidden_act=shape.hidden_act,
        layer_norm_eps=shape.layer_norm_eps,
        projection_dim=shape.hidden_size,
        bos_token_id=tower.tokens.start,
        eos_token_id=tower.tokens.end,
        pad_token_id=tower.tokens.end,
    )
    model: Any = CLIPTextModel(config)
    state = {
        name: torch.from_numpy(np.array(value, dtype=np.float32))
        for name, value in tower.weights.items()
    }
    model.load_state_dict(state, strict=True)
    return model


def numpy_tower(network: CemsNetwork, before: TextTower) -> TextTower:
    """The tuned tower, to be kept in the checkpoint; `before` names what it was tuned from."""
    assert network.tower is not None, "a frozen tower stays where it is"
    weights = {
        name: value.detach().cpu().numpy().copy()
        for name, value in network.tower.state_dict().items()
        if name in before.weights
    }
    return replace(before, facts=replace(before.facts, in_checkpoint=True), weights=weights)


def padded(tower: TextTower, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Token ids (N, T), filled up with the end token, and where each text ends (N,)."""
    ids = [torch.tensor(tower.tokens.ids(prompt)) for prompt in prompts]
    rows = nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=tower.tokens.end)
    return rows, torch.tensor([len(one) - 1 for one in ids])
