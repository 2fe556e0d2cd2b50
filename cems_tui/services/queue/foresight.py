"""What a picture of the queue is expected to take here, before its turn."""

from __future__ import annotations

from cems_tui.domain.job import Foreseen
from cems_tui.domain.request import Request
from cems_tui.errors import CemsError
from cems_tui.services.planner import Planner


def foreseen(planner: Planner, request: Request) -> Foreseen:
    """The function, its seconds and prices, as things are now.

    All of it is unknown where the request cannot be followed: why is told when it is drawn, as by
    then it may be followed.
    """
    try:
        decision = planner.decide(request, frozenset(), installed_only=True)
    except CemsError:
        return Foreseen()
    if decision.choice is None:
        return Foreseen()
    line = planner.bill_line(decision)
    return Foreseen(
        function=decision.choice,
        model=line.model,
        seconds=line.seconds,
        cost_usd=line.cost_usd,
        load_seconds=line.load_seconds,
        load_cost_usd=line.load_cost_usd,
    )
