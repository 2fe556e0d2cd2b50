"""The line one searches the pictures with: the history's language, its keys completed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textual.suggester import Suggester
from textual.widgets import Input

from cems_tui.store.search import KEYS

PLACEHOLDER = "/ words, " + " ".join(f"{key}:" for key in KEYS)


class SearchLine(Input):
    """Words and conditions; → takes what is offered."""

    HELP = (
        "Words of the prompt, and conditions: model: function: router: session: score: cost: "
        "rating: star: since: until:, with > and < before a number, as in "
        "“red car score:>1.8 since:7d”. → takes the word that is offered; enter or ↓ goes to the "
        "pictures, esc shows all again."
    )

    def __init__(self) -> None:
        self.words = Completion()
        super().__init__(id="find", placeholder=PLACEHOLDER, suggester=self.words)


class Completion(Suggester):
    """Offers the rest of a key, or of a value that the history has."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self.values: Mapping[str, Sequence[str]] = {}
        """By key."""

    async def get_suggestion(self, value: str) -> str | None:
        rest = completed(value, self.values)
        return None if rest is None else value + rest


def completed(typed: str, values: Mapping[str, Sequence[str]]) -> str | None:
    """What ends the last word of a search; None where nothing or too much would."""
    if not typed or typed[-1].isspace():
        return None
    last = typed.split()[-1]
    key, colon, begun = last.partition(":")
    if not colon:
        found = [name for name in KEYS if name.startswith(last)]
        return found[0][len(last) :] + ":" if len(found) == 1 else None
    if key not in KEYS or not begun:
        return None
    known = (name for name in values.get(key, ()) if name.startswith(begun) and name != begun)
    chosen = next(known, None)
    return None if chosen is None else chosen[len(begun) :]
