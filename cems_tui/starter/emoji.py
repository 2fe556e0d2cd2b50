"""Emoji as the nouns they are: what a model with a vocabulary is given instead of them.

Standard library only. The prompt itself stays as the user gave it; this is what is read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cems_tui.starter.vocabulary import COLOURS, COUNTS, NOUN_OF, SIZES, article, plural

_SAID = {
    "cat": "🐱🐈😺😸😻😹😽🙀",
    "dog": "🐶🐕🐩🦮",
    "rabbit": "🐰🐇",
    "fox": "🦊",
    "panda": "🐼",
    "pig": "🐷🐖🐽",
    "frog": "🐸",
    "penguin": "🐧",
    "owl": "🦉",
    "octopus": "🐙",
    "fish": "🐠🐟🐡",
    "butterfly": "🦋",
    "turtle": "🐢",
    "bear": "🐻🧸",
    "apple": "🍎🍏",
    "banana": "🍌",
    "strawberry": "🍓",
    "carrot": "🥕",
    "pizza": "🍕",
    "hamburger": "🍔",
    "donut": "🍩",
    "cake": "🎂🍰",
    "mushroom": "🍄",
    "car": "🚗🚘🚙🏎",
    "bus": "🚌🚍🚎",
    "train": "🚂🚆🚅🚄🚞",
    "airplane": "✈🛩🛫🛬",
    "rocket": "🚀",
    "boat": "⛵🚤🛥🚢",
    "sun": "🌞☀",
    "moon": "🌙🌛🌜🌝🌕🌚",
    "star": "⭐🌟",
    "tree": "🌳🌲",
    "flower": "🌷🌸🌹🌺🌼",
    "cactus": "🌵",
    "snowman": "⛄☃",
    "house": "🏠🏡",
    "book": "📕📖",
    "blue book": "📘",
    "green book": "📗",
    "heart": "❤♥",
    "pink heart": "💗💖💕🩷",
    "yellow heart": "💛",
    "green heart": "💚",
    "blue heart": "💙",
    "purple heart": "💜",
    "black heart": "🖤",
    "white heart": "🤍",
    "balloon": "🎈",
    "gift": "🎁",
    "umbrella": "☂🌂☔",
    "robot": "🤖",
    "ghost": "👻",
    "clock": "⏰🕰",
    "crown": "👑",
}
EMOJI = {letter: noun for noun, letters in _SAID.items() for letter in letters}
"""Emoji → what it is called in the pack's vocabulary, its colour with it."""

_LOOKS = "[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]*"
"""Variation selectors and skin tones: they change how an emoji looks, not what it is."""

_PICTURE = "[\u2300-\u23ff\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001f3fa\U0001f400-\U0001faff]"
_JOINED = f"{_LOOKS}(?:\u200d{_PICTURE}{_LOOKS})*"
_RUN = re.compile(f"([{''.join(EMOJI)}]){_JOINED}(?:\\s*\\1{_JOINED})*")
_ANY = re.compile(f"{_PICTURE}{_JOINED}")
_LAST_WORD = re.compile(r"([^\W\d_]+|\d+)\s*$")

_LEADS = frozenset(
    {"a", "an", "the", "one", "this", "that", "my", "your", "his", "her", *COLOURS}
    | {word for words in SIZES.values() for word in words}
)
"""Words after which a noun stands bare."""


NEAR = 64
"""Letters before an emoji that are looked at: longer than any word that tells its form."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What is read of a prompt with emoji in it."""

    text: str
    """The prompt with every known emoji as its noun."""

    known: dict[str, str]
    """Emoji → what it is read as, each once, in their order."""

    unknown: tuple[str, ...]
    """The emoji that stand for nothing the pack can draw; they are left as they are."""


def read_emoji(prompt: str) -> Reading:
    """The prompt as a model with the pack's vocabulary is given it.

    `🐱 on a 🌳` is read as `a cat on a tree`, `🐶🐶` as `two dogs`; two different emoji side by
    side are joined by `and`.
    """
    if prompt.isascii():
        return Reading(prompt, {}, ())
    known: dict[str, str] = {}
    parts: list[str] = []
    end = 0
    for found in _RUN.finditer(prompt):
        between = prompt[end : found.start()]
        letter = found[1]
        known[letter] = EMOJI[letter]
        before = ("".join(parts[-3:]) + between)[-NEAR:]
        named = _named(EMOJI[letter], found[0].count(letter), before)
        last = _last_word(before)
        if not between.strip() and end:
            between = " and "
            named = _named(EMOJI[letter], found[0].count(letter), "")
        elif NOUN_OF.get(last) == EMOJI[letter].split()[-1]:
            between, named = between.rstrip(), ""  # `a cat 🐱` says it twice
        elif last in NOUN_OF and before[-1:] not in ",;.:":
            between = f"{between.rstrip()} and "
        elif before and not before[-1].isspace():
            between += " "
        parts += [between, named]
        end = found.end()
        if end < len(prompt) and prompt[end].isalnum():
            parts.append(" ")
    text = "".join((*parts, prompt[end:])) if known else prompt
    left = [one[0] for one in _ANY.finditer(text)]
    return Reading(text, known, tuple(dict.fromkeys(left)))


def _named(noun: str, count: int, before: str) -> str:
    """The noun as it stands in a caption, by the words before it."""
    word = _last_word(before)
    *colour, thing = noun.split()
    if count == 1 and word in _LEADS:
        return noun
    if count == 1 and (word in COUNTS or word in ("many", "several") or word.isdigit()):
        return " ".join((*colour, thing if word in ("one", "1") else plural(thing)))
    if count == 1:
        return f"{article(noun)} {noun}"
    number = COUNTS[count - 1] if count <= len(COUNTS) else str(count)
    return " ".join((number, *colour, plural(thing)))


def _last_word(text: str) -> str:
    """The word a text ends with, in lower case; empty where it ends with anything else."""
    found = _LAST_WORD.search(text.lower())
    return found[1] if found else ""


assert all(name.split()[-1] in NOUN_OF for name in _SAID)
