"""What words go together: the leading directions of the training prompts' word vectors.

Singular vectors of the tf-idf matrix (latent semantic analysis, Deerwester et al., 1990) by
randomised subspace iteration (Halko, Martinsson & Tropp, 2011). Rare words share a theme with
the words they stand beside, so what is learned of one serves the others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cems_tui.routing.sparse import Sparse

Floats = NDArray[np.float32]

_SPARE = 16  # directions beyond those wanted: the subspace iteration needs some
_ROUNDS = 4
_PROMPTS_A_THEME = 8


def learn_themes(rows: Sequence[Sparse], width: int, most: int) -> Floats:
    """The loading of every word on the themes, shape (width, themes); few prompts give few.

    The first direction, which is only how common words are, is left out.
    """
    count = min(most, len(rows) // _PROMPTS_A_THEME, max(0, width - 1))
    if count <= 0:
        return np.zeros((width, 0), dtype=np.float32)
    dense = np.zeros((len(rows), width), dtype=np.float32)
    for place, row in enumerate(rows):
        dense[place, row.indices] = row.values
    random = np.random.default_rng(20240618)
    wanted = min(count + 1 + _SPARE, len(rows), width)
    basis = dense @ random.normal(size=(width, wanted)).astype(np.float32)
    for _ in range(_ROUNDS):
        basis = dense @ (dense.T @ np.linalg.qr(basis)[0])
    basis = np.linalg.qr(basis)[0]
    directions = np.linalg.svd(basis.T @ dense, full_matrices=False)[2]
    return as_stored(directions[1 : count + 1].T)


def theme_of(words: Sparse, themes: Floats) -> Floats:
    """What a prompt is about, shape (themes,): of length 1, or 0 where no word is known."""
    found = words.values @ themes[words.indices].astype(np.float32)
    length = float(np.sqrt(np.square(found).sum()))
    return np.asarray(found / np.float32(length if length > 1e-6 else 1.0), dtype=np.float32)


def as_stored(values: NDArray[np.floating]) -> Floats:
    """Rounded to what a checkpoint keeps, so that a loaded router reads like the learned one."""
    return values.astype(np.float16).astype(np.float32)
