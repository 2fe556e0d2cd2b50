"""Prompts as data: what is refused, and how the rest is shown without being interpreted."""

from __future__ import annotations

import unicodedata

from cems_tui.errors import UsageError

MAX_PROMPT_CHARACTERS = 10_000


def checked_prompt(prompt: str) -> str:
    """The prompt exactly as given, if it can be one.

    Raises:
        UsageError: empty or only white space, over 10,000 characters, or not valid UTF-8.
    """
    if any("\ud800" <= letter <= "\udfff" for letter in prompt):
        raise UsageError("the prompt is not valid UTF-8", "Save the text as UTF-8 and try again.")
    if not prompt.strip():
        raise UsageError("the prompt is empty", 'Say what to draw: cems generate "a red car".')
    if len(prompt) > MAX_PROMPT_CHARACTERS:
        raise UsageError(
            f"the prompt has {len(prompt):,} characters; {MAX_PROMPT_CHARACTERS:,} is the most",
            "Shorten it; image models read less than a hundred words.",
        )
    return prompt


def visible(text: str) -> str:
    """The text with control, format and bidirectional characters made visible.

    Terminal escapes and right-to-left overrides are shown, never obeyed: `\\x1b` becomes `␛`.
    """
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(letter: str) -> str:
    code = ord(letter)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    if (
        unicodedata.category(letter) in ("Cc", "Cf", "Zl", "Zp", "Cs", "Co")
        and letter not in "\u200d"
    ):
        return f"⟨{code:04x}⟩"
    return letter


def one_line(text: str, width: int) -> str:
    """The text made visible, on one line, cut to `width` characters with an ellipsis."""
    shown = visible(text)
    return shown if len(shown) <= width else shown[: max(0, width - 1)] + "…"


def counted(number: int, noun: str) -> str:
    """`1 picture`, `2 pictures`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def byte_count(number: int) -> str:
    """`6.9 GB`, `12.3 MB`, `512 bytes`: decimal units, as disks are sold."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= size:
            return f"{number / size:,.1f} {unit}"
    return counted(number, "byte")
