"""`cems history restore`: pictures back from the trash."""

from __future__ import annotations

from typing import Annotated

import typer

from cems_tui.cli import output
from cems_tui.cli.commands.history.rm import Pictures, Search
from cems_tui.errors import UsageError
from cems_tui.profile import Profile
from cems_tui.services.history import History
from cems_tui.text import counted


def restore(
    pictures: Pictures = None,
    search: Search = None,
    all: Annotated[bool, typer.Option("--all", help="Everything in the trash.")] = False,
) -> None:
    """Take pictures back from the trash."""
    if all and (pictures or search):
        raise UsageError("--all is everything", "Leave the ids and --search out.")
    with Profile.current().records() as store:
        history = History(store)
        found = history.meant(pictures or (), "" if all else search, hidden=True)
        history.restore(found)
    output.line(f"{counted(len(found), 'picture')} restored")
