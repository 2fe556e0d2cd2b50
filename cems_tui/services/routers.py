"""From a benchmark in the database to a router checkpoint on the shelf."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cems_tui import paths, profile, settings
from cems_tui.cancel import shielded
from cems_tui.catalog import catalog
from cems_tui.domain.decision import FeatureSet
from cems_tui.domain.encoder import FunctionFacts
from cems_tui.domain.function import Catalog
from cems_tui.domain.score import METRIC as MIXED
from cems_tui.errors import StorageError, UnknownName, UsageError
from cems_tui.files import write_text
from cems_tui.generation.device import torch_device
from cems_tui.paths import ensure
from cems_tui.routing.checkpoints.card import Card, choose_router
from cems_tui.routing.checkpoints.checkpoint import (
    Checkpoint,
    load_card,
    plain_name,
    save_checkpoint,
)
from cems_tui.routing.checkpoints.codecs import features_for
from cems_tui.routing.checkpoints.package import keep, read_package
from cems_tui.routing.checkpoints.scale import Pairs, fit_scale
from cems_tui.routing.evaluation.verdict import refusal
from cems_tui.routing.training.extension import add_functions
from cems_tui.routing.training.order import TrainingOrder
from cems_tui.routing.training.train import train
from cems_tui.score_tables.mixed import PARTS, constants_of, default_metric, with_mixed
from cems_tui.score_tables.own import Scored, own_readings, own_table, scored_bench
from cems_tui.settings import write_setting

if TYPE_CHECKING:
    from cems_tui.routing.features.clip_text import TextTower


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
    features_for(kind, features)  # a kind that cannot be is refused before the table is read
    return learn_router(scored_bench(bench), name, kind, metric, tell, features, reading)


def extend_router(bench: str, name: str, base: str, tell: Callable[[str], None]) -> Card:
    """A router of clusters with the functions of the benchmark that it does not know yet.

    Raises:
        UnknownName: no such benchmark, router or metric.
        UsageError: the router takes no function more, or there is none to take.
        StorageError: it cannot be written.
    """
    before = profile.router_shelf().named(base)
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
    reads = features_for(kind, features)
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
    checkpoint = train(order)
    save_checkpoint(here.routers, checkpoint)
    return checkpoint.card


def _tower(reading: Reading, tell: Callable[[str], None]) -> TextTower:
    """The text tower to read with; where it lies is kept, so that the router finds it again."""
    from cems_tui.routing.features.towers import remember

    tower, folder = profile.text_towers().choose(reading.encoder)
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


# Which router is in use: the setting `routing.router`, and what it was before.

SETTING = "routing.router"
REMEMBERED = 50
"""How many changes can be taken back."""


@dataclass(frozen=True, slots=True)
class Change:
    """From one router to another; None is the rule that the router of most functions is asked."""

    before: str | None
    after: str | None


def in_use() -> str | None:
    """The router the user chose; None where the rule chooses."""
    return settings.load(paths.current().config_file)[SETTING] or None


def asked_by_default() -> str | None:
    """The router that is asked when nobody names one: that in use, else the rule's choice."""
    installed = [function.name for function in catalog.current().installed()]
    card = choose_router(profile.router_shelf().cards(), in_use(), installed)
    return None if card is None else card.name


def use(name: str, *, force: bool) -> Change:
    """Ask this router from now on.

    Raises:
        UnknownName: there is none of that name.
        WeightsError: it is damaged, or was trained on another version of a function here.
        UsageError: it did not beat the best single function, and is not forced.
        StorageError: it cannot be written down.
    """
    shelf = profile.router_shelf()
    checkpoint = shelf.named(name)
    shelf.notes(checkpoint, catalog.current().installed())  # raises where a function differs
    why = refusal(checkpoint.card)
    if why is not None and not force:
        raise UsageError(why, f"Use it nevertheless: cems router use {name} --force.")
    before = in_use()
    if before != name:
        _remember([*_before(), before])
        _write(name)
    return Change(before, name)


def rollback() -> Change:
    """Ask the router again that was in use before; those that are gone are passed over.

    Raises:
        UsageError: there is none before.
        StorageError: it cannot be written down.
    """
    known = {card.name for card in profile.router_shelf().cards()}
    left = _before()
    now = in_use()
    while left:
        earlier = left.pop()
        if earlier != now and (earlier is None or earlier in known):
            _write(earlier)
            _remember(left)
            return Change(now, earlier)
    raise UsageError("no other router was in use before", "`cems router use NAME` chooses one.")


def _write(name: str | None) -> None:
    write_setting(paths.current().config_file, SETTING, name)


def _file() -> Path:
    return paths.current().state / "routers-before.json"


def _before() -> list[str | None]:
    """What was in use, oldest first; a file that cannot be read remembers nothing."""
    try:
        found = json.loads(_file().read_text("utf-8"))
    except (OSError, ValueError):
        return []
    if not isinstance(found, list):
        return []
    return [name for name in found if name is None or isinstance(name, str)]


def _remember(names: list[str | None]) -> None:
    file = _file()
    ensure(file.parent)
    write_text(file, json.dumps(names[-REMEMBERED:]))


# The files of routers: one's own and the shipped ones, taken in, and removed.

ENDINGS = (".json", ".safetensors")


def names() -> list[str]:
    """Every readable router."""
    return [card.name for card in profile.router_shelf().cards()]


def folder_of(name: str) -> Path:
    """The folder a router lies in, one's own before a shipped one of the same name.

    Raises:
        UnknownName: there is no such router.
    """
    for folder in profile.router_folders():
        if (folder / f"{plain_name(name)}.json").is_file():
            return folder
    raise UnknownName.of("router", name, names())


def own_files(name: str) -> list[Path]:
    """The files of a router of one's own.

    Raises:
        UnknownName: there is no such router.
        UsageError: it is shipped with the program.
    """
    folder = paths.current().routers
    found = [folder / f"{plain_name(name)}{ending}" for ending in ENDINGS]
    found = [file for file in found if file.is_file()]
    if found:
        return found
    if name in names():
        raise UsageError(
            f"router {name} is shipped with cems-tui and stays",
            "`cems router use` chooses another.",
        )
    raise UnknownName.of("router", name, names())


def is_shipped(name: str) -> bool:
    """Whether the program brings a router of that name."""
    own = paths.current().routers
    return any(
        (folder / f"{name}.json").is_file() for folder in profile.router_folders() if folder != own
    )


def remove(files: list[Path]) -> None:
    """Delete a router's files, the card first: without one it is no router.

    Raises:
        StorageError: one cannot be deleted.
    """
    for file in files:
        try:
            file.unlink()
        except OSError as error:
            raise StorageError(f"cannot remove {file}: {error.strerror or error}") from error


def take_in(path: Path, name: str | None) -> Card:
    """The router of an exported file among one's own, whole or not at all.

    Args:
        name: what to call it; None leaves its name.

    Raises:
        UsageError: there is no such file, or the name is taken.
        WeightsError: it is not a router's file, or is damaged.
        StorageError: it cannot be written.
    """
    package = read_package(path)
    if name is not None:
        package = package.renamed(name)
    if package.name in names():
        raise UsageError(
            f"there is a router {package.name} already", "Give it another name with --name."
        )
    folder = ensure(paths.current().routers)
    check = Path(tempfile.mkdtemp(prefix=".import-", dir=folder))
    try:
        with shielded():
            keep(package, folder, check, profile.text_towers())
    finally:
        shutil.rmtree(check, ignore_errors=True)
    return load_card(folder, package.name)


# A router trained on one's own scores, beside the one it may replace.

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
    base, taken = plain_name(name or BASE), names()
    card = profile.router_shelf().named(base).card if base in taken else None
    metric = metric or (card.metric if card else None)
    wanted = card.functions if card else [one.name for one in catalog.current().installed()]
    scored = own_table(own_readings(), metric, card.scorers if card else None, tuple(wanted))
    tell(f"learning from {len(scored.table):,} scores of {len(scored.table.prompts):,} prompts")
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


# Maps a router's scale to the instrument on this machine, and back.


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
    checkpoint = profile.router_shelf().named(name)
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
