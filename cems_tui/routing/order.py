"""What is asked of whoever learns a router."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cems_tui.bench.score_table import ScoreTable
from cems_tui.routing.card import FunctionFacts
from cems_tui.routing.kinds import FeatureSet

if TYPE_CHECKING:
    from cems_tui.routing.tower import TextTower


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
    tower: TextTower | None = None
    """The CLIP text tower to read prompts with; None where only instant features are read."""

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
