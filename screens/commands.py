"""What a command is: a key, a footer word, a palette entry and a help line, declared once.

Here are those of no screen alone; each screen's stand in its folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

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

    chord: str = ""
    """A second key that does it while one types, too; rebound by the id with CHORD behind it."""

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


CHORD = "-chord"

GENERATE = Command(
    "studio.generate", "ctrl+g", "generate", "Draw the prompt", "More queue up behind it.",
    footer="draw",
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
THEME = Command(
    "app.theme",
    "ctrl+t",
    "theme",
    "Light or dark",
    "Until the app ends; app.theme sets it for good.",
)
STOP_RUN = Command(
    "app.stop_run", "x", "app.stop_run", "Stop the long work that runs",
    "A benchmark, a training: what is done of it is kept.", letter=True,
)  # fmt: skip
QUIT = Command("app.quit", "ctrl+q", "quit", "Quit", "Ends the engine, too.", footer="quit")


def bindings(commands: Iterable[Command]) -> list[BindingType]:
    """The key bindings of the commands."""
    found: list[BindingType] = []
    for command in commands:
        found.append(command.binding)
        if command.chord:
            found.append(
                replace(command.binding, key=command.chord, id=command.id + CHORD, priority=True)
            )
    return found


def key_of(command: Command, app: object) -> str:
    """The key of a command as people write it, rebound or not."""
    given: Mapping[str, str] = getattr(app, "custom_keys", {})
    return key_name(given.get(command.id, command.key).split(",")[0].strip())


def chord_of(command: Command, app: object) -> str:
    """The key that does it while one writes, too; the only one where there is no other."""
    given: Mapping[str, str] = getattr(app, "custom_keys", {})
    if not command.chord:
        return key_of(command, app)
    return key_name(given.get(command.id + CHORD, command.chord).split(",")[0].strip())


def key_name(key: str) -> str:
    """A key as people write it: `ctrl+g`, `F1`, `esc`."""
    if key in ("escape", "slash"):
        return {"escape": "esc", "slash": "/"}[key]
    if key in ("minus", "space"):
        return {"minus": "-", "space": "space"}[key]
    return key.upper() if len(key) <= 3 and key[:1] == "f" and key[1:].isdigit() else key
