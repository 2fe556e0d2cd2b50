"""Scores and the protocol of what reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class Score:
    """One reading: which scale, the value, and which instrument read it."""

    metric: str
    """The scale, e.g. `nima` (1..10), `clip` (0..100), `mixed` (0..2)."""

    value: float
    scorer: str
    """The instrument: its name and the digest of its weights, `starter-clip:sha256:…`."""

    higher_is_better: bool = True


class Scorer(Protocol):
    """An instrument that reads one metric off pictures; dropping it frees its weights."""

    @property
    def metric(self) -> str: ...

    @property
    def id(self) -> str:
        """Name and weights digest; scores of different ids are never compared."""
        ...

    @property
    def higher_is_better(self) -> bool: ...

    @property
    def weight_bytes(self) -> int:
        """Bytes its weights hold on the device it reads on."""
        ...

    def score(self, images: Sequence[Image], prompts: Sequence[str]) -> list[float]:
        """One value a picture, in the metric's unit.

        Raises:
            WeightsError: the scorer's weights are missing or not those expected.
            GenerationError: a reading is not a number.
            OutOfMemory: the device has no room for the reading.
        """
        ...
