"""`cems router rollback`: the router that was in use before."""

from __future__ import annotations

from cems_tui.cli import options as o
from cems_tui.cli.commands.router.use import tell_change
from cems_tui.profile import Profile


def rollback(json: o.Json = False, quiet: o.Quiet = False) -> None:
    """Ask the router again that was in use before."""
    tell_change(Profile.current().routers.rollback(), json=json, quiet=quiet)
