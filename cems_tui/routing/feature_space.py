"""What a router knows of language: the n-grams of its training prompts and how rare they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cems_tui.routing.features import COUNT_NAMES, FeatureConfig, Floats, Grams, Keys
from cems_tui.routing.sparse import Sparse
from cems_tui.routing.themes import as_stored, learn_themes, theme_of


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
        rarity = np.log(total / (1.0 + frequency[kept])) + 1.0
        return cls(keys[kept], rarity.astype(np.float32), float(np.log(total)) + 1.0)

    def vector(self, document: Keys) -> Sparse:
        """The tf-idf vector of the known n-grams, of unit length unless none is known."""
        distinct, times = np.unique(document, return_counts=True)
        places, known = _find(self.keys, distinct)
        values = (1.0 + np.log(times[known])).astype(np.float32) * self.rarity[places[known]]
        norm = float(np.square(values).sum()) ** 0.5
        return Sparse(places[known].astype(np.int32), values / np.float32(norm or 1.0))

    def unknown(self, one: Grams, *, own: bool) -> float:
        """Share of the content words that no training prompt has; `own`: no other one."""
        places, known = _find(self.keys, one.content)
        missing = ~known
        if own:  # what only one document has is as rare as log((1 + N) / 2) + 1
            missing |= self.rarity[places] > self.unseen - np.log(2.0) - 1e-3
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

    waves: Floats
    """The waves alone, whose inner products are a Gaussian kernel, shape (waves,)."""


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
    themes: Floats
    """How much each known word or pair says of every theme, shape (words, themes)."""

    waves: Floats
    """Directions over counts and themes and, in the last row, phases of the waves, shape
    (counts + themes + 1, waves)."""

    @property
    def size(self) -> int:
        """The length D of `Reading.features`."""
        dense_part = len(COUNT_NAMES) + self.config.waves
        return self.words.keys.size + self.characters.keys.size + dense_part

    @classmethod
    def learn(cls, prompts: Sequence[Grams], config: FeatureConfig) -> FeatureSpace:
        """The space of the training prompts, shape N."""
        least = 1 if len(prompts) < 200 else 2
        content = Block.learn([one.content for one in prompts], 1 << 20, 1)
        counts = np.stack([_all_counts(one, content.unknown(one, own=True)) for one in prompts])
        scale = counts.std(axis=0)
        said = [np.concatenate([one.words, one.pairs]) for one in prompts]
        words = Block.learn(said, config.max_word_features, least)
        themes = learn_themes([words.vector(one) for one in said], words.keys.size, config.themes)
        return cls(
            config,
            words,
            Block.learn(
                [one.characters for one in prompts], config.max_character_features, least + 1
            ),
            content,
            counts.mean(axis=0),
            np.where(scale < 1e-6, 1.0, scale).astype(np.float32),
            themes,
            _waves(config, themes.shape[1]),
        )

    def read(self, one: Grams, *, own: bool = False) -> Reading:
        """The prompt in this space; `own` says that it is one of the training prompts."""
        words = self.words.vector(np.concatenate([one.words, one.pairs]))
        characters = self.characters.vector(one.characters)
        unknown = self.content.unknown(one, own=own)
        counts = (_all_counts(one, unknown) - self.counts_mean) / self.counts_scale
        counts = np.clip(counts, -4.0, 4.0)
        dense = np.concatenate([counts, theme_of(words, self.themes)])
        waves = np.cos(dense @ self.waves[:-1] + self.waves[-1]) * (2.0 / self.config.waves) ** 0.5
        waves = waves.astype(np.float32)
        return Reading(
            self._side_by_side(words, characters, counts, waves),
            self.content.vector(one.content),
            unknown,
            waves,
        )

    def _side_by_side(
        self, words: Sparse, characters: Sparse, counts: Floats, waves: Floats
    ) -> Sparse:
        config = self.config
        always = np.concatenate(
            [
                counts * (config.counts_weight / len(COUNT_NAMES) ** 0.5),
                waves * config.waves_weight,
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


def _waves(config: FeatureConfig, themes: int) -> Floats:
    """Directions and, in the last row, phases of the waves: the same for every router."""
    random = np.random.default_rng(20240617)
    over_counts = random.normal(size=(len(COUNT_NAMES), config.waves)) / config.waves_width
    phases = random.uniform(0.0, 2.0 * np.pi, size=(1, config.waves))
    over_themes = random.normal(size=(themes, config.waves)) / config.themes_width
    return as_stored(np.concatenate([over_counts, over_themes, phases]))


def _find(keys: Keys, wanted: Keys) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Where each wanted hash stands among the ascending keys, and whether it does."""
    if not keys.size:
        return np.zeros(wanted.size, np.int64), np.zeros(wanted.size, np.bool_)
    places = np.minimum(np.searchsorted(keys, wanted), keys.size - 1)
    return places, keys[places] == wanted


def _all_counts(one: Grams, unknown: float) -> Floats:
    return np.append(one.counts, np.float32(unknown))
