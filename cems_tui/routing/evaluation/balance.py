"""The default's place on the dial, chosen on held-out prompts, and what it gives there."""

from __future__ import annotations

import numpy as np

from cems_tui.routing.decide.dial import Balance, balanced_choices, knee, lambda_for_dial
from cems_tui.routing.decide.difference import PairedSpread
from cems_tui.routing.evaluation.curves import Matrix, sweep


def balance_of(truth: Matrix, said: Matrix, cost: Matrix, spread: PairedSpread) -> Balance:
    """The knee of the held-out curve, and the means of the whole default rule at it."""
    curve = sweep(truth, said, cost)
    singles = truth.mean(axis=0)
    dial = knee(curve.cost.mean(axis=1), curve.quality.mean(axis=1), cost, singles)
    return balance_at(dial, truth, said, cost, spread)


def balance_at(
    dial: float, truth: Matrix, said: Matrix, cost: Matrix, spread: PairedSpread
) -> Balance:
    """The means of the default rule at a place of the dial.

    Args:
        truth: scores, shape (N, M), complete, higher is better.
        said: held-out estimates, shape (N, M).
        cost: US dollars a picture of each function, shape (M,).
    """
    means = truth.mean(axis=0)
    picks = balanced_choices(said, cost, lambda_for_dial(dial, said, cost), spread.least)
    quality = float(truth[np.arange(len(truth)), picks].mean())
    paid = float(cost[picks].mean())
    cheapest, best = int(np.lexsort((-means, cost))[0]), int(np.argmax(means))
    better = float(means[best] - means[cheapest])
    return Balance(
        dial=dial,
        quality_share=(quality - float(means[cheapest])) / better if better > 0 else None,
        cost_share=paid / float(cost[best]) if cost[best] > 0 else None,
        quality=quality,
        cost_usd=paid,
        prompts=len(truth),
    )
