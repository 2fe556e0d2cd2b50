"""Which router is in use: the setting `routing.router`, and what it was before."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from cems_tui import catalog, paths, settings, wiring
from cems_tui.config_file import write_setting
from cems_tui.errors import StorageError, UsageError
from cems_tui.paths import ensure
from cems_tui.routing.card import choose_router
from cems_tui.routing.refusal import refusal

SETTING = "routing.router"
REMEMBERED = 50
"""How many changes can be taken back."""


@dataclass(frozen=True, slots=True)
class Change:
    """From one router to another; None is the rule that the router of most functions is asked."""

    before: str | None
    after: str | None


def in_use() -> str | None:
    """The router the user chose; None where the rule chooses."""
    return settings.load(paths.current().config_file)[SETTING] or None


def asked_by_default() -> str | None:
    """The router that is asked when nobody names one: that in use, else the rule's choice."""
    installed = [function.name for function in catalog.current().installed()]
    card = choose_router(wiring.router_shelf().cards(), in_use(), installed)
    return None if card is None else card.name


def use(name: str, *, force: bool) -> Change:
    """Ask this router from now on.

    Raises:
        UnknownName: there is none of that name.
        WeightsError: it is damaged, or was trained on another version of a function here.
        UsageError: it did not beat the best single function, and is not forced.
        StorageError: it cannot be written down.
    """
    shelf = wiring.router_shelf()
    checkpoint = shelf.named(name)
    shelf.notes(checkpoint, catalog.current().installed())  # raises where a function differs
    why = refusal(checkpoint.card)
    if why is not None and not force:
        raise UsageError(why, f"Use it nevertheless: cems router use {name} --force.")
    before = in_use()
    if before != name:
        _remember([*_before(), before])
        _write(name)
    return Change(before, name)


def rollback() -> Change:
    """Ask the router again that was in use before; those that are gone are passed over.

    Raises:
        UsageError: there is none before.
        StorageError: it cannot be written down.
    """
    known = {card.name for card in wiring.router_shelf().cards()}
    left = _before()
    now = in_use()
    while left:
        earlier = left.pop()
        if earlier != now and (earlier is None or earlier in known):
            _write(earlier)
            _remember(left)
            return Change(now, earlier)
    raise UsageError("no other router was in use before", "`cems router use NAME` chooses one.")


def _write(name: str | None) -> None:
    write_setting(paths.current().config_file, SETTING, name)


def _file() -> Path:
    return paths.current().state / "routers-before.json"


def _before() -> list[str | None]:
    """What was in use, oldest first; a file that cannot be read remembers nothing."""
    try:
        found = json.loads(_file().read_text("utf-8"))
    except (OSError, ValueError):
        return []
    if not isinstance(found, list):
        return []
    return [name for name in found if name is None or isinstance(name, str)]


def _remember(names: list[str | None]) -> None:
    file = _file()
    ensure(file.parent)
    temporary = file.with_name(f".{file.name}.part")
    try:
        temporary.write_text(json.dumps(names[-REMEMBERED:]), encoding="utf-8")
        temporary.replace(file)
    except OSError as error:
        raise StorageError(f"cannot write {file}: {error.strerror or error}") from error
