"""Prompts that the pack was never taught, of our own writing: what its router knows nothing of.

They stand for what people really type: things the pack has no picture of, counts over three,
scenes, styles, long descriptions, single words, other languages. Standard library only.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from cems_tui.starter.captions import describe
from cems_tui.starter.scenes import random_scene
from cems_tui.starter.vocabulary import NOUN_OF, NOUNS, article, plural

SEED = "prompts outside the vocabulary"
"""Benchmarks and trainings draw with other seeds."""

_THINGS_TEXT = """
    lion tiger horse cow elephant giraffe whale shark eagle parrot dragon unicorn bee spider
    bicycle truck helicopter submarine tractor motorcycle castle bridge lighthouse windmill
    church tower mountain volcano waterfall lamp chair table guitar piano camera telephone
    computer bottle teapot candle hammer ladder mirror suitcase violin sword helmet anchor
    basket pencil pineapple lemon sandwich pumpkin teddy-bear skyscraper canoe fountain
    statue globe
"""
_THINGS = _THINGS_TEXT.split()

_PEOPLE_TEXT = """
    woman man girl boy child king queen astronaut wizard knight pirate dancer chef sailor
    nurse farmer soldier musician ballerina fisherman grandmother scientist cyclist
"""
_PEOPLE = _PEOPLE_TEXT.split()

_DOING = (
    "reading a newspaper", "walking through the rain", "playing the drums", "holding a lantern",
    "climbing a wall", "asleep on a sofa", "waiting at a station", "looking into a mirror",
    "riding a horse", "drinking coffee", "dancing in the street", "writing a letter",
)  # fmt: skip

_PLACES = (
    "in a crowded market", "on a mountain top", "in front of a castle", "beside a lake",
    "in an old library", "on a wooden table", "in the desert", "under a bridge", "in the jungle",
    "on the roof of a skyscraper", "in a foggy harbour", "inside a cave", "on Mars",
    "in a kitchen full of steam", "along an empty motorway", "in the ruins of a temple",
)  # fmt: skip

_STYLES = (
    "oil on canvas", "watercolour", "pencil drawing", "pixel art", "stained glass", "charcoal",
    "studio photograph", "film still", "blueprint", "woodcut", "low poly render", "comic strip",
    "art nouveau poster", "claymation", "double exposure", "isometric", "baroque", "ukiyo-e",
)  # fmt: skip

_PRAISE = (
    "highly detailed", "sharp focus", "cinematic lighting", "8 k", "volumetric fog", "intricate",
    "dramatic shadows", "award winning", "depth of field", "trending", "golden hour", "matte",
    "concept art", "symmetrical", "elegant", "hyperrealistic", "smooth", "wide angle", "moody",
)  # fmt: skip

_DESCRIBED = (
    "In the foreground stands {thing}, its surface worn and covered with fine scratches.",
    "Behind it {other} can be made out through the haze, slightly out of focus.",
    "Soft light falls from the left and throws long shadows over the floor.",
    "The colours are muted, mostly ochre and slate, with a single bright accent.",
    "A narrow path winds between tall grasses towards the horizon.",
    "Two people in heavy coats talk to each other without looking at the viewer.",
    "The whole scene is calm, as though nobody had passed here for years.",
    "Every detail of the fabric, from its seams to its frayed edges, can be seen.",
    "Drops of water cling to the glass and blur what lies outside.",
    "The composition leads the eye from the lower corner to the open door.",
)

_WORDS_TEXT = """
    freedom gravity silence music winter knowledge infinity love chaos democracy entropy
    tomorrow dream algebra hunger justice melody emptiness nostalgia symmetry evolution
    electricity
"""
_WORDS = _WORDS_TEXT.split()

_LANGUAGES = (
    "ein Hund neben einem roten Haus", "eine Katze im Schnee", "zwei Schiffe auf dem Meer",
    "un chat sur un arbre la nuit", "une voiture rouge devant la mer", "trois étoiles bleues",
    "un perro debajo de la mesa", "una casa pequeña en la montaña", "el sol sobre el desierto",
    "un gatto e un cane sulla spiaggia", "um barco no rio ao amanhecer", "een hond in het gras",
    "雪の中の猫", "一只红色的汽车", "桌子上的苹果", "красная машина у моря", "кот под деревом",
    "قطة على شجرة", "빨간 자동차와 나무", "पेड़ के नीचे एक कुत्ता", "czerwony samochód nocą",
)  # fmt: skip


def _unknown_noun(rng: random.Random) -> str:
    """A caption of the grammar with one of its nouns replaced by what was never taught."""
    words = describe(random_scene(rng), rng).split()
    bare = [word.strip(",") for word in words]
    place = rng.choice([i for i, word in enumerate(bare) if word in NOUN_OF])
    thing = rng.choice(_THINGS)
    many = bare[place] not in NOUNS and bare[place] != NOUN_OF[bare[place]]
    words[place] = words[place].replace(bare[place], thing + "s" if many else thing)
    if place and words[place - 1] in ("a", "an"):
        words[place - 1] = article(thing)
    return " ".join(words)


def _many(rng: random.Random) -> str:
    """Known nouns in numbers that were never taught."""
    count = rng.choice(("four", "five", "six", "seven", "ten", "12", "a dozen", "many", "100"))
    noun = plural(rng.choice(tuple(NOUNS)))
    return f"{count} {noun} {rng.choice(('', 'on the grass', 'in a row', 'at night'))}".strip()


def _scene(rng: random.Random) -> str:
    who = rng.choice(_PEOPLE if rng.random() < 0.5 else _THINGS)
    what = f"{article(who)} {who} {rng.choice(_DOING)}" if rng.random() < 0.5 else f"the {who}"
    return f"{what} {rng.choice(_PLACES)}"


def _mixture(rng: random.Random) -> str:
    """A known thing among what was never taught."""
    noun = rng.choice(tuple(NOUNS))
    return f"{article(noun)} {noun} {rng.choice(_DOING)} {rng.choice(_PLACES)}"


def _style(rng: random.Random) -> str:
    praise = rng.sample(_PRAISE, rng.randint(3, 7))
    subject = _scene(rng) if rng.random() < 0.7 else _mixture(rng)
    return ", ".join([f"{rng.choice(_STYLES)} of {subject}", *praise])


def _description(rng: random.Random) -> str:
    things = [f"{article(one)} {one}" for one in rng.sample((*_THINGS, *NOUNS), 2)]
    sentences = rng.sample(_DESCRIBED, rng.randint(2, 5))
    return " ".join(one.format(thing=things[0], other=things[1]) for one in sentences)


def _word(rng: random.Random) -> str:
    return rng.choice((*_WORDS, *_THINGS, *_PEOPLE))


def _language(rng: random.Random) -> str:
    return rng.choice(_LANGUAGES)


KINDS: dict[str, tuple[Callable[[random.Random], str], int]] = {
    "unknown noun": (_unknown_noun, 5),
    "many": (_many, 2),
    "scene": (_scene, 4),
    "mixture": (_mixture, 4),
    "style": (_style, 4),
    "description": (_description, 3),
    "word": (_word, 1),
    "language": (_language, 1),
}
"""What breaks the grammar → who writes it, and how many of each 24."""


def long_descriptions() -> list[tuple[str, str]]:
    """Descriptions of fifty words and more, written one by one; half name a thing that is known."""
    text = Path(__file__).with_name("long_descriptions.txt").read_text(encoding="utf-8")
    return [(line, "long description") for line in text.splitlines() if line]


def outside_prompts(count: int, seed: str = SEED) -> list[tuple[str, str]]:
    """`count` different prompts, each with what breaks the grammar as its group."""
    rng = random.Random(seed)
    turns = [kind for kind, (_, share) in KINDS.items() for _ in range(share)]
    prompts: dict[str, str] = {}
    while len(prompts) < count:
        rng.shuffle(turns)
        for kind in turns:
            prompts.setdefault(KINDS[kind][0](rng), kind)
    return list(prompts.items())[:count]
