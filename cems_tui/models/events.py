"""What pulling, verifying and importing report, as they go; frozen and picklable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from cems_tui.models.plan import PullPlan


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
class Noted:
    """Something the user should know; the work goes on."""

    model: str
    text: str


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


ModelEvent: TypeAlias = "PullPlan | Progressed | Waited | Noted | Installed"
"""A plan comes once, before anything is fetched."""

Emit = Callable[["ModelEvent"], None]
