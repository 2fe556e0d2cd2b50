"""Text as data: what is no prompt, what is shown and never obeyed, what is told to nobody."""

from __future__ import annotations

import codecs
import re
import unicodedata
from json import JSONDecodeError

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


def as_utf8(data: bytes) -> bytes:
    """The bytes of a text file without the byte order mark that editors and spreadsheets write.

    UTF-16 and UTF-32, which are known by theirs, become UTF-8; what has none stays as it is.

    Raises:
        UnicodeDecodeError: the mark says something else than what follows.
    """
    if data.startswith(codecs.BOM_UTF8):
        return data.removeprefix(codecs.BOM_UTF8)
    for encoding, marks in _MARKED.items():
        if data.startswith(marks):
            return data.decode(encoding).encode()
    return data


_MARKED = {
    "utf-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
    "utf-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
}
"""In this order: the mark of UTF-32 begins with that of UTF-16."""


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


LONGEST_LINE = 2_000
"""Of a log: what a server sends instead of an answer is cut there."""

_SECRETS = (
    (re.compile(r"(?<=://)[^/?#\s'\"]*@"), "…@"),  # a user and a password before a host
    (re.compile(r"(?<=\S)\?[\w%.~-]+=[^\s'\"<>)\]]*"), "?…"),  # a signed address
    (
        re.compile(r"(?i)(\bauthorization\b['\"]?\s*[:=,]\s*(?:b(?=['\"]))?['\"]?)[^'\"\r\n,}]+"),
        r"\1…",
    ),
    (re.compile(r"(?i)\b(bearer)\s+[\w.~+/=-]{8,}"), r"\1 …"),
    (re.compile(r"(?i)\b([\w-]*(?:signature|credential|security-token)=)[^\s&'\"]+"), r"\1…"),
    (re.compile(r"\bhf_\w{18,}"), "hf_…"),
)
"""What opens somebody's account or file, and what is told instead."""


def redacted(text: str) -> str:
    """The text without passwords, tokens and the signatures of addresses."""
    for secret, instead in _SECRETS:
        text = secret.sub(instead, text)
    return text


def loggable(text: str) -> str:
    """The lines of a text without secrets, each made visible and cut."""
    return "\n".join(one_line(line, LONGEST_LINE) for line in redacted(text).split("\n"))


def one_line(text: str, width: int) -> str:
    """The text made visible, on one line, cut to `width` characters with an ellipsis."""
    shown = visible(text)
    return shown if len(shown) <= width else shown[: max(0, width - 1)] + "…"


def why_no_json(error: ValueError | RecursionError) -> str:
    """Why a text is no JSON, as its parser's error is meant."""
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    return str(error) if isinstance(error, JSONDecodeError) else "a number in it is too long"


def counted(number: int, noun: str) -> str:
    """`1 picture`, `2 pictures`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def byte_count(number: int) -> str:
    """`6.9 GB`, `12.3 MB`, `512 bytes`: decimal units, as disks are sold."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= size:
            return f"{number / size:,.1f} {unit}"
    return counted(number, "byte")
