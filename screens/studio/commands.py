"""The commands of the studio."""

from __future__ import annotations

from screens.commands import GENERATE, Command

CANCEL = Command(
    "studio.cancel", "x", "cancel_job", "Cancel this picture",
    "Stop what runs at its next step; a second time ends the engine.", footer="cancel", letter=True,
)  # fmt: skip
COPY = Command(
    "studio.copy", "y", "copy_command", "Copy as a cems command",
    "The picture's command if the picture is focused, else the one for the prompt.",
    footer="copy", letter=True,
)  # fmt: skip
WHY = Command(
    "studio.why", "w", "why", "Why this function",
    "What of the prompt spoke for the pick, and what would change it; of the picture if that is "
    "focused.", footer="why", letter=True,
)  # fmt: skip
REMIX = Command(
    "studio.remix", "r", "remix", "Remix the picture",
    "Take the picture's prompt back into the box.", footer="remix", letter=True,
)  # fmt: skip
RETRY = Command(
    "studio.retry", "R", "retry", "Retry what failed",
    "Submit the request that failed last once more.", footer="retry", letter=True,
)  # fmt: skip
FRESH_ENGINE = Command(
    "studio.fresh-engine", "f5", "fresh_engine", "Start a fresh engine",
    "End the engine, free the device, start again; what waited is kept.",
)  # fmt: skip
BACK = Command("studio.back", "escape", "back", "Back to the prompt", "Focus the prompt box.")

STUDIO = (GENERATE, CANCEL, RETRY, WHY, COPY, REMIX, FRESH_ENGINE, BACK)
