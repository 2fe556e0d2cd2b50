"""`cems config path`: where everything lives."""

from __future__ import annotations

from cems_tui import paths
from cems_tui.cli import options as o
from cems_tui.cli import output


def path(json: o.Json = False) -> None:
    """Print where everything lives."""
    here = paths.current()
    if not json:
        output.line(str(here.config_file))
        return
    output.json_document(
        {
            "config": str(here.config_file),
            "data": str(here.data),
            "cache": str(here.cache),
            "state": str(here.state),
            "log": str(here.log_file),
        }
    )
