"""`cems history rm`: pictures into the trash, or forgotten for good."""

from __future__ import annotations

from typing import Annotated

import typer

from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.cli.model_options import DryRun
from cems_tui.errors import UsageError
from cems_tui.profile import Profile
from cems_tui.services.history import History
from cems_tui.text import counted

Pictures = Annotated[
    list[str] | None, typer.Argument(metavar="ID…", help="Ids, or their beginnings.")
]
Search = Annotated[
    str | None,
    typer.Option("--search", metavar="SEARCH", help="What finds them, as in `history ls`."),
]


def rm(
    pictures: Pictures = None,
    search: Search = None,
    forever: Annotated[
        bool,
        typer.Option("--forever", help="Remove files, rows and every copy of the prompts."),
    ] = False,
    trash: Annotated[
        bool, typer.Option("--trash", help="With --forever: what is in the trash.")
    ] = False,
    dry_run: DryRun = False,
    yes: o.Yes = False,
    quiet: o.Quiet = False,
) -> None:
    """Put pictures into the trash, or forget them for good."""
    if trash and not forever:
        raise UsageError("--trash goes with --forever", "Or take it back: `cems history restore`.")
    profile = Profile.current()
    with profile.history() if dry_run else profile.records() as store:
        history = History(store, profile.routers.forget)
        everything = trash and not pictures and search is None
        found = history.meant(pictures or (), "" if everything else search, hidden=trash)
        if dry_run or quiet:
            for one in found:
                output.line(one.id)
        if dry_run:
            return
        many = counted(len(found), "picture")
        if forever and not o.agreed(f"Forget {many} for good, files and prompts?", yes=yes):
            raise UsageError(f"{many} kept", "Answer y, or give --yes.")
        if not forever and len(found) > 1 and not o.agreed(f"Put {many} into the trash?", yes=yes):
            raise UsageError(f"{many} kept", "Answer y, or give --yes.")
        if not forever:
            history.discard(found)
        else:
            for told in history.forget(found):
                output.note(told)
    if not quiet:
        output.line(f"{many} {'forgotten' if forever else 'in the trash'}")
