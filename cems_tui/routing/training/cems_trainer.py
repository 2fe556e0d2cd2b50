"""Learns the CEMS classifier: labels, split and figures; the network itself lives with torch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cems_tui.domain.score import METRIC as MIXED
from cems_tui.errors import UsageError
from cems_tui.routing.checkpoints.classifier_codec import settings_of
from cems_tui.routing.estimators.classifier import ClassifierRouter
from cems_tui.routing.evaluation.classification import Classification, classification
from cems_tui.routing.evaluation.truth import subset
from cems_tui.routing.features.cache import EmbeddingCache
from cems_tui.routing.features.letters import Floats
from cems_tui.routing.features.reader import Familiarity, PromptReader, View
from cems_tui.routing.features.text_encoder import TextEncoder
from cems_tui.routing.training.cems_recipe import Examples, Recipe, Taught
from cems_tui.routing.training.data import check_learnable, known
from cems_tui.routing.training.order import Fitted, Material, TrainingOrder
from cems_tui.routing.training.splits import Split, stratified_split
from cems_tui.routing.training.stack_trainer import NOVELTY_PERCENTILE, tower_of
from cems_tui.routing.training.torch import teach
from cems_tui.routing.training.torch.kept import Kept
from cems_tui.score_tables.mixed import constants_of, with_mixed
from cems_tui.score_tables.table import Pivot

NO_INTERVAL = "none: a classifier predicts which function is best, not how good"


@dataclass(frozen=True, slots=True)
class _Parts(Material):
    """A table as a classifier learns it: its complete prompts, in three parts.

    The constants of the mixed score are those of the training part alone.
    """

    split: Split


def fit(order: TrainingOrder, material: Material) -> Fitted:
    """The network of the best epoch, with what it said of the test part.

    Raises:
        UsageError: one function is best for every prompt learned from.
        ModelMissing: the order has no text tower.
    """
    assert isinstance(material, _Parts), "a classifier learns what `prepare` made"
    tower = tower_of(order)
    assert tower is not None, "a classifier reads a text encoder"
    pivot, split = material.pivot, material.split
    labels = np.asarray(np.argmax(pivot.scores, axis=1))  # of equals the first function
    _check_labels(pivot, labels[split.training])
    recipe = _recipe(order, tower, len(split.training))
    order.tell(_plan_of(split, recipe))
    taught = _taught(order, tower, pivot, labels, split, recipe)
    router, views = _router(order, pivot, labels, split, taught)
    probability = np.stack([router.probabilities(view) for view in views]).astype(np.float64)
    everyone = np.arange(len(pivot.functions))
    told = classification(labels[split.test], probability[split.test])
    constant = constant_of(labels[split.training], labels[split.test])
    doubts = doubts_of(taught, recipe, told, constant, pivot.functions)
    for text in doubts:
        order.tell(text)
    return Fitted(
        router=router,
        features=router.reader.config,
        encoder=taught.tower.facts,
        settings={**settings_of(router), **recipe.numbers(), "epoch": taught.epoch},
        dial_estimates=probability[split.training].astype(np.float32),
        dial_shares=None,
        learned=subset(pivot, split.training, everyone),
        judged=subset(pivot, split.test, everyone),
        estimates=probability[split.test].astype(np.float32),
        interval=NO_INTERVAL,
        evaluation={
            "classification": {
                **told.to_json(),
                "validation_macro_f1": taught.validation_macro_f1,
                "constant_accuracy": constant.accuracy,
            },
            "training_notes": [*recipe.deviations, *doubts],
        },
    )


def _plan_of(split: Split, recipe: Recipe) -> str:
    plan = (
        f"{len(split.training)} prompts to learn from, {len(split.validation)} to choose the "
        f"epoch by, {len(split.test)} to judge by; "
        f"the tower is {'left as it is' if recipe.frozen else 'tuned'}"
    )
    return "; ".join([plan, *(text for text in recipe.deviations if "tower" not in text)])


@dataclass(frozen=True, slots=True)
class Constant:
    """The same answer to every prompt: the function that is best most often."""

    label: int
    accuracy: float
    """The share of the judged prompts for which it is the best."""


def constant_of(learned: NDArray[np.intp], judged: NDArray[np.intp]) -> Constant:
    """The most frequent label of those learned from, on those judged."""
    label = int(np.argmax(np.bincount(learned)))
    return Constant(label, float((judged == label).mean()))


def doubts_of(
    taught: Taught,
    recipe: Recipe,
    judged: Classification,
    constant: Constant,
    functions: Sequence[str],
) -> tuple[str, ...]:
    """Why the network may not be what its recipe could give, in words; empty where it is."""
    said = []
    if taught.epoch == recipe.epochs:
        said.append(
            f"the last of {recipe.epochs} epochs was the best: it may still be improving "
            "(--epochs, --lr)"
        )
    if judged.accuracy < constant.accuracy:
        said.append(
            f"it names the best function of {judged.accuracy:.0%} of the held-out prompts; always "
            f"{functions[constant.label]}, of {constant.accuracy:.0%}: that constant answer is "
            "better"
        )
    return tuple(said)


def prepare(order: TrainingOrder) -> _Parts:
    """The complete prompts of the table, in three parts.

    Raises:
        UsageError: fewer than two functions, or too few prompts.
        UnknownName: the table has no such metric.
    """
    table, metric = order.table, order.metric
    if metric != MIXED or MIXED in table.metrics:
        pivot = _complete(table.pivot(metric), order)
        split = stratified_split(pivot.prompts, pivot.groups, order.seed)
        return _Parts(table, pivot, None, split)
    first = _complete(with_mixed(table, constants_of(table)).pivot(MIXED), order)
    split = stratified_split(first.prompts, first.groups, order.seed)
    learned = {first.prompt_ids[row] for row in split.training}
    own = np.array([name in learned for name in table.prompt_id.values])
    mixed = constants_of(table.take(own[table.prompt_id.places]))
    table = with_mixed(table, mixed)
    pivot = table.pivot(MIXED)
    rows = {name: row for row, name in enumerate(pivot.prompt_ids)}
    places = np.array([rows[name] for name in first.prompt_ids], dtype=np.intp)
    columns = np.array([pivot.functions.index(name) for name in first.functions], dtype=np.intp)
    return _Parts(table, subset(pivot, places, columns), mixed, split)


def _complete(pivot: Pivot, order: TrainingOrder) -> Pivot:
    """The prompts that have a score of every function: only they have a best one."""
    pivot = known(pivot)
    check_learnable(pivot)
    rows = np.flatnonzero(pivot.complete)
    if len(rows) < len(pivot.prompts):
        order.tell(
            f"{len(pivot.prompts) - len(rows)} prompts lack a score and are left out: "
            "which function is best is not known"
        )
    return subset(pivot, rows, np.arange(len(pivot.functions)))


def _check_labels(pivot: Pivot, labels: NDArray[np.intp]) -> None:
    best = np.unique(labels)
    if len(best) < 2:
        raise UsageError(
            f"{pivot.functions[int(best[0])]} is best for every prompt learned from "
            f"(of equal scores the first function counts): there is nothing to tell apart",
            "Always use that function, or score prompts on which the functions differ.",
        )


def _recipe(order: TrainingOrder, tower: TextEncoder, prompts: int) -> Recipe:
    chosen = dict(order.settings)
    frozen = bool(chosen.pop("frozen", 0)) or order.features == "text"  # it is never tuned
    base = Recipe.suited(frozen=frozen, parameters=tower.parameters, prompts=prompts)
    return replace(
        base,
        epochs=int(chosen.get("epochs", base.epochs)),
        batch=int(chosen.get("batch", base.batch)),
        learning_rate=float(chosen.get("learning_rate", base.learning_rate)),
    )


def _taught(
    order: TrainingOrder,
    tower: TextEncoder,
    pivot: Pivot,
    labels: NDArray[np.intp],
    split: Split,
    recipe: Recipe,
) -> Taught:
    pooled: Floats | None = None
    if recipe.frozen:
        states = EmbeddingCache(order.cache).states(tower, pivot.prompts)
        pooled = np.stack([tower.pool(state) for state in states])
    examples = Examples(pivot.prompts, labels, len(pivot.functions), pooled)
    kept = Kept(_workspace(order, tower, pivot, labels, recipe))
    taught = teach(
        tower,
        examples,
        split,
        recipe,
        seed=order.seed,
        device=order.device,
        kept=kept,
        tell=order.tell,
    )
    kept.forget()
    return taught


def _workspace(
    order: TrainingOrder, tower: TextEncoder, pivot: Pivot, labels: NDArray[np.intp], recipe: Recipe
) -> Path | None:
    """A folder of this very training: of other prompts, labels, tower or recipe is another."""
    if order.workspace is None:
        return None
    parts: list[Any] = [tower.facts.sha256, repr(recipe), order.seed, *pivot.prompts]
    digest = hashlib.sha256("\0".join(map(str, parts)).encode("utf-8", "surrogatepass"))
    digest.update(labels.tobytes())
    return order.workspace / f"cems-{digest.hexdigest()[:24]}"


def _router(
    order: TrainingOrder,
    pivot: Pivot,
    labels: NDArray[np.intp],
    split: Split,
    taught: Taught,
) -> tuple[ClassifierRouter, list[View]]:
    """The classifier, and every prompt of the table as it reads it."""
    prompts = [pivot.prompts[row] for row in split.training]
    cache = EmbeddingCache(None if taught.tower.facts.in_checkpoint else order.cache)
    reader, views = PromptReader.learn(prompts, taught.tower, cache)
    familiarity = Familiarity.learn(views, NOVELTY_PERCENTILE, order.seed)
    share = np.bincount(labels[split.training], minlength=len(pivot.functions)) / len(prompts)
    router = ClassifierRouter(
        functions=pivot.functions,
        metric=pivot.metric,
        reader=reader,
        familiarity=familiarity,
        head=taught.head,
        prior=share.astype(np.float32),
    )
    return router, [reader.read(prompt) for prompt in pivot.prompts]
