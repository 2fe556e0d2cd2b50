"""`cems config show`: every setting and its source."""

from __future__ import annotations

from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.cli.text_layout import Column
from cems_tui.profile import Profile
from cems_tui.settings import SETTINGS, toml_value


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
    output.table(
        (Column("setting"), Column("value"), Column("from"), Column("what it is", words="fold")),
        [
            (
                setting.name,
                toml_value(setting.value(settings)),
                setting.source(settings),
                setting.help,
            )
            for setting in SETTINGS
        ],
        titles=False,
    )
