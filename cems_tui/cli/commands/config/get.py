"""`cems config get`: one setting."""

from __future__ import annotations

from typing import Annotated

import typer

from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.profile import Profile
from cems_tui.settings import setting_named, toml_value


def get(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A setting, as `section.key`.")],
    json: o.Json = False,
) -> None:
    """Print the value of one setting."""
    setting = setting_named(name)
    settings = Profile.current().settings
    value = setting.value(settings)
    if json:
        output.json_document(
            {
                "setting": setting.name,
                "value": value,
                "source": setting.source(settings),
                "help": setting.help,
            }
        )
    else:
        output.line(value if isinstance(value, str) else toml_value(value))
