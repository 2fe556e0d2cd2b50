"""Every command of the app, declared once: its key, footer word, palette entry and help line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from textual.binding import Binding, BindingType


@dataclass(frozen=True, slots=True)
class Command:
    """Something the user can do."""

    id: str
    """What a key is rebound by in the configuration."""

    key: str
    action: str
    """The Textual action that does it."""

    title: str
    """Its name in the palette."""

    help: str
    footer: str = ""
    """Its word in the footer; empty is not shown there."""

    letter: bool = False
    """Whether the key is a plain letter, which belongs to the prompt box while one types."""

    @property
    def binding(self) -> Binding:
        return Binding(
            self.key,
            self.action,
            self.footer or self.title,
            show=bool(self.footer),
            tooltip=self.help,
            id=self.id,
            priority=not self.letter and self.key not in ("escape", "enter"),
        )


GENERATE = Command(
    "studio.generate", "ctrl+g", "generate", "Generate", "Draw the prompt; more queue up.",
    footer="generate",
)  # fmt: skip
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

TO_STUDIO = Command(
    "app.studio", "f3", "place('studio')", "Studio", "Write a prompt, see its prices, draw it."
)
TO_MODELS = Command(
    "app.models", "f4", "place('models')", "Models",
    "What this machine can hold; pulling, pausing, deleting.",
)  # fmt: skip

JUMP = Command(
    "app.jump", "ctrl+o", "jump", "Jump to a part of the screen",
    "Shows a letter on every part; the letter focuses it.", footer="jump",
)  # fmt: skip
HELP = Command(
    "app.help", "f1", "help", "Help for what is focused", "What it is and its keys.", footer="help"
)
PALETTE = Command(
    "app.palette", "ctrl+p", "command_palette", "Commands", "Every command by name.",
    footer="commands",
)  # fmt: skip
QUIT = Command("app.quit", "ctrl+q", "quit", "Quit", "Ends the engine, too.", footer="quit")

APP = (PALETTE, HELP, JUMP, TO_STUDIO, TO_MODELS, QUIT)

SCREENS = (STUDIO, MODELS)
"""The commands of each screen: only those of one screen must not share a key."""


def bindings(commands: Iterable[Command]) -> list[BindingType]:
    """The key bindings of the commands."""
    return [command.binding for command in commands]


def key_of(command: Command, app: object) -> str:
    """The key of a command as people write it, rebound or not."""
    given: Mapping[str, str] = getattr(app, "custom_keys", {})
    return key_name(given.get(command.id, command.key).split(",")[0].strip())


def key_name(key: str) -> str:
    """A key as people write it: `ctrl+g`, `F1`, `esc`."""
    if key in ("escape", "slash"):
        return {"escape": "esc", "slash": "/"}[key]
    return key.upper() if len(key) <= 3 and key[:1] == "f" and key[1:].isdigit() else key
