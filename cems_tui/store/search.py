"""Searching prompts: what the user typed is words, never a query language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cems_tui.store.connection import Connection


@dataclass(frozen=True, slots=True)
class Matching:
    """A condition on `generations`, and its arguments."""

    sql: str
    arguments: tuple[Any, ...] = ()


def matching(connection: Connection, search: str) -> Matching:
    """Pictures with these words; when there are none, pictures with this piece of text.

    The second covers what the index has no words for: punctuation, emoji, and scripts that
    are written without spaces.
    """
    typed = _bindable(search)
    query = words_query(connection, typed)
    if query:
        found = Matching(
            "number IN (SELECT rowid FROM generations_fts WHERE generations_fts MATCH ?)", (query,)
        )
        if connection.rows(f"SELECT 1 FROM generations WHERE {found.sql} LIMIT 1", found.arguments):
            return found
    return Matching(
        "(instr(lower(prompt), lower(?)) OR instr(lower(negative), lower(?)))", (typed, typed)
    )


def words_query(connection: Connection, typed: str) -> str:
    """An FTS5 query for all the words, the last as a prefix; empty when there are none.

    `quote_fts` does the quoting. It does not look across lines and FTS5 ends at a NUL, so all
    white space and NULs are made single spaces first.
    """
    words = " ".join(typed.replace("\0", " ").split())
    query: str = connection.db.quote_fts(words)
    if not query:
        return ""
    return query + "*" if typed[-1:].isalnum() else query


def _bindable(search: str) -> str:
    """Bytes of the command line that are no text cannot match; they are made visible marks."""
    return search.encode("utf-8", "replace").decode()
