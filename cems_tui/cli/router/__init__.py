"""`cems router`: train routers, judge them, choose one, pass them on."""

from __future__ import annotations

import typer

from cems_tui.cli.commands import router as judging
from cems_tui.cli.commands import router as scale
from cems_tui.cli.commands import router as sharing
from cems_tui.cli.commands import router as shelf
from cems_tui.cli.commands import router as train
from cems_tui.cli.commands import router as using

router = typer.Typer(help="Train routers, judge them, choose one.", rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    for group in (train, judging, shelf, using, sharing, scale):
        group.register(router)
    app.add_typer(router, name="router")
