"""Every kind of router that is known, with who writes and reads its numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from cems_tui.domain.decision import FeatureSet
from cems_tui.domain.estimate import QualityEstimator
from cems_tui.errors import UsageError, WeightsError
from cems_tui.routing.checkpoints import (
    classifier_codec,
    embedding_codec,
    letters_codec,
    refined_codec,
    stack_codec,
)
from cems_tui.routing.checkpoints.card import Card
from cems_tui.routing.features.text_encoder import Towers

Tensors = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Codec:
    """Turns one kind of estimator into tensors and back."""

    to_tensors: Callable[[Any], dict[str, NDArray[Any]]]
    """Everything of the estimator that is not in its card."""

    from_tensors: Callable[[Card, Tensors, Towers], QualityEstimator]
    """The estimator of a card and its tensors; raises WeightsError where they do not match, or
    the text tower is not at hand."""


_TEXT = Codec(letters_codec.to_tensors, letters_codec.from_tensors)
_EMBEDDING = Codec(embedding_codec.to_tensors, embedding_codec.from_tensors)
_STACK = Codec(stack_codec.to_tensors, stack_codec.from_tensors)
_CLASSIFIER = Codec(classifier_codec.to_tensors, classifier_codec.from_tensors)

CODECS: Mapping[tuple[str, FeatureSet], Codec] = {
    ("ensemble", "instant"): _TEXT,
    ("ridge", "instant"): _TEXT,
    ("knn", "instant"): _TEXT,
    ("clusters", "instant"): _STACK,
    ("transformer", "instant"): _STACK,
    ("ensemble", "text"): _EMBEDDING,
    ("ridge", "text"): _EMBEDDING,
    ("knn", "text"): _STACK,
    ("clusters", "text"): _STACK,
    ("transformer", "text"): _STACK,
    ("ensemble", "clip"): _EMBEDDING,
    ("ridge", "clip"): _EMBEDDING,
    ("knn", "clip"): _STACK,
    ("clusters", "clip"): _STACK,
    ("transformer", "clip"): _STACK,
    ("cems", "clip"): _CLASSIFIER,
    ("cems", "text"): _CLASSIFIER,
}
"""Every kind over every set of features, the default first."""

KINDS = tuple(dict.fromkeys(kind for kind, _ in CODECS))


def features_for(kind: str, wanted: FeatureSet | None) -> FeatureSet:
    """What a router of that kind reads; by default the first features the kind has.

    Raises:
        UsageError: there is no such kind, or it cannot read those features.
    """
    if kind not in KINDS:
        raise UsageError(f"{kind!r} is no kind of router", f"Choose one of {', '.join(KINDS)}.")
    able: list[FeatureSet] = [reads for known, reads in CODECS if known == kind]
    reads = wanted or able[0]
    if reads not in able:
        raise UsageError(
            f"a router of kind {kind} cannot read {reads} features",
            f"It reads {' or '.join(able)} (--features).",
        )
    return reads


def codec_of(card: Card) -> Codec:
    """Who writes and reads the numbers of a card's kind.

    Raises:
        WeightsError: this program does not know the kind.
    """
    codec = CODECS.get((card.kind, card.feature_set))
    if codec is _EMBEDDING and not embedding_codec.wrote(card):
        codec = _STACK  # earlier, ridge and the ensemble over CLIP's tower were stacks too
    if codec is None:
        raise WeightsError(
            f"router {card.name} is of the kind {card.kind} over {card.feature_set} features, "
            "which this cems-tui does not know",
            "Update cems-tui.",
        )
    return codec if card.refined is None else _refined(codec)


def _refined(base: Codec) -> Codec:
    """Writes and reads a router that refines one of that codec."""
    return Codec(
        lambda router: refined_codec.to_tensors(router, base.to_tensors),
        lambda card, tensors, towers: refined_codec.from_tensors(
            card, tensors, towers, base.from_tensors
        ),
    )
