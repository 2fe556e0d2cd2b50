"""`cems router export`: a router as one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cems_tui.cli import output
from cems_tui.profile import Profile
from cems_tui.routing.checkpoints.package import export_router


def export(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The router.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to; NAME.cems-router.zip here.")
    ] = None,
    with_prompts: Annotated[
        bool,
        typer.Option("--with-prompts", help="With the texts of the prompts it was trained on."),
    ] = False,
) -> None:
    """Write a router as one file: its card and its weights, nothing that can run."""
    path = out or Path(f"{name}.cems-router.zip")
    folder = Profile.current().routers.folder_of(name)
    export_router(folder, name, path, with_prompts=with_prompts)
    output.line(str(path.absolute()))
