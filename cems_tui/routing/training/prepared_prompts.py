"""Training prompts made ready to learn from: read once, whatever is then learned about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cems_tui.routing.estimators.embedding_router import KERNEL_WEIGHT
from cems_tui.routing.estimators.letters_router import Familiarity, Held, caution_for
from cems_tui.routing.estimators.neighbours import Nearest, WordIndex, nearest
from cems_tui.routing.estimators.ridge import Matrix, kernel
from cems_tui.routing.features.cache import EmbeddingCache
from cems_tui.routing.features.embedding_space import Centres, EmbeddingSpace, counts_of
from cems_tui.routing.features.letters import FeatureConfig, Floats, grams
from cems_tui.routing.features.space import FeatureSpace, Reading
from cems_tui.routing.features.text_encoder import TextEncoder
from cems_tui.routing.training.splits import FOLDS, grouped_folds
from cems_tui.score_tables.table import Pivot


@dataclass(frozen=True, slots=True)
class PreparedPrompts:
    """The training prompts as the members see them."""

    prompts: tuple[str, ...]
    space: FeatureSpace
    readings: list[Reading]
    fold: NDArray[np.intp]
    familiarity: Familiarity
    held: Held
    index: WordIndex | None
    """None where nothing asks for neighbours."""

    gram: Matrix | None
    """The kernel of ridge regression, shape (N, N); None without ridge."""

    def outside(self, row: int, count: int) -> Nearest:
        """The nearest training prompts of the other folds."""
        if self.index is None:
            raise ValueError("no index of the training prompts was made")
        similarity = self.index.similarity(self.readings[row].words)
        inside = self.fold == self.fold[row]
        similarity[inside] = -1.0
        return nearest(similarity, min(count, int((~inside).sum())))


def prepare(
    pivot: Pivot, config: FeatureConfig, seed: int, *, index: bool, ridge: bool
) -> PreparedPrompts:
    """The prompts of a table, in folds; takes seconds for some thousand prompts.

    Args:
        index: whether nearest prompts will be asked for.
        ridge: whether ridge regression will be learned.
    """
    said = [grams(prompt, config) for prompt in pivot.prompts]
    space = FeatureSpace.learn(said, config)
    readings = [space.read(one, own=True) for one in said]
    caution = caution_for(pivot.groups)
    fold = grouped_folds(pivot.prompts, pivot.groups, FOLDS, seed)
    return PreparedPrompts(
        pivot.prompts,
        space,
        readings,
        fold,
        Familiarity.learn(readings, caution),
        Familiarity.held_out(readings, fold, caution),
        _index(readings, space) if index else None,
        kernel([reading.features for reading in readings], space.size) if ridge else None,
    )


def _index(readings: Sequence[Reading], space: FeatureSpace) -> WordIndex:
    return WordIndex.of([reading.words for reading in readings], space.content.keys.size)


@dataclass(frozen=True, slots=True)
class EncodedPrompts:
    """The training prompts as a text encoder reads them, whatever is then learned about them."""

    encoder: TextEncoder
    space: EmbeddingSpace
    centres: Centres
    near: Floats
    """The kernel between prompts and centres, shape (N, K)."""

    whitening: NDArray[np.float64]
    """See `Centres.whitening`, shape (K, K)."""

    gram: Matrix
    """The kernel over letters and meanings together, shape (N, N)."""


def encode(
    prompts: PreparedPrompts, encoder: TextEncoder, cache: EmbeddingCache | None = None
) -> EncodedPrompts:
    """What the encoder makes of prepared prompts; takes minutes for some thousand prompts.

    A few centres say less than 1 of the nearness of a prompt to itself. What is missing is given
    back while a router is learned, as noise of the prompt's own (the fully independent training
    conditional; Snelson & Ghahramani, 2006).

    Args:
        cache: where embeddings are kept; None keeps none.
    """
    assert prompts.gram is not None, "prepared without a kernel"
    embeddings = (cache or EmbeddingCache(None)).embeddings(encoder, prompts.prompts)
    said = [grams(prompt, prompts.space.config) for prompt in prompts.prompts]
    space = EmbeddingSpace.learn(embeddings, counts_of(said))
    points = space.points(embeddings, said)
    centres = Centres.learn(points)
    near, whitening = centres.near(points), centres.whitening()
    gram = _together(near, whitening, prompts.gram)
    return EncodedPrompts(encoder, space, centres, near, whitening, gram)


def encode_again(encoded: EncodedPrompts, prompts: PreparedPrompts) -> EncodedPrompts:
    """The same prompts beside other features of their letters: nothing is read again."""
    assert prompts.gram is not None, "prepared without a kernel"
    gram = _together(encoded.near, encoded.whitening, prompts.gram)
    return replace(encoded, gram=gram)


def _together(near: Floats, whitening: NDArray[np.float64], letters: Matrix) -> Matrix:
    """The kernel over meanings, whole on its diagonal, and that over letters."""
    features = (near @ whitening).astype(np.float32)
    gram = features @ features.T
    np.fill_diagonal(gram, 1.0)
    gram *= np.float32(KERNEL_WEIGHT)
    gram += letters
    return gram
