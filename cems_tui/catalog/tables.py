"""The tables of models shipped with the program, one file a theme, read in a fixed order."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

THEMES = ("starter", "cems", "stable_diffusion", "transformers", "support")
"""In catalog order: the order in which models and functions are listed, and ties are broken."""


@cache
def rows() -> tuple[dict[str, Any], ...]:
    """Every model's table. They are shared: nobody changes them."""
    folder = files("cems_tui.catalog")
    return tuple(
        row
        for theme in THEMES
        for row in tomllib.loads(folder.joinpath(f"{theme}.toml").read_text("utf-8"))["model"]
    )


def function_names(row: dict[str, Any]) -> tuple[str, ...]:
    """The names of a model's functions; none of a support model."""
    return tuple(
        function.get("name", f"{row['name']}@{function['steps']}")
        for function in row.get("function", ())
    )
