"""What a shell is answered when it asks how a command line may go on."""

from __future__ import annotations

import os
from typing import Any

VARIABLE = "_CEMS_COMPLETE"
"""Set by the scripts of `cems completion`, to `complete_bash`, `complete_zsh`, `complete_fish`."""


def asked() -> str | None:
    """What a shell asks for; None when it is no shell that asks."""
    return os.environ.get(VARIABLE) or None


def answer(command: Any, instruction: str) -> int:
    """Print how the command line may go on, for the shell that asks; the exit code."""
    from typer._completion_classes import completion_init
    from typer.completion import shell_complete

    completion_init()
    return shell_complete(command, {}, "cems", VARIABLE, instruction)
