"""Keys the user rebound: checked before the app follows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from difflib import get_close_matches

from textual.binding import Binding
from textual.widgets import TextArea

from screens.commands import CHORD, Command
from screens.places import APP, PLACES

NEVER_BOUND = frozenset(
    f"ctrl+{letter}" for letter in "szijmba"
)  # terminals and multiplexers keep these for themselves


EDITING = frozenset(
    key for binding in Binding.make_bindings(TextArea.BINDINGS) for key in binding.key.split(",")
) | {"enter", "tab", "shift+tab", "escape", "alt+z", "ctrl+c", "ctrl+h"}
"""What moves, marks and deletes in the prompt box."""

PRINTED = frozenset({"space", "minus", "slash", "comma", "full_stop", "colon", "semicolon"})
"""The names of keys that print something, as far as their name is longer than that."""


def problems(keys: Mapping[str, str]) -> list[str]:
    """What is wrong with the `[keys]` section, one sentence each; empty when nothing is.

    Args:
        keys: command id → key, or several keys with commas between them.
    """
    commands: dict[str, Command] = {}
    for command in (*APP, *(command for place in PLACES for command in place.commands)):
        commands[command.id] = command
        if command.chord:
            name = command.id + CHORD
            commands[name] = replace(command, id=name, key=command.chord, letter=False)
    found = []
    for name, given in keys.items():
        if name not in commands:
            near = get_close_matches(name, commands, n=1)
            known = f"did you mean {near[0]}?" if near else f"known: {', '.join(commands)}"
            found.append(f"there is no command {name} to give a key; {known}")
        letter = name in commands and commands[name].letter
        for key in _keys(given):
            if key in NEVER_BOUND:
                found.append(f"{name} cannot be {key}: terminals keep it for themselves")
            elif not letter and key not in _usual(name, commands) and writes(key):
                found.append(f"{name} cannot be {key}: the prompt is written with it")
    for place in PLACES:
        told = _conflicts(_bound((*APP, *place.commands), keys))
        found += [problem for problem in told if problem not in found]
    return found


def _bound(commands: Iterable[Command], keys: Mapping[str, str]) -> dict[str, str]:
    """Each command's keys, the user's where there are any."""
    bound = {}
    for command in commands:
        bound[command.id] = keys.get(command.id, command.key)
        if command.chord:
            bound[command.id + CHORD] = keys.get(command.id + CHORD, command.chord)
    return bound


def _usual(name: str, commands: Mapping[str, Command]) -> list[str]:
    return _keys(commands[name].key) if name in commands else []


def writes(key: str) -> bool:
    """Whether a key belongs to whoever writes: it is printed, or edits the prompt."""
    return len(key) == 1 or key in PRINTED or key in EDITING


def _conflicts(bound: Mapping[str, str]) -> list[str]:
    holders: dict[str, list[str]] = {}
    for name, given in bound.items():
        for key in _keys(given):
            holders.setdefault(key, []).append(name)
    return [
        f"{key} is the key of {' and '.join(names)}"
        for key, names in holders.items()
        if len(names) > 1
    ]


def _keys(given: str) -> list[str]:
    return [key.strip() for key in given.split(",") if key.strip()]
