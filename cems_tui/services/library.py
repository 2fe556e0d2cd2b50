"""Every model as the app shows it: what it takes, what it gives, what of it is here. Pure data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cems_tui.catalog.fit import Verdict
from cems_tui.domain.function import GenerationFunction, Model, Provenance

Group = Literal["installed", "fits", "offload", "unknown", "too big", "support"]

GROUPS: tuple[Group, ...] = ("installed", "fits", "offload", "unknown", "too big", "support")
"""In the order in which they are listed."""


@dataclass(frozen=True, slots=True)
class FunctionFacts:
    """What a picture of one function takes."""

    function: GenerationFunction
    seconds: float | None = None
    memory_bytes: int | None = None
    cost_usd: float | None = None
    provenance: Provenance = "estimated"
    drawn: int = 0
    """Pictures that it drew here."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """One model: a row of the list. `None` is unknown, never 0."""

    model: Model
    group: Group
    reason: str = ""
    """Why it is in that group."""

    fit: Verdict = "unknown"
    """How this machine holds it while nothing else runs on it."""

    fits_now: bool = True
    """Whether it does in what other programs leave free now."""

    functions: tuple[FunctionFacts, ...] = ()
    memory_bytes: int | None = None
    """Device bytes it takes at most."""

    memory_estimated: bool = True
    disk_bytes: int | None = None
    """Bytes of its files here, or to be fetched."""

    disk_estimated: bool = True
    adds: str = ""
    """What it would add, in a few characters; empty where nobody measured it."""

    evidence: tuple[str, ...] = ()
    """What it would add or adds, in sentences, and who says so."""

    recommended: str | None = None
    """Why it is worth pulling here; None when it is not recommended."""

    verdict: tuple[str, ...] = ()
    """Whether it earns its disk: two lines, or none without evidence."""

    fetched_bytes: int | None = None
    """What an unfinished pull left; None when there is none."""

    files: tuple[tuple[str, int], ...] = ()
    """Path and bytes of each file that is recorded of it."""

    revision: str | None = None
    accepted: str | None = None
    """The licence the user agreed to when asked."""

    pullable: bool = True
    removable: bool = False

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def asks(self) -> bool:
        """Whether its licence asks something of the user who has not agreed yet."""
        asked = self.model.gated or self.model.noncommercial
        return asked and self.accepted is None and not self.model.installed


@dataclass(frozen=True, slots=True)
class Recommended:
    """A model of the set that is recommended for this machine."""

    model: str
    reason: str
    bytes: int | None
    asks: bool
    """Whether its licence asks for the user's agreement."""

    licence: str


@dataclass(frozen=True, slots=True)
class Library:
    """The models of this profile and the machine they would run on."""

    models: tuple[ModelFacts, ...] = ()
    device: str = ""
    budget_bytes: int | None = None
    """Device bytes that weights may hold."""

    free_bytes: int | None = None
    """Bytes free on the disk where models go."""

    recommended: tuple[Recommended, ...] = ()
    recommended_note: str = ""
    """What to know about that set as a whole, or why it is empty."""

    def of(self, name: str) -> ModelFacts | None:
        """A model's facts; None when nothing is called that."""
        return next((facts for facts in self.models if facts.name == name), None)

    @property
    def drawing(self) -> tuple[ModelFacts, ...]:
        """The models that draw pictures."""
        return tuple(facts for facts in self.models if facts.group != "support")

    @property
    def holdable(self) -> int:
        """How many of those this machine has or can hold."""
        able: tuple[Group, ...] = ("installed", "fits", "offload")
        return sum(facts.group in able for facts in self.drawing)

    @property
    def not_now(self) -> int:
        """How many of those it cannot hold until other programs give memory back."""
        return sum(not facts.fits_now for facts in self.drawing)

    @property
    def disk_bytes(self) -> int:
        """Bytes of all models that are installed."""
        return sum(facts.disk_bytes or 0 for facts in self.models if facts.model.installed)


def is_listed(facts: ModelFacts) -> bool:
    """Whether a list for people has it: what is only a part of other models is not, until it is
    here and takes its disk."""
    return facts.model.installed or facts.model.role != "part"


def grouped(models: tuple[ModelFacts, ...]) -> tuple[ModelFacts, ...]:
    """The models group by group; within one as they came."""
    return tuple(sorted(models, key=lambda facts: GROUPS.index(facts.group)))


@dataclass(frozen=True, slots=True)
class Part:
    """A component on the device, counted once however many models share it."""

    name: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Resident:
    """What the engine holds on the device, as far as it tells."""

    models: frozenset[str] = frozenset()
    parts: tuple[Part, ...] = ()
    """Largest first; empty where only the names are told."""

    @property
    def bytes(self) -> int:
        return sum(part.bytes for part in self.parts)
