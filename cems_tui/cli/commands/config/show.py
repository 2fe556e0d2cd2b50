"""`cems config show`: every setting and its source."""

from __future__ import annotations

from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.profile import Profile
from cems_tui.settings import SETTINGS


def show(json: o.Json = False) -> None:
    """Print every setting, its value and where the value comes from."""
    settings = Profile.current().settings
    if json:
        output.json_document(
            {
                setting.name: {
                    "value": setting.value(settings),
                    "source": setting.source(settings),
                    "help": setting.help,
                }
                for setting in SETTINGS
            }
        )
        return
    for setting in SETTINGS:
        source = setting.source(settings)
        output.line(
            f"{setting.name:<28} {setting.value(settings)!r:<16} {source:<8} {setting.help}"
        )
