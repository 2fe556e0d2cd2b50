"""What each part of a prompt adds to the pick's lead over the runner-up.

Occlusion (Zeiler & Fergus, 2014): the part is left out, the router asked again. The work is
bounded: at most MOST_PARTS words and phrases, a few linguistic features, MOST_REMOVED removals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from cems_tui.domain.estimate import PromptEstimate
from cems_tui.routing.explain.prompt_parts import (
    MOST_PARTS,
    Part,
    PartKind,
    Span,
    overlap,
    phrases,
    without,
    word_kinds,
    words,
)
from cems_tui.routing.explain.question import Question

MOST_REMOVED = 6
"""Words left out together, at most, to look for those that decided."""

NEGLIGIBLE = 1e-9
"""A contribution below this share of the largest worth is rounding."""


class Estimator(Protocol):
    """What is asked again and again: any `QualityEstimator`."""

    def estimate(self, prompt: str) -> PromptEstimate: ...


@dataclass(frozen=True, slots=True)
class Contribution:
    """How much a part of the prompt adds to the pick's lead over the runner-up."""

    text: str
    spans: tuple[Span, ...]
    kind: PartKind
    change: float
    """In the metric's unit (of a classifier in probability); negative: for the runner-up."""

    in_distribution: bool
    """Whether the prompt without it is like the training prompts."""


@dataclass(frozen=True, slots=True)
class FeatureContribution:
    """A linguistic feature of the prompt, and what it adds to the lead."""

    name: str
    """As it is counted: `2 colours`."""

    count: int
    words: tuple[str, ...]
    change: float | None
    """None for a feature that cannot be left out."""


@dataclass(frozen=True, slots=True)
class Removal:
    """The fewest words found without which another function is picked."""

    words: tuple[str, ...]
    choice: str
    in_distribution: bool


@dataclass(frozen=True, slots=True)
class Trial:
    """The router asked again about the prompt without something."""

    prompt: str
    question: Question
    estimator: Estimator
    pick: str
    other: str

    def lead(self, estimate: PromptEstimate) -> float | None:
        worths = _worths(estimate)
        if self.pick not in worths or self.other not in worths:
            return None
        return worths[self.pick] - worths[self.other]

    def ask(self, spans: Sequence[Span]) -> PromptEstimate | None:
        """None when nothing would be left to ask about."""
        left = without(self.prompt, spans)
        return self.estimator.estimate(left) if left.strip(" ,.;:!?\t\n") else None

    def winner(self, estimate: PromptEstimate) -> str | None:
        worths = _worths(estimate)
        options = [replace(o, worth=worths.get(o.function, o.worth)) for o in self.question.options]
        return self.question.winner(options)


def leading(found: Sequence[Contribution]) -> tuple[Contribution, ...]:
    """Those that do not overlap; a phrase instead of its words where it says clearly more."""
    if not found:
        return ()
    least = NEGLIGIBLE * max(1.0, *(abs(c.change) for c in found))
    kept: list[Contribution] = []
    for one in sorted(found, key=_by_size):
        if abs(one.change) <= least or any(_overlap(one, other) for other in kept):
            continue
        inside = [c for c in found if c.kind == "word" and _overlap(one, c)]
        strongest = max((abs(c.change) for c in inside), default=0.0)
        if one.kind == "word" or abs(one.change) > 1.25 * strongest:
            kept.append(one)
    return tuple(kept)


def contributions(
    trial: Trial, lead: float
) -> tuple[tuple[Contribution, ...], Mapping[Contribution, PromptEstimate]]:
    """Words and phrases by their contribution, the largest first, with what was estimated."""
    estimates: dict[Contribution, PromptEstimate] = {}

    def judge(parts: Sequence[Part]) -> list[Contribution]:
        judged = []
        for part in parts[: MOST_PARTS - len(estimates)]:
            estimate = trial.ask(part.spans)
            left = None if estimate is None else trial.lead(estimate)
            if estimate is None or left is None:
                continue
            one = Contribution(
                part.text, part.spans, part.kind, lead - left, estimate.in_distribution
            )
            estimates[one] = estimate
            judged.append(one)
        return judged

    prompt = trial.prompt
    single, several = words(prompt), phrases(prompt)
    if len(single) + len(several) <= MOST_PARTS:
        judge(single + several)
    else:  # phrase by phrase; then the words of the phrases that matter most
        by_size = sorted(judge(several), key=_by_size)
        order = [w for phrase in by_size for w in single if _overlap(phrase, w)]
        judge(list(dict.fromkeys([*order, *single])))
    return tuple(sorted(estimates, key=_by_size)), estimates


def features(trial: Trial, lead: float, *, tried: bool) -> tuple[FeatureContribution, ...]:
    """The linguistic features, those that change nothing last."""
    found = []
    for kind in word_kinds(trial.prompt):
        estimate = trial.ask(kind.spans) if tried and kind.spans is not None else None
        left = None if estimate is None else trial.lead(estimate)
        name = kind.name if kind.count == 1 else kind.plural
        change = None if left is None else lead - left
        found.append(FeatureContribution(name, kind.count, kind.words, change))
    return tuple(sorted(found, key=lambda f: -abs(f.change or 0.0)))


def removal(
    trial: Trial,
    found: Sequence[Contribution],
    estimates: Mapping[Contribution, PromptEstimate],
) -> Removal | None:
    """The fewest words found without which another is picked: one part, or several words."""

    def told(parts: Sequence[Contribution], estimate: PromptEstimate | None) -> Removal | None:
        winner = None if estimate is None else trial.winner(estimate)
        if estimate is None or winner is None or winner == trial.pick:
            return None
        return Removal(tuple(part.text for part in parts), winner, estimate.in_distribution)

    def length(hit: Removal) -> int:
        return sum(len(text.split()) for text in hit.words)

    hits = [hit for one in found if (hit := told([one], estimates[one])) is not None]
    # a prompt that the router still knows before a strange one
    best = min(hits, key=lambda hit: (not hit.in_distribution, length(hit)), default=None)
    most = MOST_REMOVED if best is None else min(MOST_REMOVED, length(best) - 1)
    speaking = [one for one in found if one.kind == "word" and one.change > 0.0]
    for count in range(2, min(most, len(speaking)) + 1):
        parts = speaking[:count]
        hit = told(parts, trial.ask([span for part in parts for span in part.spans]))
        if hit is not None and (hit.in_distribution or best is None):
            return hit
    return best


def _worths(estimate: PromptEstimate) -> dict[str, float]:
    """Quality, or of a classifier the probability, of every function that has one."""
    worths = {}
    for name, one in estimate.estimates.items():
        worth = one.probability if one.quality is None else one.quality
        if worth is not None:
            worths[name] = worth
    return worths


def _by_size(one: Contribution) -> tuple[float, tuple[Span, ...]]:
    return (-abs(one.change), one.spans)


def _overlap(one: Contribution | Part, other: Contribution | Part) -> bool:
    return overlap(one.spans, other.spans)
