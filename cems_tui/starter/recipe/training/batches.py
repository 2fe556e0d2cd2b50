"""Which pictures and captions a training batch holds."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cems_tui.starter.recipe.networks.tokenizer import UNKNOWN, encode
from cems_tui.starter.recipe.training.dataset import WAYS, Split
from cems_tui.starter.vocabulary import COUNTS, SIZES, words_of

DROPPED = 0.1
"""Share of captions replaced by the empty one."""
BLURRED = 0.08
"""Share of captions in which one word becomes the unknown token, so that filler is ignored."""


class Batches:
    """Draws pictures by importance, and one caption of each, some disturbed."""

    def __init__(self, split: Split, dropped: float = DROPPED) -> None:
        self.dropped = dropped
        self.tokens = torch.from_numpy(split.tokens)
        self.odds = importance([ways[0] for ways in split.captions], split.objects).cumsum(0)
        self.empty = torch.from_numpy(encode([""])[0]).long()

    def draw(self, batch: int, random: torch.Generator) -> Tensor:
        """(batch,) indices of pictures, drawn by importance."""
        at = torch.rand(batch, generator=random, dtype=torch.float64) * self.odds[-1]
        return torch.searchsorted(self.odds, at).clamp(max=len(self.odds) - 1)

    def clean(self, which: Tensor, random: torch.Generator) -> Tensor:
        """(batch, CONTEXT): one of the captions of each picture as it is."""
        return self.tokens[which, torch.randint(WAYS, (len(which),), generator=random)].long()

    def captions(self, which: Tensor, random: torch.Generator) -> Tensor:
        """One of the captions of each picture, some dropped, some with an unknown word."""
        batch = len(which)
        tokens = self.clean(which, random)
        at = torch.randint(1, 12, (batch,), generator=random)
        blurred = torch.rand(batch, generator=random) < BLURRED
        tokens = torch.where(blurred[:, None], _inserted(tokens, at), tokens)
        dropped = torch.rand(batch, generator=random) < self.dropped
        return torch.where(dropped[:, None], self.empty, tokens)


def importance(captions: Sequence[str], objects: Sequence[int]) -> Tensor:
    """(N,) float64: how often each picture is drawn. Rare kinds that are learnt late, big
    single objects and groups with a count, come twice as often as the others."""
    big, counts = set(SIZES["big"]), set(COUNTS[1:])
    weights = torch.ones(len(captions), dtype=torch.float64)
    for index, (caption, many) in enumerate(zip(captions, objects, strict=True)):
        words = set(words_of(caption))
        if (many == 1 and words & big) or (many > 2 and words & counts):
            weights[index] = 2.0
    return weights


def _inserted(tokens: Tensor, at: Tensor) -> Tensor:
    """An unknown token before position `at` of each row, where the caption is that long."""
    place = torch.arange(tokens.shape[1])[None]
    moved = torch.where(place > at[:, None], tokens.roll(1, 1), tokens)
    moved = torch.where(place == at[:, None], torch.full_like(tokens, UNKNOWN), moved)
    inside = (tokens.gather(1, at[:, None]) != 0) & (tokens[:, -1:] == 0)
    return torch.where(inside, moved, tokens)
