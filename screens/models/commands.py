"""The commands of the models."""

from __future__ import annotations

from screens.commands import GENERATE, Command

PULL = Command(
    "models.pull", "enter", "open", "Pull, or show what is here",
    "Files, bytes, disk and licence first; then it is fetched in the background.",
    footer="open",
)  # fmt: skip
RECOMMENDED = Command(
    "models.recommended", "P", "recommended", "Pull the recommended set",
    "What is worth its disk on this machine: the list, the reasons and the total first.",
    footer="recommended", letter=True,
)  # fmt: skip
PAUSE = Command(
    "models.pause", "p", "pause", "Pause or resume the pull",
    "Of the model under the cursor, else the one that runs; nothing that was fetched is lost.",
    footer="pause/resume", letter=True,
)  # fmt: skip
UNQUEUE = Command(
    "models.cancel", "x", "unqueue", "Cancel this pull",
    "Takes it out of the queue; what was fetched stays until d removes it.",
    footer="cancel", letter=True,
)  # fmt: skip
DELETE = Command(
    "models.delete", "d", "delete", "Delete the model",
    "Says first what is freed and who else uses its files.", footer="delete", letter=True,
)  # fmt: skip
FIND = Command(
    "models.find", "slash", "find", "Search the models",
    "Words of name, family, licence or group; esc shows all again.", footer="find", letter=True,
)  # fmt: skip
COPY_PULL = Command(
    "models.copy", "y", "copy_command", "Copy as a cems command",
    "`cems pull NAME` of what is not here, `cems show NAME` of what is.",
    footer="copy", letter=True,
)  # fmt: skip
LEAVE = Command("models.back", "escape", "back", "Back to the studio", "Pulls go on meanwhile.")

MODELS = (PULL, RECOMMENDED, PAUSE, UNQUEUE, DELETE, FIND, COPY_PULL, GENERATE, LEAVE)
