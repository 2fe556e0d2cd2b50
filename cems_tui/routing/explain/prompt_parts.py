"""The parts of a prompt that can be left out, and the prompt without them.

It knows nothing of routers: only where words, phrases and kinds of words stand in a text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from cems_tui.routing.features.word_lists import (
    COLOURS,
    FUNCTION_WORDS,
    NUMBERS,
    PEOPLE,
    RELATIONS,
    STYLES,
)

Span = tuple[int, int]
PartKind = Literal["word", "phrase"]

MOST_PARTS = 40
"""Words and phrases tried of one prompt; a long prompt is tried phrase by phrase first."""

MOST_PHRASES = 24
"""Phrases of a long prompt: enough are left to look into the ones that matter."""

# a word is whatever stands between white space and punctuation: any script, emoji too
_WORD = re.compile(r"[^\s!-&(-,./:-@\[-^`{-~…“”„«»、。，；：！？（）]+")
_BREAK = re.compile(r"[,.;:!?\n|()\[\]{}…、。，；：！？（）]")


@dataclass(frozen=True, slots=True)
class Part:
    """Something of a prompt that can be left out."""

    text: str
    """As it stands in the prompt the first time."""

    spans: tuple[Span, ...]
    """Where it stands, in characters; a word that is said twice stands twice."""

    kind: PartKind


@dataclass(frozen=True, slots=True)
class WordKind:
    """A linguistic feature: how often a prompt has it."""

    name: str
    """One of it, as people say: `colour`."""

    plural: str
    count: int
    words: tuple[str, ...]
    """Which words they are; empty where the feature is no word."""

    spans: tuple[Span, ...] | None
    """Where they stand; None for a feature that cannot be left out."""


def words(prompt: str) -> list[Part]:
    """The distinct words in order of appearance, each with all its places."""
    places: dict[str, list[Span]] = {}
    for found in _WORD.finditer(prompt):
        if found.group().strip("-'_"):
            places.setdefault(found.group().lower(), []).append(found.span())
    return [
        Part(prompt[spans[0][0] : spans[0][1]], tuple(spans), "word") for spans in places.values()
    ]


def phrases(prompt: str) -> list[Part]:
    """Pieces of several words: between commas, or without any, between function words.

    At most MOST_PHRASES: of more, neighbours are taken together.
    """
    pieces = _between_breaks(prompt)
    if len(pieces) < 2:
        pieces = _noun_phrases(prompt)
    pieces = _merged(pieces, MOST_PHRASES)
    return [
        Part(prompt[start:end], ((start, end),), "phrase")
        for start, end in pieces
        if len(_WORD.findall(prompt[start:end])) > 1
    ]


def without(prompt: str, spans: Sequence[Span]) -> str:
    """The prompt with these places cut out, and not two spaces where they stood."""
    kept, at = [], 0
    for start, end in sorted(spans):
        kept.append(prompt[at : max(at, start)])
        at = max(at, end)
        if (not kept[-1] or kept[-1][-1:].isspace()) and prompt[at : at + 1].isspace():
            at += 1
    return "".join((*kept, prompt[at:]))


def overlap(one: Sequence[Span], other: Sequence[Span]) -> bool:
    """Whether they share a place."""
    return any(a < d and c < b for a, b in one for c, d in other)


def word_kinds(prompt: str) -> list[WordKind]:
    """The linguistic features a prompt has any of, the plainest first."""
    found = [(match.group().lower(), match.span()) for match in re.finditer(r"\w+", prompt)]
    roles = COLOURS | NUMBERS | RELATIONS | STYLES | FUNCTION_WORDS
    nouns = [word for word, _ in found if len(word) > 2 and word not in roles]
    capitals = sum(map(str.isupper, prompt))
    kinds = [
        WordKind("word", "words", len(found), (), None),
        WordKind("noun-like word", "noun-like words", len(nouns), (), None),
        _listed("colour", "colours", found, COLOURS),
        _listed("number", "numbers", found, NUMBERS, digits=True),
        _listed("relation", "relations", found, RELATIONS),
        _listed("word of style", "words of style", found, STYLES),
        _listed("word for people", "words for people", found, PEOPLE),
        _marks("comma", "commas", prompt, ","),
        WordKind("capital letter", "capital letters", capitals, (), None),
    ]
    return [kind for kind in kinds if kind.count]


def _listed(
    name: str,
    plural: str,
    found: Sequence[tuple[str, Span]],
    known: frozenset[str],
    digits: bool = False,
) -> WordKind:
    places = [(w, span) for w, span in found if w in known or (digits and w.isdigit())]
    distinct = tuple(dict.fromkeys(word for word, _ in places))
    return WordKind(name, plural, len(places), distinct, tuple(span for _, span in places))


def _marks(name: str, plural: str, prompt: str, mark: str) -> WordKind:
    spans = tuple((at, at + 1) for at, letter in enumerate(prompt) if letter == mark)
    return WordKind(name, plural, len(spans), (), spans)


def _between_breaks(prompt: str) -> list[Span]:
    edges = [-1, *(match.start() for match in _BREAK.finditer(prompt)), len(prompt)]
    return _tight(prompt, [(before + 1, after) for before, after in pairwise(edges)])


def _noun_phrases(prompt: str) -> list[Span]:
    """Runs of words that are neither function words nor relations."""
    runs: list[list[Span]] = [[]]
    for match in _WORD.finditer(prompt):
        word, last = match.group().lower(), runs[-1]
        between = prompt[last[-1][1] : match.start()] if last else ""
        if word in FUNCTION_WORDS or word in RELATIONS:
            runs.append([])
        elif between.strip():  # punctuation ends a phrase
            runs.append([match.span()])
        else:
            last.append(match.span())
    return [(run[0][0], run[-1][1]) for run in runs if run]


def _tight(prompt: str, spans: Sequence[Span]) -> list[Span]:
    """The spans from their first word to their last; those without any are left out."""
    tight = []
    for start, end in spans:
        found = [match.span() for match in _WORD.finditer(prompt, start, end)]
        if found:
            tight.append((found[0][0], found[-1][1]))
    return tight


def _merged(spans: Sequence[Span], most: int) -> list[Span]:
    """At most so many spans: neighbours become one, evenly."""
    if len(spans) <= most:
        return list(spans)
    edges = [round(number * len(spans) / most) for number in range(most + 1)]
    return [(spans[a][0], spans[b - 1][1]) for a, b in pairwise(edges)]
