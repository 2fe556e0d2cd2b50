"""Questions before something that cannot be taken back."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cems_tui.errors import UsageError

Yes = Annotated[bool, typer.Option("--yes", help="Answer every question with yes.")]


def agreed(question: str, *, yes: bool) -> bool:
    """Whether the user says yes; `--yes` has said so already.

    Raises:
        UsageError: there is no terminal to ask on.
    """
    if yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError(f"{question} There is no terminal to answer on", "Say --yes.")
    return typer.confirm(question, err=True)
