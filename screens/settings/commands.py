"""The commands of the settings."""

from __future__ import annotations

from screens.commands import GENERATE, Command

CHANGE = Command(
    "settings.change", "enter", "change", "Change this setting",
    "Turns yes into no; asks for the value of any other, and checks it.",
)  # fmt: skip
DEFAULT = Command(
    "settings.default", "d", "restore", "Back to the default",
    "Takes it out of config.toml; everything else there stays.", footer="default", letter=True,
)  # fmt: skip
UNDO = Command(
    "settings.undo", "u", "undo", "Undo the last change", "As the file had it before.",
    footer="undo", letter=True,
)  # fmt: skip
COPY = Command(
    "settings.copy", "y", "copy_command", "Copy as a cems command", "`cems config set NAME VALUE`.",
    footer="copy", letter=True,
)  # fmt: skip
LEAVE = Command("settings.back", "escape", "back", "Back to the studio", "The studio.")

SETTINGS = (CHANGE, DEFAULT, UNDO, COPY, GENERATE, LEAVE)
