"""Lines and tables of the command line: whole words, within the terminal where that can be."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cems_tui.cli.text_layout import Column, cells, cut, folded, table_lines

LETTERS = "ab -/_.:,é猫🐈\u0301"
LINE = st.text(st.sampled_from(LETTERS), max_size=120)
WIDTH = st.integers(20, 100)


@pytest.mark.parametrize(
    ("text", "width"), [("abc", 3), ("猫 a", 4), ("e\u0301", 1), ("👩\u200d", 2), ("", 0)]
)
def test_cells_are_what_a_terminal_gives_a_text(text: str, width: int) -> None:
    assert cells(text) == width


@given(LINE, WIDTH)
def test_a_folded_line_says_the_same_within_the_width(text: str, width: int) -> None:
    lines = folded(text, width)
    assert all(cells(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


@given(st.lists(st.text("abc", min_size=1, max_size=9), min_size=1, max_size=40), WIDTH)
def test_no_word_that_fits_is_broken(words: list[str], width: int) -> None:
    assert [word for line in folded(" ".join(words), width) for word in line.split()] == words


def test_words_go_on_below_themselves() -> None:
    assert folded("cost      one two three four", 22) == [
        "cost      one two",
        "          three four",
    ]
    assert folded("error: one two three four", 20) == ["error: one two three", "       four"]
    assert folded("  one two three", 9) == ["  one two", "    three"]
    assert folded("a line that fits", None) == ["a line that fits"]


def test_a_path_that_is_too_long_is_broken_between_folders() -> None:
    assert folded("path  /home/somebody/pictures/of/cats.png", 25) == [
        "path  /home/somebody/",
        "      pictures/of/",
        "      cats.png",
    ]


@given(LINE, WIDTH)
def test_what_is_cut_fits_and_ends_with_an_ellipsis(text: str, width: int) -> None:
    shown = cut(text, width)
    assert cells(shown) <= width
    assert shown == text or (shown.endswith("…") and text.startswith(shown[:-1]))


def test_a_text_is_cut_after_a_word() -> None:
    assert cut("a cat to the left of a dog", 12) == "a cat to…"
    assert cut("creativeml-openrail-m", 14) == "creativeml…"
    assert cut("猫と犬が木の下で", 9) == "猫と犬が…"
    assert cut("short", 5) == "short"


COLUMNS = (
    Column("id"),
    Column("when", spare=1),
    Column("$", right=True),
    Column("prompt", words="cut"),
)
ROWS = (
    ("01A", "today", "0.5", "a cat to the left of a red car at night"),
    ("01B", "yesterday", "12.25", "a dog"),
)


def test_a_table_is_whole_where_nothing_limits_it() -> None:
    assert table_lines(COLUMNS, ROWS, None) == [
        "id   when           $  prompt",
        "01A  today        0.5  a cat to the left of a red car at night",
        "01B  yesterday  12.25  a dog",
    ]


def test_a_column_that_can_be_spared_leaves_before_words_are_lost() -> None:
    assert table_lines(COLUMNS, ROWS, 40) == [
        "id       $  prompt",
        "01A    0.5  a cat to the left of a red…",
        "01B  12.25  a dog",
    ]


def test_words_without_room_stand_below_their_row() -> None:
    assert table_lines(COLUMNS, ROWS, 30) == [
        "id       $",
        "    prompt",
        "01A    0.5",
        "    a cat to the left of a…",
        "01B  12.25",
        "    a dog",
    ]


def test_words_are_folded_beside_their_row() -> None:
    columns = (Column("name"), Column("what", words="fold"))
    rows = [("cat", "an animal that is at home"), ("dog", "another")]
    assert table_lines(columns, rows, 20, titles=False)[:2] == ["cat", "    an animal that"]
    assert table_lines(columns, rows, 29, titles=False) == [
        "cat  an animal that is at",
        "     home",
        "dog  another",
    ]


CELL = st.text(st.sampled_from("ab猫 "), max_size=30).map(lambda text: " ".join(text.split()))


@given(st.lists(st.tuples(CELL, CELL, CELL, CELL), max_size=5), st.integers(40, 120))
def test_a_table_is_never_wider_than_the_terminal(
    rows: list[tuple[str, str, str, str]], width: int
) -> None:
    lines = table_lines(COLUMNS, rows, width)
    assert all(cells(line) <= width for line in lines)
    for row in rows:
        for word in re.findall(r"[ab]+(?![^ ])", row[0]):
            assert any(word in line for line in lines)


def test_what_a_cell_says_is_shown_and_never_obeyed() -> None:
    assert table_lines((Column("a"),), [("\x1b[2J\n",)], 80) == ["a", "␛[2J␊"]
