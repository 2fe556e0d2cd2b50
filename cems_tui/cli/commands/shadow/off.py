"""`cems shadow off`: nothing is drawn in idle time."""

from __future__ import annotations

from cems_tui.cli import output
from cems_tui.profile import Profile
from cems_tui.settings import write_setting


def off() -> None:
    """Draw nothing in idle time; the budget and what was drawn stay."""
    write_setting(Profile.current().paths.config_file, "shadow.on", None)
    output.note("shadow is off")
