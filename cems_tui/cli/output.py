"""What commands print: data on stdout, narration on stderr, JSON that any pipe can carry."""

from __future__ import annotations

import io
import json
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from cems_tui.errors import UsageError
from cems_tui.text import visible

if TYPE_CHECKING:
    from rich.console import Console

    from cems_tui.settings import Settings

PIPE_WIDTH = 160
"""Columns of a table that goes into a pipe: wide enough that nothing is cut."""


def prepare_streams() -> None:
    """Standard streams that are there and can carry any text, whoever started us.

    A closed one leads nowhere: its number would else go to the next file that is opened, and
    what is meant for stderr would go to stdout. A character that the encoding lacks is escaped,
    a file name that is not UTF-8 is written byte by byte as it is.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            nowhere = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for the process
            setattr(sys, name, nowhere)
        elif isinstance(stream, io.TextIOWrapper):
            exact = name == "stdout" and stream.encoding.lower().replace("-", "") == "utf8"
            stream.reconfigure(errors="surrogateescape" if exact else "backslashreplace")


def json_line(value: Any) -> None:
    """One JSON object on one line of stdout, written at once. ASCII: safe in every locale."""
    print(json.dumps(value, allow_nan=False), flush=True)


def json_document(value: Any) -> None:
    """One JSON document on stdout."""
    print(json.dumps(value, indent=2, allow_nan=False), flush=True)


def line(text: str = "") -> None:
    """One line of data on stdout."""
    print(text, flush=True)


def note(text: str) -> None:
    """One line of narration on stderr, controls made visible."""
    narrate(visible(text))


def narrate(text: str, end: str = "\n") -> None:
    """Text on stderr as it is; when nobody can be told, the work goes on."""
    with suppress(OSError):
        print(text, end=end, file=sys.stderr, flush=True)


def console(*, stderr: bool = False) -> Console:
    """A rich console: plain and wide in a pipe, coloured in a terminal that wants colour."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    if stream.isatty():
        return Console(file=stream, highlight=False, markup=False, emoji=False)
    return Console(
        file=stream,
        highlight=False,
        markup=False,
        emoji=False,
        width=PIPE_WIDTH,
        force_terminal=False,
        color_system=None,
    )


def only_one(**given: bool) -> None:
    """Refuse options that exclude each other.

    Raises:
        UsageError: more than one of them was given.
    """
    names = [f"--{name.replace('_', '-')}" for name, is_given in given.items() if is_given]
    if len(names) > 1:
        raise UsageError(f"{' and '.join(names)} exclude each other", "Give only one of them.")


def money(usd: float | None, settings: Settings) -> str:
    """US dollars in the currency the user wants to see; `—` when unknown."""
    if usd is None:
        return "—"
    currency = settings.pricing.currency
    sign = "$" if currency == "USD" else f"{currency} "
    return f"{sign}{usd * settings.pricing.per_usd:.6g}"


def unit_per_thousand(settings: Settings) -> str:
    """The heading of a column of prices per 1,000 pictures."""
    currency = settings.pricing.currency
    return "$/1,000" if currency == "USD" else f"{currency}/1,000"


def usd_per_thousand(usd: float | None, *, estimated: bool, per_usd: float, currency: str) -> str:
    """A price as money per 1,000 pictures; `—` when unknown, `~` before an estimate."""
    if usd is None:
        return "—"
    sign = "$" if currency == "USD" else f"{currency} "
    return f"{'~' if estimated else ''}{sign}{usd * 1000 * per_usd:.4f}"
