"""Every scorer at hand, each loaded when first needed, with the scales derived from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from cems_tui.quality.mixed import MixedScale
from cems_tui.quality.score import Score, Scorer

if TYPE_CHECKING:
    from PIL.Image import Image


class Derived(Protocol):
    """A scale computed from other scales' readings, such as CEMS's mixed score."""

    def read(self, scores: Sequence[Score]) -> Score | None:
        """The derived reading; None when a scale or instrument it needs is missing."""
        ...


class Panel:
    """Reads every metric off pictures in one go."""

    def __init__(
        self,
        loaders: Sequence[Callable[[], Scorer]],
        derived: Callable[[], Sequence[Derived]] = lambda: (),
    ) -> None:
        self._loaders = loaders
        self._derived = derived
        self._scorers: list[Scorer] | None = None

    def read(self, images: Sequence[Image], prompts: Sequence[str]) -> list[tuple[Score, ...]]:
        """The scores of each picture, derived scales last.

        Raises:
            WeightsError: a scorer's weights are missing or damaged.
            GenerationError: a scorer failed.
        """
        if self._scorers is None:
            self._scorers = [load() for load in self._loaders]
        readings: list[list[Score]] = [[] for _ in images]
        for scorer in self._scorers:
            values = scorer.score(images, prompts)
            for reading, value in zip(readings, values, strict=True):
                reading.append(Score(scorer.metric, value, scorer.id, scorer.higher_is_better))
        for reading in readings:
            reading.extend(
                score for scale in self._derived() if (score := scale.read(reading)) is not None
            )
        return [tuple(reading) for reading in readings]


class MixedReading:
    """CEMS's mixed score, read off the NIMA and CLIP readings of the scorers it was fitted on."""

    def __init__(self, scale: MixedScale) -> None:
        self._scale = scale

    def read(self, scores: Sequence[Score]) -> Score | None:
        """The mixed score; None when either reading is missing or another instrument's."""
        by_scorer = {score.scorer: score.value for score in scores}
        nima = by_scorer.get(self._scale.nima_scorer)
        clip = by_scorer.get(self._scale.clip_scorer)
        if nima is None or clip is None:
            return None
        return Score("mixed", self._scale.score(nima, clip), self._scale.id)
