"""`cems router use|rollback`: which router is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cems_tui.cli import options as o

if TYPE_CHECKING:
    from cems_tui.routers.choice import Change


def register(router: typer.Typer) -> None:
    router.command("use")(use)
    router.command("rollback")(rollback)


def use(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The router to ask from now on.")],
    force: Annotated[
        bool, typer.Option("--force", help="Though it did not beat the best single function.")
    ] = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Ask this router from now on, if it beat the best single function."""
    from cems_tui.routers import choice

    _tell(choice.use(name, force=force), json=json, quiet=quiet)


def rollback(json: o.Json = False, quiet: o.Quiet = False) -> None:
    """Ask the router again that was in use before."""
    from cems_tui.routers import choice

    _tell(choice.rollback(), json=json, quiet=quiet)


def _tell(change: Change, *, json: bool, quiet: bool) -> None:
    from cems_tui.cli import output

    if json:
        output.json_document({"router": change.after, "before": change.before})
    elif quiet:
        output.line(change.after or "")
    else:
        before = change.before or "the rule's choice"
        after = change.after or "the router that knows most of the installed functions"
        output.line(f"in use: {after} (before: {before})")
