"""What the pack's vocabulary knows, and what it says about the rest."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cems_tui.starter.vocabulary import (
    BACKGROUNDS,
    COLOURS,
    NOUNS,
    RELATIONS,
    drawable_nouns,
    nearest_words,
    plural,
    unknown_words,
)


@pytest.mark.parametrize(
    "prompt",
    [
        "a cat to the left of a red car at night",
        "two small dogs under a tree, at night",
        "A Bunny next to three BIG butterflies!",
        "please draw me a nice picture of an owl in the snow",
        "one yellow aeroplane over a house in a park",
        "",
    ],
)
def test_prompts_of_known_words_are_not_reported(prompt: str) -> None:
    assert unknown_words(prompt) == ()


def test_unknown_words_come_once_and_in_their_order() -> None:
    prompt = "a horse and a wizard beside another horse with a cat, HELLO"
    assert unknown_words(prompt) == ("horse", "wizard", "hello")


def test_numbers_beyond_three_are_unknown() -> None:
    assert unknown_words("four cats and 7 dogs") == ("four", "7")


def test_orange_is_neither_a_noun_nor_a_colour() -> None:
    assert "orange" not in NOUNS
    assert "orange" not in COLOURS
    assert unknown_words("an orange") == ("orange",)


def test_the_domain_is_as_wide_as_promised() -> None:
    assert len(NOUNS) >= 40
    assert len(COLOURS) == 8
    assert len(BACKGROUNDS) >= 6
    assert set(RELATIONS) == {"left", "right", "above", "below", "beside"}


@pytest.mark.parametrize(
    ("word", "offer"),
    [("horse", "dog"), ("baloon", "balloon"), ("Trucks", "car"), ("ninjas", None), ("cats", "cat")],
)
def test_near_words_are_alike_in_kind_or_spelling(word: str, offer: str | None) -> None:
    near = nearest_words(word)
    assert (offer in near) if offer else near == ()


def test_every_offered_word_can_be_drawn() -> None:
    for word in ("horse", "bird", "orange", "gray", "four", "castle", "person", "lamp"):
        assert nearest_words(word), word
        assert unknown_words(" ".join(nearest_words(word))) == ()


def test_every_plural_is_known() -> None:
    assert unknown_words(" ".join(plural(noun) for noun in NOUNS)) == ()


def test_nouns_of_a_prompt_are_found_under_their_other_names() -> None:
    assert drawable_nouns("two puppies, a kitten and a dog") == ("dog", "cat")


def test_asking_needs_no_heavy_library() -> None:
    code = (
        "import sys, cems_tui.starter.vocabulary, cems_tui.starter.manifest;"
        "bad = {'torch', 'numpy', 'PIL', 'transformers'} & set(sys.modules); assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
