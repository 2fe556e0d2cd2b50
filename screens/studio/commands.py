"""The commands of the studio."""

from __future__ import annotations

from screens.commands import GENERATE, Command

CANCEL = Command(
    "studio.cancel", "x", "cancel_job", "Stop this picture",
    "Stop what runs at its next step; a second time ends the engine. In the queue: the row's.",
    footer="stop", letter=True, chord="alt+x",
)  # fmt: skip
CANCEL_ALL = Command(
    "studio.cancel-all", "X", "cancel_all", "Stop everything",
    "Stop what runs and forget what waits; asks first.", letter=True,
)  # fmt: skip
RETRY = Command(
    "studio.retry", "R", "retry", "Draw again what failed",
    "Submit the request that failed last once more; in the queue the row's, with a new seed.",
    footer="again", letter=True, chord="alt+r",
)  # fmt: skip
WHY = Command(
    "studio.why", "w", "why", "Why this one draws it",
    "What of the prompt spoke for the pick, and what would change it; of the picture if that is "
    "focused.", footer="why", letter=True, chord="alt+w",
)  # fmt: skip
ZOOM = Command(
    "studio.zoom", "z", "zoom", "Zoom this part of the screen",
    "As large as the window, and back; the picture while one types.",
    footer="zoom", letter=True, chord="alt+v",
)  # fmt: skip
SEED = Command(
    "studio.seed", "S", "edit('seed')", "Set the seed",
    "The number a picture grows from: the same one draws the same picture.",
    footer="seed", letter=True, chord="alt+s",
)  # fmt: skip
COPY = Command(
    "studio.copy", "y", "copy_command", "Copy as a cems command",
    "The picture's command if the picture is focused, else the one for the prompt.",
    footer="copy", letter=True,
)  # fmt: skip
REMIX = Command(
    "studio.remix", "r", "remix", "Remix the picture",
    "Take the picture's prompt back into the box.", footer="remix", letter=True,
)  # fmt: skip
FRESH_ENGINE = Command(
    "studio.fresh-engine", "f5", "fresh_engine", "Start a fresh engine",
    "End the engine, free the device, start again; what waited is kept.",
)  # fmt: skip
BACK = Command("studio.back", "escape", "back", "Back to the prompt", "Focus the prompt box.")

STUDIO = (
    GENERATE, CANCEL, RETRY, WHY, ZOOM, SEED, COPY, REMIX, CANCEL_ALL, FRESH_ENGINE, BACK
)  # fmt: skip
