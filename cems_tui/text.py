"""Text as data: what is no prompt, what is shown and never obeyed, what is told to nobody."""

from __future__ import annotations

import codecs
import os
import re
import unicodedata
from json import JSONDecodeError
from typing import Any, Protocol
from urllib.parse import unquote

from cems_tui.errors import UsageError

MAX_PROMPT_CHARACTERS = 10_000


class Writes(Protocol):
    """What text is written to."""

    def write(self, text: str, /) -> object: ...


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
    (re.compile(r"(?<=://)[^/?#\s'\"]{0,399}@"), "…@"),  # a user and a password before a host
    (
        re.compile(r"(?<=://)[^\s'\"/:@]{0,99}:(?!\d+/)[^\s'\"@]{0,299}@"),
        "…@",
    ),  # a password with a slash
    (re.compile(r"(?<=\S)\?[\w%.~-]+=[^\s'\"<>)\]]*"), "?…"),  # a signed address
    (
        re.compile(r"(?i)(\bauthorization\b['\"]?\s*[:=,]\s*(?:b(?=['\"]))?['\"]?)[^'\"\r\n,}]+"),
        r"\1…",
    ),
    (re.compile(r"(?i)\b(bearer)\s+[\w.~+/=-]{8,}"), r"\1 …"),
    (
        re.compile(r"(?i)(?<![\w-])([\w-]*(?:signature|credential|security-token)=)[^\s&'\"]+"),
        r"\1…",
    ),
    (re.compile(r"\bhf_\w{18,}"), "hf_…"),
    (
        re.compile(r"(?i)\b((?:set-)?cookie\b['\"]?\s*[:=,]\s*(?:b(?=['\"]))?['\"]?)[^'\"\r\n]+"),
        r"\1…",
    ),
    (
        re.compile(
            r"(?i)((?:token|passw(?:or)?d|secret|(?:api|private|access)[-_]?key|\bsig)"
            r"['\"]?\s*[:=]\s*['\"]?)[^\s&'\",;)}\]]+"
        ),
        r"\1…",
    ),
)
"""What opens somebody's account or file, and what is told instead."""

_HELD = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_TOKEN")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "HF_ENDPOINT")
_PASSWORD = re.compile(r"(?:\w+://)?[^/@:]*:(?P<password>.+)@")
LEAST_SECRET = 6
"""Characters of one: a shorter one would be taken out of words that are none."""


def redacted(text: str) -> str:
    """The text without passwords, tokens and the signatures of addresses.

    What the environment holds as one is known by itself, whatever stands around it.
    """
    for held in _held_secrets():
        text = text.replace(held, "…")
    for secret, instead in _SECRETS:
        text = secret.sub(instead, text)
    return text


def _held_secrets() -> list[str]:
    found = [os.environ.get(name, "") for name in _HELD]
    for name in _PROXIES:
        for value in (os.environ.get(name, ""), os.environ.get(name.lower(), "")):
            password = _PASSWORD.match(value)
            if password is not None:
                found += [password["password"], unquote(password["password"])]
    return [value for value in found if len(value) >= LEAST_SECRET]


def loggable(text: str) -> str:
    """The lines of a text without secrets, each made visible and cut."""
    return "\n".join(one_line(line, LONGEST_LINE) for line in redacted(text).split("\n"))


def one_line(text: str, width: int) -> str:
    """The text made visible, on one line, cut to `width` characters with an ellipsis."""
    shown = visible(text)
    return shown if len(shown) <= width else shown[: max(0, width - 1)] + "…"


class CsvLines:
    """Takes a CSV line by line for a text, each to end in a line feed alone.

    The writer quotes only the letters that its line ends are made of. It has to know both, so
    that no cell becomes rows: `csv.writer(CsvLines(text), lineterminator=CsvLines.END)`.
    """

    END = "\r\n"

    def __init__(self, text: Writes) -> None:
        self._text = text

    def write(self, line: str) -> None:
        self._text.write(line.removesuffix(self.END) + "\n")


def spreadsheet_cell(value: Any) -> Any:
    """A cell of a table for people: a text that a spreadsheet would compute begins with `'`.

    Prompts and names are of strangers: `=HYPERLINK(…)` sends away what stands beside it. Figures
    stay figures.
    """
    computed = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if computed else value


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
