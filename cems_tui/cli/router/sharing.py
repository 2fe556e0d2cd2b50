"""`cems router export|import`: a router as one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cems_tui.cli import options as o


def register(router: typer.Typer) -> None:
    router.command("export")(export)
    router.command("import")(import_router)


def export(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The router.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to; NAME.cems-router.zip here.")
    ] = None,
) -> None:
    """Write a router as one file: its card and its weights, nothing that can run."""
    from cems_tui.cli import output
    from cems_tui.routers import files
    from cems_tui.routing.package import export_router

    path = out or Path(f"{name}.cems-router.zip")
    export_router(files.folder_of(name), name, path)
    output.line(str(path.absolute()))


def import_router(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `router export` wrote.")],
    name: Annotated[
        str | None, typer.Option(metavar="R", help="Call it this; else as it was called.")
    ] = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Take a router in, checked whole before anything is kept."""
    from cems_tui.cli import output
    from cems_tui.routers import files

    card = files.take_in(file, name)
    if json:
        output.json_document(
            {
                "router": card.name,
                "kind": card.kind,
                "metric": card.metric,
                "functions": list(card.functions),
                "verdict": card.verdict,
            }
        )
    else:
        output.line(card.name if quiet else f"{card.name}: {card.summary}")
