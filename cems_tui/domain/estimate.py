"""The protocol of whatever predicts, from a prompt alone, how good each function's picture is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from cems_tui.domain.decision import QualityEstimate


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A training prompt near the prompt at hand."""

    prompt: str
    distance: float
    """1 − cosine of the tf-idf words: 0 is the same words, 1 none in common."""

    scores: Mapping[str, float] | None = None
    """Mean score of each function for it, higher is better; None where they are not at hand."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """The training prompts a router takes together with the prompt at hand."""

    number: int
    prompts: int
    """How many training prompts are in it."""

    means: Mapping[str, float]
    """Mean score of each function over them, in the metric's unit."""


@dataclass(frozen=True, slots=True)
class PromptEstimate:
    """What a router expects of its functions for one prompt."""

    estimates: Mapping[str, QualityEstimate]
    """By function name; functions the router does not know are absent."""

    in_distribution: bool
    """False when the prompt is unlike the training prompts: the estimates are then the means."""

    novelty: float
    """0 a training prompt's own words, 1 nothing known."""

    nearest: tuple[Neighbour, ...] = ()
    """The nearest training prompts; empty when the checkpoint keeps none."""


class QualityEstimator(Protocol):
    """Predicts quality; a metric where lower is better is negated before it gets here."""

    @property
    def functions(self) -> tuple[str, ...]: ...

    @property
    def metric(self) -> str: ...

    def estimate(self, prompt: str) -> PromptEstimate:
        """The quality of every known function for the prompt, in the metric's unit."""
        ...


@runtime_checkable
class AnswersAtOnce(Protocol):
    """An estimator that reads a text encoder, and can answer before that has read."""

    def estimate_at_once(self, prompt: str) -> PromptEstimate:
        """As `estimate`, from the prompt's letters alone."""
        ...


@runtime_checkable
class Clustering(Protocol):
    """An estimator that may keep clusters of its training prompts, and can say so."""

    def cluster_of(self, prompt: str) -> Cluster | None:
        """The cluster that the prompt falls into; None when it keeps none."""
        ...
