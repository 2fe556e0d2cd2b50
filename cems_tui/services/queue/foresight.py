"""What a picture of the queue is expected to take here, before its turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cems_tui.domain.decision import RoutingDecision
from cems_tui.domain.job import Foreseen
from cems_tui.domain.request import Request
from cems_tui.errors import CemsError

if TYPE_CHECKING:
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
    return decided(decision)


def decided(decision: RoutingDecision) -> Foreseen:
    """What a picture takes that is drawn as decided."""
    chosen = decision.chosen
    if chosen is None:
        return Foreseen()
    return Foreseen(
        function=chosen.function,
        model=chosen.function.rpartition("@")[0],
        seconds=chosen.seconds,
        cost_usd=chosen.cost_usd,
        load_seconds=chosen.load_seconds,
        load_cost_usd=chosen.load_cost_usd,
    )
