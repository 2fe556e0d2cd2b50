"""Typed notes: what the user should know of a prompt or a picture beside the figures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

NoteKind = Literal[
    "foreign_syntax",
    "cut_prompt",
    "cut_negative",
    "language",
    "no_noun",
    "unknown_words",
    "emoji",
    "count",
    "size",
    "out_of_distribution",
    "price",
    "load",
    "floor",
    "fit",
    "memory",
    "unverified",
    "scorer",
    "other",
]
"""What a note is about; `other` is what an older or newer program wrote."""

_KINDS: dict[str, NoteKind] = {kind: kind for kind in get_args(NoteKind)}


@dataclass(frozen=True, slots=True)
class Note:
    """One thing the user should know, and what it is about."""

    kind: NoteKind
    text: str

    def to_json(self) -> dict[str, str]:
        """As it stands in `decision.notes`."""
        return {"kind": self.kind, "text": self.text}

    @classmethod
    def from_json(cls, row: Any) -> Note:
        """The note that `to_json` wrote; a plain text, as older receipts have it, is `other`.

        Raises:
            ValueError: it is neither.
        """
        if isinstance(row, str):
            return cls("other", row)
        if not isinstance(row, dict) or not isinstance(row.get("text"), str):
            raise ValueError("a note is neither a text nor an object with one")
        return cls(_KINDS.get(str(row.get("kind")), "other"), row["text"])


def one_of_each_kind(notes: Iterable[Note]) -> tuple[Note, ...]:
    """The notes with those of one kind joined in its first place; a text is said once.

    What an older program wrote (`other`) may be about anything and stays apart.
    """
    texts: dict[tuple[str, int], list[str]] = {}
    kinds: dict[tuple[str, int], NoteKind] = {}
    for place, note in enumerate(notes):
        key = (note.kind, place if note.kind == "other" else 0)
        kinds[key] = note.kind
        said = texts.setdefault(key, [])
        if note.text not in said:
            said.append(note.text)
    return tuple(Note(kinds[key], "; ".join(said)) for key, said in texts.items())
