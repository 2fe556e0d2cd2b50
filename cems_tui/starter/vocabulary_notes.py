"""Tells the user which words of a prompt the starter pack cannot draw, before it draws."""

from __future__ import annotations

from collections.abc import Sequence

from cems_tui.generation.function import GenerationFunction
from cems_tui.text import one_line

MOST_WORDS = 6
"""Unknown words told by name; more are counted."""

PACK_MODELS = "starter-"
"""What the names of the pack's models begin with."""


class StarterVocabulary:
    """The words the pack's models know."""

    def notes(self, prompt: str, function: GenerationFunction) -> Sequence[str]:
        """One sentence about unknown words, with the nearest words known; empty without any."""
        if not function.model.name.startswith(PACK_MODELS):
            return ()
        from cems_tui.starter.vocabulary import nearest_words, unknown_words

        unknown = unknown_words(prompt)
        if not unknown:
            return ()
        told = []
        for word in unknown[:MOST_WORDS]:
            near = nearest_words(word)
            shown = f"“{one_line(word, 24)}”"
            told.append(f"{shown} (nearest: {', '.join(near)})" if near else shown)
        more = f" and {len(unknown) - MOST_WORDS} more" if len(unknown) > MOST_WORDS else ""
        them = "it" if len(unknown) == 1 else "them"
        return (f"{function.model.name} does not know {', '.join(told)}{more}; it ignores {them}",)
