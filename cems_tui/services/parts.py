"""The parts a session is made of, as the session sees them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from cems_tui.domain.decision import RoutingDecision
from cems_tui.domain.function import Expected, GenerationFunction
from cems_tui.domain.generation import Generation
from cems_tui.domain.request import Request
from cems_tui.domain.score import Score
from cems_tui.generation.pipeline import Pipeline

if TYPE_CHECKING:
    from PIL.Image import Image


class Planner(Protocol):
    """Prices and routes; never touches the device."""

    def decide(
        self, request: Request, resident: frozenset[str], *, installed_only: bool
    ) -> RoutingDecision: ...

    def function(self, name: str) -> GenerationFunction: ...

    def expected(self, function: GenerationFunction, width: int, height: int) -> Expected: ...

    def notes(self, prompt: str, function: GenerationFunction) -> Sequence[str]:
        """What the user should know before this function draws this prompt."""
        ...


class Lease(Protocol):
    """A loaded pipeline that cannot be evicted while it is held."""

    @property
    def pipeline(self) -> Pipeline: ...

    @property
    def load_seconds(self) -> float | None: ...

    @property
    def load_bytes(self) -> int | None: ...


class Residency(Protocol):
    """What is on the device."""

    def lease(self, function: GenerationFunction) -> AbstractContextManager[Lease]: ...

    def resident(self) -> frozenset[str]:
        """Names of the models on the device."""
        ...

    def free(self, model: str) -> bool:
        """Take a model off the device, at the end of its use; whether it was resident."""
        ...

    def close(self) -> None: ...


class Judges(Protocol):
    """Every scorer at hand, read in one go."""

    def read(
        self, images: Sequence[Image], prompts: Sequence[str], model: str = ""
    ) -> list[tuple[Score, ...]]:
        """The scores of each picture that a model drew, derived scales (mixed) included."""
        ...

    def notes(self, model: str) -> Sequence[str]:
        """What the user should know of the metrics that are not read off its pictures."""
        ...

    def free(self) -> Sequence[str]:
        """Let go of all weights; the names of the scorers that were loaded."""
        ...


class Commit(Protocol):
    """Writes PNG and row so that both exist or neither."""

    def __call__(self, image: Image, generation: Generation) -> None: ...
