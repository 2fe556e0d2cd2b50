"""Scenes into English: many ways to say the same thing, and near misses of a caption."""

from __future__ import annotations

import random

from cems_tui.starter.scenes import Scene, Thing
from cems_tui.starter.vocabulary import (
    BACKGROUNDS,
    COLOURS,
    COUNTS,
    MEDIA,
    NOUN_OF,
    NOUNS,
    POSTURES,
    RELATIONS,
    SIZES,
    article,
    names_of,
    plural,
)

OPPOSITE = {
    "left": "right", "right": "left", "above": "below", "over": "under", "below": "above",
    "under": "over", "beneath": "above", "underneath": "above", "two": "three", "three": "two",
}  # fmt: skip

_PLACES = tuple(phrase for phrases in BACKGROUNDS.values() for phrase in phrases)
_SIZE_OF = {word: size for size, words in SIZES.items() for word in words}


def describe(scene: Scene, rng: random.Random) -> str:
    """One caption of `scene`."""
    things = [name(thing, rng) for thing in scene.things]
    if len(things) == 1:
        text = _alone(scene.things[0], things[0], rng)
    elif scene.relation is not None:
        text = _related(scene.things[0], things, scene.relation, rng)
    elif len(things) == 4 and rng.random() < 0.5:
        text = f"{things[0]} and {things[1]} above {things[2]} and {things[3]}"
    else:
        text = ", ".join(things[:-1]) + " and " + things[-1]
    return _on_ground(text, scene.background, rng)


def name(thing: Thing, rng: random.Random) -> str:
    """The thing with its article or count, size and colour: `two small red cars`."""
    noun = rng.choice(names_of(thing.noun)) if rng.random() < 0.25 else thing.noun
    words = [plural(noun) if thing.count > 1 else noun]
    if thing.colour:
        words.insert(0, thing.colour)
    if thing.size:
        words.insert(0, rng.choice(SIZES[thing.size]))
    if thing.count > 1:
        words.insert(0, COUNTS[thing.count - 1])
    else:
        draw = rng.random()
        if draw < 0.86:
            words.insert(0, article(words[0]))
        elif draw < 0.93:
            words.insert(0, "the" if draw < 0.9 else "one")
    return " ".join(words)


def _alone(thing: Thing, text: str, rng: random.Random) -> str:
    draw = rng.random()
    if draw < 0.14:
        medium = rng.choice(MEDIA)
        return f"{article(medium)} {medium} of {text}"
    if draw < 0.18:
        return f"there {'are' if thing.count > 1 else 'is'} {text}"
    return text


def _related(first: Thing, things: list[str], relation: str, rng: random.Random) -> str:
    if relation in ("left", "right") and rng.random() < 0.12:
        other = OPPOSITE[relation]
        return f"{things[0]} on the {relation} and {things[1]} on the {other}"
    phrase = rng.choice(RELATIONS[relation])
    if phrase != "and" and rng.random() < 0.12:
        posture = rng.choice(POSTURES)
        if posture in ("is", "are"):
            posture = "are" if first.count > 1 else "is"
        phrase = f"{posture} {phrase}"
    return f"{things[0]} {phrase} {things[1]}"


def _on_ground(text: str, background: str | None, rng: random.Random) -> str:
    if background is None:
        return text
    if background in COLOURS:
        ground = f"{article(background)} {background} background"
        return f"{text} on {ground}" if rng.random() < 0.8 else f"{text}, {background} background"
    phrase = rng.choice(BACKGROUNDS[background])
    draw = rng.random()
    if draw < 0.68:
        return f"{text} {phrase}"
    return f"{text}, {phrase}" if draw < 0.9 else f"{phrase}, {text}"


MISSES = ("relation", "noun", "colour", "count", "size", "place")
"""What can be wrong in a near miss."""


def near_miss(caption: str, rng: random.Random, kind: str | None = None) -> str:
    """`caption` with one thing wrong, of that `kind` of MISSES or of any.

    `relation` exchanges the two things or turns the relation round; `place` names another
    ground; the others change one word. Relations come first half of the time: a scorer
    learns them last. A caption that has nothing of the kind comes back as it is.
    """
    if kind is not None:
        return _missed(caption, kind, rng) or caption
    kinds = rng.sample(MISSES, len(MISSES))
    if rng.random() < 0.5:
        kinds.insert(0, "relation")
    misses = (_missed(caption, kind, rng) for kind in kinds)
    return next((miss for miss in misses if miss), caption)


def _missed(caption: str, kind: str, rng: random.Random) -> str | None:
    if kind == "relation":
        return _turned(caption, rng)
    if kind == "place":
        place = next((phrase for phrase in _PLACES if phrase in caption), None)
        return caption.replace(place, rng.choice(_other_places(place))) if place else None
    words = caption.replace(",", " ,").split()
    at = [index for index, word in enumerate(words) if _kind_of(word) == kind]
    if not at:
        return None
    index = rng.choice(at)
    words[index] = rng.choice(_others(words[index]))
    return _join(words)


def _turned(caption: str, rng: random.Random) -> str | None:
    """The two things exchanged, or the word between them turned round."""
    words = caption.replace(",", " ,").split()
    nouns = [i for i, word in enumerate(words) if word in NOUN_OF]
    if len(nouns) != 2 or NOUN_OF[words[nouns[0]]] == NOUN_OF[words[nouns[1]]]:
        return None
    first, second = nouns
    turns = [i for i in range(first, second) if _kind_of(words[i]) == "relation"]
    if len(turns) != 1:
        return None
    both_told = "left" in words[second:] or "right" in words[second:]
    alike = _many(words[first]) == _many(words[second])
    if not both_told and (not alike or rng.random() < 0.5):
        words[turns[0]] = OPPOSITE[words[turns[0]]]
    elif alike:
        words[first], words[second] = words[second], words[first]
    else:
        return None
    return _join(words)


def _many(noun: str) -> bool:
    return noun not in names_of(NOUN_OF[noun])


def _kind_of(word: str) -> str | None:
    """What `_others` would change by replacing the word."""
    if word in NOUN_OF:
        return "noun"
    if word in COLOURS:
        return "colour"
    if word in _SIZE_OF:
        return "size"
    if word in OPPOSITE:
        return "count" if word in COUNTS else "relation"
    return None


def _others(word: str) -> tuple[str, ...]:
    """What would make the caption wrong in place of `word`."""
    if word in NOUN_OF:
        own = NOUN_OF[word]
        many = word not in names_of(own)
        return tuple(plural(noun) if many else noun for noun in NOUNS if noun != own)
    if word in COLOURS:
        return tuple(colour for colour in COLOURS if colour != word)
    if word in OPPOSITE:
        return (OPPOSITE[word],)
    if word in _SIZE_OF:
        return SIZES["big" if _SIZE_OF[word] == "small" else "small"]
    return ()


def _other_places(place: str) -> tuple[str, ...]:
    own = next(key for key, phrases in BACKGROUNDS.items() if place in phrases)
    return tuple(p for key, phrases in BACKGROUNDS.items() if key != own for p in phrases)


def _join(words: list[str]) -> str:
    """The caption again; an article that no longer fits would give the change away."""
    for index in range(len(words) - 1):
        if words[index] in ("a", "an"):
            words[index] = article(words[index + 1])
    return " ".join(words).replace(" ,", ",")
