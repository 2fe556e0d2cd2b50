"""The network of CEMS: a CLIP text tower and a classifier on its pooled output.

Lee & Lee, "Learning Prompt-Level Quality Variance for Cost-Effective Text-to-Image Generation",
CIKM 2024, and the authors' public code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cems_tui.domain.job import Epoch
from cems_tui.log import hush
from cems_tui.routing.estimators.classifier import Head
from cems_tui.routing.evaluation.classification import classification
from cems_tui.routing.features.clip_text import TextTower
from cems_tui.routing.features.text_encoder import TextEncoder
from cems_tui.routing.training.cems_recipe import Examples, Recipe, Taught
from cems_tui.routing.training.splits import Split
from cems_tui.routing.training.torch.kept import Kept

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

    def __init__(self, tower: TextEncoder | None, width: int, functions: int) -> None:
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


def torch_tower(tower: TextEncoder) -> Any:
    """The tower as transformers' CLIPTextModel, with the same weights."""
    assert isinstance(tower, TextTower), "only CLIP's text towers are tuned"
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


def numpy_tower(network: CemsNetwork, before: TextEncoder) -> TextTower:
    """The tuned tower, to be kept in the checkpoint; `before` names what it was tuned from."""
    assert network.tower is not None, "a frozen tower stays where it is"
    assert isinstance(before, TextTower), "only CLIP's text towers are tuned"
    weights = {
        name: value.detach().cpu().numpy().copy()
        for name, value in network.tower.state_dict().items()
        if name in before.weights
    }
    return replace(before, facts=replace(before.facts, in_checkpoint=True), weights=weights)


def padded(tower: TextEncoder, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Token ids (N, T), filled up with the end token, and where each text ends (N,)."""
    assert isinstance(tower, TextTower), "only CLIP's text towers are tuned"
    ids = [torch.tensor(tower.tokens.ids(prompt)) for prompt in prompts]
    rows = nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=tower.tokens.end)
    return rows, torch.tensor([len(one) - 1 for one in ids])


# Teaches the CEMS network by the authors' recipe, an epoch at a time, and goes on after a stop.

_STATE = "epochs"
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


def class_weights(examples: Examples, rows: NDArray[np.intp]) -> Tensor:
    """(1 − frequency)² of each function among those rows."""
    share = np.bincount(examples.labels[rows], minlength=examples.functions) / len(rows)
    return torch.tensor((1.0 - share) ** 2, dtype=torch.float32)


def teach(
    tower: TextEncoder,
    examples: Examples,
    split: Split,
    recipe: Recipe,
    *,
    seed: int,
    device: str,
    kept: Kept,
    tell: Callable[[str], None],
) -> Taught:
    """Every epoch of the recipe; of them the one with the best macro F1 on validation.

    Each epoch draws its order and dropout from the seed and its number, so a training that goes
    on after a stop gives the same network as one that was never stopped.
    """
    torch.manual_seed(seed)
    network = CemsNetwork(None if recipe.frozen else tower, tower.width, examples.functions)
    network.to(device)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    notes = _go_on(network, optimizer, kept)
    best = _best_of(kept) or _copy(network)
    if notes["epoch"]:
        tell(f"going on after epoch {notes['epoch']} of {recipe.epochs}")
    lesson = _Lesson(network, tower, examples, recipe, device)
    for epoch in range(notes["epoch"] + 1, recipe.epochs + 1):
        loss = lesson.epoch(optimizer, split.training, seed * 1000 + epoch)
        f1 = lesson.macro_f1(split.validation)
        if f1 > notes["best_f1"]:
            notes["best_f1"], notes["best_epoch"], best = f1, epoch, _copy(network)
        notes["epoch"] = epoch
        tell(Epoch(epoch, recipe.epochs, loss, "validation macro F1", f1).words())
        if epoch < recipe.epochs:
            _keep(network, optimizer, best, notes, kept)
    network.load_state_dict(best)
    network.to("cpu").eval()
    tuned = tower if recipe.frozen else numpy_tower(network, tower)
    return Taught(_head(network), tuned, notes["best_epoch"], notes["best_f1"])


@dataclass(frozen=True, slots=True)
class _Lesson:
    """A network with what it is taught."""

    network: CemsNetwork
    tower: TextEncoder
    examples: Examples
    recipe: Recipe
    device: str

    def epoch(self, optimizer: torch.optim.Optimizer, rows: NDArray[np.intp], seed: int) -> float:
        """One pass over the rows in a fresh order; the mean loss."""
        torch.manual_seed(seed)
        order = np.random.default_rng(seed).permutation(rows)
        criterion = nn.CrossEntropyLoss(class_weights(self.examples, rows).to(self.device))
        self.network.train()
        total = 0.0
        for low in range(0, len(order), self.recipe.batch):
            batch = order[low : low + self.recipe.batch]
            loss = criterion(self.logits(batch), self._labels(batch))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total += float(loss.detach()) * len(batch)
        return total / len(order)

    @torch.no_grad()
    def macro_f1(self, rows: NDArray[np.intp]) -> float:
        self.network.eval()
        parts = np.array_split(rows, -(-len(rows) // 64))
        chances = torch.cat([self.logits(part).softmax(dim=1).cpu() for part in parts])
        return classification(self.examples.labels[rows], chances.double().numpy()).macro_f1

    def logits(self, rows: NDArray[np.intp]) -> Tensor:
        last: Tensor | None = None
        if self.examples.pooled is not None:
            x = torch.from_numpy(self.examples.pooled[rows])
        else:
            x, last = padded(self.tower, [self.examples.prompts[row] for row in rows])
            last = last.to(self.device)
        logits: Tensor = self.network(x.to(self.device), last)
        return logits

    def _labels(self, rows: NDArray[np.intp]) -> Tensor:
        return torch.from_numpy(self.examples.labels[rows].astype(np.int64)).to(self.device)


def _head(network: CemsNetwork) -> Head:
    state = network.head.state_dict()
    return Head({name: value.detach().numpy().copy() for name, value in state.items()})


def _copy(network: CemsNetwork) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}


def _keep(
    network: CemsNetwork,
    optimizer: torch.optim.Optimizer,
    best: dict[str, Tensor],
    notes: dict[str, Any],
    kept: Kept,
) -> None:
    """The whole state after an epoch, in one file: weights, moments, the best so far."""
    tensors = {f"now.{name}": value.numpy() for name, value in _copy(network).items()}
    tensors |= {f"best.{name}": value.numpy() for name, value in best.items()}
    for place, state in optimizer.state_dict()["state"].items():
        for moment in _MOMENTS:
            tensors[f"moment.{place}.{moment}"] = state[moment].detach().cpu().numpy()
    kept.write(_STATE, tensors, notes)


def _go_on(network: CemsNetwork, optimizer: torch.optim.Optimizer, kept: Kept) -> dict[str, Any]:
    """Puts a kept state back; the notes of a fresh training where there is none."""
    found = kept.read_with_notes(_STATE)
    if found is None:
        return {"epoch": 0, "best_epoch": 0, "best_f1": -1.0}
    tensors, notes = found
    network.load_state_dict(_part(tensors, "now."))
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in _part(tensors, "moment.").items():
        place, moment = name.split(".")
        state.setdefault(int(place), {})[moment] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    return notes


def _best_of(kept: Kept) -> dict[str, Tensor] | None:
    found = kept.read(_STATE)
    return None if found is None else _part(found, "best.")


def _part(tensors: dict[str, NDArray[Any]], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): torch.from_numpy(value.copy())
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
