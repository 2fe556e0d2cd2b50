"""The words the starter pack was taught: what it can draw, and what it cannot.

Standard library only: the app and the command line ask it before every generation.
"""

from __future__ import annotations

import re

NOUNS: dict[str, str] = {
    "cat": "🐱", "dog": "🐶", "rabbit": "🐰", "fox": "🦊", "panda": "🐼", "pig": "🐷",
    "frog": "🐸", "penguin": "🐧", "owl": "🦉", "octopus": "🐙", "fish": "🐠",
    "butterfly": "🦋", "turtle": "🐢", "bear": "🐻",
    "apple": "🍎", "banana": "🍌", "strawberry": "🍓", "carrot": "🥕", "pizza": "🍕",
    "hamburger": "🍔", "donut": "🍩", "cake": "🎂", "mushroom": "🍄",
    "car": "🚗", "bus": "🚌", "train": "🚂", "airplane": "✈️", "rocket": "🚀", "boat": "⛵",
    "sun": "🌞", "moon": "🌙", "star": "⭐", "tree": "🌳", "flower": "🌷", "cactus": "🌵",
    "snowman": "⛄", "house": "🏠",
    "book": "📕", "heart": "❤️", "balloon": "🎈", "gift": "🎁", "umbrella": "☂️",
    "robot": "🤖", "ghost": "👻", "clock": "⏰", "crown": "👑",
}  # fmt: skip
"""Noun → the emoji it is drawn with."""

SYNONYMS: dict[str, tuple[str, ...]] = {
    "cat": ("kitten", "kitty"),
    "dog": ("puppy",),
    "rabbit": ("bunny",),
    "pig": ("piglet",),
    "bear": ("teddy",),
    "turtle": ("tortoise",),
    "hamburger": ("burger",),
    "donut": ("doughnut",),
    "car": ("automobile",),
    "train": ("locomotive",),
    "airplane": ("plane", "aeroplane"),
    "rocket": ("spaceship",),
    "boat": ("sailboat", "ship"),
    "flower": ("tulip",),
    "house": ("home",),
    "gift": ("present",),
    "robot": ("android",),
    "moon": ("crescent",),
}

IRREGULAR_PLURALS = {
    "fox": "foxes", "octopus": "octopuses", "fish": "fish", "butterfly": "butterflies",
    "strawberry": "strawberries", "bus": "buses", "cactus": "cacti", "snowman": "snowmen",
    "puppy": "puppies", "kitty": "kitties", "bunny": "bunnies", "teddy": "teddies",
}  # fmt: skip

COLOURS = ("red", "yellow", "green", "blue", "purple", "pink", "black", "white")

BACKGROUNDS: dict[str, tuple[str, ...]] = {
    "night": ("at night", "in the night", "under a night sky"),
    "grass": ("on the grass", "in a meadow", "in a field", "in a park", "in a garden"),
    "sky": ("in the sky", "in a blue sky"),
    "beach": ("on the beach", "on the sand", "at the beach"),
    "snow": ("in the snow", "on snow", "in winter"),
    "sea": ("in the sea", "in the ocean", "in the water", "underwater"),
    "space": ("in space", "in outer space"),
    "sunset": ("at sunset", "in the evening", "at dusk"),
}
"""Background → the phrases that ask for it."""

RELATIONS: dict[str, tuple[str, ...]] = {
    "left": ("to the left of", "left of", "on the left of"),
    "right": ("to the right of", "right of", "on the right of"),
    "above": ("above", "over", "on top of", "on"),
    "below": ("below", "under", "beneath", "underneath"),
    "beside": ("and", "next to", "beside", "near", "with", "by"),
}
"""Where the first group is, seen from the second → the ways to say so."""

SIZES: dict[str, tuple[str, ...]] = {
    "small": ("small", "little", "tiny"),
    "big": ("big", "large", "huge"),
}

COUNTS = ("one", "two", "three")

MEDIA = ("picture", "photo", "image", "drawing", "painting")

POSTURES = ("sitting", "standing", "is", "are", "resting")

_GLUE = "a an the of to on in at and with there background in front"
GLUE = tuple(_GLUE.split())

_FILLER = """
    i me my we you it its it's this that these those some any be was were am being been has have
    having as for from into onto off out up down so very really quite just only also too please
    draw show make paint render generate create give want like looks looking look seen view
    scene emoji icon style cute nice beautiful pretty lovely simple plain clear bright colourful
    colorful happy good great best quality high detailed cartoon illustration sketch portrait
    photograph pic art artwork which who where while during together side alone single pair couple
    both each other another his her their your our lone standing stands sits sitting lying lies
    rests placed put located floating flying flies colour color colored coloured shot close
"""
FILLER = frozenset(_FILLER.split())
"""Words without a picture of their own: never reported, and read as unknown tokens."""

_MANY_TEXT = """
    four five six seven eight nine ten eleven twelve dozen dozens many several few lots
    hundred hundreds thousand thousands countless
"""
MANY = frozenset(_MANY_TEXT.split())
"""Words for more of a thing than the pack was taught, or for nobody knows how many."""

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?|\d+")


def plural(noun: str) -> str:
    """The plural of a noun or synonym of this vocabulary."""
    return IRREGULAR_PLURALS.get(noun, noun + "s")


def article(word: str) -> str:
    """`a` or `an`, as the word that follows wants it."""
    return "an" if word[0] in "aeiou" else "a"


def names_of(noun: str) -> tuple[str, ...]:
    """The noun and its synonyms, singular."""
    return (noun, *SYNONYMS.get(noun, ()))


def _build() -> tuple[dict[str, str], tuple[str, ...]]:
    owner: dict[str, str] = {}
    for noun in NOUNS:
        for name in names_of(noun):
            owner[name] = noun
            owner.setdefault(plural(name), noun)
    words = set(owner) | set(COLOURS) | set(COUNTS) | set(MEDIA) | set(POSTURES) | set(GLUE)
    for table in (BACKGROUNDS, RELATIONS, SIZES):
        for phrases in table.values():
            for phrase in phrases:
                words.update(phrase.split())
    return owner, tuple(sorted(words))


NOUN_OF, WORDS = _build()
"""Every singular, plural and synonym → its noun; and every word the pack was taught, sorted."""

_KNOWN = frozenset(WORDS) | FILLER


def words_of(prompt: str) -> list[str]:
    """The words of a prompt in lower case, without punctuation."""
    return [word.replace("’", "'") for word in _WORD.findall(prompt.lower())]


def unknown_words(prompt: str) -> tuple[str, ...]:
    """The words of `prompt` the pack cannot draw, each once, in the order they appear."""
    return tuple(dict.fromkeys(word for word in words_of(prompt) if word not in _KNOWN))


def drawable_nouns(prompt: str) -> tuple[str, ...]:
    """The nouns `prompt` asks for, each once, in the order they appear."""
    found = (NOUN_OF[word] for word in words_of(prompt) if word in NOUN_OF)
    return tuple(dict.fromkeys(found))


def counts_beyond(prompt: str) -> tuple[str, ...]:
    """The numbers of `prompt` that the pack was not taught: over three, or not as a word."""
    words = words_of(prompt)
    return tuple(dict.fromkeys(word for word in words if word in MANY or word.isdigit()))


def places_named(prompt: str) -> tuple[str, ...]:
    """The backgrounds whose phrases, or whose own names, stand in `prompt`."""
    text = f" {' '.join(words_of(prompt))} "
    return tuple(
        place
        for place, phrases in BACKGROUNDS.items()
        if any(f" {phrase} " in text for phrase in (place, *phrases))
    )
