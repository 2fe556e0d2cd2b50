"""Notes on stderr: each text once a command, and of one kind no more than can be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from cems_tui.cli import output
from cems_tui.domain.decision import RoutingDecision
from cems_tui.domain.note import Note
from cems_tui.locks import Holder
from cems_tui.services.device_access import waiting_words
from cems_tui.text import counted

MOST_OF_A_KIND: Final = 3
"""Notes of one kind that are printed; more of them are counted at the end."""

ONE_A_COMMAND: Final = frozenset({"foreign_syntax"})
"""Kinds that say the same of every prompt, whatever they quote of it."""


def tell_wait(holder: Holder) -> None:
    """Say who has the device that a command waits for."""
    output.note(waiting_words(holder))


class NoteTeller:
    """Prints what a command's prompts give to say; call it with each note."""

    def __init__(self) -> None:
        self._said: set[str] = set()
        self._told: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()

    def __call__(self, note: Note) -> None:
        """Print the note, unless its text was printed or its kind often enough."""
        if note.text in self._said:
            return
        self._said.add(note.text)
        if self._told[note.kind] >= (1 if note.kind in ONE_A_COMMAND else MOST_OF_A_KIND):
            self._left_out[note.kind] += 1
            return
        self._told[note.kind] += 1
        output.note(f"note: {note.text}")

    def of(self, decision: RoutingDecision) -> None:
        """Print what a decision gives to say, why its router is used only when forced included."""
        refusal = [] if decision.refusal is None else [Note("other", decision.refusal)]
        for note in (*decision.notes, *refusal):
            self(note)

    def close(self) -> None:
        """Say how many notes were left out; at the end of a command."""
        left_out = sum(self._left_out.values())
        if left_out:
            kinds = ", ".join(kind.replace("_", " ") for kind in self._left_out)
            output.note(f"note: {counted(left_out, 'more note')} of these kinds: {kinds} (--json)")
        self._left_out.clear()


def one_word_prompts(prompts: Iterable[str]) -> str | None:
    """What to say to prompts that are rather one prompt without quotes; None where they are not.

    A shell that is given no quotes makes a prompt of every word.
    """
    words = list(prompts)
    if len(words) < 2 or any(len(word.split()) != 1 for word in words):
        return None
    return (
        f"{len(words)} prompts of one word each; for one picture write the prompt in quotes: "
        f'"{" ".join(words)[:60]}"'
    )
