"""What a terminal answers is told from what its user types meanwhile."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from screens.terminal import parsed, questions

CELL, NO_KITTY, KITTY, PLAIN, SIXEL = (
    b"\x1b[6;20;10t",
    b"\x1b_Gi=31;ENOTSUPPORTED:no\x1b\\",
    b"\x1b_Gi=31;OK\x1b\\",
    b"\x1b[?62;22c",
    b"\x1b[?62;4;22c",
)
typed = st.text(st.characters(exclude_characters="\x1b", exclude_categories=["Cs"]), max_size=9)


@given(typed, typed, typed, st.booleans(), st.booleans())
def test_typing_around_the_answers_is_kept_whole(
    first: str, second: str, third: str, kitty: bool, sixel: bool
) -> None:
    told = (KITTY if kitty else NO_KITTY) + second.encode() + (SIXEL if sixel else PLAIN)
    answers = parsed(first.encode() + CELL + told + third.encode())
    assert (answers.kitty, answers.sixel, answers.cell_pixels) == (kitty, sixel, (10, 20))
    assert answers.complete
    assert answers.typed == first + second + third


@given(st.binary(max_size=60))
def test_whatever_a_terminal_says_is_survived(raw: bytes) -> None:
    assert "\x1b[?62c" not in parsed(raw + b"\x1b[?62c").typed


def test_a_terminal_without_an_answer_has_half_cells_and_nothing_typed() -> None:
    answers = parsed(b"")
    assert not (answers.kitty)
    assert not (answers.sixel)
    assert not (answers.complete)
    assert not (answers.typed)


def test_a_cell_without_size_is_unknown() -> None:
    assert parsed(b"\x1b[6;0;0t" + PLAIN).cell_pixels is None


def test_only_relatives_of_kitty_are_asked_in_its_language() -> None:
    assert "_G" not in questions({"TERM": "xterm-256color"})
    assert "_G" in questions({"TERM": "xterm-kitty"})
    assert re.search(r"\x1b\[c$", questions({}))  # what everyone answers comes last
