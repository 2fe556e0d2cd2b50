"""The kinds of router: which module learns each one, and which one writes and reads its numbers.

Nothing is imported until a kind is asked for, so an instant router never pays for torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

from cems_tui.domain.decision import FeatureSet
from cems_tui.errors import UsageError, WeightsError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cems_tui.domain.estimate import QualityEstimator
    from cems_tui.routing.checkpoints.card import Card
    from cems_tui.routing.checkpoints.checkpoint import Checkpoint
    from cems_tui.routing.features.clip_text import Towers
    from cems_tui.routing.training.data import TrainingOrder

    Tensors = dict[str, NDArray[np.generic]]


class Codec(Protocol):
    """A module that turns one kind of estimator into tensors and back."""

    def to_tensors(self, router: Any) -> dict[str, NDArray[Any]]:
        """Everything of the estimator that is not in its card."""
        ...

    def from_tensors(
        self, card: Card, tensors: Mapping[str, NDArray[Any]], towers: Towers
    ) -> QualityEstimator:
        """The estimator of a card and its tensors.

        Raises:
            WeightsError: a tensor or the text tower is missing or is not what the card says.
        """
        ...


class Learner(Protocol):
    """A module that learns one kind of router."""

    def learn(self, order: TrainingOrder) -> Checkpoint:
        """The router of that order; see `training.train` for what it raises."""
        ...


@dataclass(frozen=True, slots=True)
class Variant:
    """One kind over one set of features, by the modules that know it."""

    learner: str
    codec: str


_TEXT = Variant("cems_tui.routing.training.text", "cems_tui.routing.checkpoints.codecs")
_STACK = Variant("cems_tui.routing.training.stack", "cems_tui.routing.checkpoints.stack_codec")

VARIANTS: Mapping[tuple[str, FeatureSet], Variant] = {
    ("ensemble", "instant"): _TEXT,
    ("ridge", "instant"): _TEXT,
    ("knn", "instant"): _TEXT,
    ("clusters", "instant"): _STACK,
    ("transformer", "instant"): _STACK,
    ("ensemble", "clip"): _STACK,
    ("ridge", "clip"): _STACK,
    ("knn", "clip"): _STACK,
    ("clusters", "clip"): _STACK,
    ("transformer", "clip"): _STACK,
    ("cems", "clip"): Variant(
        "cems_tui.routing.training.cems", "cems_tui.routing.checkpoints.classifier_codec"
    ),
}
"""Every kind that can be learned and loaded, the default first."""

KINDS = tuple(dict.fromkeys(kind for kind, _ in VARIANTS))


def learner_of(kind: str, features: FeatureSet | None) -> tuple[Learner, FeatureSet]:
    """Who learns that kind, and what it reads; by default the first features the kind has.

    Raises:
        UsageError: there is no such kind, or it cannot read those features.
    """
    if kind not in KINDS:
        raise UsageError(f"{kind!r} is no kind of router", f"Choose one of {', '.join(KINDS)}.")
    able = [reads for known, reads in VARIANTS if known == kind]
    reads = features or able[0]
    if reads not in able:
        raise UsageError(
            f"a router of kind {kind} cannot read {reads} features",
            f"It reads {' or '.join(able)} (--features).",
        )
    return cast(Learner, import_module(VARIANTS[kind, reads].learner)), reads


def codec_of(card: Card) -> Codec:
    """Who writes and reads the numbers of a card's kind.

    Raises:
        WeightsError: this program does not know the kind.
    """
    variant = VARIANTS.get((card.kind, card.feature_set))
    if variant is None:
        raise WeightsError(
            f"router {card.name} is of the kind {card.kind} over {card.feature_set} features, "
            "which this cems-tui does not know",
            "Update cems-tui.",
        )
    return cast(Codec, import_module(variant.codec))
