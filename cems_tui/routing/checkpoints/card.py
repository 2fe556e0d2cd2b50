"""The card of a router checkpoint: everything about it but its numbers, as readable JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any

from cems_tui.domain.decision import FeatureSet
from cems_tui.domain.encoder import EncoderFacts, FunctionFacts
from cems_tui.domain.score import METRIC as MIXED
from cems_tui.domain.score import MixedConstants, MixedScale
from cems_tui.errors import WeightsError
from cems_tui.routing.checkpoints.scale import Scale
from cems_tui.routing.decide.dial import Balance
from cems_tui.routing.decide.difference import PairedSpread
from cems_tui.routing.estimators.outside import Outside
from cems_tui.routing.features.letters import FeatureConfig

VERDICTS = ("beats best single", "ties", "worse")
VERDICT_WORDS = ("better pictures", "saves cost", "both", "ties", "worse")

FORMAT = 2
"""Raised when an older program could no longer read what is written."""

DAMAGED = "Train it again with `cems router train`, or import it again."


@dataclass(frozen=True, slots=True)
class Training:
    """What a router was trained on."""

    table: str
    """`sha256:…` of the score table."""

    prompts: int
    readings: int
    """Scores, repeats included."""

    missing: int
    """Cells without a score."""

    seed: int
    folds: int
    sources: Mapping[str, int] = field(default_factory=dict)
    """Prompts of each source data set."""

    split: str = "folds"
    """The figures are of held-out folds; the router is refitted on all prompts."""


@dataclass(frozen=True, slots=True)
class Refined:
    """What a router that starts from another one keeps of it."""

    base: str
    """The router it starts from."""

    base_training: Training
    """What that one was trained on."""

    features: FeatureConfig
    """How the prompts' letters become numbers for what is added."""

    settings: Mapping[str, float | int | None]
    """The single numbers of what is added."""

    shares: Mapping[str, float]
    """How much was taken of each step: `offset`, `turn`, `words`; 0 is nothing."""

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Refined:
        """What `asdict` made of one; raises KeyError, TypeError or ValueError otherwise."""
        return cls(
            str(row["base"]),
            Training(**row["base_training"]),
            FeatureConfig.from_json(row["features"]),
            dict(row["settings"]),
            {name: float(share) for name, share in row["shares"].items()},
        )


@dataclass(frozen=True, slots=True)
class Card:
    """The readable half of a checkpoint."""

    name: str
    kind: str
    metric: str
    functions: Mapping[str, FunctionFacts]
    features: FeatureConfig | None
    """How letters become numbers; None where only the text tower is read."""

    settings: Mapping[str, float | int | None]
    """Numbers chosen in training: penalties, K, shrinkage, the novelty limit."""

    training: Training
    created: str
    """UTC, ISO 8601."""

    prices: Mapping[str, float | None] = field(default_factory=dict)
    """US dollars a picture that the evaluation used."""

    encoder: EncoderFacts | None = None
    """The text encoder; None for instant features."""

    scorers: Mapping[str, str | None] = field(default_factory=dict)
    """The instrument of each metric's scores; None is unknown."""

    mixed: Mapping[str, tuple[float, float]] | None = None
    """Minimum and maximum of each metric that the mixed score adds (CEMS)."""

    scale: Scale | None = None
    """How its estimates are mapped to the user's own instrument; None leaves them as trained."""

    interval: str = ""
    """How the 90 % interval was made, for people."""

    balanced: Balance | None = None
    """Where the default stands on the dial; None where no prices were known."""

    differences: PairedSpread | None = None
    """How sure differences between two functions are; None where it was not learned."""

    evaluation: Mapping[str, Any] = field(default_factory=dict)
    """What `cems router eval` prints for the table trained on."""

    negated: bool = False
    """Whether the metric's scores were negated because lower is better."""

    about: str = ""
    """What has to be known before anything else of it; empty for a user's own."""

    refined: Refined | None = None
    """The router it starts from; None for one that was learned by itself."""

    outside: Outside | None = None
    """What prompts outside the vocabulary of its functions' models scored; None where they know
    any word, or nobody drew such prompts."""

    format: int = FORMAT

    @property
    def summary(self) -> str:
        """One line for people."""
        head = f"{self.about}: " if self.about else ""
        how = "trained" if self.refined is None else f"{self.refined.base} refined"
        return head + (
            f"{self.kind} router for {self.metric} over {len(self.functions)} functions, "
            f"{how} on {self.training.prompts:,} prompts: {self.verdict}"
        )

    @property
    def instrument(self) -> str | None:
        """The id of the instrument whose scale it predicts on; None where nobody says."""
        if self.scale is not None:
            return self.scale.scorer
        if self.metric != MIXED:
            return self.scorers.get(self.metric)
        nima, clip = self.scorers.get("nima"), self.scorers.get("clip")
        if nima is None or clip is None or self.mixed is None:
            return None
        return MixedScale(nima, clip, MixedConstants.of(self.mixed)).id

    @property
    def feature_set(self) -> FeatureSet:
        """`instant`, or `text` or `clip` where a text encoder is read."""
        return "instant" if self.encoder is None else self.encoder.kind

    @property
    def verdict(self) -> str:
        """`beats best single`, `ties`, `worse` or `not evaluated`."""
        return str(self.evaluation.get("verdict", "not evaluated"))

    def to_json(self, sha256: str) -> dict[str, Any]:
        """The card of a checkpoint whose weights file has this digest."""
        row: dict[str, Any] = {
            "summary": self.summary,
            "verdict": self.verdict,
            "sha256": sha256,
            "feature_set": self.feature_set,
            **{one.name: _plain(getattr(self, one.name)) for one in fields(self)},
        }
        row["features"] = self.features and self.features.to_json()
        if self.refined is None:
            del row["refined"]  # a card of an older program has none, and is the same card
        row["differences"] = self.differences and self.differences.to_json()
        row["outside"] = self.outside and self.outside.to_json()
        return row

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Card:
        """The card that `to_json` wrote; raises KeyError, TypeError or ValueError otherwise."""
        mixed, features, encoder = row["mixed"], row["features"], row.get("encoder")
        scale, balanced, apart = row.get("scale"), row.get("balanced"), row.get("differences")
        outside = row.get("outside")
        return cls(
            name=str(row["name"]),
            kind=str(row["kind"]),
            metric=str(row["metric"]),
            functions={name: FunctionFacts(**facts) for name, facts in row["functions"].items()},
            features=None if features is None else FeatureConfig.from_json(features),
            settings=dict(row["settings"]),
            training=Training(**row["training"]),
            created=str(row["created"]),
            prices=dict(row["prices"]),
            encoder=None if encoder is None else _encoder_of(encoder),
            scorers=dict(row["scorers"]),
            mixed=None
            if mixed is None
            else {k: (float(a), float(b)) for k, (a, b) in mixed.items()},
            scale=None if scale is None else Scale(**scale),
            interval=str(row["interval"]),
            balanced=None if balanced is None else Balance(**balanced),
            differences=None
            if apart is None
            else PairedSpread.from_json(tuple(row["functions"]), apart),
            evaluation=dict(row["evaluation"]),
            negated=bool(row["negated"]),
            about=str(row.get("about", "")),
            refined=None if row.get("refined") is None else Refined.from_json(row["refined"]),
            outside=None if outside is None else Outside.from_json(outside, len(row["functions"])),
            format=int(row["format"]),
        )


def _plain(value: Any) -> Any:
    """Dataclasses as rows, and those in mappings."""
    if is_dataclass(value) and not isinstance(value, type | PairedSpread):
        return asdict(value)
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return value


def parse_card(text: str, where: str) -> tuple[Card, str]:
    """A card and the digest it expects of the weights.

    Raises:
        WeightsError: not a card, or one of a newer program.
    """
    try:
        row = json.loads(text, parse_constant=_refuse_constant)
        written = int(row["format"])
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        raise WeightsError(f"{where} is not the card of a router: {error}", DAMAGED) from error
    if written != FORMAT:
        newer = written > FORMAT
        age = "a newer" if newer else "an older"
        raise WeightsError(
            f"{where} was written by {age} cems-tui (format {written}, known is {FORMAT})",
            "Update cems-tui." if newer else DAMAGED,
        )
    try:
        card = Card.from_json(row)
        _check_types(card)
        return card, str(row["sha256"])
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise WeightsError(f"{where} is not the card of a router: {error!r}", DAMAGED) from error


def _encoder_of(row: Mapping[str, Any]) -> EncoderFacts:
    """Raises TypeError or ValueError where the row is not of an encoder of a known kind."""
    facts = EncoderFacts(**row)
    if facts.kind not in ("clip", "text"):
        raise ValueError(f"{facts.kind!r} is no kind of text encoder")
    return facts


def _refuse_constant(word: str) -> float:
    raise ValueError(f"{word} is no number")


def _check_types(card: Card) -> None:
    """Raises TypeError, KeyError or ValueError where what is computed with or shown is no number,
    or the verdict is none."""
    training, scale, figures = card.training, card.scale, card.evaluation
    counts = [training.prompts, training.readings, training.missing, training.seed, training.folds]
    amounts: list[Any] = [one for one in card.prices.values() if one is not None]
    if scale is not None:
        amounts += [scale.slope, scale.intercept, scale.widen, scale.readings, scale.correlation]
    if (default := card.balanced) is not None:
        shares = [default.quality_share, default.cost_share]
        amounts += [default.dial, default.quality, default.cost_usd, default.prompts]
        amounts += [one for one in shares if one is not None]
        if not 0.0 <= default.dial <= 1.0 or not isinstance(default.expected, bool):
            raise ValueError(f"{default.dial!r} is no place on the dial")
    if "verdict" in figures and figures["verdict"] not in VERDICTS:
        raise ValueError(f"{figures['verdict']!r} is no verdict")
    for key in ("quality_vs_best_single", "area_gain_over_zero", "area_recovered"):
        if (figure := figures.get(key)) is not None:
            low, high = figure["ci95"]
            amounts += [figure["value"], low, high]
    amounts += [one for one in (figures.get("qnc"), figures.get("prompts")) if one is not None]
    if figures.get("verdict_words", "ties") not in VERDICT_WORDS:
        raise ValueError(f"{figures['verdict_words']!r} is no verdict")
    if not all(isinstance(text, str) for text in figures.get("training_notes", ())):
        raise TypeError("a note of the training is no text")
    amounts += _beside_amounts(figures)
    if card.refined is not None:
        before = card.refined.base_training
        counts += [before.prompts, before.readings, before.missing]
    if not all(isinstance(one, int) for one in (*counts, *training.sources.values())):
        raise TypeError("a count of the training is not a whole number")
    if not all(isinstance(one, int | float) for one in amounts):
        raise TypeError("a price, a figure or the scale is not a number")


def _beside_amounts(figures: Mapping[str, Any]) -> list[Any]:
    """What is shown of a router beside another one, and beside single functions."""
    amounts: list[Any] = []
    if (beside := figures.get("against")) is not None:
        amounts += [beside["quality"], *beside["interval"], beside["prompts"]]
        amounts += [] if beside["cost"] is None else [beside["cost"]]
        if not (isinstance(beside["router"], str) and isinstance(beside["metric"], str)):
            raise TypeError("a name of what is compared is no text")
    for point in figures.get("learning_curve", ()):
        low, high = point["interval"]
        amounts += [point["prompts"], point["quality"], low, high]
    for one in figures.get("instead", ()):
        if not isinstance(one["function"], str):
            raise TypeError("a name of what is compared is no text")
        for figure in (one["quality_gained"], one["cost_saved"]):
            if figure is not None:
                low, high = figure["ci95"]
                amounts += [figure["value"], low, high]
    return amounts


def check_compatible(card: Card, functions: Mapping[str, FunctionFacts]) -> dict[str, str]:
    """What could not be compared between the card and the functions of this machine, by function.

    Functions the card does not know are ignored; a field that is None on either side is not
    compared and is noted as unverified.

    Raises:
        WeightsError: a known function has other weights, steps or guidance than trained on.
    """
    notes = {}
    for name, trained in card.functions.items():
        here = functions.get(name)
        if here is None:
            continue
        unverified = []
        for part in ("weights", "steps", "guidance"):
            ours, theirs = getattr(here, part), getattr(trained, part)
            if ours is None or theirs is None:
                unverified.append(part)
            elif ours != theirs:
                raise WeightsError(
                    f"router {card.name} was trained on {name} with {part} {theirs}, "
                    f"here it has {ours}",
                    "Choose another router, or train one with `cems router train`.",
                )
        if unverified:
            notes[name] = f"{name}: {', '.join(unverified)} not verified against {card.name}"
    return notes


def choose_router(
    available: Sequence[Card], in_use: str | None, functions: Sequence[str]
) -> Card | None:
    """The router to ask: the one in use; failing that, the one that knows most of the functions.

    Args:
        functions: the installed functions that may be chosen.

    Of equals the oldest: training another router does not change who is asked. None when none
    knows any of them.
    """
    chosen = next((card for card in available if card.name == in_use), None)
    if chosen is not None:
        return chosen
    known = {card.name: len(set(card.functions) & set(functions)) for card in available}
    able = [card for card in available if known[card.name]]
    return min(able, key=lambda card: (-known[card.name], card.created), default=None)
