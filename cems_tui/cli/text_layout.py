"""Text laid out for a terminal: lines that break between words, tables that fit its columns.

It knows nothing of streams: `output` says how wide the terminal is, and prints.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from cems_tui.text import visible

GAP = "  "
"""Between two columns, where no other is asked for."""

LEAST_ROOM = 24
"""Cells that words need beside figures, to be read."""

_LABEL = re.compile(r"(?:\s?(?:error|hint|note|warning): )|(?:\s*\S.{0,29}?\s{2,}(?=\S))")
"""What stands before the words of a line: they go on below themselves, not below it."""

_JOINTS = "/\\,;:@=&?_.- "
_FOLDERS = re.compile(r"(?<=[/\\])(?=[^/\\])")
_BREAKS = re.compile(r"(?<=[/\\,;:@=&?_.-])(?=[^/\\,;:@=&?_.-])")
"""Where a word that is longer than a line may end: after a folder, else after a part of a name."""


def cells(text: str) -> int:
    """How many cells of a terminal the text takes: two for a wide letter, none for a mark."""
    if text.isascii():
        return len(text)
    return sum(map(_cells_of, text))


def _cells_of(letter: str) -> int:
    if unicodedata.combining(letter) or letter in "\u200d\ufe0e\ufe0f":
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def folded(text: str, width: int | None, hang: int | None = None) -> list[str]:
    """The line as lines of at most `width` cells, broken between words.

    A word that is longer than a line is broken after one of `/ , : @ _ -`; a name without any,
    and a text of a script without spaces, where the line ends.

    Args:
        width: None leaves the line as it is.
        hang: how far the further lines are indented; None is where the words begin.
    """
    if width is None or cells(text) <= width:
        return [text]
    if hang is None:
        label = _LABEL.match(text)
        hang = label.end() if label else len(text) - len(text.lstrip()) + 2
    indent = " " * (hang if hang <= width // 2 else 2)
    lines, line, begun = [], "", False
    for word in re.findall(r"\s*\S+", text):
        for piece in _pieces(word, width - len(indent)):
            if begun and cells(line + piece) > width:
                lines.append(line.rstrip())
                line = indent + piece.lstrip()
            else:
                line += piece
            begun = True
    return [*lines, line]


def _pieces(word: str, room: int) -> Iterator[str]:
    """A word in parts that fit the room, its white space before the first."""
    if cells(word.strip()) <= room:
        yield word
        return
    for folder in _FOLDERS.split(word):
        if cells(folder.strip()) <= room:
            yield folder
            continue
        for part in _BREAKS.split(folder):
            while cells(part.strip()) > room:
                end = next(n for n in range(len(part), 0, -1) if cells(part[:n]) <= room or n == 1)
                yield part[:end]
                part = part[end:]
            yield part


def cut(text: str, width: int) -> str:
    """The text in at most `width` cells, ended after a word with an ellipsis where it is longer."""
    if cells(text) <= width:
        return text
    kept = ""
    for word in re.findall(r"\s*\S+", text):
        pieces = [word] if kept else _BREAKS.split(word)
        for piece in pieces:
            if cells((kept + piece).rstrip(_JOINTS)) + 1 > width:
                break
            kept += piece
        if not kept.endswith(pieces[-1]):
            break
    if not kept.strip():  # one long word, or a script without spaces
        kept = next(text[:end] for end in range(len(text), -1, -1) if cells(text[:end]) < width)
    return kept.rstrip(_JOINTS) + "…"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    title: str
    right: bool = False
    """Whether its cells stand at the right, as figures do."""

    spare: int = 0
    """Which column leaves first where there is no room for all, 1 before 2; 0 never leaves."""

    words: Literal["no", "cut", "fold"] = "no"
    """Whether it takes the room that is left, its words cut there or folded."""

    least: int = LEAST_ROOM
    """Cells that a column of words needs; with less it stands below its row."""


def table_lines(
    columns: Sequence[Column],
    rows: Iterable[Sequence[str]],
    width: int | None,
    *,
    titles: bool = True,
    gap: str = GAP,
) -> list[str]:
    """The lines of a table; none breaks a word, and none is wider than `width` where it can be.

    Columns leave as they say; a column of words that has too little room stands below its row;
    rows that are too wide all the same are folded between their cells.

    Args:
        columns: at most one of them has `words`.
        rows: a cell for each column.
        width: cells of the terminal; None lets every row be as long as it is.
    """
    heads = [[column.title for column in columns]] if titles else []
    lines_of_cells = [*heads, *([visible(cell) for cell in row] for row in rows)]
    places = range(len(columns))
    widths = [max((cells(row[place]) for row in lines_of_cells), default=0) for place in places]

    def taken(places: Sequence[int]) -> int:
        least = [
            min(widths[place], columns[place].least)
            if columns[place].words != "no"
            else widths[place]
            for place in places
        ]
        return sum(least) + len(gap) * (len(places) - 1)

    kept = list(places)
    spare = sorted(filter(lambda p: columns[p].spare, kept), key=lambda p: columns[p].spare)
    while width is not None and spare and taken(kept) > width:
        kept.remove(spare.pop(0))
    prose = next((place for place in kept if columns[place].words != "no"), None)
    below = width is not None and prose is not None and taken(kept) > width
    beside = [place for place in kept if not (below and place == prose)]
    lines = []
    for row in lines_of_cells:
        lines += _row_lines(columns, row, beside, widths, width, gap)
        if below and prose is not None and width is not None and row[prose]:
            text = row[prose]
            if columns[prose].words == "cut":
                lines.append("    " + cut(text, width - 4))
            else:
                lines += folded("    " + text, width, hang=4)
    return lines


def _row_lines(
    columns: Sequence[Column],
    row: Sequence[str],
    places: Sequence[int],
    widths: Sequence[int],
    width: int | None,
    gap: str,
) -> list[str]:
    """A row's cells beside each other, its words in the room they leave."""
    prose = next((place for place in places if columns[place].words != "no"), None)
    fixed = sum(widths[place] for place in places if place != prose)
    fixed += len(gap) * (len(places) - 1)
    if width is not None and fixed > width:
        return folded(GAP.join(row[place] for place in places if row[place]), width, hang=4)
    texts = {place: [row[place]] for place in places}
    room = dict(enumerate(widths))
    if prose is not None and width is not None and fixed + widths[prose] > width:
        room[prose] = width - fixed
        cell = row[prose]
        keep_whole = columns[prose].words == "fold"
        texts[prose] = folded(cell, room[prose], hang=0) if keep_whole else [cut(cell, room[prose])]
    height = max(len(lines) for lines in texts.values())
    lines = []
    for number in range(height):
        parts = []
        for place in places:
            text = texts[place][number] if number < len(texts[place]) else ""
            pad = " " * max(0, room[place] - cells(text))
            parts.append(pad + text if columns[place].right else text + pad)
        lines.append(gap.join(parts).rstrip())
    return lines
