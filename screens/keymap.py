"""Keys the user rebound: checked before the app follows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from screens.commands import Command
from screens.places import APP, PLACES

NEVER_BOUND = frozenset(
    f"ctrl+{letter}" for letter in "szijmba"
)  # terminals and multiplexers keep these for themselves


def problems(keys: Mapping[str, str]) -> list[str]:
    """What is wrong with the `[keys]` section, one sentence each; empty when nothing is.

    Args:
        keys: command id → key, or several keys with commas between them.
    """
    commands = {
        command.id: command
        for listed in (APP, *(place.commands for place in PLACES))
        for command in listed
    }
    found = []
    for name, given in keys.items():
        if name not in commands:
            near = get_close_matches(name, commands, n=1)
            known = f"did you mean {near[0]}?" if near else f"known: {', '.join(commands)}"
            found.append(f"there is no command {name} to give a key; {known}")
        for key in _keys(given):
            if key in NEVER_BOUND:
                found.append(f"{name} cannot be {key}: terminals keep it for themselves")
    for place in PLACES:
        told = _conflicts(_bound((*APP, *place.commands), keys))
        found += [problem for problem in told if problem not in found]
    return found


def _bound(commands: Iterable[Command], keys: Mapping[str, str]) -> dict[str, str]:
    """Each command's keys, the user's where there are any."""
    return {command.id: keys.get(command.id, command.key) for command in commands}


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
