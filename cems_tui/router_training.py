"""From a benchmark in the database to a router checkpoint on the shelf."""

from __future__ import annotations

from collections.abc import Callable

from cems_tui import catalog, paths
from cems_tui.bench.mixed import default_metric
from cems_tui.generation.function import Catalog
from cems_tui.router_tables import Scored, scored_bench
from cems_tui.routing.card import Card, FunctionFacts
from cems_tui.routing.checkpoint import plain_name, save_checkpoint
from cems_tui.routing.kinds import FeatureSet, learner_of
from cems_tui.routing.order import TrainingOrder


def train_router(
    bench: str,
    name: str,
    kind: str,
    metric: str | None,
    tell: Callable[[str], None],
    features: FeatureSet | None = None,
) -> Card:
    """Train, evaluate on held-out folds, and save a router under the user's own.

    Args:
        metric: None is the only metric; else mixed where nima and clip exist; else the first.
        features: None is what the kind reads by default.

    Raises:
        UnknownName: no such benchmark or metric.
        UsageError: a kind that cannot be trained, a bad name, or too little to learn from.
        StorageError: it cannot be written.
    """
    plain_name(name)
    return learn_router(scored_bench(bench), name, kind, metric, tell, features)


def learn_router(
    scored: Scored,
    name: str,
    kind: str,
    metric: str | None,
    tell: Callable[[str], None],
    features: FeatureSet | None = None,
) -> Card:
    """Train on a score table of any source; as `train_router`."""
    learner, reads = learner_of(kind, features)
    if metric is None:
        metric = default_metric(scored.table.metrics)
        tell(f"trained for {metric}; --metric chooses another")
    checkpoint = learner.learn(
        TrainingOrder(
            scored.table,
            metric=metric,
            name=plain_name(name),
            kind=kind,
            features=reads,
            functions_facts=facts_of(catalog.builtin()),
            prices=scored.prices,
            scorers=scored.scorers,
            keep_prompts=True,
            tell=tell,
        )
    )
    save_checkpoint(paths.current().routers, checkpoint)
    return checkpoint.card


def facts_of(functions: Catalog) -> dict[str, FunctionFacts]:
    """What each function is, for the checkpoint to be held to."""
    return {
        name: FunctionFacts(function.model.digest, function.steps, function.guidance)
        for name, function in functions.items()
    }
