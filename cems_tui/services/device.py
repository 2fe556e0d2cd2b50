"""Who holds this machine's device, what is on it, and asking for it to be freed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cems_tui import paths
from cems_tui.settings import Settings

if TYPE_CHECKING:
    from cems_tui.generation.device_status import Hold, Presence


def device_hold(chosen: Settings, *, keep_alive: bool) -> Hold:
    """The device to take.

    Args:
        chosen: the user's settings.
        keep_alive: whether models that nobody uses leave after the time the settings say.
    """
    from cems_tui.generation.device import likely_kind
    from cems_tui.generation.device_status import Hold
    from cems_tui.locks import FileLock

    here, minutes = paths.current(), float(chosen["device.keep_alive_minutes"])
    return Hold(
        FileLock(here.device_lock, "the device"),
        here.resident_file,
        minutes * 60 if keep_alive and minutes > 0 else None,
        likely_kind,
    )


def read_resident() -> Presence | None:
    """What is on the device now, in whichever process; None when nothing is."""
    from cems_tui.generation.device_status import read_presence
    from cems_tui.locks import FileLock

    here = paths.current()
    return read_presence(here.resident_file, FileLock(here.device_lock, "the device"))


def ask_to_free(model: str) -> None:
    """Ask the process that holds the device to free a model, between two pictures.

    Raises:
        StorageError: the request cannot be written.
    """
    from cems_tui.generation import device_status

    device_status.ask_to_free(paths.current().resident_file, model)
