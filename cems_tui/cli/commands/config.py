"""`cems config`: the settings, where they come from, and whether they can be followed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from cems_tui.cli import options as o

config = typer.Typer(help="The settings.", rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    app.add_typer(config, name="config")


@config.command("path")
def path(json: o.Json = False) -> None:
    """Print where everything lives."""
    from cems_tui import paths
    from cems_tui.cli import output

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


@config.command("show")
def show(json: o.Json = False) -> None:
    """Print every setting, its value and where the value comes from."""
    from cems_tui.cli import output
    from cems_tui.profile import Profile
    from cems_tui.settings import SETTINGS

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


@config.command("validate")
def validate(json: o.Json = False) -> int:
    """Check config.toml and the environment; exit 2 when something cannot be followed."""
    from cems_tui import paths
    from cems_tui.cli import output
    from cems_tui.errors import ConfigError
    from cems_tui.settings import environment_problems, problems, read_document

    file = paths.current().config_file
    in_environment = environment_problems()
    try:
        document = read_document(file)
        found = [*problems(document), *_key_problems(document)]
    except ConfigError as error:
        found = [str(error)]
    places = [str(file)] * bool(found) + ["the environment"] * bool(in_environment)
    found += in_environment
    if json:
        output.json_document({"config": str(file), "problems": found})
        return 2 if found else 0
    if not found:
        output.line(f"{file}: fine" if file.exists() else f"{file}: not there; defaults are used")
        return 0
    for problem in found:
        output.note(f"error: {problem}")
    output.note(f" hint: Mend {' and '.join(places)}, then run `cems config validate` again.")
    return 2


def _key_problems(document: Mapping[str, Any]) -> list[str]:
    from screens.keymap import problems

    keys = document.get("keys", {})
    if not isinstance(keys, dict):
        return []  # told already
    return problems({name: key for name, key in keys.items() if isinstance(key, str)})
