"""`cems history backup`: a copy of the database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cems_tui.cli import output
from cems_tui.profile import Profile


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that is new.")],
) -> None:
    """Copy the database, whole even while pictures are made."""
    with Profile.current().history() as store:
        store.backup(file)
    output.line(str(file.absolute()))
