"""What commands print: data on stdout, narration on stderr, JSON that any pipe can carry."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from cems_tui.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

PIPE_WIDTH = 160
"""Columns of a table that goes into a pipe: wide enough that nothing is cut."""


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
    from cems_tui.text import visible

    print(visible(text), file=sys.stderr, flush=True)


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


def usd_per_thousand(usd: float | None, *, estimated: bool, per_usd: float, currency: str) -> str:
    """A price as money per 1,000 pictures; `—` when unknown, `~` before an estimate."""
    if usd is None:
        return "—"
    sign = "$" if currency == "USD" else f"{currency} "
    return f"{'~' if estimated else ''}{sign}{usd * 1000 * per_usd:.4f}"
