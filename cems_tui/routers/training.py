"""From a benchmark in the database to a router checkpoint on the shelf."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cems_tui import catalog, paths, wiring
from cems_tui.bench.mixed import default_metric
from cems_tui.generation.device import torch_device
from cems_tui.generation.function import Catalog
from cems_tui.routers.tables import Scored, scored_bench
from cems_tui.routing.card import Card, FunctionFacts
from cems_tui.routing.checkpoint import plain_name, save_checkpoint
from cems_tui.routing.kinds import FeatureSet, learner_of
from cems_tui.routing.order import TrainingOrder

if TYPE_CHECKING:
    from cems_tui.routing.tower import TextTower

MOST_TUNED_ON_A_CPU = 5_000_000
"""Parameters of a text tower that a CPU still tunes in minutes: larger ones stay as they are."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a router that reads a text tower comes by it."""

    encoder: str | None = None
    """A folder, or the name of an installed pipeline; None chooses one of this machine."""

    tuned: bool | None = None
    """Whether the CEMS classifier tunes the tower; None does what the device can bear."""


def train_router(
    bench: str,
    name: str,
    kind: str,
    metric: str | None,
    tell: Callable[[str], None],
    features: FeatureSet | None = None,
    reading: Reading | None = None,
) -> Card:
    """Train, evaluate on held-out prompts, and save a router under the user's own.

    Args:
        metric: None is the only metric; else mixed where nima and clip exist; else the first.
        features: None is what the kind reads by default.
        reading: which text tower, where the features are `clip`.

    Raises:
        UnknownName: no such benchmark, metric or text tower.
        UsageError: a kind that cannot be trained, a bad name, or too little to learn from.
        ModelMissing: a text tower is needed and none is on this machine.
        StorageError: it cannot be written.
    """
    plain_name(name)
    learner_of(kind, features)  # a kind that cannot be is refused before the table is read
    return learn_router(scored_bench(bench), name, kind, metric, tell, features, reading)


def extend_router(bench: str, name: str, base: str, tell: Callable[[str], None]) -> Card:
    """A router of clusters with the functions of the benchmark that it does not know yet.

    Raises:
        UnknownName: no such benchmark, router or metric.
        UsageError: the router takes no function more, or there is none to take.
        StorageError: it cannot be written.
    """
    from cems_tui.routing.extending import add_functions

    before = wiring.router_shelf().named(base)
    scored = scored_bench(bench)
    after = add_functions(
        before,
        scored.table,
        plain_name(name),
        facts=facts_of(catalog.current()),
        prices=scored.prices,
    )
    fresh = [one for one in after.functions if one not in before.functions]
    tell(f"{', '.join(fresh)} joined {base}; `cems router eval {name} --bench B` judges it anew")
    save_checkpoint(paths.current().routers, after)
    return after.card


def learn_router(
    scored: Scored,
    name: str,
    kind: str,
    metric: str | None,
    tell: Callable[[str], None],
    features: FeatureSet | None = None,
    reading: Reading | None = None,
) -> Card:
    """Train on a score table of any source; as `train_router`."""
    learner, reads = learner_of(kind, features)
    reading = reading or Reading()
    tower = _tower(reading, tell) if reads == "clip" else None
    if metric is None:
        metric = default_metric(scored.table.metrics)
        tell(f"trained for {metric}; --metric chooses another")
    here = paths.current()
    device = torch_device() if kind == "cems" else "cpu"
    order = TrainingOrder(
        scored.table,
        metric=metric,
        name=plain_name(name),
        kind=kind,
        features=reads,
        tower=tower,
        functions_facts=facts_of(catalog.current()),
        prices=scored.prices,
        scorers=scored.scorers,
        keep_prompts=True,
        tell=tell,
        workspace=here.trainings,
        cache=here.embeddings,
        device=device,
        settings={"frozen": 1.0} if tower and _stays_frozen(reading, tower, device) else {},
    )
    checkpoint = learner.learn(order)
    save_checkpoint(here.routers, checkpoint)
    return checkpoint.card


def _tower(reading: Reading, tell: Callable[[str], None]) -> TextTower:
    """The text tower to read with; where it lies is kept, so that the router finds it again."""
    from cems_tui.routers.text_towers import remember

    tower, folder = wiring.text_towers().choose(reading.encoder)
    tell(f"reading prompts with the text tower {tower.facts.id} ({tower.facts.sha256[:19]}…)")
    if reading.encoder is not None:
        remember(tower, folder)
    return tower


def _stays_frozen(reading: Reading, tower: TextTower, device: str) -> bool:
    if reading.tuned is not None:
        return not reading.tuned
    return device == "cpu" and tower.parameters > MOST_TUNED_ON_A_CPU


def facts_of(functions: Catalog) -> dict[str, FunctionFacts]:
    """What each function is, for the checkpoint to be held to."""
    return {
        name: FunctionFacts(function.model.digest, function.steps, function.guidance)
        for name, function in functions.items()
    }
