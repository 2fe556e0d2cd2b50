"""Why a request is not drawn, as the error that says so: the same in every window."""

from __future__ import annotations

from collections.abc import Iterable

from cems_tui.domain.capabilities import WAYS_OUT, Obstacle, told_together
from cems_tui.domain.decision import RoutingDecision
from cems_tui.errors import CemsError, ModelMissing, OutOfMemory, UsageError


def unfollowed(blocked: Iterable[tuple[str, Obstacle]]) -> UsageError:
    """No function that may be chosen can follow the request; a pinned one is the only one."""
    found = list(blocked)
    ways = dict.fromkeys(WAYS_OUT[stands.kind] for _, stands in found)
    if len(found) == 1:
        name, stands = found[0]
        return UsageError(f"{name} {stands.words}", WAYS_OUT[stands.kind])
    told = told_together((name, stands.words) for name, stands in found)
    return UsageError(f"no function can follow the request: {'; '.join(told)}", " ".join(ways))


def refusal_of(decision: RoutingDecision) -> CemsError | None:
    """The error that drawing by a decision ends with before any work; None when it has a choice."""
    if decision.choice is not None:
        return None
    if decision.policy.kind == "pinned":
        named = [c for c in decision.candidates if c.function == decision.policy.value]
    else:
        named = [c for c in decision.candidates if c.installed]
    able = [c for c in named if c.blocked_kind in (None, "memory")]
    asked = [c for c in able if c.allowed or c.blocked_kind == "memory"]
    if asked and all(candidate.fits is False for candidate in asked):
        return OutOfMemory(decision.reason)
    kinds = dict.fromkeys(c.blocked_kind for c in named if c.blocked_kind is not None)
    if kinds and not asked:
        return UsageError(decision.reason, " ".join(WAYS_OUT[kind] for kind in kinds))
    return ModelMissing(f"there is no function to choose: {decision.reason}")
