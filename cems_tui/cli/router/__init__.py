"""`cems router`: train routers, judge them, choose one, pass them on."""

from __future__ import annotations

import typer

from cems_tui.cli.router import judging, scale, sharing, shelf, train, using

router = typer.Typer(help="Train routers, judge them, choose one.", rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    for group in (train, judging, shelf, using, sharing, scale):
        group.register(router)
    app.add_typer(router, name="router")
