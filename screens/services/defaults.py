"""What the app gives to every screen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from textual.widget import Widget

from cems_tui.views.figures import DOLLARS, Money
from screens.services.engine import EngineService
from screens.services.library import LibraryService
from screens.services.planner import PlannerFactory
from screens.services.queue import QueueService

ImageFactory = Callable[[], Widget]
"""Makes an empty textual-image widget, of the kind the terminal can show."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds for every request of this run of the app."""

    tradeoff: float | None = None
    """Where the dial stands; None is balanced."""

    router: str | None = None
    pool: tuple[str, ...] | None = None
    load_cost: bool = True
    money: Money = DOLLARS
    """What prices are shown in."""

    theme: str = "dark"
    """A name of THEMES."""

    keys: Mapping[str, str] = field(default_factory=dict)
    """Command id → the key the user gave it."""


@dataclass(frozen=True, slots=True)
class Services:
    """Held once by the app; a screen takes what it needs."""

    engine: EngineService
    library: LibraryService | None
    """None where the app was opened without models."""

    queue: QueueService | None
    """None where the app was opened on an engine without rows."""

    planner_factory: PlannerFactory
    new_image: ImageFactory
    clock: Callable[[], float]
    defaults: Defaults
