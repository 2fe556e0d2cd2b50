"""What `{a|b}`, wildcards and several lines mean."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from screens.studio.prompt_variants import count_of, lines_of, variants

COLOURS = {"colour": ("red", "green", "blue")}


def wildcard(word: str) -> tuple[str, ...]:
    return COLOURS.get(word, ())


def test_choices_are_all_drawn_the_last_changing_fastest() -> None:
    assert variants("a {red|blue} {cat|dog}") == [
        "a red cat",
        "a red dog",
        "a blue cat",
        "a blue dog",
    ]


def test_a_wildcard_stands_for_its_words() -> None:
    assert variants("a __colour__ hat", wildcard) == ["a red hat", "a green hat", "a blue hat"]


def test_a_wildcard_nobody_knows_is_a_word() -> None:
    assert variants("a __thing__ hat", wildcard) == ["a __thing__ hat"]


def test_braces_without_a_choice_are_letters() -> None:
    for text in ("a {cat}", "{", "}{", "a | b", "{}"):
        assert variants(text) == [text]


def test_an_empty_choice_leaves_the_word_out() -> None:
    assert variants("a {|red }cat") == ["a cat", "a redcat"]


def test_a_bomb_is_bounded_and_counted() -> None:
    bomb = "{a|b|c|d|e|f|g|h}" * 30
    assert len(variants(bomb, most=100)) == 100
    assert count_of(bomb) == 8**30


def test_lines_that_say_nothing_are_none() -> None:
    assert lines_of("a cat\n\n  \n a dog \r\n") == ["a cat", "a dog"]


@given(st.text(max_size=200))
def test_any_text_means_at_least_one_prompt_and_no_more_than_are_allowed(text: str) -> None:
    assert 1 <= len(variants(text, wildcard, most=7)) <= 7


@given(st.text(st.characters(exclude_characters="{}|_"), max_size=60))
def test_a_text_without_choices_means_itself(text: str) -> None:
    assert variants(text, wildcard) == [text]
