"""Which words of a prompt a model does not read, told before it draws, by its own tokenizer.

Read without the libraries that draw: a tokenizer that is one file (`tokenizer.json`) is enough.
Of other models it is told by the pipeline, while it draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from cems_tui.domain.function import GenerationFunction
from cems_tui.domain.note import Note, NoteKind
from cems_tui.domain.request import Request

if TYPE_CHECKING:
    from tokenizers import Tokenizer

LONGEST_QUOTE = 80
_AT_HAND = 8
"""Tokenizers that are kept, the last ones used."""


class UnreadWords:
    """Says of a request what of its prompt and negative prompt the function does not read."""

    def notes(self, request: Request, function: GenerationFunction) -> Sequence[Note]:
        """A note for each of the two that is longer than what is read of it."""
        limit, folder = function.capabilities.prompt_tokens, function.model.path
        if limit is None or folder is None:
            return ()
        told: list[Note] = []
        texts: tuple[tuple[NoteKind, str], ...] = (
            ("cut_prompt", request.prompt),
            ("cut_negative", request.negative),
        )
        for kind, text in texts:
            # a token is a letter at least, and two stand around a prompt
            start = _first_unread(folder, text, limit) if len(text) + 2 > limit else None
            if start is not None:
                told.append(unread_note(kind, limit, left_out_from(text, start)))
        return told


def unread_note(kind: NoteKind, limit: int, left_out: str) -> Note:
    """The note that a text is longer than what is read of it.

    Args:
        limit: the tokens that are read.
        left_out: the words that are not, as `left_out_from` puts them.
    """
    what = "negative prompt" if kind == "cut_negative" else "prompt"
    told = f"the {what} is longer than the {limit} tokens this model reads; left out: {left_out}"
    return Note(kind, told)


def left_out_from(text: str, start: int) -> str:
    """The end of a text in quotes, and where it stands there."""
    return f"“{quoted(text[start:])}” (from character {start + 1} of {len(text)})"


def quoted(text: str) -> str:
    """The text on one line, its end cut where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_QUOTE else line[: LONGEST_QUOTE - 1] + "…"


def _first_unread(folder: Path, text: str, limit: int) -> int | None:
    """The character where that begins which is not read; None where all is, or nobody knows."""
    tokenizer = _tokenizer(folder)
    if tokenizer is None or not text:
        return None
    found = tokenizer.encode(text)
    over = len(found.ids) - limit
    spans = [
        span
        for span, special in zip(found.offsets, found.special_tokens_mask, strict=True)
        if not special
    ]
    return int(spans[-over][0]) if 0 < over <= len(spans) else None


@lru_cache(_AT_HAND)
def _tokenizer(folder: Path) -> Tokenizer | None:
    """The only tokenizer of a pipeline, if it is one file and adds no chat around a prompt."""
    from tokenizers import Tokenizer

    folders = [place for place in folder.glob("tokenizer*") if place.is_dir()]
    if len(folders) != 1 or not (folders[0] / "tokenizer.json").is_file():
        return None
    if (folders[0] / "chat_template.jinja").exists():
        return None
    try:
        tokenizer = Tokenizer.from_file(str(folders[0] / "tokenizer.json"))
    except Exception:  # the library raises nothing narrower; the pipeline will say what is wrong
        return None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
