"""Schedulers by name: `EulerDiscreteScheduler`, or with settings of their own in brackets.

`EulerDiscreteScheduler(timestep_spacing=trailing)` is what SDXL-Lightning was distilled for,
while the scheduler of SDXL, whose folder it is put into, begins elsewhere.
"""

from __future__ import annotations

import json
import re
from inspect import signature
from typing import Any

from cems_tui.errors import UsageError

_NAME = re.compile(r"(?P<name>\w+)\s*(?:\((?P<settings>.*)\))?")
_WAY_OUT = (
    "Use a diffusers scheduler class, such as EulerDiscreteScheduler or "
    "EulerDiscreteScheduler(timestep_spacing=trailing)."
)


def make_scheduler(described: str, config: Any) -> Any:
    """A scheduler with the configuration of another and the settings in its brackets.

    Raises:
        UsageError: there is none of that name, or it has no such setting.
    """
    import diffusers

    match = _NAME.fullmatch(described.strip())
    scheduler_class: Any = getattr(diffusers, match["name"], None) if match else None
    if match is None or not hasattr(scheduler_class, "set_timesteps"):
        raise UsageError(f"there is no scheduler named {described!r}", _WAY_OUT)
    settings = dict(_setting(part) for part in _parts(match["settings"]))
    known = signature(scheduler_class.__init__).parameters
    if unknown := [name for name in settings if name not in known]:
        raise UsageError(f"{match['name']} has no setting {unknown[0]!r}", _WAY_OUT)
    try:
        return scheduler_class.from_config(config, **settings)
    except (ValueError, TypeError, NotImplementedError) as error:
        raise UsageError(f"{described} cannot be made: {error}", _WAY_OUT) from error


def _parts(settings: str | None) -> list[str]:
    return [part.strip() for part in (settings or "").split(",") if part.strip()]


def _setting(text: str) -> tuple[str, Any]:
    """`name=value`; the value is a number, true, false or null, else a word."""
    name, _, value = (part.strip() for part in text.partition("="))
    try:
        return name, json.loads(value.lower())
    except ValueError:
        return name, value
