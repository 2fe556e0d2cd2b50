"""What the pack's models make of a prompt: what they are given, and what they were never taught.

Standard library only: it is asked for every prompt that is priced, also while one is typed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from cems_tui.domain.function import GenerationFunction
from cems_tui.domain.note import Note
from cems_tui.domain.request import Request
from cems_tui.starter.emoji import Reading, read_emoji
from cems_tui.starter.languages import other_language
from cems_tui.starter.near_words import near_word
from cems_tui.starter.vocabulary import (
    COUNTS,
    NOUNS,
    counts_beyond,
    drawable_nouns,
    places_named,
    unknown_words,
)
from cems_tui.text import one_line

MOST_WORDS = 6
"""Unknown words told by name; more are counted."""

PACK_MODELS = "starter-"
"""What the names of the pack's models begin with."""


def is_of_pack(function: GenerationFunction) -> bool:
    """Whether the function's model was taught the pack's vocabulary and nothing else."""
    return function.model.name.startswith(PACK_MODELS)


class StarterVocabulary:
    """What the pack's models know, and what is said of a request that goes beyond it."""

    def notes(self, request: Request, function: GenerationFunction) -> Sequence[Note]:
        """Notes on emoji, language, nouns, words, counts and size; none for other models."""
        if not is_of_pack(function):
            return ()
        model, reading = function.model.name, read_emoji(request.prompt)
        told = [
            _emoji(model, reading),
            *_words(model, reading.text),
            _count(model, reading.text),
            _size(model, request, function),
        ]
        return [note for note in told if note is not None]


def _emoji(model: str, reading: Reading) -> Note | None:
    parts = []
    if reading.known:
        read = ", ".join(f"{letter} as {noun}" for letter, noun in reading.known.items())
        parts.append(f"{model} is given “{one_line(reading.text, 120)}”: it reads {read}")
    if reading.unknown:
        listed = " ".join(reading.unknown[:MOST_WORDS])
        parts.append(f"{model} has no picture of {listed} and ignores it")
    return Note("emoji", "; ".join(parts)) if parts else None


def _words(model: str, text: str) -> list[Note | None]:
    language = other_language(text)
    if language is not None:
        told = f"the prompt seems to be in {language}; {model} was taught English words only"
        return [Note("language", told), _no_noun(model, text)]
    return [_no_noun(model, text), _unknown(model, text)]


def _no_noun(model: str, text: str) -> Note | None:
    if drawable_nouns(text):
        return None
    some = ", ".join(list(NOUNS)[:3])
    place = "only a place and " if places_named(text) else ""
    return Note(
        "no_noun",
        f"the prompt names {place}none of the {len(NOUNS)} things {model} can draw ({some}, …); "
        "what it draws instead is chance",
    )


def _unknown(model: str, text: str) -> Note | None:
    beyond = set(counts_beyond(text))
    unknown = [word for word in unknown_words(text) if word not in beyond]
    if not unknown:
        return None
    told = []
    for word in unknown[:MOST_WORDS]:
        near, shown = near_word(word), f"“{one_line(word, 24)}”"
        told.append(f"{shown} ({near.told})" if near else shown)
    more = f" and {len(unknown) - MOST_WORDS} more" if len(unknown) > MOST_WORDS else ""
    them = "it" if len(unknown) == 1 else "them"
    text = f"{model} does not know {', '.join(told)}{more}; it ignores {them}"
    return Note("unknown_words", text)


def _count(model: str, text: str) -> Note | None:
    beyond = counts_beyond(text)
    if not beyond or not drawable_nouns(text):
        return None
    listed = ", ".join(f"“{one_line(word, 12)}”" for word in beyond[:MOST_WORDS])
    return Note(
        "count", f"{model} was taught to count to {COUNTS[-1]}, in words; it ignores {listed}"
    )


def _size(model: str, request: Request, function: GenerationFunction) -> Note | None:
    taught = function.width, function.height
    asked = request.width or function.width, request.height or function.height
    if asked == taught:
        return None
    return Note(
        "size",
        f"{model} was taught pictures of {taught[0]}×{taught[1]} pixels; at {asked[0]}×{asked[1]} "
        "it draws far worse",
    )


def read_prompt(prompt: str) -> str:
    """The prompt as the pack's models and scorers are given it: emoji as the nouns they are."""
    return read_emoji(prompt).text


def wording_of(functions: Iterable[str]) -> Callable[[str], str]:
    """In which words functions of these names are asked for: the pack's, or the user's own."""
    return read_prompt if all(name.startswith(PACK_MODELS) for name in functions) else str
