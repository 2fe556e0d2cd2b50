"""Who holds this machine's device, what is on it, and asking for it to be freed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cems_tui.generation import device_status
from cems_tui.generation.device import likely_kind
from cems_tui.generation.device_status import Hold, Presence
from cems_tui.locks import FileLock, Holder


def waiting_words(holder: Holder) -> str:
    """What who waits for the device is told."""
    when = ", which gives the device up before its next picture" if holder.yields else ""
    return f"waiting for {holder}{when}"


@dataclass(frozen=True, slots=True)
class DeviceAccess:
    """The device, as one process sees it that shares it with others."""

    lock_file: Path
    resident_file: Path
    """Where the process that holds the device tells what is on it."""

    def hold(
        self, keep_alive_minutes: float = 0, kind: str | None = None, *, yields: bool = False
    ) -> Hold:
        """The device to take.

        Args:
            kind: the type that is asked for; None is the best there is.
            keep_alive_minutes: how long a model that nobody uses stays; 0 is no limit.
            yields: whether it is given to whoever waits for it, before the next picture.
        """
        waiting = self.lock_file.with_suffix(".waiting")
        return Hold(
            FileLock(self.lock_file, "the device", waiting, yields=yields),
            self.resident_file,
            keep_alive_minutes * 60 if keep_alive_minutes > 0 else None,
            lambda: likely_kind(kind),
        )

    def holder(self) -> Holder | None:
        """Who holds the device now; None when nobody does."""
        return FileLock(self.lock_file, "the device").holder()

    def presence(self) -> Presence | None:
        """What is on the device now, in whichever process; None when nothing is."""
        return device_status.read_presence(
            self.resident_file, FileLock(self.lock_file, "the device")
        )

    def ask_to_free(self, model: str) -> None:
        """Ask the process that holds the device to free a model, between two pictures.

        Raises:
            StorageError: the request cannot be written.
        """
        device_status.ask_to_free(self.resident_file, model)
