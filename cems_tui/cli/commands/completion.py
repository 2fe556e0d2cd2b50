"""`cems completion`: what makes a shell complete commands and options."""

from __future__ import annotations

from typing import Annotated, Literal

import typer
from typer._completion_shared import get_completion_script

from cems_tui.cli import output
from cems_tui.cli.completion import VARIABLE


def completion(
    shell: Annotated[
        Literal["bash", "zsh", "fish"], typer.Argument(metavar="SHELL", help="bash, zsh or fish.")
    ],
) -> None:
    """Print what makes a shell complete the commands and options of cems.

    In bash and zsh `eval "$(cems completion bash)"` (or zsh) switches it on, in ~/.bashrc or
    ~/.zshrc for good; fish reads ~/.config/fish/completions/cems.fish.
    """
    script = get_completion_script(prog_name="cems", complete_var=VARIABLE, shell=shell)
    for text in script.splitlines():
        output.script_line(text)
