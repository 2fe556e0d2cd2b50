"""Members of a stack that read a prompt's vector: ridge, neighbours and clusters.

Each predicts parts: the prompt's level (mean over functions) and each function's deviation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cems_tui.routing.estimators.letters_router import split_parts
from cems_tui.routing.estimators.neighbours import mean_of, nearest
from cems_tui.routing.features.kmeans import nearest_centre
from cems_tui.routing.features.letters import Floats
from cems_tui.routing.features.reader import View

Tensors = Mapping[str, NDArray[Any]]


class Member(Protocol):
    """Predicts the parts of a prompt, shape (1 + M,)."""

    def predict(self, view: View) -> Floats: ...

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Everything it is made of; its module's reader gives it back."""
        ...


@dataclass(frozen=True, slots=True)
class DenseRidge:
    """Ridge regression on the vector."""

    weights: Floats
    """Shape (d, 1 + M)."""

    offset: Floats
    """Shape (1 + M,)."""

    def predict(self, view: View) -> Floats:
        return np.asarray(self.offset + view.vector @ self.weights, dtype=np.float32)

    def tensors(self) -> dict[str, NDArray[Any]]:
        return {"weights": self.weights, "offset": self.offset}

    @classmethod
    def of(cls, tensors: Tensors, width: int) -> DenseRidge:
        """From its tensors; raises KeyError or ValueError when they are not a ridge's."""
        weights, offset = tensors["weights"], tensors["offset"]
        expect("ridge.weights", weights, (weights.shape[0], 1 + width))
        expect("ridge.offset", offset, (1 + width,))
        return cls(weights, offset)


@dataclass(frozen=True, slots=True)
class LettersRidge:
    """Ridge regression on hashed words and counts, beside members that read a text tower."""

    ridge: DenseRidge

    def predict(self, view: View) -> Floats:
        return np.asarray(self.ridge.offset + view.letters @ self.ridge.weights, dtype=np.float32)

    def tensors(self) -> dict[str, NDArray[Any]]:
        return self.ridge.tensors()

    @classmethod
    def of(cls, tensors: Tensors, width: int) -> LettersRidge:
        """From its tensors; raises KeyError or ValueError when they are not a ridge's."""
        return cls(DenseRidge.of(tensors, width))


@dataclass(frozen=True, slots=True)
class DenseNeighbours:
    """The mean of the nearest training prompts by cosine (CATImage's K-nearest-neighbours)."""

    vectors: Floats
    """The training prompts' unit vectors, shape (N, d); half precision on disk."""

    parts: Floats
    """Their level and deviations, shape (N, 1 + M)."""

    mean: Floats
    """Shape (1 + M,): what a prompt without near ones gets."""

    count: int
    """K."""

    def predict(self, view: View) -> Floats:
        found = nearest(np.maximum(self.vectors @ view.vector, 0.0), self.count)
        return mean_of(found, self.parts, self.count, self.mean)

    def tensors(self) -> dict[str, NDArray[Any]]:
        return {
            "vectors": self.vectors.astype(np.float16),
            "parts": self.parts,
            "mean": self.mean,
            "count": np.array([self.count], dtype=np.int64),
        }

    @classmethod
    def of(cls, tensors: Tensors, width: int) -> DenseNeighbours:
        """From its tensors; raises KeyError or ValueError when they are not neighbours'."""
        vectors, parts = tensors["vectors"], tensors["parts"]
        expect("knn.vectors", vectors, (len(parts), vectors.shape[1]))
        expect("knn.parts", parts, (len(parts), 1 + width))
        expect("knn.mean", tensors["mean"], (1 + width,))
        count = max(1, int(tensors["count"][0]))
        return cls(vectors.astype(np.float32), parts, tensors["mean"], count)


@dataclass(frozen=True, slots=True)
class Clusters:
    """The shrunken mean of each function in each cluster of training prompts (UniRoute).

    A function joins with one pass over its own scores: see `cluster_learning.added`.
    """

    centres: Floats
    """Shape (K, d)."""

    quality: Floats
    """What to expect of each function in each cluster, shape (K, M)."""

    sizes: NDArray[np.int64]
    """How many scores each of those is of, shape (K, M)."""

    place: NDArray[np.int64]
    """The cluster of every training prompt, shape (N,)."""

    def number_of(self, view: View) -> int:
        """The cluster whose centre is nearest."""
        return int(nearest_centre(view.vector[None], self.centres)[0])

    def predict(self, view: View) -> Floats:
        cluster = self.number_of(view)
        return np.asarray(split_parts(self.quality[cluster : cluster + 1])[0])

    def tensors(self) -> dict[str, NDArray[Any]]:
        return {
            "centres": self.centres,
            "quality": self.quality,
            "sizes": self.sizes,
            "place": self.place,
        }

    @classmethod
    def of(cls, tensors: Tensors, width: int) -> Clusters:
        """From its tensors; raises KeyError or ValueError when they are not clusters'."""
        centres, place = tensors["centres"], tensors["place"]
        expect("clusters.centres", centres, (len(centres), centres.shape[1]))
        expect("clusters.quality", tensors["quality"], (len(centres), width))
        expect("clusters.sizes", tensors["sizes"], (len(centres), width))
        if place.size and not 0 <= int(place.min()) <= int(place.max()) < len(centres):
            raise ValueError("clusters.place points outside the clusters")
        return cls(centres, tensors["quality"], tensors["sizes"], place)


def expect(name: str, tensor: NDArray[Any], shape: tuple[int, ...]) -> None:
    """Raises ValueError unless the tensor is finite and of that shape."""
    if tensor.shape != shape:
        raise ValueError(f"{name} has the shape {tensor.shape}, not {shape}")
    if not np.isfinite(tensor).all():
        raise ValueError(f"{name} holds values that are not finite")
