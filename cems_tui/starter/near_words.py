"""Words near in meaning to what the pack can draw: a small table of our own writing.

Near means that the thing asked for is a kind of what can be drawn, or the other way round, or of
one kind with it. How a word is spelt says nothing about that; a typo is told apart and as such.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cems_tui.starter.vocabulary import BACKGROUNDS, COLOURS, COUNTS, NOUN_OF, NOUNS

Closeness = Literal["same", "such as", "other", "spelling"]

_SAME = {
    "cat": "feline tomcat pussycat tabby moggy",
    "dog": "hound canine doggy pooch poodle corgi labrador beagle terrier dachshund bulldog",
    "rabbit": "hare",
    "fox": "vixen",
    "pig": "hog swine boar",
    "frog": "toad",
    "fish": "goldfish salmon trout clownfish",
    "octopus": "squid cuttlefish",
    "butterfly": "moth",
    "bear": "grizzly",
    "donut": "bagel",
    "hamburger": "cheeseburger",
    "cake": "cupcake gateau tart",
    "mushroom": "toadstool",
    "car": "sedan taxi cab limousine hatchback convertible vehicle",
    "bus": "coach minibus",
    "train": "tram steam-engine railway",
    "airplane": "jet airliner aircraft",
    "rocket": "spacecraft shuttle missile",
    "boat": "yacht sailing-boat dinghy vessel ferry",
    "star": "starfish",
    "tree": "oak maple birch pine fir spruce beech",
    "flower": "rose daisy blossom lily poppy",
    "house": "cottage cabin hut villa bungalow",
    "book": "novel notebook dictionary",
    "gift": "parcel",
    "umbrella": "parasol",
    "robot": "cyborg droid",
    "ghost": "spirit phantom spectre",
    "clock": "watch alarm-clock timer",
    "crown": "tiara diadem",
    "red": "scarlet crimson maroon",
    "blue": "navy azure cyan turquoise indigo",
    "green": "lime emerald olive",
    "purple": "violet lilac mauve magenta",
    "yellow": "golden gold",
    "pink": "rose-coloured salmon-coloured fuchsia",
    "black": "jet-black",
    "white": "ivory",
    "sea": "lake river pond waves seaside",
    "beach": "shore coast dunes",
    "grass": "lawn meadows pasture",
    "snow": "ice blizzard",
    "space": "galaxy cosmos universe",
    "night": "midnight darkness",
    "sky": "clouds",
    "three": "3",
    "two": "2 couple pair",
    "one": "1",
}
"""What can be drawn → words for much the same."""

_SUCH_AS = {
    "cat dog rabbit": "animal animals pet pets creature mammal",
    "owl penguin": "bird birds",
    "butterfly": "insect insects",
    "apple banana strawberry": "fruit fruits",
    "carrot": "vegetable vegetables",
    "pizza hamburger cake": "food meal snack dinner",
    "car bus train": "traffic transport",
    "tree flower cactus": "plant plants",
    "sun moon star": "planet planets",
    "house": "building buildings home architecture",
    "gift balloon": "toy toys birthday",
}
"""Things of a kind → words for the kind."""

_OTHER = {
    "animals: cat, dog, rabbit": (
        "horse cow sheep goat lion tiger wolf mouse monkey elephant giraffe squirrel hamster zebra "
        "deer camel donkey kangaroo koala raccoon leopard hedgehog unicorn"
    ),
    "birds: owl, penguin": "duck chicken eagle parrot crow swan goose pigeon flamingo sparrow",
    "animals: butterfly": "bee ladybug spider ant dragonfly",
    "sea animals: fish, octopus, turtle": "whale shark dolphin crab seal lobster jellyfish",
    "animals: turtle, frog": "snake lizard crocodile snail dinosaur",
    "fruit: apple, banana, strawberry": (
        "lemon pear grape cherry melon peach pineapple watermelon kiwi mango"
    ),
    "vegetables: carrot": "tomato potato onion broccoli pumpkin pepper",
    "food: pizza, hamburger, cake": (
        "bread cheese sandwich cookie pie chocolate meat noodles sushi taco pancake"
    ),
    "vehicles: car, bus, train": "truck bicycle bike motorcycle van tractor scooter",
    "things that fly or float: airplane, rocket, boat": (
        "helicopter ufo drone submarine canoe balloonist"
    ),
    "plants: tree, flower, cactus": "sunflower forest bush leaf palm fern",
    "buildings: house": "castle tower church barn skyscraper lighthouse temple",
    "figures: robot, snowman, ghost": (
        "person man woman boy girl child alien people king queen astronaut monster human "
        "wizard knight soldier dragon"
    ),
    "things in the sky: sun, moon, star": "cloud rainbow earth comet meteor",
    "things: gift, balloon, book": "ball box toybox lantern",
    "colours: red, yellow, pink": "orange beige",
    "colours: black, white": "gray grey silver",
    "colours: red, black": "brown",
}
"""What can be drawn of a kind → other words of that kind."""


@dataclass(frozen=True, slots=True)
class Near:
    """What can be drawn near a word, and how near that is."""

    closeness: Closeness
    words: tuple[str, ...]
    kind: str = ""
    """What `other` things have in common, such as `animals`."""

    @property
    def told(self) -> str:
        """`it knows cat`, `it knows other animals: cat, dog`, `spelt nearly like balloon`."""
        listed = ", ".join(self.words)
        return {
            "same": f"near in meaning: {listed}",
            "such as": f"it knows {listed}",
            "other": f"it knows other {self.kind}: {listed}",
            "spelling": f"spelt nearly like {listed}",
        }[self.closeness]


def _build() -> dict[str, Near]:
    found: dict[str, Near] = {}
    for offer, words in _OTHER.items():
        kind, _, listed = offer.partition(": ")
        for word in words.split():
            found[word] = Near("other", tuple(listed.split(", ")), kind)
    for offer, words in _SUCH_AS.items():
        for word in words.split():
            found[word] = Near("such as", tuple(offer.split()))
    for known, words in _SAME.items():
        for word in words.split():
            found[word] = Near("same", (known,))
    return found


_NEAR = _build()
_SPELT = tuple(sorted({*NOUN_OF, *COLOURS, *COUNTS, *BACKGROUNDS}))

LEAST_LETTERS = 6
"""Of a known word, for one letter to be a typo: shorter words are one letter from many others."""


def near_word(word: str) -> Near | None:
    """What the pack can draw near a word it does not know; None where there is nothing."""
    lowered = word.lower()
    if lowered in NOUN_OF:
        return Near("same", (NOUN_OF[lowered],))
    for form in (lowered, lowered.removesuffix("s"), lowered.removesuffix("es")):
        if form in _NEAR:
            return _NEAR[form]
    meant = [known for known in _SPELT if len(known) >= LEAST_LETTERS and _typo(lowered, known)]
    return Near("spelling", (meant[0],)) if meant else None


def _typo(word: str, known: str) -> bool:
    """Whether one letter is missing, too many, another one, or two stand in each other's place.

    The first letter is hardly ever the wrong one, and is what tells `brains` from `trains`.
    """
    if word[:1] != known[:1] or abs(len(word) - len(known)) > 1 or word == known:
        return False
    start = 0
    while start < min(len(word), len(known)) and word[start] == known[start]:
        start += 1
    one, other = word[start:], known[start:]
    return (
        one[1:] == other[1:]
        or one[1:] == other
        or one == other[1:]
        or (one[:2] == other[1::-1] and one[2:] == other[2:])
    )


assert {word for near in _NEAR.values() for word in near.words} <= {
    *NOUNS, *COLOURS, *COUNTS, *BACKGROUNDS
}  # fmt: skip
