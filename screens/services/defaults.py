"""What the app gives to every screen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from textual.widget import Widget

from cems_tui.views.figures import DOLLARS, Money
from screens.services.engine import EngineService
from screens.services.library import LibraryService
from screens.services.long_run import LongRun
from screens.services.planner import PlannerFactory
from screens.services.queue import QueueService

if TYPE_CHECKING:
    from cems_tui.bench.desk.ballot_desk import BallotDesk
    from cems_tui.bench.desk.bench_desk import BenchDesk
    from cems_tui.services.app.picture_gallery import Gallery
    from cems_tui.services.app.router_desk import RouterDesk
    from cems_tui.services.app.settings_desk import SettingsDesk
    from cems_tui.services.doctor import Doctor


@dataclass(frozen=True, slots=True)
class Desks:
    """What opens a desk of the app, called in a thread; None where the app has no such place."""

    doctor: Callable[[], Doctor] | None = None
    """Made anew for each look: another window may have changed the settings."""

    settings: Callable[[], SettingsDesk] | None = None
    benches: Callable[[], BenchDesk] | None = None
    ballots: Callable[[], BallotDesk] | None = None
    routers: Callable[[], RouterDesk] | None = None
    gallery: Callable[[], Gallery] | None = None


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

    problems: tuple[str, ...] = ()
    """What config.toml says that cannot be followed: the defaults hold in its place."""


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
    desks: Desks = field(default_factory=Desks)
    long_run: LongRun | None = None
    """None where the app was opened without benchmarks."""
