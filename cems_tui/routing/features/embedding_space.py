"""What a prompt means and how it is written, as a point: nearness there is a Gaussian kernel.

A text encoder's pooled states, layer by layer in standard deviations of the training prompts, of
unit length each, are turned to their leading axes; the linguistic counts stand beside them. The
kernel between points is told by a few centres (Nyström; Williams & Seeger, 2001), which are
k-means centres rounded to 8 bits: no training prompt is among what is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cems_tui.routing.features.kmeans import kmeans
from cems_tui.routing.features.letters import COUNT_NAMES, Floats, Grams
from cems_tui.routing.features.space import as_stored

MOST_AXES = 256
"""Of the embeddings; some nine tenths of their variance."""

MOST_CENTRES = 2560
PROMPTS_A_CENTRE = 2
LEAST_MEMBERS = 2
"""Training prompts that a kept centre is the mean of, at least: a centre is nobody's prompt."""

MEANING_WIDTH = 0.5
"""Width of the kernel over the embeddings, which together have the length 1."""

COUNTS_WIDTH = 3.5
"""Width over the counts, in standard deviations of the training prompts."""

_FARTHEST = 6.0  # standard deviations an embedding's number counts for, at most
_FARTHEST_COUNT = 4.0
_JITTER = 1e-3
_SEED = 20241127


@dataclass(frozen=True, slots=True)
class EmbeddingSpace:
    """How pooled states and counts become points."""

    mean: Floats
    """Of the training prompts' pooled states, shape (L, d)."""

    scale: Floats
    """Their standard deviation, shape (L, d)."""

    axes: Floats
    """The leading axes of the training prompts' standardised states, shape (L·d, A)."""

    counts_mean: Floats
    counts_scale: Floats
    """Of the linguistic counts but the last, shape (C,)."""

    @property
    def width(self) -> int:
        """The length of a point, A + C."""
        return int(self.axes.shape[1] + self.counts_mean.size)

    @classmethod
    def learn(cls, embeddings: Floats, counts: Floats) -> EmbeddingSpace:
        """The space of the training prompts.

        Args:
            embeddings: pooled states, shape (N, L, d).
            counts: linguistic counts, shape (N, C).
        """
        mean, scale = as_stored(embeddings.mean(axis=0)), as_stored(embeddings.std(axis=0))
        scale = np.where(scale < 1e-6, np.float32(1.0), scale)
        rows = _standardised(embeddings, mean, scale)
        most = min(MOST_AXES, *rows.shape)
        spread = rows.astype(np.float64).T @ rows.astype(np.float64)
        axes = np.linalg.eigh(spread)[1][:, : -most - 1 : -1]
        deviation = counts.std(axis=0)
        return cls(
            mean,
            scale,
            as_stored(axes),
            counts.mean(axis=0).astype(np.float32),
            np.where(deviation < 1e-6, 1.0, deviation).astype(np.float32),
        )

    def points(self, embeddings: Floats, said: Sequence[Grams]) -> Floats:
        """Prompts as points in widths of the kernel, shape (N, A + C)."""
        meaning = _standardised(embeddings, self.mean, self.scale) @ self.axes
        return np.concatenate(
            [meaning / np.float32(MEANING_WIDTH), self._written(counts_of(said))], axis=1
        )

    def _written(self, counts: Floats) -> Floats:
        scaled = (counts - self.counts_mean) / self.counts_scale
        clipped = np.clip(scaled, -_FARTHEST_COUNT, _FARTHEST_COUNT) / np.float32(COUNTS_WIDTH)
        return np.asarray(clipped, dtype=np.float32)


def counts_of(said: Sequence[Grams]) -> Floats:
    """The linguistic counts of prompts that need no vocabulary, shape (N, C)."""
    if not said:
        return np.empty((0, len(COUNT_NAMES) - 1), dtype=np.float32)
    return np.stack([one.counts for one in said])


def _standardised(embeddings: Floats, mean: Floats, scale: Floats) -> Floats:
    """Each layer in standard deviations, cut off and of unit length; together too: (N, L·d)."""
    scaled = np.clip((embeddings - mean) / scale, -_FARTHEST, _FARTHEST)
    length = np.sqrt(np.square(scaled).sum(axis=2, keepdims=True))
    scaled = scaled / np.maximum(length, np.float32(1e-6))
    flat = scaled.reshape(len(embeddings), -1)
    return np.asarray(flat / np.float32(embeddings.shape[1] ** 0.5), dtype=np.float32)


@dataclass(frozen=True)
class Centres:
    """Places among the training prompts that the kernel is told by."""

    places: NDArray[np.int8]
    """In 8 bits, shape (K, A + C)."""

    steps: Floats
    """What 1 stands for in each dimension, shape (A + C,)."""

    @classmethod
    def learn(cls, points: Floats) -> Centres:
        """Of the training prompts' points, shape (N, A + C)."""
        count = min(MOST_CENTRES, len(points) // PROMPTS_A_CENTRE)
        steps = np.maximum(np.abs(points).max(axis=0), np.float32(1e-6)) / np.float32(127.0)
        centres, place = kmeans(points, max(1, count), _SEED)
        members = np.bincount(place, minlength=len(centres))
        kept = centres[members >= LEAST_MEMBERS]
        if not len(kept):
            kept = points.mean(axis=0, keepdims=True)
        return cls(np.rint(kept / steps).astype(np.int8), steps.astype(np.float32))

    def near(self, points: Floats) -> Floats:
        """The kernel between points (n, A + C) and the centres, shape (n, K)."""
        lengths = np.square(points).sum(axis=1)[:, None] + self._lengths
        distance = np.maximum(lengths - 2.0 * points @ self._points.T, 0.0)
        return np.asarray(np.exp(-0.5 * distance), dtype=np.float32)

    def whitening(self) -> NDArray[np.float64]:
        """K^(−1/2) of the kernel between the centres, lower triangular and transposed: (K, K).

        `near(points) @ whitening` are features whose inner products approximate the kernel.
        """
        between = self.near(self._points).astype(np.float64)
        between = (between + between.T) / 2.0 + _JITTER * np.eye(len(between))
        return np.asarray(np.linalg.inv(np.linalg.cholesky(between)).T)

    @cached_property
    def _points(self) -> Floats:
        return np.asarray(self.places * self.steps, dtype=np.float32)

    @cached_property
    def _lengths(self) -> Floats:
        return np.asarray(np.square(self._points).sum(axis=1))
