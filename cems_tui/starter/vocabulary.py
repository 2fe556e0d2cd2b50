"""The words the starter pack can draw, and what to say about those it cannot.

Standard library only: the app and the command line ask it before every generation.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches

from cems_tui.domain.function import GenerationFunction
from cems_tui.domain.note import Note
from cems_tui.domain.request import Request
from cems_tui.text import one_line

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

KINDRED: dict[str, tuple[str, ...]] = {
    "cat dog rabbit": (
        "animal", "pet", "horse", "cow", "sheep", "goat", "lion", "tiger", "wolf", "mouse",
        "monkey", "elephant", "giraffe", "squirrel", "hamster", "zebra", "deer", "unicorn",
    ),
    "owl penguin butterfly": (
        "bird", "duck", "chicken", "eagle", "parrot", "bee", "insect", "ladybug", "crow", "bat",
    ),
    "fish octopus turtle": (
        "whale", "shark", "dolphin", "crab", "squid", "snake", "lizard", "seal", "snail",
    ),
    "apple banana strawberry": (
        "fruit", "orange", "lemon", "pear", "grape", "cherry", "melon", "peach", "pineapple",
        "tomato", "vegetable", "potato", "food",
    ),
    "pizza hamburger cake": (
        "bread", "cheese", "sandwich", "cookie", "pie", "chocolate", "meal", "cupcake", "meat",
    ),
    "car bus train": (
        "truck", "bicycle", "bike", "motorcycle", "taxi", "van", "tractor", "vehicle", "wheel",
    ),
    "airplane rocket boat": ("helicopter", "ufo", "jet", "drone", "submarine", "yacht", "canoe"),
    "tree flower cactus": (
        "plant", "rose", "sunflower", "forest", "bush", "leaf", "palm", "pine", "mountain",
    ),
    "house": ("castle", "building", "tower", "church", "city", "barn", "bridge", "street", "room"),
    "robot snowman ghost": (
        "person", "man", "woman", "boy", "girl", "child", "alien", "people", "king", "queen",
        "astronaut", "monster", "human", "face",
    ),
    "sun moon star": ("cloud", "planet", "rainbow", "earth", "lamp", "light", "fire"),
    "gift balloon book": (
        "ball", "box", "table", "chair", "cup", "bottle", "hat", "phone", "computer", "toy", "key",
    ),
    "red yellow pink": ("orange",),
    "black white blue": ("gray", "grey", "brown", "dark", "silver"),
    "blue purple": ("cyan", "turquoise", "violet", "navy"),
    "three two": ("four", "five", "six", "many", "several", "seven", "eight", "nine", "ten"),
}  # fmt: skip
"""What the pack can offer instead → the common words it has no picture of."""

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
_OFFER = {word: tuple(offer.split()) for offer, words in KINDRED.items() for word in words}


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


def nearest_words(word: str) -> tuple[str, ...]:
    """Up to three words the pack can draw, near `word` in spelling or in kind."""
    lowered = word.lower()
    if lowered in NOUN_OF:
        return (NOUN_OF[lowered],)
    for form in (lowered, lowered.removesuffix("s"), lowered.removesuffix("es")):
        if form in _OFFER:
            return _OFFER[form]
    drawable = sorted({*NOUN_OF, *COLOURS, *COUNTS})
    near = get_close_matches(lowered, drawable, n=3, cutoff=0.72)
    return tuple(dict.fromkeys(NOUN_OF.get(match, match) for match in near))


# Tells the user which words of a prompt the starter pack cannot draw, before it draws.

MOST_WORDS = 6
"""Unknown words told by name; more are counted."""

PACK_MODELS = "starter-"
"""What the names of the pack's models begin with."""


class StarterVocabulary:
    """The words the pack's models know."""

    def notes(self, request: Request, function: GenerationFunction) -> Sequence[Note]:
        """One sentence about unknown words, with the nearest words known; empty without any."""
        if not function.model.name.startswith(PACK_MODELS):
            return ()

        unknown = unknown_words(request.prompt)
        if not unknown:
            return ()
        told = []
        for word in unknown[:MOST_WORDS]:
            near = nearest_words(word)
            shown = f"“{one_line(word, 24)}”"
            told.append(f"{shown} (nearest: {', '.join(near)})" if near else shown)
        more = f" and {len(unknown) - MOST_WORDS} more" if len(unknown) > MOST_WORDS else ""
        them = "it" if len(unknown) == 1 else "them"
        text = f"{function.model.name} does not know {', '.join(told)}{more}; it ignores {them}"
        return (Note("unknown_words", text),)
