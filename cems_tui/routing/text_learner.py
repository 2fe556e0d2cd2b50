"""Learns the kinds that read nothing but a prompt's letters."""

from __future__ import annotations

from typing import cast

from cems_tui.routing.checkpoint import Checkpoint
from cems_tui.routing.order import TrainingOrder
from cems_tui.routing.training import Kind, train


def learn(order: TrainingOrder) -> Checkpoint:
    """Ridge, neighbours or both; see `training.train` for what it raises."""
    return train(
        order.table,
        metric=order.metric,
        name=order.name,
        kind=cast(Kind, order.kind),
        functions_facts=order.functions_facts,
        prices=order.prices,
        scorers=order.scorers,
        keep_prompts=order.keep_prompts,
        seed=order.seed,
    )
