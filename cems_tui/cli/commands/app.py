"""`cems` alone: the terminal app."""

from __future__ import annotations

import os
import sys

from cems_tui.app_engine import AppModels, AppPlanner, OpenSession, queued_engine
from cems_tui.cli.output import money_of
from cems_tui.errors import UsageError
from cems_tui.profile import Profile
from cems_tui.settings import BALANCED
from screens.main import run
from screens.services.defaults import Defaults, Desks
from screens.terminal import Asked, is_served


def open_app(terminal: Asked) -> int:
    """Open the app in a terminal that is taken over, and return its exit code.

    Raises:
        UsageError: there is no terminal to draw on.
    """
    in_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if not (in_terminal or is_served(os.environ)):
        raise UsageError(
            "the app needs a terminal, and this is a pipe", "In a script use `cems generate`."
        )

    profile = Profile.forgiving()
    settings = profile.settings
    tradeoff = settings.routing.tradeoff
    return run(
        terminal,
        OpenSession(os.environ.get("CEMS_SESSION") or None),
        lambda: AppPlanner(profile),
        Defaults(
            tradeoff=None if tradeoff == BALANCED else float(tradeoff),
            router=settings.routing.router or None,
            load_cost=settings.routing.counts_load(several=True),
            money=money_of(settings),
            theme=settings.app.theme,
            keys=settings.keys,
            problems=profile.config_problems,
        ),
        settings.app.image,
        AppModels(profile),
        lambda process: queued_engine(profile, process),
        Desks(
            doctor=lambda: Profile.current().doctor,
            settings=profile.settings_desk,
            benches=profile.bench_desk,
            ballots=profile.ballot_desk,
            routers=profile.router_desk,
            gallery=profile.gallery,
        ),
    )
