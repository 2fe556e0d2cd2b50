"""Trains routers on one's own scores, and maps their scales to the instruments on this machine."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from cems_tui.domain.decision import FeatureSet
from cems_tui.domain.encoder import FunctionFacts
from cems_tui.domain.function import Catalog
from cems_tui.domain.score import METRIC as MIXED
from cems_tui.domain.step_line import cheaper_with_more_steps, on_one_line
from cems_tui.errors import UsageError
from cems_tui.generation.device import torch_device
from cems_tui.routing.checkpoints.card import Card
from cems_tui.routing.checkpoints.checkpoint import Checkpoint, plain_name, save_checkpoint
from cems_tui.routing.checkpoints.codecs import features_for
from cems_tui.routing.checkpoints.scale import Pairs as ScalePairs
from cems_tui.routing.checkpoints.scale import fit_scale
from cems_tui.routing.checkpoints.shelf import RouterShelf
from cems_tui.routing.evaluation.rival import TIES
from cems_tui.routing.features.text_encoder import TextEncoder
from cems_tui.routing.features.text_towers import Kind, TextTowers, remember
from cems_tui.routing.training.cems_recipe import SMALL_TOWER
from cems_tui.routing.training.extension import add_functions
from cems_tui.routing.training.order import TrainingOrder
from cems_tui.routing.training.outside_bands import OUTSIDE, SIZES, outside_of
from cems_tui.routing.training.own_pairs import NEEDED, Pairs, enough, pairs_of, retrained
from cems_tui.routing.training.train import train
from cems_tui.score_tables.formats import read_table
from cems_tui.score_tables.mixed import PARTS, constants_of, default_metric, with_mixed
from cems_tui.score_tables.own import Scored
from cems_tui.score_tables.table import ScoreTable
from cems_tui.services.own_scores import OwnScores

BASE = "mine"
CALIBRATED = "-calibrated"
KIND = "ensemble"
"""What a router is called and what kind it is where nobody says."""


class NotEnoughPairs(UsageError):
    """Too few prompts have scores of two functions: a router would only pretend."""

    def __init__(
        self, message: str, hint: str = "", found: int = 0, functions: Collection[str] = ()
    ) -> None:
        super().__init__(message, hint)
        self.found = found
        self.functions = tuple(functions)
        """Those whose differences are wanted."""

    @property
    def missing(self) -> int:
        """How many prompts more are needed, about."""
        return NEEDED - self.found

    @classmethod
    def of(cls, found: int, functions: Collection[str]) -> NotEnoughPairs:
        """With so many found."""
        return cls(
            f"not enough pairs yet: {found} of about {NEEDED}",
            "`cems bench run --prompts history --functions A,B` draws prompts with two functions.",
            found,
            functions,
        )


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a retraining would start from and learn from."""

    base: Checkpoint | None
    """The router it starts from; None learns by itself."""

    metric: str | None
    functions: tuple[str, ...]
    """Those whose differences are wanted."""

    lacks: UsageError
    """Why it cannot be done, where it cannot."""

    scored: Scored | None = None
    """None where there is no score of one's own."""

    pairs: Pairs | None = None

    @property
    def found(self) -> int:
        """The pairs there are."""
        return 0 if self.pairs is None else len(self.pairs.pivot.prompts)

    @property
    def singles(self) -> int:
        """Prompts with a picture of one function alone."""
        return 0 if self.pairs is None else self.pairs.singles

    @property
    def seen(self) -> int:
        """Pairs that the router was trained on already."""
        return 0 if self.pairs is None else self.pairs.seen

    @property
    def enough(self) -> bool:
        """Whether something can be learned."""
        return enough(self.found, base=self.base is not None)

    @property
    def missing(self) -> int:
        """How many prompts more are needed, about."""
        return max(0, NEEDED - self.found)


@dataclass(frozen=True, slots=True)
class Reading:
    """How a router that reads a text encoder comes by it, and is taught."""

    encoder: str | None = None
    """A folder, or the name of an installed pipeline; None chooses one of this machine."""

    tuned: bool | None = None
    """Whether the CEMS classifier tunes the tower; None does what the device can bear."""

    learning_rate: float | None = None
    epochs: int | None = None
    """Of kinds that are taught step by step; None is the recipe's own."""


@dataclass(frozen=True, slots=True)
class RouterTrainer:
    """Trains into the folder of one's own routers."""

    own: Path
    """The folder of one's own routers."""

    workspace: Path
    """Trainings that were stopped, to go on from."""

    cache: Path
    """What text towers read of prompts."""

    tables: Path
    """The folder with scores of what the pack's models were never taught."""

    encoders_file: Path
    """Where the text towers lie that routers were trained with."""

    shelf: Callable[[], RouterShelf]
    towers: Callable[[], TextTowers]
    catalog: Callable[[], Catalog]
    scores: OwnScores
    in_use: Callable[[], str | None]
    """The router that is asked when nobody names one; None where there is none."""

    def train(
        self,
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
            reading: which text encoder, where the features are `text` or `clip`.

        Raises:
            UnknownName: no such benchmark, metric or text tower.
            UsageError: a kind that cannot be trained, a bad name, or too little to learn from.
            ModelMissing: a text tower is needed and none is on this machine.
            StorageError: it cannot be written.
        """
        plain_name(name)
        features_for(kind, features)  # a kind that cannot be is refused before the table is read
        return self.learn(self.scores.bench(bench), name, kind, metric, tell, features, reading)

    def extend(self, bench: str, name: str, base: str, tell: Callable[[str], None]) -> Card:
        """A router of clusters with the functions of the benchmark that it does not know yet.

        Raises:
            UnknownName: no such benchmark, router or metric.
            UsageError: the router takes no function more, or there is none to take.
            StorageError: it cannot be written.
        """
        before = self.shelf().named(base)
        scored = self.scores.bench(bench)
        after = add_functions(
            before,
            scored.table,
            plain_name(name),
            facts=facts_of(self.catalog()),
            prices=scored.prices,
        )
        fresh = [one for one in after.functions if one not in before.functions]
        tell(
            f"{', '.join(fresh)} joined {base}; `cems router eval {name} --bench B` judges it anew"
        )
        save_checkpoint(self.own, after)
        return after.card

    def learn(
        self,
        scored: Scored,
        name: str,
        kind: str,
        metric: str | None,
        tell: Callable[[str], None],
        features: FeatureSet | None = None,
        reading: Reading | None = None,
    ) -> Card:
        """Train on a score table of any source; as `train`."""
        reads = features_for(kind, features)
        reading = reading or Reading()
        tower = None if reads == "instant" else self._tower(reading, reads, tell)
        if metric is None:
            metric = default_metric(scored.table.metrics)
            tell(f"trained for {metric}; --metric chooses another")
        prices = on_one_line(scored.prices)
        for more, fewer in cheaper_with_more_steps(scored.prices):
            tell(
                f"{more} is priced below {fewer}, which has fewer steps of the same net; trained "
                f"with the line through its prices instead: {_told(prices, more, fewer)}"
            )
        device = torch_device() if kind == "cems" else "cpu"
        order = TrainingOrder(
            scored.table,
            metric=metric,
            name=plain_name(name),
            kind=kind,
            features=reads,
            tower=tower,
            functions_facts=facts_of(self.catalog()),
            prices=prices,
            scorers=scored.scorers,
            keep_prompts=True,
            tell=tell,
            workspace=self.workspace,
            cache=self.cache,
            device=device,
            settings=_settings(reading, kind, tower, device),
            rival=self._rival(metric),
        )
        return self._keep(self._with_outside(train(order), tell))

    def _with_outside(self, checkpoint: Checkpoint, tell: Callable[[str], None]) -> Checkpoint:
        """The router with what pictures of prompts and sizes scored that nobody taught its models.

        Such scores come with the pack: they are learned from where the router is of its functions
        and its scorers. A classifier predicts no scores.
        """
        card = checkpoint.card
        known = next((one for one in self.shelf().cards() if _is_of_the_same(card, one)), None)
        if known is None or known.outside is None:
            return checkpoint
        own = self.catalog()[next(iter(card.functions))]
        drawn, sizes = (_table_in(self.tables / name) for name in (OUTSIDE, SIZES))
        outside = outside_of(
            card,
            known.outside.words,
            drawn,
            None if sizes is None else (sizes, own.width * own.height),
        )
        tell(
            "prompts outside the models' vocabulary will be told as such; "
            + (
                "what they score is not known on this router's scale"
                if drawn is None
                else f"they are expected to score what {len(drawn.prompts)} such prompts did"
            )
        )
        return replace(checkpoint, card=replace(card, outside=outside))

    def prospect(
        self,
        name: str | None,
        metric: str | None,
        tell: Callable[[str], None],
        also: Collection[str] = (),
    ) -> Prospect:
        """What `retrain` with the same words would start from and learn from.

        Raises:
            UsageError: a name that cannot be one.
            UnknownName: no such metric, or no such table.
        """
        shelf = self.shelf()
        wanted, taken = plain_name(name or BASE), [card.name for card in shelf.cards()]
        start = wanted if wanted in taken else self.in_use()
        base = shelf.named(start) if start in taken and start is not None else None
        if base is not None and (base.card.kind == "cems" or metric not in (None, base.metric)):
            base = None
        metric = metric or (base.metric if base else None)
        functions = base.functions if base else [one.name for one in self.catalog().installed()]
        prefer = base.card.scorers if base else None
        try:
            scored = self.scores.table(metric, prefer, tuple(functions), also)
        except UsageError as error:
            if self.scores.readings(also):
                raise
            return Prospect(base, metric, tuple(functions), error)
        metric = metric or default_metric(scored.table.metrics)
        if base is not None and not _in_common(base, scored.table.functions):
            tell(f"{base.name} knows fewer than two of the functions that were scored")
            base = None
        pairs = pairs_of(scored.table, metric, base)
        lacks = NotEnoughPairs.of(len(pairs.pivot.prompts), functions)
        return Prospect(base, metric, tuple(functions), lacks, scored, pairs)

    def retrain(
        self,
        name: str | None,
        metric: str | None,
        tell: Callable[[str], None],
        also: Collection[str] = (),
    ) -> Card:
        """Learn from one's own pairs what they bear out beyond a router, under a fresh name.

        The router that is named, else the one in use, is where it starts; it is left as it is.
        Where none knows two functions that were scored, or another metric is asked for, a router
        is learned by itself.

        Args:
            name: the router to start from, or a new name; None is `mine`.
            metric: None is the router's own, else the contract's rule.
            also: imported tables that count as one's own.

        Raises:
            NotEnoughPairs: too few prompts have scores of two functions.
            UsageError: no scores, or a name that cannot be one.
            UnknownName: no such metric, or no such table.
            StorageError: it cannot be written.
        """
        prospect = self.prospect(name, metric, tell, also)
        base, found = prospect.base, prospect.found
        if prospect.scored is None or prospect.pairs is None:
            raise prospect.lacks
        scored, pairs = prospect.scored, prospect.pairs
        metric = pairs.pivot.metric
        shelf = self.shelf()
        wanted, taken = plain_name(name or BASE), self.names()
        tell(
            f"{found:,} prompts have scores of two functions or more: differences are learned from "
            f"them; {pairs.singles:,} have one picture, which says nothing of differences"
        )
        if pairs.seen and base is not None:
            tell(f"{pairs.seen:,} more were what {base.name} was trained on, and are left out")
        if not enough(found, base=base is not None):
            raise prospect.lacks
        fresh = fresh_name(wanted, taken, _today())
        if base is None:
            card = shelf.named(wanted).card if wanted in taken else None
            kind = card.kind if card else KIND
            reads = card.feature_set if card else None
            return self.learn(scored, fresh, kind, metric, tell, reads, _reading(card))
        order = TrainingOrder(
            scored.table,
            metric=metric,
            name=fresh,
            functions_facts=facts_of(self.catalog()),
            prices=scored.prices,
            scorers=scored.scorers,
            keep_prompts=True,
        )
        checkpoint = retrained(order, base, pairs)
        if found < NEEDED and checkpoint.card.evaluation["against"]["verdict"] == TIES:
            raise NotEnoughPairs.of(found, base.functions)
        return self._keep(checkpoint)

    def calibrate(self, name: str, bench: str | None, called: str | None = None) -> Card:
        """A router with another's scale mapped to one's own scores of its functions.

        It gets a name of its own: the router itself, shipped or not, is left as it is.

        Args:
            bench: the benchmark with the scores; None is the history and all of them.
            called: what to call it; None is the router's name and `-calibrated`.

        Raises:
            UnknownName: no such router, benchmark or metric.
            UsageError: the name is taken, the scores were read by the instrument that the router
                was trained on, or as `fit_scale`.
            StorageError: it cannot be written.
        """
        taken = self.names()
        if called is not None and plain_name(called) in taken:
            raise UsageError(
                f"there is a router {called} already", "Give it another name with --name."
            )
        checkpoint = self.shelf().named(name)
        metric = checkpoint.metric
        if bench:
            scored = self.scores.bench(bench)
        else:
            scored = self.scores.table(metric, functions=checkpoint.functions)
        mixed = None
        if metric == MIXED and MIXED not in scored.table.metrics:
            mixed = constants_of(scored.table)
            scored = replace(scored, table=with_mixed(scored.table, mixed))
        card = checkpoint.card
        _refuse_the_same_instrument(card, scored, mixed)
        scale = fit_scale(_pairs(checkpoint, scored), _instrument(scored, metric))
        fresh = called or fresh_name(
            f"{name.removesuffix(CALIBRATED)}{CALIBRATED}", taken, _today()
        )
        read = {part: scored.scorers.get(part) for part in (PARTS if mixed else (metric,))}
        return self._keep(
            replace(
                checkpoint,
                card=replace(
                    card,
                    name=plain_name(fresh),
                    scale=scale,
                    scorers={**card.scorers, **read},
                    mixed=mixed or card.mixed,
                ),
            )
        )

    def _rival(self, metric: str) -> Checkpoint | None:
        """The router in use, where it predicts the same metric."""
        shelf, name = self.shelf(), self.in_use()
        cards = {card.name: card for card in shelf.cards()}
        if name not in cards or cards[name].metric != metric or cards[name].kind == "cems":
            return None
        return shelf.named(name)

    def names(self) -> list[str]:
        """Every router there is."""
        return [card.name for card in self.shelf().cards()]

    def _tower(self, reading: Reading, kind: Kind, tell: Callable[[str], None]) -> TextEncoder:
        """The encoder to read with; where it lies is kept, so that the router finds it again."""
        if kind == "text" and reading.tuned:
            raise UsageError(
                "a sentence encoder is never tuned", "Drop --tower, or read --features clip."
            )
        tower, folder = self.towers().choose(reading.encoder, kind)
        what = "text tower" if kind == "clip" else "sentence encoder"
        tell(f"reading prompts with the {what} {tower.facts.id} ({tower.facts.sha256[:19]}…)")
        if reading.encoder is not None:
            remember(tower, folder, self.encoders_file)
        return tower

    def _keep(self, checkpoint: Checkpoint) -> Card:
        save_checkpoint(self.own, checkpoint)
        return checkpoint.card


def _told(prices: Mapping[str, float | None], *functions: str) -> str:
    return ", ".join(f"{name} ${prices[name] or 0.0:.3g}" for name in functions)


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def _refuse_the_same_instrument(
    card: Card, scored: Scored, mixed: Mapping[str, tuple[float, float]] | None
) -> None:
    """Raises UsageError where the scores are on the scale that the router predicts already."""
    metrics = PARTS if card.metric == MIXED else (card.metric,)
    read = [scored.scorers.get(metric) for metric in metrics]
    trained = [card.scorers.get(metric) for metric in metrics]
    if None in read or read != trained or card.scale is not None:
        return
    if card.metric == MIXED and (mixed is None or card.mixed is None):
        return
    raise UsageError(
        f"these scores were read by the instrument that router {card.name} was trained on "
        f"({', '.join(map(str, read))}): there is nothing to map",
        "To learn from them, train anew: cems router retrain.",
    )


TAUGHT_IN_STEPS = ("cems", "transformer")


def _table_in(path: Path) -> ScoreTable | None:
    """The score table of a file; None where there is no file."""
    return read_table(path) if path.is_file() else None


def _is_of_the_same(card: Card, known: Card) -> bool:
    """Whether a card with outside bands is of the same functions, metric and instruments."""
    if known.outside is None or card.kind == "cems" or card.outside is not None:
        return False
    parts = PARTS if card.metric == MIXED else (card.metric,)
    return (
        all(known.functions.get(name) == facts for name, facts in card.functions.items())
        and (card.metric == known.metric or card.metric in PARTS)
        and all(card.scorers.get(part) == known.scorers.get(part) for part in parts)
        and None not in [card.scorers.get(part) for part in parts]
    )


def _settings(
    reading: Reading, kind: str, tower: TextEncoder | None, device: str
) -> dict[str, float]:
    """The numbers of the recipe that are asked to be other than its own."""
    asked = {"learning_rate": reading.learning_rate, "epochs": reading.epochs}
    found = {name: float(value) for name, value in asked.items() if value is not None}
    if found and kind not in TAUGHT_IN_STEPS:
        raise UsageError(
            f"a router of kind {kind} is solved for, not taught in steps: it has no learning rate "
            "and no epochs",
            f"Drop --lr and --epochs, or choose --kind {' or '.join(TAUGHT_IN_STEPS)}.",
        )
    if tower and _stays_frozen(reading, tower, device):
        found["frozen"] = 1.0
    return found


def _stays_frozen(reading: Reading, tower: TextEncoder, device: str) -> bool:
    if tower.facts.kind == "text":
        return True
    if reading.tuned is not None:
        return not reading.tuned
    return device == "cpu" and tower.parameters > SMALL_TOWER


def facts_of(functions: Catalog) -> dict[str, FunctionFacts]:
    """What each function is, for the checkpoint to be held to."""
    return {
        name: FunctionFacts(function.model.digest, function.steps, function.guidance)
        for name, function in functions.items()
    }


def _in_common(base: Checkpoint, functions: Collection[str]) -> bool:
    """Whether the router knows two of them: one alone has no difference."""
    return len(set(base.functions) & set(functions)) >= 2


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


def _pairs(checkpoint: Checkpoint, scored: Scored) -> ScalePairs:
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
    return ScalePairs(*(np.array(values, dtype=np.float64) for values in (said, low, high, scores)))


def _instrument(scored: Scored, metric: str) -> str | None:
    if metric in scored.scorers:
        return scored.scorers[metric]
    parts = [scored.scorers.get(part) for part in PARTS]
    return None if None in parts else " + ".join(str(part) for part in parts)
