"""What is said of a prompt before the pack draws it, and what the pack is given of it."""

from __future__ import annotations

import random
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cems_tui.domain.decision import Policy
from cems_tui.domain.function import GenerationFunction, Model
from cems_tui.domain.request import Request
from cems_tui.starter.captions import describe
from cems_tui.starter.emoji import EMOJI, read_emoji
from cems_tui.starter.languages import other_language
from cems_tui.starter.near_words import near_word
from cems_tui.starter.prompt_notes import StarterVocabulary, read_prompt, wording_of
from cems_tui.starter.recipe.training.outside_prompts import KINDS, outside_prompts
from cems_tui.starter.scenes import random_scene
from cems_tui.starter.vocabulary import NOUNS, drawable_nouns, unknown_words
from cems_tui.text import visible
from tests.services.fakes_session import FUNCTIONS

TINY = FUNCTIONS["tiny-base@4"]
PACK = GenerationFunction(
    "starter-base@4", Model("starter-base", "fake", "Apache-2.0", "pack"), 4, 2.0, 64, 64
)


def notes(prompt: str, **options: object) -> dict[str, str]:
    """The notes on a prompt, by kind."""
    request = Request("01", prompt, Policy.tradeoff(0.5), **options)  # type: ignore[arg-type]
    found = list(StarterVocabulary().notes(request, PACK))
    assert len({note.kind for note in found}) == len(found)
    return {note.kind: note.text for note in found}


@given(st.integers(0, 10_000))
def test_a_caption_of_the_grammar_needs_no_word(seed: int) -> None:
    rng = random.Random(seed)
    caption = describe(random_scene(rng), rng)
    assert notes(caption) == {}
    assert read_prompt(caption) == caption


@given(st.text(max_size=300))
def test_whatever_is_typed_each_kind_is_said_once_and_shortly(prompt: str) -> None:
    for text in notes(prompt).values():
        assert len(text) < 700
        assert visible(text) == text


def test_every_prompt_outside_the_grammar_gets_a_word() -> None:
    asked = outside_prompts(120)
    assert {kind for _, kind in asked} == set(KINDS)
    assert [prompt for prompt, _ in asked if not notes(prompt)] == []


def test_other_models_were_taught_other_words() -> None:
    request = Request("01", "🔥 vier Löwen in der Wüste", Policy.tradeoff(0.5), width=99, height=99)
    assert StarterVocabulary().notes(request, TINY) == ()


@pytest.mark.parametrize(
    ("prompt", "kinds"),
    [
        ("sunset", {"no_noun"}),
        ("a lion in the savanna", {"no_noun", "unknown_words"}),
        ("five cats", {"count"}),
        ("2 cats and a dozen dogs", {"count"}),
        ("ein Hund neben einem roten Haus", {"language", "no_noun"}),
        ("雪の中の猫", {"language", "no_noun"}),
        ("🐱 on a 🌳", {"emoji"}),
        ("🔥", {"emoji", "no_noun"}),
        ("a horse on a tree", {"unknown_words"}),
        ("an elephant", {"unknown_words", "no_noun"}),
        ("…", {"no_noun"}),
    ],
)
def test_what_goes_beyond_the_vocabulary_is_told_by_kind(prompt: str, kinds: set[str]) -> None:
    assert set(notes(prompt)) == kinds


def test_a_place_without_a_thing_is_told_apart_from_nothing_at_all() -> None:
    assert "names only a place and none of the 46 things" in notes("sunset")["no_noun"]
    assert "names none of the 46 things" in notes("freedom")["no_noun"]


def test_numbers_are_said_to_be_beyond_what_was_taught_and_not_to_be_unknown_words() -> None:
    said = notes("seven red cats beside a wombat")
    assert "count to three" in said["count"]
    assert "“seven”" in said["count"]
    assert said["unknown_words"].startswith("starter-base does not know “wombat”;")


@pytest.mark.parametrize(("width", "height"), [(256, 256), (32, 32), (64, 128), (128, None)])
def test_a_size_that_was_not_taught_is_told(width: int, height: int | None) -> None:
    said = notes("a cat", width=width, height=height)
    assert set(said) == {"size"}
    assert f"at {width}×{height or 64}" in said["size"]


def test_the_taught_size_needs_no_word() -> None:
    assert notes("a cat", width=64, height=64) == {}


# Near words.


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("kittens", "near in meaning: cat"),
        ("automobile", "near in meaning: car"),
        ("Truck", "it knows other vehicles: car, bus, train"),
        ("horse", "it knows other animals: cat, dog, rabbit"),
        ("birds", "it knows owl, penguin"),
        ("lake", "near in meaning: sea"),
        ("orange", "it knows other colours: red, yellow, pink"),
        ("baloon", "spelt nearly like balloon"),
        ("buterfly", "spelt nearly like butterfly"),
        ("pengiun", "spelt nearly like penguin"),
    ],
)
def test_near_words_are_near_in_meaning_and_a_typo_is_told_as_one(word: str, told: str) -> None:
    near = near_word(word)
    assert near is not None
    assert near.told == told


@pytest.mark.parametrize("word", ["ninjas", "brains", "boots", "mare", "wake", "cape", "stare"])
def test_a_word_that_is_only_spelt_alike_is_not_near(word: str) -> None:
    assert near_word(word) is None


@given(st.sampled_from(sorted(NOUNS)), st.data())
def test_no_short_word_is_near_for_its_letters(noun: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(noun) - 1))
    letter = data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz"))
    near = near_word(noun[:place] + letter + noun[place + 1 :])
    assert near is None or near.closeness != "spelling" or len(near.words[0]) >= 6


# Languages.


@pytest.mark.parametrize(
    ("prompt", "language"),
    [
        ("eine Katze im Schnee", "German"),
        ("un chat sur un arbre la nuit", "French"),
        ("una casa pequeña en la montaña", "Spanish"),
        ("un gatto e un cane sulla spiaggia", "Italian"),
        ("красная машина у моря", "Russian or another language in Cyrillic"),
        ("一只红色的汽车", "Chinese or Japanese"),
    ],
)
def test_a_prompt_in_another_language_is_told_by_it(prompt: str, language: str) -> None:
    assert other_language(prompt) == language


@pytest.mark.parametrize(
    "prompt",
    [
        "a cat on a tree",
        "the die is cast",
        "a café in Paris at night",
        "a sign that says “naïve”",
        "los angeles skyline at night with palm trees",
        "an old man reading a book about el niño",
        "🐱🌳",
        "",
    ],
)
def test_english_with_a_foreign_word_in_it_is_english(prompt: str) -> None:
    assert other_language(prompt) is None


# Emoji.


@pytest.mark.parametrize(
    ("prompt", "read"),
    [
        ("🐱", "a cat"),
        ("a 🐱 on a 🌳", "a cat on a tree"),
        ("🐱on🌳", "a cat on a tree"),
        ("red 🚗", "red car"),
        ("🐶🐶", "two dogs"),
        ("three 🐟", "three fish"),
        ("two 🐱 beside 💙", "two cats beside a blue heart"),
        ("🐱🐶 at night", "a cat and a dog at night"),
        ("🐱 🐶, in the snow", "a cat and a dog, in the snow"),
        ("a cat 🐱", "a cat"),
        ("a cat 🚗", "a cat and a car"),
        ("❤️❤️❤️❤️", "4 hearts"),
        ("👍🏽 a cat", "👍🏽 a cat"),
        ("🐻\u200d❄️ in the snow", "a bear in the snow"),
    ],
)
def test_emoji_are_read_as_the_nouns_they_are(prompt: str, read: str) -> None:
    assert read_emoji(prompt).text == read


@given(st.sampled_from(sorted(EMOJI)))
def test_an_emoji_of_the_table_is_a_thing_the_pack_can_draw(letter: str) -> None:
    text = read_emoji(letter).text
    assert drawable_nouns(text)
    assert unknown_words(text) == ()


@given(st.text(st.characters(max_codepoint=0x2FF), max_size=200))
def test_a_prompt_without_emoji_is_read_as_it_is(prompt: str) -> None:
    assert read_emoji(prompt).text == prompt


PIECES = [*EMOJI, "🔥", " ", "a", "two", ",", "\u200d", "\ufe0f", "👍🏽", "cat", "x"]


@given(st.lists(st.sampled_from(PIECES), max_size=9).map("".join))
def test_reading_again_changes_nothing(prompt: str) -> None:
    once = read_emoji(prompt)
    assert set(once.known).isdisjoint(once.text)
    assert read_emoji(once.text).text == once.text


@pytest.mark.parametrize(
    "prompt",
    [
        "🐱 🐶 " * 2_500,
        "🐱" * 10_000,
        "é" + "a" * 9_999,
        "🐱" + " " * 9_998 + "x",
        "🔥👍🏽" * 3_333,
    ],
)
def test_a_prompt_of_the_longest_length_is_read_at_once(prompt: str) -> None:
    began = process_time()
    assert notes(prompt[:10_000])
    assert process_time() - began < 1.0


def test_what_was_read_is_told_with_what_was_not() -> None:
    told = notes("🐱 and 🔥")["emoji"]
    assert told == (
        "starter-base is given “a cat and 🔥”: it reads 🐱 as cat; "
        "starter-base has no picture of 🔥 and ignores it"
    )


def test_only_routers_of_the_pack_are_asked_in_its_words() -> None:
    assert wording_of(["starter-base@4", "starter-turbo@1"])("🐱") == "a cat"
    assert wording_of(["starter-base@4", "sdxl-turbo@4"])("🐱") == "🐱"
