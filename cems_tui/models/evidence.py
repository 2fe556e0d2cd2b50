"""What the scores behind the shipped CEMS routers say a model would add to others.

Only the functions of CEMS have such scores: of every other model it is not known.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cems_tui.errors import WeightsError

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
    """The evidence that `cems_tui.routing.shipped_evidence` wrote.

    Raises:
        WeightsError: the file is missing or damaged.
    """
    try:
        row: dict[str, Any] = json.loads(path.read_text("utf-8"))
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
