"""Options that the commands about models share, and the questions they ask."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from cems_tui.bench.prompts import parsed_size
from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.errors import (
    UsageError,
)

Steps = Annotated[
    str | None, typer.Option("--steps", metavar="N,…", help="Steps of its functions (default 20).")
]

Guidance = Annotated[
    float | None, typer.Option("--guidance", metavar="G", help="Guidance of its functions.")
]

Size = Annotated[
    str | None, typer.Option("--size", metavar="WxH", help="Pixels of its functions' pictures.")
]

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done; do nothing.")]

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Answer every question with yes.")]

Name = Annotated[str, typer.Argument(metavar="NAME", help="A model, or ORG/REPO.")]


def asking(yes: bool) -> Callable[[str], bool]:
    """Puts questions to the user at the terminal; `--yes` answers them.

    Without either a question is a UsageError.
    """

    def ask(question: str) -> bool:
        if yes:
            return True
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise UsageError(question, "Answer with --yes, or ask at a terminal.")
        return output.ask(f"{question} [y/N]").lower() in ("y", "yes")

    return ask


def checked_steps(text: str | None) -> tuple[int, ...]:
    """`4,20` as numbers; empty for None.

    Raises:
        UsageError: it is not a list of steps.
    """
    if text is None:
        return ()
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and 1 <= int(part) <= 1000 for part in parts):
        raise UsageError(f"--steps {text!r} is not a list of steps", "Write it as --steps 4,20.")
    return tuple(dict.fromkeys(int(part) for part in parts))


def checked_size(text: str | None) -> tuple[int, int] | None:
    """`WxH` as pixels; None for None.

    Raises:
        UsageError: it is not a size.
    """
    width, height = parsed_size(text)
    return None if width is None or height is None else (width, height)


def checked_guidance(value: float | None) -> float | None:
    """The guidance, if it can be one.

    Raises:
        UsageError: it is below 0 or no number.
    """
    o.not_negative("--guidance", value)
    if value is not None and math.isinf(value):
        raise UsageError(f"--guidance {value:g} is out of range", "Give a finite number.")
    return value
