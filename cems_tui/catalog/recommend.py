"""Which models are worth pulling on this machine: a rule that says why, without any device.

Among the models that the device holds whole and that need no accepting on the Hub, the one that
by the CEMS evidence adds most for each gigabyte of download comes first, until the next adds
next to nothing or the disk's share is used up. A roomy device is also offered one newer model
that nobody has scored yet, and is told so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cems_tui.catalog.fit import Fit, Room
from cems_tui.domain.function import Model
from cems_tui.errors import WeightsError
from cems_tui.files import read_json
from cems_tui.text import byte_count, counted

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


# Whether an installed model earns its disk: what scores say, and how often it was chosen here.


def verdict(
    gain: Gain | None, disk_bytes: int | None, drawn: int, pictures: int
) -> tuple[str, ...]:
    """Two lines, or none where nobody scored the model.

    Args:
        gain: what it adds to the others that are here.
        disk_bytes: what its files take.
        drawn: pictures it drew here.
        pictures: pictures that were drawn here in all.
    """
    if gain is None or disk_bytes is None:
        return ()
    size = byte_count(disk_bytes)
    if gain.routed is None:
        value = f"earns its disk: {gain.alone:.2f} {gain.metric} for {size}, the only one scored"
    elif gain.routed >= LEAST_GAIN:
        value = f"earns its disk: at most +{gain.routed:.2f} {gain.metric} for {size}"
    else:
        value = f"hardly earns its disk: under +{LEAST_GAIN:.2f} {gain.metric} for {size}"
    if not pictures:
        return value, "no picture was drawn here yet"
    return value, f"it drew {drawn} of {counted(pictures, 'picture')} here"


# What the scores behind the shipped CEMS routers say a model would add to others.
#
# Only the functions of CEMS have such scores: of every other model it is not known.

METRIC = "mixed"
"""The metric that gains are told in: NIMA and CLIP score, both scaled, added (CEMS): 0…2."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What is known of one set of functions, over all prompts."""

    best_single: float
    """Mean score of its best function on every prompt."""

    oracle: float
    """Mean score when each prompt is drawn with the function that is best for it: no router can
    do better."""

    wins: Mapping[str, float]
    """Share of the prompts on which each function is the best of the set."""


@dataclass(frozen=True, slots=True)
class Gain:
    """What a model would add to those that are there, in the mean score of one metric."""

    metric: str
    alone: float
    """Mean score of its best function with evidence, on every prompt."""

    beside: tuple[str, ...]
    """The other functions here that have evidence; empty when it would be the first."""

    single: float | None
    """What the best single function gains; 0 when another stays the best. None without others."""

    routed: float | None
    """What perfect routing gains, so at most what any router does; None without others."""

    wins: float | None
    """Share of the CEMS prompts on which it is the best of all; None without others."""

    @property
    def cell(self) -> str:
        """In a few letters: `≤+0.04`, or `1.24` of the first one."""
        return f"{self.alone:.2f}" if self.routed is None else f"≤+{self.routed:.2f}"

    @property
    def sentence(self) -> str:
        """For people, in one sentence."""
        if self.single is None or self.routed is None or self.wins is None:
            return f"It scores {self.alone:.2f} on the CEMS prompts ({self.metric}, 0 to 2)."
        single = f"+{self.single:.2f} for the best single model" if self.single > 0 else ""
        routed = f"at most +{self.routed:.2f} with routing"
        both = " and ".join(part for part in (single, routed) if part)
        return (
            f"It adds {both} ({self.metric}, 0 to 2): it is the best on "
            f"{self.wins:.0%} of the CEMS prompts."
        )


@dataclass(frozen=True, slots=True)
class Evidence:
    """Figures of every set of the functions that have any."""

    source: str
    prompts: int
    sets: Mapping[frozenset[str], Figures]
    metric: str = METRIC

    @property
    def functions(self) -> frozenset[str]:
        """The functions that have evidence."""
        return frozenset().union(*self.sets)

    def oracle(self, functions: Iterable[str]) -> float:
        """Mean score of perfect routing among those functions that have evidence.

        Without any it is the mean of the least good function there is evidence of: what has to
        be beaten for a first one to be worth something.
        """
        known = self.functions & frozenset(functions)
        if known:
            return self.sets[known].oracle
        return min((figures.best_single for figures in self.sets.values()), default=0.0)

    def gain(self, functions: Iterable[str], others: Iterable[str]) -> Gain | None:
        """What a model with these functions would add beside the others.

        None when none of its functions has evidence.
        """
        own = self.functions & frozenset(functions)
        if not own:
            return None
        beside = (self.functions & frozenset(others)) - own
        alone = self.sets[own].best_single
        if not beside:
            return Gain(self.metric, alone, (), None, None, None)
        before, after = self.sets[beside], self.sets[beside | own]
        return Gain(
            metric=self.metric,
            alone=alone,
            beside=tuple(sorted(beside)),
            single=after.best_single - before.best_single,
            routed=after.oracle - before.oracle,
            wins=sum(after.wins[name] for name in own),
        )


def read_evidence(path: Path, metric: str = METRIC) -> Evidence:
    """The evidence that `tests.experiments.cems_evidence` wrote.

    Raises:
        WeightsError: the file is missing or damaged.
    """
    try:
        row: dict[str, Any] = read_json(path)
        return Evidence(
            source=str(row["source"]),
            prompts=int(row["prompts"]),
            sets={frozenset(one["functions"]): _figures(one) for one in row["metrics"][metric]},
            metric=metric,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path} is missing or damaged", "Install the program again.") from error


def _figures(row: Mapping[str, Any]) -> Figures:
    return Figures(
        best_single=float(row["best_single"]["mean"]),
        oracle=float(row["oracle"]),
        wins={name: float(share) for name, share in row["wins"].items()},
    )
