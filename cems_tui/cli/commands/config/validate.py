"""`cems config validate`: whether the settings can be followed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cems_tui import paths
from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.errors import ConfigError
from cems_tui.settings import environment_problems, problems, read_document
from screens.keymap import problems as key_problems


def validate(json: o.Json = False) -> int:
    """Check config.toml and the environment; exit 2 when something cannot be followed."""
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
    keys = document.get("keys", {})
    if not isinstance(keys, dict):
        return []  # told already
    return key_problems({name: key for name, key in keys.items() if isinstance(key, str)})
