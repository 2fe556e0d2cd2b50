"""`cems config set`: one setting written into config.toml, checked first."""

from __future__ import annotations

from typing import Annotated

import typer

from cems_tui import paths
from cems_tui.cli import output
from cems_tui.errors import ConfigError, UsageError
from cems_tui.profile import Profile
from cems_tui.services.routers import SETTING
from cems_tui.settings import read_document, setting_named, stands, toml_value, write_setting
from screens.keymap import problems as key_problems

KEYS = "keys."
"""What the names of the app's keys begin with: `keys.studio.generate`."""


def set_(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A setting, as `section.key`.")],
    value: Annotated[
        str | None, typer.Argument(metavar="VALUE", help="What it is to be; text needs no quotes.")
    ] = None,
    default: Annotated[
        bool, typer.Option("--default", help="Take it out of the file: the default holds again.")
    ] = False,
) -> None:
    """Write one setting into config.toml; comments and everything else there stay."""
    if default == (value is not None):
        raise UsageError("there is no value", "Give a value, or --default; not both.")
    file = paths.current().config_file
    document = read_document(file)
    written: object
    if default and stands(document, name):
        written = None  # whatever it is, known or not
    elif name.startswith(KEYS):
        _check_key(name.removeprefix(KEYS), value)
        written = value
    else:
        setting = setting_named(name)
        written = None if value is None else setting.parsed(value)
        if name == SETTING and written:
            Profile.current().shelf().named(str(written))  # raises where there is none
    section = document.get(name.split(".")[0], {})
    if written is not None and not isinstance(section, dict):
        raise ConfigError(f"{file}: {name.split('.')[0]} is no section there")
    write_setting(file, name, written)
    shown = "its default" if written is None else toml_value(written)
    output.note(f"{name} is {shown}, in {file}")


def _check_key(command: str, key: str | None) -> None:
    wrong = [] if key is None else key_problems({command: key})
    if wrong:
        raise ConfigError(wrong[0])
