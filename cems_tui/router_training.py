"""From a benchmark in the database to a router checkpoint on the shelf."""

from __future__ import annotations

from collections.abc import Callable

from cems_tui import catalog, paths, wiring
from cems_tui.bench.mixed import default_metric
from cems_tui.bench.score_table import ScoreTable
from cems_tui.bench.table import parse_table
from cems_tui.errors import UsageError
from cems_tui.generation.function import Catalog
from cems_tui.routing.card import Card, FunctionFacts
from cems_tui.routing.checkpoint import save_checkpoint
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
    learner, reads = learner_of(kind, features)
    if not name.strip() or "/" in name or name.startswith("."):
        raise UsageError(f"{name!r} cannot name a router", "Use letters, digits and dashes.")
    with wiring.open_history() as store:
        rows = list(store.benches.long_rows(bench))
        scorers = store.benches.scorers(bench)
    table: ScoreTable = parse_table(enumerate(rows, 1), bench)
    if metric is None:
        metric = default_metric(table.metrics)
        tell(f"trained for {metric}; --metric chooses another")
    checkpoint = learner.learn(
        TrainingOrder(
            table,
            metric=metric,
            name=name,
            kind=kind,
            features=reads,
            functions_facts=facts_of(catalog.current()),
            scorers=scorers,
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
