"""`cems shadow status`: the switch, the budget, and what the pictures drawn so far say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from random import Random

from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.profile import Profile
from cems_tui.services.loop.shadow import Limits, ShadowWork, today
from cems_tui.store.shadows import Spent
from cems_tui.text import counted
from cems_tui.views.worth import regret_lines


def status(json: o.Json = False) -> None:
    """Print the switch, the budget, what was drawn, and the regret that it measures."""
    profile = Profile.current()
    chosen = profile.settings.shadow
    limits = Limits.of_day(chosen)
    with profile.history() as store:
        planner = profile.planner_over(store)
        waiting = ShadowWork(store, planner, Random()).waiting()
        spent = store.shadows.spent(today())
        drawn = store.shadows.drawn()
        found = store.measured_regret()
    if json:
        output.json_document(
            {
                "on": chosen.on,
                "limits": asdict(limits),
                "today": asdict(spent),
                "drawn": drawn,
                "waiting": waiting,
                "measured_regret": [asdict(one) for one in found],
            }
        )
        return
    allowed = f"at most {limits_words(limits)} a day" if limits.any else "no budget"
    output.line(f"shadow    {'on' if chosen.on else 'off'}, {allowed}")
    output.line(f"today     {_spent_words(spent)}")
    output.line(
        f"drawn     {counted(drawn, 'picture')} by lot; {counted(waiting, 'routed picture')} "
        "can still be drawn of"
    )
    for number, line in enumerate(regret_lines(found, output.money_of(profile.settings))):
        output.line(f"{'regret' if number == 0 else '':<10}{line}")


def limits_words(limits: Limits) -> str:
    """`20 pictures and $0.001`."""
    return " and ".join(_parts(limits)) or "nothing"


def _parts(limits: Limits) -> Iterator[str]:
    if limits.pictures is not None:
        yield counted(limits.pictures, "picture")
    if limits.seconds is not None:
        yield f"{limits.seconds:g} s"
    if limits.cost_usd is not None:
        yield f"${limits.cost_usd:.4g}"


def _spent_words(spent: Spent) -> str:
    return f"{counted(spent.pictures, 'picture')}, {spent.seconds:.1f} s, ${spent.cost_usd:.3g}"
