"""What prices a prompt while it is typed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from cems_tui.domain.decision import RoutingDecision
from cems_tui.domain.request import Request

if TYPE_CHECKING:
    from cems_tui.routing.explain.explanation import Explanation


class Planner(Protocol):
    """Decides without generating; a few milliseconds, no torch."""

    def decide(
        self, request: Request, resident: frozenset[str], *, at_once: bool = False
    ) -> RoutingDecision:
        """The price card of the request, given what is on the device now.

        Args:
            at_once: whether letters alone are read where a text encoder would say more; the
                decision is then provisional.

        Raises:
            CemsError: there is no card, and why.
        """
        ...

    def explain(self, decision: RoutingDecision, load_cost: bool | None) -> Explanation:
        """Why the decision is what it is; asks the router some fifty times.

        Args:
            load_cost: whether load prices were compared; None finds out from the decision.

        Raises:
            CemsError: the user's database cannot be read.
        """
        ...

    def recent_prompts(self) -> Sequence[str]:
        """What was drawn before, by whatever window, newest first.

        Raises:
            CemsError: the user's database cannot be read.
        """
        ...


PlannerFactory = Callable[[], Planner]
"""Makes the planner; called in a thread after the first paint, as it may read files."""
