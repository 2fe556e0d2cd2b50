"""A router trained on one's own scores, beside the one it may replace."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from datetime import UTC, datetime

from cems_tui import catalog, wiring
from cems_tui.routers import files
from cems_tui.routers.own_scores import own_readings, own_table
from cems_tui.routers.training import Reading, learn_router
from cems_tui.routing.card import Card
from cems_tui.routing.checkpoint import plain_name

BASE = "mine"
KIND = "ensemble"


def retrain_router(name: str | None, metric: str | None, tell: Callable[[str], None]) -> Card:
    """Train on the history and the benchmarks; an existing router is left as it is.

    Args:
        name: a router whose kind and metric are kept, or a new name; None is `mine`.
        metric: None is the router's own, else the contract's rule.

    Raises:
        UsageError: no or too few scores, or a name that cannot be one.
        UnknownName: no such metric.
        StorageError: it cannot be written.
    """
    base, taken = plain_name(name or BASE), files.names()
    card = wiring.router_shelf().named(base).card if base in taken else None
    metric = metric or (card.metric if card else None)
    wanted = card.functions if card else [one.name for one in catalog.current().installed()]
    scored = own_table(own_readings(), metric, card.scorers if card else None, tuple(wanted))
    tell(
        f"learning from {len(scored.table.rows):,} scores of {len(scored.table.prompts):,} prompts"
    )
    return learn_router(
        scored,
        fresh_name(base, taken, datetime.now(UTC).date().isoformat()),
        card.kind if card else KIND,
        metric,
        tell,
        card.feature_set if card else None,
        _reading(card),
    )


def _reading(card: Card | None) -> Reading | None:
    """The text tower of the router that is trained anew, tuned again where it was tuned."""
    if card is None or card.encoder is None:
        return None
    return Reading(card.encoder.id, card.encoder.in_checkpoint)


def fresh_name(base: str, taken: Collection[str], day: str) -> str:
    """The base itself where it is free, else with the day, else with the day and a number."""
    if base not in taken:
        return base
    dated = f"{re.sub(r'-[0-9]{4}-[0-9]{2}-[0-9]{2}(-[0-9]+)?$', '', base)}-{day}"
    name, number = dated, 2
    while name in taken:
        name, number = f"{dated}-{number}", number + 1
    return name
