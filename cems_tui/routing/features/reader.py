"""A prompt as the members of a stack see it: a vector, its tokens, and how familiar it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cems_tui.routing.features.cache import EmbeddingCache
from cems_tui.routing.features.kmeans import kmeans
from cems_tui.routing.features.letters import FeatureConfig, Floats, Grams, Keys, grams
from cems_tui.routing.features.space import Block
from cems_tui.routing.features.text_encoder import TextEncoder

HASHED_WORDS = 512
"""Places that content words are hashed to in an instant vector."""

HASHED_LETTERS = 2048
"""Places that words and pairs of words are hashed to beside a text tower's vector."""

HASHED_TOKENS = 4096
MOST_TOKENS = 64
UNKNOWN_LIMIT = 0.5
"""A prompt with a larger share of unknown content words is out of distribution."""

LEAST_NOVELTY_LIMIT = 0.6
_COUNTS_WEIGHT = 0.7
_MOST_CENTRES = 64


@dataclass(frozen=True, slots=True)
class View:
    """One prompt, read."""

    vector: Floats
    """Of unit length, shape (d,): the text tower's pooled state, or hashed words and counts."""

    letters: Floats
    """Hashed words, pairs and counts, of unit length: what can be read without a tower."""

    tokens: NDArray[Any]
    """The tower's states, shape (T, d), or hashed words, shape (T,)."""

    unknown: float
    """Share of the content words that no (other) training prompt has."""


@dataclass(frozen=True, slots=True)
class PromptReader:
    """Turns prompts into views, the same way in training and in routing."""

    config: FeatureConfig
    tower: TextEncoder | None
    counts_mean: Floats
    counts_scale: Floats
    """Of the linguistic counts of the training prompts."""

    mean: Floats
    """Of the pooled states of the training prompts, shape (d,); empty without a tower."""

    scale: Floats
    content: Block
    """The content words of the training prompts."""

    @classmethod
    def learn(
        cls, prompts: Sequence[str], tower: TextEncoder | None, cache: EmbeddingCache | None = None
    ) -> tuple[PromptReader, list[View]]:
        """The reader of these training prompts, and what it makes of them."""
        config = FeatureConfig()
        said = [grams(prompt, config) for prompt in prompts]
        content = Block.learn([one.content for one in said], 1 << 20, 1)
        states: Sequence[Floats] = ()
        pooled = np.empty((len(prompts), 0), dtype=np.float32)
        if tower is not None:
            states = (cache or EmbeddingCache(None)).states(tower, prompts)
            pooled = np.stack([tower.pool(state) for state in states])
        counts = np.stack([one.counts for one in said])
        reader = cls(
            config,
            tower,
            counts.mean(axis=0),
            _scale_of(counts),
            pooled.mean(axis=0),
            _scale_of(pooled),
            content,
        )
        return reader, [
            reader._view(one, states[row] if tower else None, own=True)
            for row, one in enumerate(said)
        ]

    def read(self, prompt: str) -> View:
        """A prompt that need not be among the training prompts."""
        state = self.tower.states([prompt])[0] if self.tower else None
        return self._view(grams(prompt, self.config), state, own=False)

    def _view(self, one: Grams, states: Floats | None, *, own: bool) -> View:
        unknown = self.content.unknown(one, own=own)
        counts = np.clip((one.counts - self.counts_mean) / self.counts_scale, -4.0, 4.0)
        counts *= np.float32(_COUNTS_WEIGHT / len(counts) ** 0.5)
        if states is None or self.tower is None:
            vector = unit(np.concatenate([hashed(one.content, HASHED_WORDS), counts]))
            return View(vector, vector, _token_ids(one.words), unknown)
        vector = unit((self.tower.pool(states) - self.mean) / self.scale)
        words = hashed(np.concatenate([one.words, one.pairs]), HASHED_LETTERS)
        return View(vector, unit(np.concatenate([words, counts])), states, unknown)


@dataclass(frozen=True, slots=True)
class Familiarity:
    """How unlike the training prompts a prompt is."""

    centres: Floats
    """Unit vectors, shape (K, d): where training prompts gather."""

    limit: float
    """Prompts of higher novelty are out of distribution."""

    @classmethod
    def learn(cls, views: Sequence[View], percentile: float, seed: int) -> Familiarity:
        vectors = np.stack([view.vector for view in views])
        count = min(_MOST_CENTRES, max(2, len(vectors) // 20))
        centres, _ = kmeans(vectors, count, seed)
        centres = np.stack([unit(centre) for centre in centres])
        found = cls(centres, 1.0)
        novelty = [found.novelty(view) for view in views]
        return cls(centres, max(LEAST_NOVELTY_LIMIT, float(np.percentile(novelty, percentile))))

    def novelty(self, view: View) -> float:
        """1 − cosine with the nearest centre, unknown words counted against it: 0 … 1."""
        best = float((self.centres @ view.vector).max())
        return min(1.0, max(0.0, 1.0 - best * (1.0 - view.unknown)))

    def covers(self, view: View) -> bool:
        """Whether the prompt is like the training prompts."""
        return self.novelty(view) <= self.limit and view.unknown <= UNKNOWN_LIMIT

    def trust(self, view: View) -> float:
        """The share of a predicted difference from the means that is believed, 0…1.

        All of it within the distribution; beyond its limits it falls evenly, to none of it for a
        prompt of nothing known.
        """
        known = (1.0 - view.unknown) / (1.0 - UNKNOWN_LIMIT)
        near = (1.0 - self.novelty(view)) / max(1e-9, 1.0 - self.limit)
        return min(1.0, known, near)


def unit(vector: Floats) -> Floats:
    """The vector at length 1; a vector of zeros stays one."""
    norm = float(np.sqrt(np.square(vector).sum()))
    return np.asarray(vector / np.float32(norm or 1.0), dtype=np.float32)


def hashed(keys: Keys, places: int) -> Floats:
    """Words at hashed places with hashed signs, of unit length."""
    out = np.zeros(places, dtype=np.float32)
    signs = np.where((keys >> np.uint32(16)) & np.uint32(1), 1.0, -1.0)
    np.add.at(out, keys % np.uint32(places), signs)
    return unit(out)


def _scale_of(rows: Floats) -> Floats:
    scale = rows.std(axis=0)
    return np.where(scale < 1e-6, 1.0, scale).astype(np.float32)


def _token_ids(words: Keys) -> NDArray[np.int64]:
    """Place 0 for the whole text, then the first words at hashed places."""
    ids = words[: MOST_TOKENS - 1] % np.uint32(HASHED_TOKENS - 1) + np.uint32(1)
    return np.concatenate([[0], ids]).astype(np.int64)
