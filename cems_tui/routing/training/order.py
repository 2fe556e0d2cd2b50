"""What is asked of whoever learns a router, and what a trainer gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cems_tui.domain.decision import FeatureSet
from cems_tui.domain.encoder import EncoderFacts, FunctionFacts
from cems_tui.domain.estimate import QualityEstimator
from cems_tui.routing.checkpoints.checkpoint import Checkpoint
from cems_tui.routing.features.letters import FeatureConfig, Floats
from cems_tui.routing.features.text_encoder import TextEncoder
from cems_tui.routing.training.prepared_prompts import EncodedPrompts, PreparedPrompts
from cems_tui.score_tables.table import Pivot, ScoreTable


def _silent(text: str) -> None:
    """Tells nobody."""


@dataclass(frozen=True, slots=True)
class TrainingOrder:
    """A router to be learned from a score table."""

    table: ScoreTable
    metric: str
    """One of the table's, or `mixed` when it has nima and clip."""

    name: str
    kind: str = "ensemble"
    features: FeatureSet = "instant"
    tower: TextEncoder | None = None
    """The text encoder to read prompts with; None where only instant features are read."""

    functions_facts: Mapping[str, FunctionFacts] = field(default_factory=dict)
    prices: Mapping[str, float | None] = field(default_factory=dict)
    """US dollars a picture, for functions whose rows carry none."""

    scorers: Mapping[str, str | None] = field(default_factory=dict)
    """The instrument that read each metric."""

    keep_prompts: bool = False
    """Whether the checkpoint keeps the prompts' texts, to show the nearest ones."""

    seed: int = 42
    tell: Callable[[str], None] = _silent
    """Told, in a line, what a long training does."""

    workspace: Path | None = None
    """Where an interrupted training is kept and resumed from; None keeps nothing."""

    cache: Path | None = None
    """Where what the tower said of prompts is kept; None keeps nothing."""

    device: str = "cpu"
    """Where networks are taught: `cpu`, `cuda` or `mps`."""

    settings: Mapping[str, float] = field(default_factory=dict)
    """Numbers of the kind's own recipe that are asked to be other than its defaults."""

    config: FeatureConfig | None = None
    """How letters become numbers, where it is not the default."""

    prepared: PreparedPrompts | None = None
    """The prompts of this very table, where another metric has been learned before."""

    encoded: EncodedPrompts | None = None
    """The same of the text encoder."""

    about: str = ""
    """What the card says first of all."""

    rival: Checkpoint | None = None
    """The router in use, to be compared with on the held-out prompts; None compares with none."""

    pictures: int | None = None
    """Of how many pictures each score is the mean; None where the table does not say."""


@dataclass(frozen=True, slots=True)
class Material:
    """A score table as a trainer learns it."""

    table: ScoreTable
    """With the metric in it."""

    pivot: Pivot
    """What is learned from: its prompts, functions and scores."""

    mixed: Mapping[str, tuple[float, float]] | None
    """The constants of the mixed score; None of any other metric."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a trainer learned, with what its card needs of it."""

    router: QualityEstimator
    features: FeatureConfig
    encoder: EncoderFacts | None
    settings: Mapping[str, float | int | None]
    """The single numbers chosen in training."""

    dial_estimates: Floats
    """What was said of the training prompts while they were held out, or of a few that stand for
    them, (K, M): of prompts it has seen a router says more than it will say of others."""

    dial_shares: Floats | None
    """The share of the training prompts each of those few stands for; None is one each."""

    learned: Pivot
    """The prompts it was learned from."""

    judged: Pivot
    """The prompts its figures are of."""

    estimates: Floats
    """Held-out estimates of the judged prompts, shape (N, M)."""

    interval: str
    """How the 90 % interval was made, for people."""

    evaluation: Mapping[str, Any] = field(default_factory=dict)
    """Figures only this kind has."""

    folds: int = 0
    """Over how many folds the figures are; 0 where one test part was kept back."""
