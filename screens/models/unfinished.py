"""What a pull that is left unfinished is told as when the app closes."""

from __future__ import annotations

from cems_tui.models.queue import Pull
from cems_tui.text import visible
from screens.commands import Command, key_of
from screens.models.commands import PAUSE
from screens.models.model_facts import paused_words


def parting_words(pull: Pull, way: Command, app: object) -> str:
    """How far it is, and both ways to go on; `way` is the command that leads to the models."""
    name = visible(pull.model)
    keys = f"{key_of(way, app)}, {key_of(PAUSE, app)}"
    return f"{name}: {paused_words(pull)}; `cems` ({keys}) or `cems pull {name}` goes on"
