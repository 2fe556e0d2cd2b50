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
    counts_beyond,
    drawable_nouns,
    places_named,
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


def test_every_plural_is_known() -> None:
    assert unknown_words(" ".join(plural(noun) for noun in NOUNS)) == ()


def test_nouns_of_a_prompt_are_found_under_their_other_names() -> None:
    assert drawable_nouns("two puppies, a kitten and a dog") == ("dog", "cat")


def test_asking_needs_no_heavy_library() -> None:
    code = (
        "import sys, cems_tui.starter.prompt_notes, cems_tui.starter.manifest;"
        "bad = {'torch', 'numpy', 'PIL', 'transformers'} & set(sys.modules); assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_numbers_beyond_what_was_taught_are_found() -> None:
    assert counts_beyond("four cats, 2 dogs, three owls and a dozen, dozen stars") == (
        "four",
        "2",
        "dozen",
    )


def test_places_are_found_by_their_phrases_and_by_name() -> None:
    assert places_named("Sunset over nothing, in the snow") == ("snow", "sunset")
    assert places_named("snowy seas") == ()
