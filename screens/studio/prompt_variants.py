"""One text, several prompts: a line each, and `{a|b}` and `__word__` stand for each of theirs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, product

MOST_VARIANTS = 100
"""Prompts that one text may become."""

_CHOICE = re.compile(r"\{([^{}]*\|[^{}]*)\}|__([A-Za-z0-9][A-Za-z0-9_-]*?)__")

Wildcard = Callable[[str], Sequence[str]]
"""A word → what it stands for; empty where nobody says, and it is a word like others."""


def no_wildcards(_word: str) -> Sequence[str]:
    return ()


def lines_of(text: str) -> list[str]:
    """The lines that say something."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def variants(text: str, wildcard: Wildcard = no_wildcards, most: int = MOST_VARIANTS) -> list[str]:
    """Every prompt that a text means, the last choice changing fastest; itself without any.

    Braces without `|`, and braces in braces from the outside, are ordinary letters.
    """
    return list(dict.fromkeys(islice(_variants(text, wildcard), most)))


def count_of(text: str, wildcard: Wildcard = no_wildcards) -> int:
    """How many prompts a text means, without making them."""
    total = 1
    for choices in _choices(text, wildcard)[1]:
        total *= len(choices)
    return total


def _variants(text: str, wildcard: Wildcard) -> Iterator[str]:
    fixed, choices = _choices(text, wildcard)
    for chosen in product(*choices):
        pieces = [fixed[0]]
        for choice, rest in zip(chosen, fixed[1:], strict=True):
            pieces += [choice, rest]
        yield "".join(pieces)


def _choices(text: str, wildcard: Wildcard) -> tuple[list[str], list[Sequence[str]]]:
    """The text between the choices, one piece more than there are, and what each may be."""
    fixed, choices, end = [], [], 0
    for found in _CHOICE.finditer(text):
        options: Sequence[str]
        if found[1] is not None:
            options = [option.strip() for option in found[1].split("|")]
        else:
            options = wildcard(found[2])
        if not options:
            continue
        fixed.append(text[end : found.start()])
        choices.append(options)
        end = found.end()
    return [*fixed, text[end:]], choices
