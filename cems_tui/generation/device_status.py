"""What is on the device, told to other processes, and what they ask to be freed.

The engine that holds the device lock writes a file beside it whenever something changes. The
file alone proves nothing: it counts only while the lock is held by the process it names, and the
kernel drops a lock with its holder, however that ended.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cems_tui import log
from cems_tui.cancel import Stop, never
from cems_tui.domain.request import new_id
from cems_tui.errors import StorageError
from cems_tui.files import read_json, write_text
from cems_tui.generation.admission import Kind, held_bytes
from cems_tui.locks import FileLock, Holder, this_command
from cems_tui.paths import ensure
from cems_tui.typed import fits


@dataclass(frozen=True, slots=True)
class Present:
    """A model on the device."""

    model: str
    weights: Mapping[str, int]
    """Device bytes of each of its networks, by content: equal keys are the same memory."""

    names: Mapping[str, str]
    """What each network is called in the model, by content."""

    in_use: bool
    """Whether a picture is being drawn with it."""

    leaving: bool
    """Whether it leaves when that picture is drawn."""

    since: float
    """When it was loaded, in seconds of the epoch."""

    last_used: float
    """When a picture was last begun or ended with it, in seconds of the epoch."""

    kind: Kind = "generator"
    """Whether it draws pictures, or reads them."""

    loading: bool = False
    """Whether its weights are on their way; their sizes are what is expected."""


@dataclass(frozen=True, slots=True)
class Presence:
    """What one process holds on the device."""

    pid: int
    command: str
    device: str
    keep_alive_seconds: float | None
    """How long a model stays unused; None: until another needs its room, or the end."""

    models: tuple[Present, ...]

    @property
    def total_bytes(self) -> int:
        """Device bytes of all models; what several share counts once."""
        return held_bytes(model.weights for model in self.models)

    def until(self, model: Present) -> float | None:
        """When a model leaves if it is not used again; None when no time is set."""
        if self.keep_alive_seconds is None or model.in_use:
            return None
        return model.last_used + self.keep_alive_seconds

    def sharing(self, key: str, but: Present) -> tuple[str, ...]:
        """The other models that hold the network of that content."""
        return tuple(m.model for m in self.models if m is not but and key in m.weights)


class Hold:
    """The device lock, with what its holder tells others and takes from them."""

    def __init__(
        self,
        lock: FileLock,
        file: Path,
        keep_alive_seconds: float | None,
        device: Callable[[], str],
    ) -> None:
        """Nothing is held yet.

        Args:
            lock: the lock on the device.
            file: where it is told what is on the device; requests go into a folder beside it.
            keep_alive_seconds: how long a model may stay unused; None is no limit.
            device: the torch device type, asked when there is something on it.
        """
        self._lock = lock
        self._file = file
        self._keep_alive_seconds = keep_alive_seconds
        self._device = device

    @property
    def held(self) -> bool:
        return self._lock.held

    def keep_alive(self, seconds: float) -> None:
        """How long a model may stay unused from now on."""
        self._keep_alive_seconds = seconds

    @property
    def wanted(self) -> bool:
        """Whether a process waits for the device that this one gives way to."""
        return self._lock.wanted

    def acquire(
        self,
        wait_seconds: float | None = 0.0,
        stop: Stop = never,
        on_wait: Callable[[Holder], None] = lambda holder: None,
    ) -> None:
        """Take the device, if it is not held already; old requests are forgotten.

        Args:
            wait_seconds, stop, on_wait: as `FileLock.acquire`.

        Raises:
            DeviceBusy: another process holds it, and does not give way.
            Interrupted: `stop` said so.
            StorageError: the lock cannot be opened.
        """
        if not self.held:
            self._lock.acquire(wait_seconds, stop, on_wait)
            self._forget()
            self.asked()

    def release(self) -> None:
        """Give the device back; does nothing when it is not held."""
        if self.held:
            self._forget()
            self._lock.release()

    def publish(self, models: Sequence[Present]) -> None:
        """Tell others what is on the device; one that cannot be told is no reason to fail."""
        told = Presence(
            os.getpid(),
            this_command(),
            self._device() if models else "",
            self._keep_alive_seconds,
            tuple(models),
        )
        try:
            _write(self._file, asdict(told))
        except StorageError as error:
            log.error("what is resident could not be told: %s", error)

    def _forget(self) -> None:
        """What is told goes; where it cannot, it is not believed once the lock is released."""
        try:
            self._file.unlink(missing_ok=True)
        except OSError as error:
            log.error("%s cannot be removed: %s", self._file.name, error)

    def asked(self) -> frozenset[str]:
        """The models that others asked to be freed since the last call."""
        asked = set()
        for request in _requests(self._file):
            try:
                asked.add(str(read_json(request)["model"]))
            except (OSError, ValueError, KeyError, TypeError):
                log.error("a request to free a model could not be read: %s", request.name)
            try:
                request.unlink(missing_ok=True)
            except OSError as error:
                log.error("a request to free a model cannot be removed: %s", error)
        return frozenset(asked)

    def due(self, models: Sequence[Present], now: float) -> frozenset[str]:
        """The models that nobody used for as long as they may stay."""
        limit = self._keep_alive_seconds
        if limit is None:
            return frozenset()
        return frozenset(m.model for m in models if not m.in_use and now >= m.last_used + limit)


def read_presence(file: Path, lock: FileLock) -> Presence | None:
    """What the holder of the device has on it; None when nobody holds it, or nothing is on it."""
    holder = lock.holder()
    if holder is None:
        return None
    try:
        row: dict[str, Any] = read_json(file)
        told = Presence(**{**row, "models": tuple(Present(**model) for model in row["models"])})
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None  # it has not told anything yet
    ours = fits(told, Presence) and told.pid == holder.pid and _is_possible(told)
    return told if ours and told.models else None


def _is_possible(told: Presence) -> bool:
    """Whether no network holds less than nothing."""
    return all(held >= 0 for model in told.models for held in model.weights.values())


def ask_to_free(file: Path, model: str) -> None:
    """Ask the holder of the device to free a model.

    Raises:
        StorageError: the request cannot be written.
    """
    folder = _folder(file)
    ensure(folder)
    _write(folder / f"{new_id()}.json", {"model": model})


def _requests(file: Path) -> list[Path]:
    try:
        return sorted(path for path in _folder(file).iterdir() if path.suffix == ".json")
    except OSError:
        return []


def _folder(file: Path) -> Path:
    return file.with_name(f"{file.stem}-requests")


def _write(file: Path, row: dict[str, Any]) -> None:
    """Whole or not at all for whoever reads it; after a power cut nothing of it is true."""
    write_text(file, json.dumps(row), durable=False)
