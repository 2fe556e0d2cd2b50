"""A prompt as numbers, at once: hashed word and character n-grams and linguistic counts.

The hashes have no seed, so every process and machine gives the same numbers. What was seen in
training (`FeatureSpace`) is kept apart from what a prompt says by itself (`Grams`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import log1p
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from cems_tui.routing.features.word_lists import (
    COLOURS,
    FUNCTION_WORDS,
    NUMBERS,
    PEOPLE,
    RELATIONS,
    STYLES,
)

Keys = NDArray[np.uint32]
Places = NDArray[np.intp]
Floats = NDArray[np.float32]

_WORD = re.compile(r"\w+", re.UNICODE)
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: spreads neighbouring values

COUNT_NAMES = (
    "words",
    "characters",
    "letters a word",
    "commas",
    "sentence ends",
    "colours",
    "numbers",
    "relations",
    "style words",
    "people words",
    "long words",
    "noun-like words",
    "share of function words",
    "share of distinct words",
    "share of upper case",
    "share outside ASCII",
    "digits",
    "quotes",
    "brackets and weights",
    "share of rare words",
)
"""The linguistic counts, in the order of the vector."""


@dataclass(frozen=True, slots=True)
class FeatureConfig:
    """How prompts become vectors; part of a checkpoint's card."""

    max_characters: int = 1200
    """Characters read of a prompt; image models read fewer than a hundred words."""

    max_words: int = 160
    character_ngrams: tuple[int, int] = (3, 5)
    max_word_features: int = 24_576
    """The most word 1-2-grams kept, the most frequent first."""

    max_character_features: int = 24_576
    fade: float = 0.0
    """Words after which a word says 1/e as much as the first one; 0: all say the same."""

    fade_floor: float = 0.0
    """What a word far behind still says, added to all."""

    pairs_weight: float = 0.0
    """Weight of pairs of words beside single words; 0: both together are one vector."""

    characters_weight: float = 0.7
    """Weight of the character block beside the word block."""

    counts_weight: float = 0.3
    """Weight of the linguistic counts beside the word block."""

    waves: int = 256
    """Random cosine waves over the counts: together a Gaussian kernel (Rahimi & Recht, 2007)."""

    waves_weight: float = 0.55
    waves_width: float = 3.5
    """Width of that kernel, in standard deviations of the counts."""

    max_theme_words: int = 8192
    """The most single words that themes are made of."""

    themes: int = 31
    """The most directions of words that go together; 0 leaves landmarks to the counts alone."""

    themes_width: float = 0.8
    """Width over the themes, which together have the length 1, of the landmarks' kernel."""

    landmarks: int = 384
    """The most landmarks of the kernel over counts and themes together."""

    landmarks_weight: float = 0.7

    def said(self, places: Places) -> Floats | None:
        """How much words at those places, counted from 0, say; None: all the same."""
        if not self.fade:
            return None
        return np.asarray(np.exp(places / -self.fade) + self.fade_floor, dtype=np.float32)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> FeatureConfig:
        """The configuration a card holds; raises KeyError, TypeError or ValueError otherwise."""
        low, high = row["character_ngrams"]
        return cls(
            max_characters=int(row["max_characters"]),
            max_words=int(row["max_words"]),
            character_ngrams=(int(low), int(high)),
            max_word_features=int(row["max_word_features"]),
            max_character_features=int(row["max_character_features"]),
            fade=float(row.get("fade", 0.0)),
            fade_floor=float(row.get("fade_floor", 0.0)),
            pairs_weight=float(row.get("pairs_weight", 0.0)),
            characters_weight=float(row["characters_weight"]),
            counts_weight=float(row["counts_weight"]),
            waves=int(row["waves"]),
            waves_weight=float(row["waves_weight"]),
            waves_width=float(row["waves_width"]),
            max_theme_words=int(row.get("max_theme_words", 0)),
            themes=int(row.get("themes", 0)),
            themes_width=float(row.get("themes_width", 1.0)),
            landmarks=int(row.get("landmarks", 0)),
            landmarks_weight=float(row.get("landmarks_weight", 0.0)),
        )


@dataclass(frozen=True, slots=True)
class Grams:
    """What a prompt says by itself, before anything was learned."""

    words: Keys
    """Hashes of the words, in order."""

    pairs: Keys
    """Hashes of neighbouring words."""

    characters: Keys
    """Hashes of the character n-grams."""

    characters_places: Places
    """The place of the word that each of them begins in, or before."""

    content: Keys
    """Ascending hashes of the distinct words that are not function words, plurals as singulars."""

    counts: Floats
    """The counts of COUNT_NAMES but the last, which only a `FeatureSpace` can tell."""


def word_key(word: str) -> int:
    """The 32-bit hash of a word or of two words joined by a space."""
    return crc32(word.encode("utf-8", "surrogatepass"))


def grams(prompt: str, config: FeatureConfig) -> Grams:
    """The hashed n-grams and linguistic counts of a prompt."""
    text = prompt[: config.max_characters]
    words = _WORD.findall(text.lower())[: config.max_words]
    characters, places = _character_keys(" ".join(("", *words, "")), config.character_ngrams)
    return Grams(
        words=_keys(word_key(word) for word in words),
        pairs=_keys(word_key(f"{one} {two}") for one, two in pairwise(words)),
        characters=characters,
        characters_places=places,
        content=np.unique(_keys(word_key(_singular(word)) for word in set(words) - FUNCTION_WORDS)),
        counts=_counts(text, words),
    )


def opening(prompt: str) -> str:
    """The first six lower-case words; a prompt without any word is its own opening."""
    words = _WORD.findall(prompt.lower())[:6]
    return " ".join(words) if words else f"\0{prompt}"


def said_words(prompt: str) -> frozenset[str]:
    """The distinct lower-case words of a prompt."""
    return frozenset(_WORD.findall(prompt.lower()))


def _singular(word: str) -> str:
    """Cherries as cherry, boxes as box, balls as ball: rough, and the same for every prompt."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("xes", "ches", "shes", "sses", "zzes")):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") and word[-2] not in "su" else word


def _keys(values: Any) -> Keys:
    return np.fromiter(values, dtype=np.uint32)


def _character_keys(text: str, lengths: tuple[int, int]) -> tuple[Keys, Places]:
    """Rolling hashes of all character n-grams, h(abc) = mix(((a·p) + b)·p + c, n), and places."""
    encoded = text.encode("utf-32-le", "surrogatepass")
    letters = np.frombuffer(encoded, dtype="<u4").astype(np.uint64)
    place = np.cumsum(letters == ord(" ")) - 1
    rolling = letters
    parts, places = [], []
    for length in range(2, lengths[1] + 1):
        rolling = rolling[:-1] * np.uint64(1_000_003) + letters[length - 1 :]
        if length >= lengths[0] and rolling.size:
            mixed = (rolling + np.uint64(length)) * _MULTIPLIER
            parts.append((mixed >> np.uint64(32)).astype(np.uint32))
            places.append(place[: rolling.size])
        if rolling.size <= 1:
            break
    if not parts:
        return np.empty(0, np.uint32), np.empty(0, np.intp)
    return np.concatenate(parts), np.concatenate(places)


def _counts(text: str, words: Sequence[str]) -> Floats:
    distinct = set(words)
    total = max(1, len(words))
    length = max(1, len(text))
    function_words = sum(word in FUNCTION_WORDS for word in words)
    known_roles = COLOURS | NUMBERS | RELATIONS | STYLES | FUNCTION_WORDS
    values = (
        log1p(len(words)),
        log1p(len(text)),
        min(20.0, sum(map(len, words)) / total),
        log1p(text.count(",")),
        log1p(sum(text.count(mark) for mark in ".!?;")),
        log1p(sum(word in COLOURS for word in words)),
        log1p(sum(word in NUMBERS or word.isdigit() for word in words)),
        log1p(sum(word in RELATIONS for word in words)),
        log1p(sum(word in STYLES for word in words)),
        log1p(sum(word in PEOPLE for word in words)),
        log1p(sum(len(word) > 8 for word in words)),
        log1p(sum(len(word) > 2 and word not in known_roles for word in words)),
        function_words / total,
        len(distinct) / total,
        sum(map(str.isupper, text)) / length,
        sum(letter > "\x7f" for letter in text) / length,
        log1p(sum(map(str.isdigit, text))),
        log1p(sum(text.count(mark) for mark in "\"“”'")),
        log1p(sum(text.count(mark) for mark in "()[]{}:")),
    )
    return np.array(values, dtype=np.float32)
