"""Where one can go in the app: a row a screen. Nothing else names a screen.

The rows feed the tabs at the top, the F-keys, the palette, the jump letters, the help and the
check of rebound keys; a screen is imported when it is first shown. To add one, add its folder and
its row.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cems_tui.text import visible
from screens.bench.commands import BENCH as BENCH_COMMANDS
from screens.blind.commands import BLIND as BLIND_COMMANDS
from screens.commands import HELP, JUMP, PALETTE, QUIT, THEME, Command
from screens.doctor.commands import DOCTOR as DOCTOR_COMMANDS
from screens.history.commands import GALLERY as GALLERY_COMMANDS
from screens.models.commands import MODELS as MODELS_COMMANDS
from screens.router.commands import ROUTERS as ROUTER_COMMANDS
from screens.settings.commands import SETTINGS as SETTINGS_COMMANDS
from screens.studio.commands import STUDIO as STUDIO_COMMANDS

if TYPE_CHECKING:
    from textual.app import App
    from textual.screen import Screen

    from screens.services.defaults import Services

_HERE = Path(__file__).parent


def _nothing_missing(services: Services) -> str:
    return ""


def _nothing_left(services: Services, app: App[None]) -> list[str]:
    return []


@dataclass(frozen=True, slots=True)
class Place:
    """A screen one can go to."""

    id: str
    title: str
    """Its word in the tabs and the palette."""

    key: str
    letter: str
    """Behind ctrl+o."""

    help: str
    commands: tuple[Command, ...]
    """What the user can do there."""

    styles: Path
    open: Callable[[Services], Screen[None]]
    """Makes the screen, when it is first shown."""

    missing: Callable[[Services], str] = _nothing_missing
    """Why it cannot be shown; empty if it can."""

    aside: bool = False
    """Whether its tab gives way where there is little room, unless one is there."""

    hidden: bool = False
    """Whether it has a tab only while one is there; its key and the palette lead to it."""

    left: Callable[[Services, App[None]], list[str]] = _nothing_left
    """What is unfinished there, in words for the terminal that the app gives back."""

    @property
    def command(self) -> Command:
        """The one that leads there."""
        return Command(f"app.{self.id}", self.key, f"place('{self.id}')", self.title, self.help)


def _open_studio(services: Services) -> Screen[None]:
    from screens.studio.screen import StudioScreen

    return StudioScreen(services, more_models=MODELS.command)


def _open_history(services: Services) -> Screen[None]:
    from screens.history.screen import HistoryScreen

    return HistoryScreen(services)


def _history_missing(services: Services) -> str:
    return "" if services.desks.gallery is not None else "This app was opened without a history."


def _open_models(services: Services) -> Screen[None]:
    from screens.models.screen import ModelsScreen

    assert services.library is not None
    return ModelsScreen(services.library, services.defaults.money)


def _open_routers(services: Services) -> Screen[None]:
    from screens.router.screen import RouterScreen

    return RouterScreen(services)


def _open_bench(services: Services) -> Screen[None]:
    from screens.bench.screen import BenchScreen

    return BenchScreen(services)


def _bench_missing(services: Services) -> str:
    return "" if services.desks.benches is not None else "This app was opened without benchmarks."


def _open_blind(services: Services) -> Screen[None]:
    from screens.blind.screen import BlindScreen

    return BlindScreen(services)


def _blind_missing(services: Services) -> str:
    return "" if services.desks.ballots is not None else "This app was opened without a history."


def _bench_left(services: Services, app: App[None]) -> list[str]:
    running = services.long_run.running if services.long_run is not None else None
    if running is None:
        return []
    name = shlex.quote(visible(running.name))
    if running.kind == "bench":
        return [f"the benchmark {name} is not done: `cems bench run --name {name}` goes on"]
    return [f"the {visible(running.called)} is not done: it goes on when it is asked for again"]


def _open_settings(services: Services) -> Screen[None]:
    from screens.settings.screen import SettingsScreen

    return SettingsScreen(services)


def _settings_missing(services: Services) -> str:
    return "" if services.desks.settings is not None else "This app was opened without settings."


def _open_doctor(services: Services) -> Screen[None]:
    from screens.doctor.screen import DoctorScreen

    return DoctorScreen(services)


def _doctor_missing(services: Services) -> str:
    return "" if services.desks.doctor is not None else "This app was opened without a doctor."


def _routers_missing(services: Services) -> str:
    return "" if services.desks.routers is not None else "This app was opened without routers."


def _models_missing(services: Services) -> str:
    return "" if services.library is not None else "This app was opened without models."


def _pulls_left(services: Services, app: App[None]) -> list[str]:
    from screens.models.unfinished import parting_words

    paused = services.library.state.pulls.paused if services.library is not None else ()
    return [parting_words(pull, MODELS.command, app) for pull in paused]


STUDIO = Place(
    "studio", "Studio", "f3", "s", "Write a prompt, see its prices, draw it.",
    STUDIO_COMMANDS, _HERE / "studio" / "studio.tcss", _open_studio,
)  # fmt: skip
HISTORY = Place(
    "history", "Gallery", "f6", "g", "Every picture so far: found, compared, judged, drawn again.",
    GALLERY_COMMANDS, _HERE / "history" / "history.tcss", _open_history,
    missing=_history_missing,
)  # fmt: skip
MODELS = Place(
    "models", "Models", "f4", "m", "What this machine can hold; pulling, pausing, deleting.",
    MODELS_COMMANDS, _HERE / "models" / "models.tcss", _open_models,
    missing=_models_missing, left=_pulls_left,
)  # fmt: skip

ROUTERS = Place(
    "router", "Router", "f7", "o", "What each router is worth, and which is asked.",
    ROUTER_COMMANDS, _HERE / "router" / "router.tcss", _open_routers,
    missing=_routers_missing,
)  # fmt: skip

BENCH = Place(
    "bench", "Bench", "f8", "b", "Benchmarks: run, watched, and what they say.",
    BENCH_COMMANDS, _HERE / "bench" / "bench.tcss", _open_bench,
    missing=_bench_missing, left=_bench_left,
)  # fmt: skip

BLIND = Place(
    "blind", "Blind", "f11", "v", "Which of two pictures of a prompt is better, nothing told.",
    BLIND_COMMANDS, _HERE / "blind" / "blind.tcss", _open_blind,
    missing=_blind_missing, hidden=True,
)  # fmt: skip

SETTINGS = Place(
    "settings", "Settings", "f9", "e", "Every setting: what it means, what it is, what it can be.",
    SETTINGS_COMMANDS, _HERE / "settings" / "settings.tcss", _open_settings,
    missing=_settings_missing, aside=True,
)  # fmt: skip
DOCTOR = Place(
    "doctor", "Doctor", "f10", "h", "What is wrong on this machine, and what mends it.",
    DOCTOR_COMMANDS, _HERE / "doctor" / "doctor.tcss", _open_doctor,
    missing=_doctor_missing, aside=True,
)  # fmt: skip

PLACES = (STUDIO, HISTORY, MODELS, BENCH, BLIND, ROUTERS, SETTINGS, DOCTOR)
"""In the order of the tabs."""

HOME = STUDIO
"""Where the app opens, where the prompt is."""

APP = (PALETTE, HELP, JUMP, *(place.command for place in PLACES), THEME, QUIT)
"""The commands that are there wherever one is."""


def place(name: str) -> Place:
    """The place of that id.

    Raises:
        KeyError: there is none.
    """
    return {place.id: place for place in PLACES}[name]


def commands_on(screen: Screen[Any]) -> tuple[Command, ...]:
    """What the user can do on that screen beside the app's own; nothing of it in a dialog."""
    return () if screen.is_modal else place(screen.app.current_mode).commands
