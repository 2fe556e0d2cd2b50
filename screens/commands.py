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
            priority=not self.letter and self.key != "escape",
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

APP = (PALETTE, HELP, JUMP, QUIT)


def bindings(commands: Iterable[Command]) -> list[BindingType]:
    """The key bindings of the commands."""
    return [command.binding for command in commands]


def key_of(command: Command, app: object) -> str:
    """The key of a command as people write it, rebound or not."""
    given: Mapping[str, str] = getattr(app, "custom_keys", {})
    return key_name(given.get(command.id, command.key).split(",")[0].strip())


def key_name(key: str) -> str:
    """A key as people write it: `ctrl+g`, `F1`, `esc`."""
    if key == "escape":
        return "esc"
    return key.upper() if len(key) <= 3 and key[:1] == "f" and key[1:].isdigit() else key
