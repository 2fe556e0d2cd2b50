"""Maps a router's scale to the instrument on this machine, and back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cems_tui import paths, wiring
from cems_tui.bench.mixed import PARTS, constants_of, with_mixed
from cems_tui.errors import UsageError
from cems_tui.quality.mixed import METRIC as MIXED
from cems_tui.routers.own_scores import own_readings, own_table
from cems_tui.routers.tables import Scored, scored_bench
from cems_tui.routing.card import Card
from cems_tui.routing.checkpoint import Checkpoint, save_checkpoint
from cems_tui.routing.scale import Pairs, fit_scale


def calibrate(name: str, bench: str | None) -> Card:
    """Fit the router's scale to one's own scores of its functions, and keep that with it.

    A shipped router is copied among one's own first.

    Args:
        bench: the benchmark with the scores; None is the history and all of them.

    Raises:
        UnknownName: no such router, benchmark or metric.
        UsageError: too few scores, or scores that do not rise with what the router says.
        StorageError: it cannot be written.
    """
    checkpoint = wiring.router_shelf().named(name)
    metric = checkpoint.metric
    if bench:
        scored = scored_bench(bench)
    else:
        scored = own_table(own_readings(), metric, functions=checkpoint.functions)
    mixed = None
    if metric == MIXED and MIXED not in scored.table.metrics:
        mixed = constants_of(scored.table)
        scored = replace(scored, table=with_mixed(scored.table, mixed))
    scale = fit_scale(_pairs(checkpoint, scored), _instrument(scored, metric))
    card = checkpoint.card
    read = {part: scored.scorers.get(part) for part in (PARTS if mixed else (metric,))}
    return _save(
        replace(
            checkpoint,
            card=replace(
                card,
                scale=scale,
                scorers={**card.scorers, **read},
                mixed=mixed or card.mixed,
            ),
        )
    )


def _pairs(checkpoint: Checkpoint, scored: Scored) -> Pairs:
    """What the router says, unmapped, and what was read, for every score of its functions."""
    pivot = scored.table.pivot(checkpoint.metric)
    said, low, high, scores = [], [], [], []
    known = [name in checkpoint.functions for name in pivot.functions]
    for row, prompt in enumerate(pivot.prompts):
        estimates = checkpoint.router.estimate(prompt).estimates
        for column in np.flatnonzero(known & ~np.isnan(pivot.scores[row])):
            one = estimates[pivot.functions[column]]
            if one.quality is None or one.interval is None:
                raise UsageError(
                    f"router {checkpoint.name} predicts which function is best, not how good",
                    "It has no scale to map; calibrate a router that predicts quality.",
                )
            said.append(one.quality)
            low.append(one.interval[0])
            high.append(one.interval[1])
            scores.append(float(pivot.scores[row, column]))
    return Pairs(*(np.array(values, dtype=np.float64) for values in (said, low, high, scores)))


def _instrument(scored: Scored, metric: str) -> str | None:
    if metric in scored.scorers:
        return scored.scorers[metric]
    parts = [scored.scorers.get(part) for part in PARTS]
    return None if None in parts else " + ".join(str(part) for part in parts)


def _save(checkpoint: Checkpoint) -> Card:
    save_checkpoint(paths.current().routers, checkpoint)
    return checkpoint.card
