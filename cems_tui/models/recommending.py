"""Which models are worth pulling on this machine: a rule that says why, without any device.

Among the models that the device holds whole and that need no accepting on the Hub, the one that
by the CEMS evidence adds most for each gigabyte of download comes first, until the next adds
next to nothing or the disk's share is used up. A roomy device is also offered one newer model
that nobody has scored yet, and is told so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cems_tui.generation.function import Model
from cems_tui.models.evidence import Evidence
from cems_tui.models.fitting import Fit, Room
from cems_tui.text import byte_count

LEAST_GAIN = 0.01
"""In the evidence's mean score: what adds less is not recommended."""

DISK_SHARE = 0.5
"""Share of the free disk that a recommended set may take."""

ROOMY_BYTES = 12_000_000_000
"""Device bytes for weights from which a model without evidence is offered too."""

FEW_STEPS = 8
"""A model without evidence is offered only if it draws in so many steps."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model as far as recommending it goes."""

    model: Model
    functions: tuple[str, ...]
    fit: Fit
    fewest_steps: int | None
    """Of its functions; None when it has none."""


@dataclass(frozen=True, slots=True)
class Pick:
    """A model to pull, and why, in one sentence."""

    model: str
    download_bytes: int
    reason: str
    evidence: bool
    """Whether scores speak for it; False is a newer model that nobody scored here yet."""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The models to pull, best value first."""

    picks: tuple[Pick, ...]
    note: str
    """What to know about the set as a whole, or why it is empty."""

    @property
    def download_bytes(self) -> int:
        return sum(pick.download_bytes for pick in self.picks)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(pick.model for pick in self.picks)


def recommend(
    candidates: Sequence[Candidate], evidence: Evidence, room: Room, disk_free_bytes: int
) -> Recommendation:
    """The set to pull beside what is installed; equal inputs give equal sets.

    Args:
        candidates: every model, installed ones too.
        evidence: what scores say of sets of functions.
        room: what the device offers.
        disk_free_bytes: free where models go.
    """
    if not room.accelerated:
        return Recommendation(
            (),
            "This machine draws on its CPU: the large models run on it, slowly, and nobody "
            "measured how slowly. The starter pack, which is here already, is what it draws fast.",
        )
    left = int(disk_free_bytes * DISK_SHARE)
    able = [one for one in candidates if _able(one)]
    picks = _with_evidence(able, _installed(candidates), evidence, left)
    left -= sum(pick.download_bytes for pick in picks)
    if newer := _without_evidence(candidates, able, evidence, room, left):
        picks.append(newer)
    return Recommendation(tuple(picks), _note(picks, able, candidates, evidence))


def _able(candidate: Candidate) -> bool:
    """Whether it may be recommended at all: it fits whole, is not here, and asks nothing."""
    model = candidate.model
    return (
        candidate.fit.holds
        and not model.installed
        and not model.gated
        and model.footprint.download_bytes is not None
        and bool(candidate.functions)
    )


def _installed(candidates: Sequence[Candidate]) -> frozenset[str]:
    return frozenset(name for one in candidates if one.model.installed for name in one.functions)


def _with_evidence(
    able: Sequence[Candidate], installed: frozenset[str], evidence: Evidence, left: int
) -> list[Pick]:
    """Greedily the most gain per downloaded byte, without what a later one makes needless."""
    chosen: list[Candidate] = []
    while one := _next(able, chosen, installed, evidence, left):
        chosen.append(one)
        left -= one.model.footprint.download_bytes or 0
    for one in list(chosen):
        rest = [other for other in chosen if other is not one]
        if _gain(one, rest, installed, evidence) < LEAST_GAIN:
            chosen = rest
    return [
        _scored_pick(one, chosen[:place], installed, evidence) for place, one in enumerate(chosen)
    ]


def _next(
    able: Sequence[Candidate],
    chosen: Sequence[Candidate],
    installed: frozenset[str],
    evidence: Evidence,
    left: int,
) -> Candidate | None:
    """Which of those that fit the disk adds most per byte, of equals the first by name."""
    gains = [
        (_gain(one, chosen, installed, evidence), one)
        for one in able
        if one not in chosen and (one.model.footprint.download_bytes or 0) <= left
    ]
    worth = [(gain, one) for gain, one in gains if gain >= LEAST_GAIN]
    if not worth:
        return None
    return min(worth, key=lambda pair: (-_per_byte(*pair), pair[1].model.name))[1]


def _gain(
    candidate: Candidate,
    beside: Sequence[Candidate],
    installed: frozenset[str],
    evidence: Evidence,
) -> float:
    """What a model adds to those beside it and to what is installed."""
    there = _functions(beside) | installed
    return evidence.oracle(there.union(candidate.functions)) - evidence.oracle(there)


def _functions(candidates: Sequence[Candidate]) -> frozenset[str]:
    return frozenset(name for one in candidates for name in one.functions)


def _per_byte(gain: float, candidate: Candidate) -> float:
    return gain / max(1, candidate.model.footprint.download_bytes or 1)


def _scored_pick(
    candidate: Candidate,
    beside: Sequence[Candidate],
    installed: frozenset[str],
    evidence: Evidence,
) -> Pick:
    gain = _gain(candidate, beside, installed, evidence)
    said = evidence.gain(candidate.functions, _functions(beside) | installed)
    first = said is None or said.routed is None
    value = (
        f"scores {gain:.2f} above the least of CEMS's models"
        if first
        else f"adds at most {gain:.2f} with routing"
    )
    size = candidate.model.footprint.download_bytes or 0
    return Pick(
        model=candidate.model.name,
        download_bytes=size,
        reason=f"{value} ({evidence.metric}, 0 to 2) for {byte_count(size)}{_licence(candidate)}.",
        evidence=True,
    )


def _without_evidence(
    candidates: Sequence[Candidate],
    able: Sequence[Candidate],
    evidence: Evidence,
    room: Room,
    left: int,
) -> Pick | None:
    """On a roomy device the largest few-step model that nobody scored; one, once."""
    if room.weight_bytes < ROOMY_BYTES or any(_is_newer(one, evidence) for one in candidates):
        return None
    unscored = [
        one
        for one in able
        if not evidence.functions & frozenset(one.functions)
        and not one.model.noncommercial
        and one.fewest_steps is not None
        and one.fewest_steps <= FEW_STEPS
        and (one.model.footprint.download_bytes or 0) <= left
    ]
    if not unscored:
        return None
    chosen = min(
        unscored, key=lambda one: (-(one.model.footprint.weights_bytes or 0), one.model.name)
    )
    size = chosen.model.footprint.download_bytes or 0
    return Pick(
        model=chosen.model.name,
        download_bytes=size,
        reason=(
            f"no evidence yet: the largest model held whole here that draws in "
            f"{chosen.fewest_steps} steps, {byte_count(size)}."
        ),
        evidence=False,
    )


def _is_newer(candidate: Candidate, evidence: Evidence) -> bool:
    """Whether a model without evidence is installed already, the starter pack's left out."""
    return (
        candidate.model.installed
        and candidate.model.footprint.download_bytes is not None
        and bool(candidate.functions)
        and not evidence.functions & frozenset(candidate.functions)
    )


def _licence(candidate: Candidate) -> str:
    return "; its licence forbids commercial use" if candidate.model.noncommercial else ""


def _note(
    picks: Sequence[Pick],
    able: Sequence[Candidate],
    candidates: Sequence[Candidate],
    evidence: Evidence,
) -> str:
    if picks:
        total = byte_count(sum(pick.download_bytes for pick in picks))
        return (
            f"{total} in all; scores are those of {evidence.prompts:,} CEMS prompts, and no router "
            "attains the whole of what perfect routing adds."
        )
    if any(evidence.functions & frozenset(one.functions) for one in able):
        return "Nothing more is recommended: what is left adds too little, or the disk is short."
    if any(not one.model.installed and not one.fit.holds for one in candidates):
        return "Nothing more is recommended: what is left does not fit whole, or has no scores."
    return "Nothing more is recommended."
