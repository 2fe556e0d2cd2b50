"""What pulling, verifying and importing report, as they go; frozen and picklable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Place = Literal["installed", "fetched", "partial", "cache", "download"]
"""Where a file is found: installed; whole or begun by an earlier pull; the Hub's cache; nowhere."""


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One file of a plan."""

    path: str
    bytes: int
    place: Place
    have_bytes: int = 0
    """Bytes of it that need not be fetched."""


@dataclass(frozen=True, slots=True)
class Planned:
    """What a pull is about to do."""

    model: str
    repo: str
    revision: str
    files: tuple[PlannedFile, ...]
    free_bytes: int
    """Bytes free where models go."""

    folder: Path
    licence: str | None
    gated: bool
    noncommercial: bool
    pipeline: str | None
    functions: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def total_bytes(self) -> int:
        return sum(file.bytes for file in self.files)

    @property
    def download_bytes(self) -> int:
        return sum(file.bytes - file.have_bytes for file in self.files)


@dataclass(frozen=True, slots=True)
class Progressed:
    """How far it is; comes many times a second."""

    model: str
    phase: Literal["downloading", "checking", "copying"]
    done_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class Waited:
    """Why it waits, and for how long; None is until somebody else is done."""

    model: str
    reason: str
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Installed:
    """A model is whole and in the catalog."""

    model: str
    path: Path
    bytes: int
    downloaded_bytes: int
    seconds: float
    functions: tuple[str, ...]
    already: bool = False
    """Whether there was nothing to do."""


ModelEvent = Planned | Progressed | Waited | Installed


Emit = Callable[[ModelEvent], None]
