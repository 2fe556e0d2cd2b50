"""`cems shadow on`: the switch, and how much a day it may take."""

from __future__ import annotations

from cems_tui.cli import output
from cems_tui.cli.commands.shadow.status import limits_words
from cems_tui.cli.options import ShadowBudget, ShadowPictures, ShadowSeconds, not_negative
from cems_tui.errors import UsageError
from cems_tui.profile import Profile
from cems_tui.services.loop.shadow import Limits
from cems_tui.settings import write_setting


def on(
    budget: ShadowBudget = None,
    seconds: ShadowSeconds = None,
    pictures: ShadowPictures = None,
) -> None:
    """Draw past prompts in idle time with what was not chosen, within so much a day.

    An engine that is idle draws: the app's, and the resident one of `device.keep_alive_minutes`.
    What is given replaces the budget there is; 0 takes a limit away. A prompt of yours goes first:
    what is being drawn then ends at its step, and is drawn another time.
    """
    profile = Profile.current()
    given = {"usd_per_day": budget, "seconds_per_day": seconds, "pictures_per_day": pictures}
    for name, value in zip(("--budget", "--seconds", "--pictures"), given.values(), strict=True):
        not_negative(name, value)
    now = profile.settings.shadow
    merged = {name: getattr(now, name) if v is None else v for name, v in given.items()}
    if not any(merged.values()):
        raise UsageError(
            "there is no budget to draw within",
            "Give one a day: cems shadow on --pictures 20, --seconds 600 or --budget 0.001.",
        )
    file = profile.paths.config_file
    for name, value in given.items():
        if value is not None:
            write_setting(file, f"shadow.{name}", value or None)
    write_setting(file, "shadow.on", True)
    limits = Limits.of_day(Profile.current().settings.shadow)
    output.note(f"shadow is on: at most {limits_words(limits)} a day, in idle time")
