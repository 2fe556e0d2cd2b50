"""Learns CATImage's Transformer: token states in, every function's quality out at once.

The papers give neither its size nor its loss; these are ours: one pre-norm layer, mean pooling,
squared error on standardised parts, early stopping on a tenth of the prompts learned from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cems_tui.domain.job import Epoch
from cems_tui.routing.estimators.members import Member
from cems_tui.routing.estimators.transformer import TokenTransformer
from cems_tui.routing.features.letters import Floats
from cems_tui.routing.features.reader import HASHED_TOKENS, MOST_TOKENS, View
from cems_tui.routing.training.blend import Taken, Tried
from cems_tui.routing.training.member_learners import Lesson
from cems_tui.routing.training.order import TrainingOrder
from cems_tui.routing.training.torch.kept import Kept

HEADS = 4
WIDTH = 64
LAYERS = 1
DROPOUT = 0.2
MOST_BATCH, LEAST_BATCH = 64, 8
LEARNING_RATE = 1e-3
WEIGHT_DECAY = 0.05
EPOCHS = 12
PATIENCE = 3
"""Epochs without a better validation error before learning stops."""

STILL_IMPROVING = 0.98
"""A last epoch that leaves at most this much of the least error before it was not the end."""

VALIDATION_SHARE = 0.1


class Layer(nn.Module):
    """Self-attention, then a feed-forward net, each on a normalised copy."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.joined = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)
        self.drop = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        batch, count, _ = x.shape
        joined = self.joined(self.norm1(x)).view(batch, count, 3, HEADS, WIDTH // HEADS)
        q, k, v = joined.permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None])
        x = x + self.drop(self.out(mixed.transpose(1, 2).reshape(batch, count, WIDTH)))
        inner = nn.functional.gelu(self.up(self.norm2(x)))
        out: Tensor = x + self.drop(self.down(inner))
        return out


class TokenNetwork(nn.Module):
    """Tokens of shape (B, T) or states of shape (B, T, d) to standardised parts (B, 1 + M)."""

    def __init__(self, state_width: int | None, outputs: int) -> None:
        """`state_width`: d of the tower's states; None for hashed words."""
        super().__init__()
        if state_width is None:
            self.embedding = nn.Embedding(HASHED_TOKENS, WIDTH)
            self.position = nn.Embedding(MOST_TOKENS, WIDTH)
            nn.init.normal_(self.embedding.weight, std=0.5)
            nn.init.normal_(self.position.weight, std=0.1)
        else:
            self.project = nn.Linear(state_width, WIDTH)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(WIDTH)
        self.drop = nn.Dropout(DROPOUT)
        self.head = nn.Linear(WIDTH, outputs)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        if tokens.ndim == 2:
            x = self.embedding(tokens) + self.position.weight[: tokens.shape[1]]
        else:
            x = self.project(tokens)
        for layer in self.layers:
            x = layer(x, mask)
        weights = mask.float() / mask.sum(dim=1, keepdim=True)
        pooled: Tensor = (self.norm(x) * weights[..., None]).sum(dim=1)
        out: Tensor = self.head(self.drop(pooled))
        return out


@dataclass(frozen=True, slots=True)
class _Examples:
    """Prompts as one network is taught them."""

    views: Sequence[View]
    targets: Floats
    """Standardised parts, shape (N, 1 + M)."""

    def batch(self, rows: NDArray[np.intp]) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens or states, padded; which of them are there; and the targets."""
        tokens = [torch.from_numpy(np.asarray(self.views[row].tokens)) for row in rows]
        padded = nn.utils.rnn.pad_sequence(tokens, batch_first=True)
        lengths = torch.tensor([len(one) for one in tokens])
        mask = torch.arange(padded.shape[1])[None] < lengths[:, None]
        return padded, mask, torch.from_numpy(self.targets[rows])


class TokenLearner:
    """A member of a stack: one network a fold, and one for all prompts."""

    def __init__(self, order: TrainingOrder) -> None:
        self._order = order
        self._epochs = int(order.settings.get("epochs", EPOCHS))
        self._rate = float(order.settings.get("learning_rate", LEARNING_RATE))

    def held_out(self, lesson: Lesson) -> Tried:
        """What it predicts for each fold from the others; finished folds are kept."""
        out = np.empty((1, *lesson.parts.shape), dtype=np.float32)
        for number, (inside, outside) in enumerate(lesson.sides(), 1):
            member = self._learned(lesson, inside, number)
            out[0, outside] = np.stack([member.predict(lesson.views[row]) for row in outside])
        return Tried("transformer", out)

    def fit(self, lesson: Lesson, taken: Taken) -> Member:
        """Taught on all prompts, after those of the folds."""
        member = self._learned(lesson, np.arange(len(lesson.parts)), len(lesson.sides()) + 1)
        self._kept(lesson).forget()
        return member

    def chosen(self, taken: Taken) -> dict[str, float | int | None]:
        return {
            "transformer_layers": LAYERS,
            "transformer_width": WIDTH,
            "transformer_heads": HEADS,
            "transformer_learning_rate": self._rate,
            "transformer_epochs": self._epochs,
        }

    def _learned(self, lesson: Lesson, rows: NDArray[np.intp], number: int) -> TokenTransformer:
        """The network of that number, as they are taught one after the other."""
        networks = len(lesson.sides()) + 1
        kept, name = self._kept(lesson), hashlib.sha256(rows.tobytes()).hexdigest()[:24]
        found = kept.read(name)
        if found is not None:
            self._order.tell(f"network {number} of {networks} was taught before")
            return TokenTransformer.of(found, lesson.parts.shape[1] - 1)

        def tell(told: Epoch | str) -> None:
            if isinstance(told, Epoch):
                told = replace(told, network=number, networks=networks).words()
            self._order.tell(told)

        with one_thread():
            member = _taught(lesson, rows, self._epochs, self._rate, tell)
        kept.write(name, member.tensors())
        return member

    def _kept(self, lesson: Lesson) -> Kept:
        """A folder of this very training: of other prompts, scores or settings is another."""
        if self._order.workspace is None:
            return Kept(None)
        digest = hashlib.sha256(lesson.parts.tobytes() + lesson.vectors.tobytes())
        digest.update(repr((lesson.seed, WIDTH, LAYERS, self._epochs, self._rate)).encode())
        return Kept(self._order.workspace / f"transformer-{digest.hexdigest()[:24]}")


def _taught(
    lesson: Lesson,
    rows: NDArray[np.intp],
    epochs: int,
    rate: float,
    tell: Callable[[Epoch | str], None],
) -> TokenTransformer:
    """The network of the epoch with the least validation error; the mean alone is epoch 0."""
    random = np.random.default_rng(lesson.seed)
    order = random.permutation(rows)
    held = max(1, int(len(order) * VALIDATION_SHARE))
    validation, training = order[:held], order[held:]
    mean, scale = lesson.parts[training].mean(axis=0), lesson.parts[training].std(axis=0)
    scale = np.where(scale < 1e-9, 1.0, scale).astype(np.float32)
    examples = _Examples(lesson.views, ((lesson.parts - mean) / scale).astype(np.float32))
    torch.manual_seed(lesson.seed)
    tokens = lesson.views[0].tokens
    network = TokenNetwork(tokens.shape[1] if tokens.ndim == 2 else None, len(mean))
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=WEIGHT_DECAY)
    batches = -(-len(training) // _batch_of(len(training)))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * batches)
    best, least, since, before = _weights(network, mean, scale), np.inf, 0, np.inf
    for epoch in range(1, epochs + 1):
        network.train()
        total = 0.0
        for batch in np.array_split(random.permutation(training), batches):
            loss = _loss(network, examples, batch)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += float(loss.detach()) * len(batch)
        error = _error(network, examples, validation)
        since += 1
        if error < least:
            best, before, least, since = _weights(network, mean, scale), least, error, 0
        tell(Epoch(epoch, epochs, total / len(training), "validation error", error))
        if since >= PATIENCE:
            break
    constant = float(np.square(examples.targets[validation]).mean())
    if least >= constant:
        tell(f"no better than the averages of all prompts, whose error is {constant:.4f}")
    elif not since and least < before * STILL_IMPROVING:
        tell(f"the last of {epochs} epochs was the best by far: it is still improving (--epochs)")
    return TokenTransformer(best, HEADS)


def _batch_of(prompts: int) -> int:
    """Few prompts are taught in small batches, or there would be too few steps."""
    return min(MOST_BATCH, max(LEAST_BATCH, prompts // 16))


def _loss(network: TokenNetwork, examples: _Examples, rows: NDArray[np.intp]) -> Tensor:
    tokens, mask, targets = examples.batch(rows)
    return nn.functional.mse_loss(network(tokens, mask), targets)


@torch.no_grad()
def _error(network: TokenNetwork, examples: _Examples, rows: NDArray[np.intp]) -> float:
    network.eval()
    parts = np.array_split(rows, -(-len(rows) // 256))
    total = sum(float(_loss(network, examples, part)) * len(part) for part in parts)
    return total / len(rows)


def _weights(network: TokenNetwork, mean: Floats, scale: Floats) -> dict[str, NDArray[Any]]:
    state = {name: value.detach().numpy().copy() for name, value in network.state_dict().items()}
    return {**state, "mean": np.asarray(mean, np.float32), "scale": scale}


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread within the block: networks this small lose more in waiting than they gain.

    Measured with two threads on two busy cores: ten times slower than with one.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
