"""The user's wildcards: `__colour__` is a line of `wildcards/colour.txt` beside config.toml."""

from __future__ import annotations

from cems_tui import paths

MOST_BYTES = 1_000_000
"""Of a file that is read; the rest of a longer one is not."""


def wildcard(word: str) -> tuple[str, ...]:
    """The lines of a word's file, without empty ones and comments; empty where there is none."""
    file = paths.current().config_file.parent / "wildcards" / f"{word}.txt"
    try:
        with file.open("rb") as opened:
            text = opened.read(MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ()  # not there, or not readable: the word stays a word, and one sees that
    lines = (line.strip() for line in text.splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))
