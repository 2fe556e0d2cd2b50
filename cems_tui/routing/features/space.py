"""What a router knows of language: the n-grams of its training prompts and how rare they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cems_tui.routing.features.kmeans import kmeans
from cems_tui.routing.features.letters import COUNT_NAMES, FeatureConfig, Floats, Grams, Keys


@dataclass(frozen=True, slots=True)
class Block:
    """The known n-grams of one kind."""

    keys: Keys
    """Ascending hashes, shape (D,)."""

    rarity: Floats
    """Inverse document frequency of each, shape (D,)."""

    unseen: float
    """The inverse document frequency of an n-gram never seen."""

    @classmethod
    def learn(cls, documents: Sequence[Keys], most: int, least_documents: int) -> Block:
        """The `most` frequent n-grams that stand in at least so many documents."""
        distinct = [np.unique(document) for document in documents]
        keys, frequency = np.unique(
            np.concatenate(distinct) if distinct else np.empty(0, np.uint32), return_counts=True
        )
        order = np.argsort(-frequency, kind="stable")
        kept = np.sort(order[frequency[order] >= least_documents][:most])
        total = 1.0 + len(documents)
        rarity = as_stored(np.log(total / (1.0 + frequency[kept])) + 1.0)
        return cls(keys[kept], rarity, float(np.log(total)) + 1.0)

    def vector(self, document: Keys, said: Floats | None = None) -> Sparse:
        """The tf-idf vector of the known n-grams, of unit length unless none is known.

        Args:
            said: how much each n-gram of the document says where it first stands; None: all alike.
        """
        if said is None:  # without looking for the first places, which costs a sort more
            distinct, times = np.unique(document, return_counts=True)
        else:
            distinct, first, times = np.unique(document, return_index=True, return_counts=True)
        places, known = _find(self.keys, distinct)
        values = (1.0 + np.log(times[known])).astype(np.float32) * self.rarity[places[known]]
        if said is not None:
            values *= said[first[known]]
        norm = float(np.square(values).sum()) ** 0.5
        return Sparse(places[known].astype(np.int32), values / np.float32(norm or 1.0))

    def unknown(self, one: Grams, *, own: bool) -> float:
        """Share of the content words that no training prompt has; `own`: no other one."""
        places, known = _find(self.keys, one.content)
        missing = ~known
        if own:  # what only one document has is as rare as log((1 + N) / 2) + 1
            missing |= self.rarity[places] > self.unseen - np.log(2.0) - 1e-2
        return float(missing.mean()) if missing.size else 0.0


@dataclass(frozen=True, slots=True)
class Reading:
    """A prompt as one router sees it."""

    features: Sparse
    """Words, characters, counts and waves side by side: what ridge regression reads."""

    words: Sparse
    """The known content words alone, of unit length: what neighbours are found with."""

    unknown_share: float
    """Share of the prompt's distinct content words that no (other) training prompt has."""

    near: Floats
    """The landmarks' features alone: inner products are a Gaussian kernel, shape (landmarks,)."""


@dataclass(frozen=True, slots=True)
class FeatureSpace:
    """Everything needed to turn a prompt's grams into vectors."""

    config: FeatureConfig
    words: Block
    """Single words and pairs, for ridge regression."""

    characters: Block
    content: Block
    """Every content word of the training prompts: for neighbours, and to tell what is unknown."""

    counts_mean: Floats
    counts_scale: Floats
    topics: Block
    """The single words that themes are made of."""

    themes: Floats
    """How much each of those words says of every theme, shape (words, themes)."""

    waves: Floats
    """Directions and phases of the waves over the counts, shape (counts + 1, waves)."""

    landmarks: Landmarks
    """Of the kernel over counts and themes."""

    @property
    def size(self) -> int:
        """The length D of `Reading.features`."""
        dense_part = len(COUNT_NAMES) + self.config.waves + len(self.landmarks.centres)
        return self.words.keys.size + self.characters.keys.size + dense_part

    @classmethod
    def learn(cls, prompts: Sequence[Grams], config: FeatureConfig) -> FeatureSpace:
        """The space of the training prompts, shape N."""
        least = 1 if len(prompts) < 200 else 2
        content = Block.learn([one.content for one in prompts], 1 << 20, 1)
        counts = np.stack([_all_counts(one, content.unknown(one, own=True)) for one in prompts])
        scale = counts.std(axis=0)
        topics = Block.learn([one.words for one in prompts], config.max_theme_words, least)
        vectors = [topics.vector(one.words) for one in prompts]
        themes = learn_themes(vectors, topics.keys.size, config.themes)
        space = cls(
            config,
            Block.learn(
                [np.concatenate([one.words, one.pairs]) for one in prompts],
                config.max_word_features,
                least,
            ),
            Block.learn(
                [one.characters for one in prompts], config.max_character_features, least + 1
            ),
            content,
            counts.mean(axis=0),
            np.where(scale < 1e-6, 1.0, scale).astype(np.float32),
            topics,
            themes,
            _waves(config),
            Landmarks.none(len(COUNT_NAMES) + themes.shape[1]),
        )
        rows = [
            space._dense(space._scaled(one), vector)
            for one, vector in zip(counts, vectors, strict=True)
        ]
        return replace(space, landmarks=Landmarks.learn(np.stack(rows), config.landmarks))

    def read(self, one: Grams, *, own: bool = False) -> Reading:
        """The prompt in this space; `own` says that it is one of the training prompts."""
        words = self._words(one)
        characters = self.characters.vector(one.characters, self.config.said(one.characters_places))
        unknown = self.content.unknown(one, own=own)
        counts = self._scaled(_all_counts(one, unknown))
        near = self.landmarks.features(self._dense(counts, self.topics.vector(one.words)))
        features = self._side_by_side(words, characters, counts, near)
        return Reading(features, self.content.vector(one.content), unknown, near)

    def _words(self, one: Grams) -> Sparse:
        """Single words and pairs, either of unit length of its own, or both together."""
        said = self.config.said(np.arange(one.words.size))
        said_of_pairs = None if said is None else said[: one.pairs.size]
        if self.config.pairs_weight:
            pairs = self.words.vector(one.pairs, said_of_pairs)
            return self.words.vector(one.words, said).plus(pairs, self.config.pairs_weight)
        both = np.concatenate([one.words, one.pairs])
        if said is not None and said_of_pairs is not None:
            said = np.concatenate([said, said_of_pairs])
        return self.words.vector(both, said)

    def _scaled(self, counts: Floats) -> Floats:
        """In standard deviations of the training prompts, the extreme cut off."""
        scaled = (counts - self.counts_mean) / self.counts_scale
        return np.asarray(np.clip(scaled, -4.0, 4.0), dtype=np.float32)

    def _dense(self, counts: Floats, topics: Sparse) -> Floats:
        """Scaled counts and themes, in widths of the landmarks' kernel."""
        theme = theme_of(topics, self.themes) / self.config.themes_width
        return np.concatenate([counts / self.config.waves_width, theme]).astype(np.float32)

    def _side_by_side(
        self, words: Sparse, characters: Sparse, counts: Floats, near: Floats
    ) -> Sparse:
        config = self.config
        waves = np.cos(counts @ self.waves[:-1] + self.waves[-1]) * (2.0 / config.waves) ** 0.5
        always = np.concatenate(
            [
                counts * (config.counts_weight / len(COUNT_NAMES) ** 0.5),
                waves * config.waves_weight,
                near * config.landmarks_weight,
            ]
        )
        after_words = self.words.keys.size
        after_characters = after_words + self.characters.keys.size
        indices = (
            words.indices,
            characters.indices + after_words,
            np.arange(always.size) + after_characters,
        )
        values = (words.values, characters.values * config.characters_weight, always)
        return Sparse(
            np.concatenate(indices).astype(np.int32), np.concatenate(values).astype(np.float32)
        )


def _waves(config: FeatureConfig) -> Floats:
    """Directions and, in the last row, phases of the waves: the same for every router."""
    random = np.random.default_rng(20240617)
    directions = random.normal(size=(len(COUNT_NAMES), config.waves)) / config.waves_width
    phases = random.uniform(0.0, 2.0 * np.pi, size=(1, config.waves))
    return np.concatenate([directions, phases]).astype(np.float32)


def _find(keys: Keys, wanted: Keys) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Where each wanted hash stands among the ascending keys, and whether it does."""
    if not keys.size:
        return np.zeros(wanted.size, np.int64), np.zeros(wanted.size, np.bool_)
    places = np.minimum(np.searchsorted(keys, wanted), keys.size - 1)
    return places, keys[places] == wanted


def _all_counts(one: Grams, unknown: float) -> Floats:
    return np.append(one.counts, np.float32(unknown))


# A Gaussian kernel over what a prompt is about and how it is written, by a few landmarks.
#
# Landmarks are k-means centres, not prompts: k(x, landmarks) · K^(−1/2) is the Nyström map
# (Williams & Seeger, 2001), whose inner products approximate the kernel. In so many dimensions
# random waves would need tens of thousands.


_PROMPTS_A_LANDMARK = 8
_JITTER = 1e-3
_SEED = 20240619


@dataclass(frozen=True, slots=True)
class Landmarks:
    """The centres and the map from nearness to them to features."""

    centres: Floats
    """Shape (L, d)."""

    whitening: Floats
    """K^(−1/2) of the kernel between centres, shape (L, L)."""

    @classmethod
    def learn(cls, rows: Floats, most: int) -> Landmarks:
        """Of the training prompts' vectors, shape (N, d), in widths of the kernel."""
        count = min(most, len(rows) // _PROMPTS_A_LANDMARK)
        if count < 1:
            return cls.none(rows.shape[1])
        centres = as_stored(kmeans(rows, count, _SEED)[0])
        between = _kernel(centres, centres).astype(np.float64) + _JITTER * np.eye(len(centres))
        values, vectors = np.linalg.eigh(between)
        return cls(centres, as_stored(vectors / np.sqrt(values)))

    @classmethod
    def none(cls, width: int) -> Landmarks:
        """No landmark at all, for vectors of that width."""
        return cls(np.zeros((0, width), np.float32), np.zeros((0, 0), np.float32))

    def features(self, row: Floats) -> Floats:
        """The Nyström features of a vector of shape (d,), shape (L,)."""
        return np.asarray(_kernel(row[None], self.centres)[0] @ self.whitening)


def _kernel(rows: Floats, centres: Floats) -> Floats:
    lengths = np.square(rows).sum(axis=1)[:, None] + np.square(centres).sum(axis=1)
    distance = np.maximum(lengths - 2.0 * rows @ centres.T, 0.0)
    return np.asarray(np.exp(-0.5 * distance), dtype=np.float32)


# Vectors by their non-zero places.

Indices = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Sparse:
    """A vector by its non-zero places: `values[i]` stands at `indices[i]`."""

    indices: Indices
    values: NDArray[np.float32]

    def plus(self, other: Sparse, weight: float) -> Sparse:
        """The sum with so much of another; a place that both have is there once."""
        indices, at = np.unique(np.concatenate([self.indices, other.indices]), return_inverse=True)
        values = np.concatenate([self.values, other.values * np.float32(weight)])
        total = np.bincount(at, weights=values, minlength=indices.size)
        return Sparse(indices, total.astype(np.float32))


# What words go together: the leading directions of the training prompts' word vectors.
#
# Singular vectors of the tf-idf matrix (latent semantic analysis, Deerwester et al., 1990) by
# randomised subspace iteration (Halko, Martinsson & Tropp, 2011). Rare words share a theme with
# the words they stand beside, so what is learned of one serves the others.


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
