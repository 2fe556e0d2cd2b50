"""The mean quality of the most similar training prompts (cosine of tf-idf words)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cems_tui.routing.features.letters import Floats
from cems_tui.routing.features.space import Sparse

SIMILARITY_SHARPNESS = 2.0
"""Neighbours weigh similarity to this power."""


@dataclass(frozen=True, slots=True)
class WordIndex:
    """The training prompts, found by their words: an inverted index."""

    starts: NDArray[np.int32]
    """Shape (V + 1,): the postings of word v are at starts[v]:starts[v + 1]."""

    rows: NDArray[np.int32]
    """The training prompt of each posting."""

    values: NDArray[np.float16]
    """The weight of the word in that prompt (rows have unit length)."""

    size: int
    """Training prompts N."""

    @classmethod
    def of(cls, prompts: Sequence[Sparse], vocabulary: int) -> WordIndex:
        """The index of the training prompts' word vectors."""
        words = np.concatenate([prompt.indices for prompt in prompts])
        rows = np.repeat(
            np.arange(len(prompts), dtype=np.int32), [prompt.indices.size for prompt in prompts]
        )
        values = np.concatenate([prompt.values for prompt in prompts])
        order = np.argsort(words, kind="stable")
        counts = np.bincount(words, minlength=vocabulary)
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        return cls(starts, rows[order], values[order].astype(np.float16), len(prompts))

    def similarity(self, words: Sparse) -> Floats:
        """The cosine with every training prompt, shape (N,)."""
        low, high = self.starts[words.indices], self.starts[words.indices + 1]
        if not low.size:
            return np.zeros(self.size, dtype=np.float32)
        spans = [slice(a, b) for a, b in zip(low, high, strict=True)]
        rows = np.concatenate([self.rows[span] for span in spans])
        weights = np.concatenate([self.values[span] for span in spans]).astype(np.float32)
        weights *= np.repeat(words.values, high - low)
        return np.bincount(rows, weights=weights, minlength=self.size).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Nearest:
    """Some training prompts, the most similar first."""

    rows: NDArray[np.intp]
    similarity: Floats


def nearest(similarity: Floats, count: int) -> Nearest:
    """The `count` most similar training prompts; equal ones in training order."""
    count = min(count, similarity.size)
    best = np.argpartition(-similarity, count - 1)[:count]
    best = best[np.lexsort((best, -similarity[best]))]
    return Nearest(best, similarity[best])


def mean_of(found: Nearest, targets: Floats, count: int, fallback: Floats) -> Floats:
    """The similarity-weighted mean of the first `count` neighbours' targets, shape (M,).

    The fallback (the functions' means) joins with the weight of one half-similar neighbour, so
    a prompt without similar ones gets the means.
    """
    weights = found.similarity[:count] ** SIMILARITY_SHARPNESS
    own = np.float32(0.5**SIMILARITY_SHARPNESS)
    total = weights @ targets[found.rows[:count]] + own * fallback
    return np.asarray(total / (weights.sum() + own), dtype=np.float32)
