"""Prompts from a file or stdin: one a line, as text or as a JSON object; all are good or none is.

Shared by `generate`, `route` and `bench`.
"""

from __future__ import annotations

import errno
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cems_tui.domain.request import ANY_SEED, MAX_SEED
from cems_tui.errors import UsageError
from cems_tui.text import as_utf8, checked_prompt, why_no_json

STDIN = "-"
MAX_BYTES = 256 * 1024 * 1024
MAX_PROMPTS = 100_000
"""Of one file: each is priced, shown and kept as a row."""

MAX_SIDE_PIXELS = 8192
KEYS = ("prompt", "function", "seed", "size", "negative", "tradeoff", "group")


@dataclass(frozen=True, slots=True)
class PromptLine:
    """One prompt, and what its line says about how to draw it. None is not said."""

    prompt: str
    """Exactly as given."""

    function: str | None = None
    seed: int | None = None
    """`ANY_SEED` asks for one to be drawn, whatever the command says."""

    width: int | None = None
    """Pixels."""

    height: int | None = None
    """Pixels."""

    negative: str = ""
    tradeoff: float | None = None
    """The dial, 0 to 1."""

    group: str | None = None
    """The source data set, for benchmarks; `generate` and `route` do not look at it."""

    line: int | None = None
    """Where it stands in its file, from 1; None when it came from elsewhere."""


def read_prompts(source: Path | str) -> list[PromptLine]:
    """The prompts of a file, or of stdin for `-`.

    Raises:
        UsageError: missing or unreadable, not UTF-8, without a prompt, or with a line that
            cannot be one; the message has the line's number, and nothing is taken.
    """
    if str(source) == STDIN:
        return parse_prompts(_read_stdin(), "stdin")
    try:
        _refuse_pipe(Path(source))
        with open(source, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UsageError(
            f"cannot read the prompt file {source}: {reason}",
            "Name a text file, one prompt a line.",
        ) from error
    return parse_prompts(data, str(source))


def _refuse_pipe(path: Path) -> None:
    """Raises OSError of a named pipe, which may have no writer; those of the shell have one."""
    if path.is_fifo() and not str(path).startswith(("/dev/fd/", "/proc/")):
        raise OSError(errno.EINVAL, "it is a pipe; `cems generate - < PIPE` reads from one")


def parse_prompts(data: bytes, name: str) -> list[PromptLine]:
    """The prompts in the bytes of a file called `name`.

    Only line feeds end a line (a carriage return before one is part of the ending): a prompt
    may hold any other control character. Blank lines are skipped.

    Raises:
        UsageError: as `read_prompts`.
    """
    if len(data) > MAX_BYTES:
        raise UsageError(
            f"{name} is over {MAX_BYTES // 1024**2} MiB", "Split it into several files."
        )
    try:
        text = as_utf8(data)
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{name} is not valid {error.encoding.upper()}", "Save the text as UTF-8 and try again."
        ) from error
    lines: list[PromptLine] = []
    for number, line in enumerate(text.split(b"\n"), start=1):
        try:
            if not lines:
                _refuse_table(line)
            parsed = _parsed(line.removesuffix(b"\r"), number)
        except UsageError as error:
            raise UsageError(f"{name}, line {number}: {error}", error.hint) from error
        if parsed is None:
            continue
        if len(lines) == MAX_PROMPTS:
            raise UsageError(
                f"{name} has over {MAX_PROMPTS:,} prompts", "Split it into several files."
            )
        lines.append(parsed)
    if not lines:
        raise UsageError(f"there is no prompt in {name}", "Write one prompt a line.")
    return lines


def _read_stdin() -> bytes:
    if sys.stdin is None:
        raise UsageError("stdin is closed, so no prompt can be read from it", "Pipe a text in.")
    try:
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read stdin: {error.strerror or error}") from error


_JSON_OBJECT = re.compile(r"\s*\{(?!\{|[^{}\":]*\|)")
"""What a line that is an object begins with; `{red|blue} car` and `{{red}} car` are words."""

_COLUMNS = frozenset(
    (*KEYS, "id", "prompt_id", "negative_prompt", "negative prompt", "model", "steps", "width",
     "height", "metric", "score", "rater", "cost_usd", "seconds", "memory_gb", "category",
     "challenge", "note", "text", "caption", "image", "source")
)  # fmt: skip
"""What tables of prompts have at the head of their columns."""

_OPTION = re.compile(r"--[A-Za-z]")


def _refuse_table(first: bytes) -> None:
    """Refuse a file whose first line says that it is a table or one JSON document.

    Raises:
        UsageError: it is one; its lines would be drawn as they stand.
    """
    text = first.decode("utf-8", "replace").strip()
    for separator in (",", ";", "\t"):
        cells = [cell.strip().strip("\"'").lower() for cell in text.split(separator)]
        if "prompt" in cells and (len(cells) == 1 or _COLUMNS.issuperset(cells)):
            raise UsageError(
                f"{text[:60]!r} is the head of a table, not a prompt",
                "Write one prompt a line without a head, or a JSON object a line.",
            )
    if text == "[" or re.match(r'\[\s*[{"]', text):
        raise UsageError(
            "it is one JSON array, and prompts are read line by line",
            'Write a JSON object a line, without [ ]: {"prompt": "…"}.',
        )


def _refuse_option(text: str) -> None:
    if _OPTION.match(text.lstrip()):
        raise UsageError(
            f"{text.strip()[:60]!r} is an option, not a prompt",
            'Options stand on the command line; one prompt has its own in {"prompt": "…", "seed": '
            '4}. A prompt that begins so is written {"prompt": "--…"}.',
        )


def _parsed(line: bytes, number: int) -> PromptLine | None:
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise UsageError("not valid UTF-8", "Save the text as UTF-8 and try again.") from error
    if not text.strip():
        return None
    if _JSON_OBJECT.match(text):
        return _from_json(text, number)
    _refuse_option(text)
    return PromptLine(checked_prompt(text), line=number)


def _from_json(text: str, number: int) -> PromptLine:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"not valid JSON ({why_no_json(error)})",
            'A line that begins with { is a JSON object: {"prompt": "…"}. '
            'A prompt that begins so is written {"prompt": "{…"}.',
        ) from error
    if unknown := sorted(said.keys() - set(KEYS)):
        raise UsageError(
            f"{unknown[0]!r} is not something a prompt line can say", f"Known: {', '.join(KEYS)}."
        )
    if not isinstance(said.get("prompt"), str):
        raise UsageError("it has no prompt text", 'Write {"prompt": "…"}.')
    width, height = parsed_size(said.get("size"))
    return PromptLine(
        prompt=checked_prompt(said["prompt"]),
        function=_words(said, "function"),
        seed=_seed(said.get("seed")),
        width=width,
        height=height,
        negative=_negative(said.get("negative")),
        tradeoff=_tradeoff(said.get("tradeoff")),
        group=_words(said, "group"),
        line=number,
    )


def _words(said: dict[str, Any], key: str) -> str | None:
    value = said.get(key)
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise UsageError(f"its {key} {value!r} is not a name", "Write it in quotes.")
    return value


def _seed(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not ANY_SEED <= value <= MAX_SEED:
        raise UsageError(
            f"its seed {value!r} is not one",
            f"Give a whole number, 0 to {MAX_SEED}, or -1 for any.",
        )
    return value


def parsed_size(value: object) -> tuple[int | None, int | None]:
    """`WxH` as pixels; (None, None) for None.

    Raises:
        UsageError: it is not a size that can be drawn.
    """
    if value is None:
        return None, None
    found = (
        re.fullmatch(r"([0-9]{1,5}) *[xX×] *([0-9]{1,5})", value.strip())
        if isinstance(value, str)
        else None
    )
    sides = (int(found[1]), int(found[2])) if found else (0, 0)
    if not all(1 <= side <= MAX_SIDE_PIXELS for side in sides):
        raise UsageError(
            f"the size {value!r} is not one",
            f"Write it as 64x64; a side has 1 to {MAX_SIDE_PIXELS} pixels.",
        )
    return sides


def _negative(value: object) -> str:
    if value is None or value == "":
        return ""
    if not isinstance(value, str):
        raise UsageError(f"its negative {value!r} is not a text", "Write it in quotes.")
    return checked_prompt(value) if value.strip() else value


def _tradeoff(value: object) -> float | None:
    if value is None:
        return None
    # compared before it is converted: an integer may be too large for a float
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise UsageError(f"its tradeoff {str(value)[:40]} is out of range", "Give 0 to 1.")
    return float(value)
