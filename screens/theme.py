"""The colours, dark and light: one accent for quality, one for cost, red for what needs action.

Every text has a contrast of 4.5 : 1 and more to what it stands on; the accents and the quiet grey
are the theme's, so that another theme can bring its own.
"""

from __future__ import annotations

from textual.theme import Theme

DEFAULTS = {"quality": "#3fc1b0", "cost": "#e0a83e", "muted": "#93a1ad"}
"""The accents where a theme brings none."""


def _theme(name: str, *, dark: bool, colours: dict[str, str]) -> Theme:
    return Theme(
        name=name,
        primary=colours["quality"],
        secondary=colours["second"],
        accent=colours["cost"],
        warning=colours["cost"],
        error=colours["alarm"],
        success=colours["quality"],
        foreground=colours["text"],
        background=colours["background"],
        surface=colours["surface"],
        panel=colours["panel"],
        dark=dark,
        variables={
            "quality": colours["quality"],
            "cost": colours["cost"],
            "muted": colours["muted"],
            "border": colours["quality"],
            "border-blurred": colours["frame"],
            "footer-key-foreground": colours["quality"],
            "footer-background": colours["background"],
            "input-selection-background": colours["selection"],
        },
    )


DARK = _theme(
    "dark",
    dark=True,
    colours={
        **DEFAULTS,
        "alarm": "#f2665c",
        "second": "#7fa8c9",
        "text": "#e2e6e9",
        "background": "#14171a",
        "surface": "#1a1e22",
        "panel": "#252b31",
        "frame": "#4a555e",
        "selection": "#2b5f78",
    },
)
LIGHT = _theme(
    "light",
    dark=False,
    colours={
        "quality": "#00695c",
        "cost": "#7d4e00",
        "muted": "#545f68",
        "alarm": "#b3261e",
        "second": "#2f5d80",
        "text": "#1b1f22",
        "background": "#fbfaf7",
        "surface": "#f3f1ec",
        "panel": "#e7e4dc",
        "frame": "#a9b0b6",
        "selection": "#b8d4e8",
    },
)
THEMES = {theme.name: theme for theme in (DARK, LIGHT)}
