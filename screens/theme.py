"""The colours: one accent for quality, one for cost, red for what needs action."""

from __future__ import annotations

from textual.theme import Theme

QUALITY, COST, ALARM, MUTED = "#3fc1b0", "#e0a83e", "#f2665c", "#93a1ad"

THEME = Theme(
    name="cems",
    primary=QUALITY,
    secondary="#7fa8c9",
    accent=COST,
    warning=COST,
    error=ALARM,
    success=QUALITY,
    background="#14171a",
    surface="#1a1e22",
    panel="#252b31",
    dark=True,
    variables={
        "border": QUALITY,
        "border-blurred": "#4a555e",
        "footer-key-foreground": QUALITY,
        "footer-background": "#14171a",
    },
)
